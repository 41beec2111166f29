"""Prints the public names of an installed `modal`, and their arguments, as JSON.

    python read_names.py > 1.6.4.json

It needs nothing but the client, whose own Python runs it. `tests/modal_clients` compares what it
prints with the files beside it, in the environments that have the clients.
"""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import json
import re
import sys
from typing import Any

#: Of sandboxes; by module where the package itself does not list them. The first that exists.
CLASSES: dict[str, tuple[str, ...]] = {
    "Sandbox": ("modal:Sandbox",),
    "Sandbox._experimental_sidecars": ("modal.sandbox:SidecarManager",),
    "SidecarContainer": ("modal.sandbox:SidecarContainer",),
    "ContainerProcess": ("modal.container_process:ContainerProcess",),
    "StreamReader": ("modal.io_streams:StreamReader",),
    "StreamWriter": ("modal.io_streams:StreamWriter",),
    "StreamType": ("modal.stream_type:StreamType",),
    "FileIO": ("modal.file_io:FileIO",),
    "FileWatchEvent": ("modal.file_io:FileWatchEvent", "modal.types:FileWatchEvent"),
    "FileWatchEventType": ("modal.file_io:FileWatchEventType", "modal.types:FileWatchEventType"),
    "SandboxFilesystem": ("modal.sandbox.sandbox:SandboxFilesystem",),
    "FileInfo": ("modal.types:FileInfo",),
    "Sandbox.logs": ("modal._logs_manager:SandboxLogsManager",),
    "LogEntry": ("modal.types:LogEntry",),
    "Image": ("modal:Image",),
    "Secret": ("modal:Secret",),
    "Secret.objects": ("modal.secret:SecretManager",),
    "SecretInfo": ("modal.types:SecretInfo", "modal.secret:SecretInfo"),
    "Volume": ("modal:Volume",),
    "Volume.objects": ("modal.volume:VolumeManager",),
    "VolumeInfo": ("modal.types:VolumeInfo", "modal.volume:VolumeInfo"),
    "FileEntry": ("modal.types:FileEntry", "modal.volume:FileEntry"),
    "App": ("modal:App",),
    "Tunnel": ("modal:Tunnel",),
    "SandboxConnectCredentials": (
        "modal.types:SandboxConnectCredentials",
        "modal.sandbox:SandboxConnectCredentials",
    ),
    "SandboxStats": ("modal.types:SandboxStats",),
    "SandboxSnapshot": ("modal:SandboxSnapshot",),
    "Proxy": ("modal:Proxy",),
    "Probe": ("modal:Probe",),
    "Client": ("modal:Client",),
}
#: Names with underscores that programs use, directly or by `with` and `for`.
USED = re.compile(r"[^_]|_experimental_|__(a?enter|a?iter|a?next)__$")
#: What declares functions for Modal to run: their arguments are about nothing else.
OF_FUNCTIONS = {"App": ("cls", "function", "server"), "Image": ("run_function",)}


class Shown:
    """A default value that has no literal."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def default(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return Shown(value.name)
    try:
        ast.literal_eval(repr(value))
    except (ValueError, SyntaxError):
        return Shown("ANY")
    return value


def arguments(function: Any) -> str:
    """A signature without types and without `self`."""
    signature = inspect.signature(function)
    parameters = [
        parameter.replace(
            annotation=inspect.Parameter.empty,
            default=parameter.default
            if parameter.default is inspect.Parameter.empty
            else default(parameter.default),
        )
        for name, parameter in signature.parameters.items()
        if name not in ("self", "cls")
    ]
    return str(inspect.Signature(parameters))


def attributes(kind: type[Any], of_functions: tuple[str, ...]) -> dict[str, str | None]:
    """Names and arguments; `None` for what is not called."""
    if issubclass(kind, enum.Enum):
        return dict.fromkeys(kind.__members__)
    named: dict[str, str | None] = {}
    for name in sorted({*dir(kind), *getattr(kind, "__dataclass_fields__", ())}):
        if USED.match(name) and not hasattr(type, name):
            held = getattr(kind, name, None)
            plain = not callable(held) or isinstance(held, type)
            told = "(...)" if name in of_functions else arguments(held) if not plain else None
            named[name] = told
    return named


def found(places: tuple[str, ...]) -> Any:
    for place in places:
        module, _, name = place.partition(":")
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError):
            continue
    return None


def names() -> dict[str, Any]:
    """All of them: classes, exceptions with their base classes, and what the package lists."""
    package = importlib.import_module("modal")
    exceptions = importlib.import_module("modal.exception")
    classes = {name: found(places) for name, places in CLASSES.items()}
    return {
        "version": package.__version__,
        "package": sorted(package.__all__),
        "exceptions": {
            name: [base.__name__ for base in kind.__bases__ if not base.__name__.startswith("_")]
            for name, kind in sorted(vars(exceptions).items())
            if isinstance(kind, type)
            and issubclass(kind, BaseException)
            and kind.__module__ == exceptions.__name__
            and not name.startswith("_")
        },
        "classes": {
            name: attributes(kind, OF_FUNCTIONS.get(name, ()))
            for name, kind in classes.items()
            if kind is not None
        },
    }


if __name__ == "__main__":
    json.dump(names(), sys.stdout, indent=1, sort_keys=True)
