"""What went wrong in an engine in memory, to be reported to the test."""

import traceback
from collections.abc import Callable, Sequence

from pytest_sandbox._shared.network.connection_log import Destination


class Problems:
    """What went wrong, as text for people.

    Processes and connections are passed as anything whose `str()` names them.

    Args:
        nearest_command: says which script comes nearest to a command line; "" if there is none.
        nearest_port: likewise for a port.
        nearest_host: likewise for a connection to a host.

    Attributes:
        found: a sentence or more for each, in the order it came.
    """

    def __init__(
        self,
        nearest_command: Callable[[Sequence[str]], str],
        nearest_port: Callable[[int], str],
        nearest_host: Callable[[Destination], str],
    ) -> None:
        self._nearest_command = nearest_command
        self._nearest_port = nearest_port
        self._nearest_host = nearest_host
        self.found: list[str] = []

    def unknown(self, process: object, argv: Sequence[str]) -> str:
        """There is no such command; returns a sentence to add to the error."""
        hint = self._nearest_command(argv)
        hint = hint or "no command is scripted; say what it does with on_exec"
        self.found.append(f"unscripted command: {process}\n{hint}")
        return hint

    def closed(self, port: int) -> str:
        """Nothing listens on a port; returns a sentence to add to the error."""
        hint = self._nearest_port(port)
        hint = hint or "no port is scripted; say what answers with on_connect"
        self.found.append(f"unscripted connection: port {port}\n{hint}")
        return hint

    def nowhere(self, target: Destination) -> str:
        """Nothing is known of a host; returns a sentence to add to the error."""
        hint = self._nearest_host(target)
        hint = hint or "no host is scripted; say what answers with on_connect_to"
        host = target.name or target.host
        port = f" port {target.port}" if target.port else ""
        self.found.append(f"unscripted connection: {host}{port}\n{hint}")
        return hint

    def crashed(self, source: object, error: Exception) -> None:
        """A program or a handler raised."""
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self.found.append(f"the handler of {source} raised:\n{text}")

    def unsupported(self, process: object, what: str) -> None:
        """A built-in program or the shell was asked for something that it does not do."""
        self.found.append(f"{process}: {what}")

    def stuck(self, source: object) -> None:
        """A program or a handler did not notice that its process was killed."""
        self.found.append(
            f"the handler of {source} still runs though its process was killed: "
            "let asyncio.CancelledError through"
        )
