"""Scripts for ports, which a test writes."""

from ..processes.connection import connected_ends
from ..processes.ports import Acceptor, check_port, refused
from ..processes.process import KernelInterface
from .connection_script import ConnectionScript
from .matching import ANY, Anything
from .peer import Peer


class PortScript(ConnectionScript):
    """What happens when somebody connects to a port; made by `FakeEngine.on_connect`.

    Without anything further it takes the connection and closes it.
    """

    def __init__(self, port: int | Anything, place: str) -> None:
        super().__init__(place)
        self._port = port if isinstance(port, Anything) else check_port(port)

    @property
    def title(self) -> str:
        """What it is for."""
        return f"port {self._port}"

    # What the engine asks.

    def matches(self, kernel: KernelInterface, port: int) -> bool:
        """Whether it is for a port of a sandbox."""
        if self._port is not ANY and self._port != port:
            return False
        return self.holds(kernel, lambda: Peer(kernel, port, connected_ends()[0]))

    def accept(self, kernel: KernelInterface, port: int) -> Acceptor:
        """What serves a connection to a port of a sandbox.

        Raises:
            ConnectionRefusedError: the script says so.
        """
        serve = self.serve(kernel)
        if self.refuses:
            raise refused(port, f"{self} says so")
        return serve

    def difference(self, port: int) -> tuple[float, str]:
        """How near a port comes, and a text that says why it does not match."""
        if self._port is ANY or self._port == port:
            return 1.0, f"the nearest script is {self}, which is " + (
                "used up" if self.used_up else "for another sandbox, or a condition does not hold"
            )
        return 0.0, f"the nearest script is {self}"
