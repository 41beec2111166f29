"""What a test should know of, though the code under test may not notice."""

import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..processes.process import SandboxProcess
    from .connection import Peer
    from .ports import PortScript
    from .rules import Rules
    from .scripts import Script


class Problems:
    """What went wrong, as text for people.

    Args:
        scripts: for commands, to say which comes nearest.
        ports: for ports, likewise.

    Attributes:
        found: a sentence or more for each, in the order it came.
    """

    def __init__(self, scripts: "Rules[Script]", ports: "Rules[PortScript]") -> None:
        self._scripts = scripts
        self._ports = ports
        self.found: list[str] = []

    def unknown(self, proc: "SandboxProcess") -> str:
        """A command that is nowhere; gives a sentence to add to the error."""
        hint = self._scripts.nearest(lambda each: each.difference(proc.argv))
        hint = hint or "no command is scripted; say what it does with on_exec"
        self.found.append(f"unscripted command: {proc}\n{hint}")
        return hint

    def closed(self, port: int) -> str:
        """A port that nothing listens on; gives a sentence to add to the error."""
        hint = self._ports.nearest(lambda each: each.difference(port))
        hint = hint or "no port is scripted; say who answers with on_connect"
        self.found.append(f"unscripted connection: port {port}\n{hint}")
        return hint

    def crashed(self, who: "SandboxProcess | Peer", error: Exception) -> None:
        """An exception in a program or a handler."""
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self.found.append(f"the handler of {who} raised:\n{text}")

    def unsupported(self, proc: "SandboxProcess", what: str) -> None:
        """Something that a built-in program or the shell does not do."""
        self.found.append(f"{proc}: {what}")

    def stuck(self, who: "SandboxProcess | Peer") -> None:
        """A program or a handler did not notice that it was over."""
        self.found.append(
            f"the handler of {who} goes on though its process was killed: "
            "let asyncio.CancelledError through"
        )
