"""Scripts in a file, for an engine that serves programs outside of the process of a test."""

import runpy
import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_sandbox.engine import EngineUnavailable

if TYPE_CHECKING:
    from types import EllipsisType

    from ..engine import FakeEngine
    from ..processes.process import KernelInterface
    from .host_script import HostScript
    from .matching import Anything, Matcher
    from .port_script import PortScript
    from .scripts import Script

#: The function that a file defines.
FUNCTION = "script"


class ScriptedSandboxes:
    """What the function of a file is given: it scripts commands and ports as `FakeSandboxes` does.

    Args:
        engine: whose sandboxes they are.
    """

    def __init__(self, engine: "FakeEngine") -> None:
        self._engine = engine

    def run_file(self, path: str) -> None:
        """Run a file of Python, and call its function `script` with this object.

        Raises:
            EngineUnavailable: the file or its function failed, or there is no such function.
        """
        try:
            function = runpy.run_path(path).get(FUNCTION)
            if callable(function):
                function(self)
        except Exception as error:
            raise EngineUnavailable(
                f"the file of scripts {path!r} failed{_place(error, path)}: "
                f"{type(error).__name__}: {error}"
            ) from error
        if not callable(function):
            raise EngineUnavailable(
                f"the file of scripts {path!r} has no function {FUNCTION!r}",
                f'Define one: def {FUNCTION}(fake): fake.on_exec("make").reply(code=2)',
            )

    def on_exec(
        self,
        *words: "Matcher | EllipsisType",
        sandbox: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> "Script":
        """Say what a command does; see `FakeSandboxes.on_exec`.

        Args:
            words: the command, word by word.
            sandbox: only in sandboxes that were created with that name.
            tags: only in sandboxes that were created with these.
        """
        script = self._engine.on_exec(*words)
        _restrict(script, sandbox, tags)
        return script

    def on_connect(
        self,
        port: "int | Anything",
        *,
        sandbox: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> "PortScript":
        """Say what happens to connections to a port; see `FakeSandboxes.on_connect`.

        Args:
            port: its number, or `ANY`.
            sandbox: only in sandboxes that were created with that name.
            tags: only in sandboxes that were created with these.
        """
        script = self._engine.on_connect(port)
        _restrict(script, sandbox, tags)
        return script

    def on_connect_to(
        self,
        host: "str | Anything",
        port: "int | Anything",
        *,
        address: str | None = None,
        sandbox: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> "HostScript":
        """Say what happens when commands connect to a host; see `FakeSandboxes.on_connect_to`.

        Args:
            host: a name, an address, a network, or `ANY`.
            port: its number, or `ANY`.
            address: what the name resolves to.
            sandbox: only from sandboxes that were created with that name.
            tags: only from sandboxes that were created with these.
        """
        script = self._engine.on_connect_to(host, port, address=address)
        _restrict(script, sandbox, tags)
        return script


def _place(error: Exception, path: str) -> str:
    """The line of a file that an error came from; empty if it came from none."""
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return f" in line {lines[-1].lineno}, {lines[-1].line!r}" if lines else ""


def _restrict(
    script: "Script | PortScript | HostScript", sandbox: str | None, tags: Mapping[str, str] | None
) -> None:
    def fits(kernel: "KernelInterface") -> bool:
        spec = kernel.spec
        return sandbox in (None, spec.name) and (tags or {}).items() <= spec.tags.items()

    if sandbox is not None or tags:
        script.restrict(fits)
