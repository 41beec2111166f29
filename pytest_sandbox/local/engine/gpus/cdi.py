"""The machine's CDI specification, which says what a container with a GPU needs.

https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md; `nvidia-ctk cdi generate`
writes one. Of its hooks, which run programs outside of the container, two are carried out in our
own way: links are made, and the directories of libraries are searched.
"""

from __future__ import annotations

import json
import os
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pytest_sandbox._shared.install_command import install_command

from .found import COMPUTE_NODE, DEVICE_NODE, FoundGpus, GpuFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Where specifications are; a later directory wins over an earlier one.
_FOLDERS = "/etc/cdi:/var/run/cdi"
VARIABLE = "PYTEST_SANDBOX_CDI"
_KIND = "nvidia.com/gpu"
_LARGEST = 4 * 1024 * 1024
#: Libraries and data for display and graphics alone.
_DISPLAY = re.compile(
    r"/(lib(GL|EGL|OpenGL|GLX|GLES|vdpau|nvoptix|nvidia-(egl|gl|fbc|tls|rtcore|vksc|wayland|gtk))"
    r"[^/]*|.*(/X11/|/xorg/|/vulkan|/glvnd/|/egl/).*)$"
)


#: Names of parts of a GPU (MIG), which have its node too: "Device Naming" of nvidia-ctk.
_PART = re.compile(r"(mig)?\d+:\d+|MIG-.*")


class BadSpecification(Exception):
    """A file that is no CDI specification; says why."""


def find_cdi() -> FoundGpus | None:
    """What the specification of NVIDIA's devices says; `None` if there is none.

    Raises:
        BadSpecification: there is one that cannot be read.
    """
    found = None
    for folder in os.environ.get(VARIABLE, _FOLDERS).split(":"):
        for path in _files(folder):
            specification = _read(path)
            if specification.get("kind") == _KIND:
                found = _parse(path, specification)
    return found


def _files(folder: str) -> list[str]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [f"{folder}/{name}" for name in names if name.endswith((".json", ".yaml", ".yml"))]


def _read(path: str) -> Mapping[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(_LARGEST)
        content = json.loads(text) if path.endswith(".json") else _from_yaml(path, text)
    except (OSError, ValueError) as error:
        raise BadSpecification(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise BadSpecification(f"{path}: it is no object")
    return content


def _from_yaml(path: str, text: str) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise BadSpecification(
            f"{path}: PyYAML is not installed: {install_command('gpu')}"
        ) from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error).replace("\n", " ")) from error


def _parse(path: str, specification: Mapping[str, Any]) -> FoundGpus:
    try:
        common = specification.get("containerEdits") or {}
        devices: dict[str, tuple[GpuFile, ...]] = {}
        for device in specification["devices"]:
            files = (*_nodes(device["containerEdits"]), *_mounts(device["containerEdits"]))
            nodes = [file.path for file in files if DEVICE_NODE.fullmatch(file.path)]
            # The device "all" has the nodes of each.
            if len(nodes) == 1:
                name = str(device["name"])
                devices[name] = files
                if not _PART.fullmatch(name):
                    devices[nodes[0]] = files
        return FoundGpus(
            missing="" if devices else f"{path} names no single device",
            origin=f"CDI, {path}",
            common=(*_nodes(common), *_mounts(common)),
            devices=devices,
            links=dict(_links(common)),
            env=_env(common),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadSpecification(f"{path}: it is not as CDI describes it: {error!r}") from error


def _nodes(edits: Mapping[str, Any]) -> Iterator[GpuFile]:
    for node in edits.get("deviceNodes") or ():
        path = str(node["path"])
        if COMPUTE_NODE.fullmatch(path):
            yield GpuFile(path, str(node.get("hostPath") or path))


def _mounts(edits: Mapping[str, Any]) -> Iterator[GpuFile]:
    for mount in edits.get("mounts") or ():
        path, source = str(mount["containerPath"]), str(mount["hostPath"])
        # A socket is a way to a program of the machine.
        if not _DISPLAY.search(path) and os.path.isfile(source):
            yield GpuFile(os.path.normpath(path), source)


def _links(edits: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for arguments in _hooks(edits, "create-symlinks", "--link"):
        target, _, path = arguments.partition("::")
        if path.startswith("/") and not _DISPLAY.search(path):
            yield os.path.normpath(path), target


def _env(edits: Mapping[str, Any]) -> dict[str, str]:
    env = dict(str(each).split("=", 1) for each in edits.get("env") or ())
    # It would say what the whole machine has.
    env.pop("NVIDIA_VISIBLE_DEVICES", None)
    folders = [*_hooks(edits, "update-ldcache", "--folder")]
    return {**env, "LD_LIBRARY_PATH": ":".join(folders)} if folders else env


def _hooks(edits: Mapping[str, Any], name: str, option: str) -> Iterator[str]:
    for hook in edits.get("hooks") or ():
        arguments = [str(each) for each in hook.get("args") or ()]
        if name in arguments:
            yield from (value for key, value in pairwise(arguments) if key == option)
