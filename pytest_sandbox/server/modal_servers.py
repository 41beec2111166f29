"""Further servers on the engine of a process, each for the real Modal clients of one caller."""

from collections.abc import Callable
from pathlib import Path

from pytest_sandbox._proto import inspector_pb2 as pb

from .application import Application
from .listeners import Listeners


class ModalServers:
    """Servers that share nothing but the engine: no apps, names, volumes, secrets or images.

    Args:
        make: makes a server.
        run_dir: where each has its Unix socket and its certificate.
    """

    def __init__(self, make: Callable[[], Application], run_dir: Path) -> None:
        self._make = make
        self._run_dir = run_dir
        self._servers: list[tuple[Application, Listeners]] = []

    async def open(self) -> pb.InspectorServeResponse:
        """Start another one, on the loopback network.

        Raises:
            OSError: there is no free port or descriptor.
        """
        app = self._make()
        listeners = Listeners(app)
        self._servers.append((app, listeners))
        number = len(self._servers)
        # No longer than the name of the first server's, whose path has been found short enough.
        socket = self._run_dir / f"m{number}"
        await listeners.unix(socket)
        tcp = await listeners.tcp("127.0.0.1", 0, self._run_dir / f"ca-{number}.pem")
        return pb.InspectorServeResponse(
            url=tcp.url,
            token_id=tcp.token_id,
            token_secret=tcp.token_secret,
            ca_file=tcp.ca_file or "",
            socket=str(socket),
        )

    async def close(self) -> None:
        """End all of them, after the engine."""
        for app, listeners in self._servers:
            await app.close()
            listeners.close()
