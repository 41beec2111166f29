"""What the handler of a command is given."""

from typing import TYPE_CHECKING, Any

from ..files.view import FileView
from ..processes.process import SandboxProcess
from .host_connection import HostConnection, limited
from .peer import PeerHandler, acceptor

if TYPE_CHECKING:
    from collections.abc import Sequence


class Call:
    """One run of a scripted command, as its handler sees it.

    What is written with `out` and `err` is sent when the handler returns, or at its next `await`
    of one of the methods here. A handler may return the exit code, or the output as text or bytes.

    Attributes:
        argv: the command and its arguments.
        env: its environment.
        cwd: its working directory.
        files: the files of its sandbox; relative paths start from `cwd`.
        stdin: all of its input, if the script was made with `stdin=True`.
        state: for notes of the handler, which a memory snapshot holds.
        resumed: whether a sandbox was restored while the command ran: its handler is called again
            there, with the `state` of the snapshot.
    """

    def __init__(
        self, proc: SandboxProcess, state: "dict[str, Any] | None" = None, *, resumed: bool = False
    ) -> None:
        self._proc = proc
        self.argv: Sequence[str] = proc.argv
        self.env: dict[str, str] = proc.env
        try:
            self.cwd = proc.fs.path_of(proc.cwd)
        except FileNotFoundError:  # it was removed
            self.cwd = "/"
        self.files = FileView(proc.fs, self.cwd)
        self.stdin = b""
        self.state: dict[str, Any] = {} if state is None else state
        self.resumed = resumed
        self._written: list[tuple[int, bytes]] = []

    def out(self, data: str | bytes) -> None:
        """Write to standard output."""
        self._written.append((1, data.encode() if isinstance(data, str) else data))

    def err(self, data: str | bytes) -> None:
        """Write to standard error."""
        self._written.append((2, data.encode() if isinstance(data, str) else data))

    async def flush(self) -> None:
        """Send what was written; waits until there is room in the pipe."""
        while self._written:
            fd, data = self._written.pop(0)
            if fd in self._proc.fds:
                await self._proc.write(fd, data)

    async def read(self, size: int = 65536) -> bytes:
        """Up to `size` bytes of standard input; waits for some, and is empty only at the end."""
        await self.flush()
        return await self._proc.read(0, size)

    async def read_all(self) -> bytes:
        """Standard input to its end."""
        parts = []
        while data := await self.read():
            self._proc.hold(len(data))
            parts.append(data)
        return b"".join(parts)

    def listen(self, port: int, handler: PeerHandler) -> int:
        """Take connections to a port of the sandbox while the command runs, as a server does.

        Args:
            port: which; 0 for any that is free.
            handler: is given a `Peer` for each connection, as with `FakeEngine.on_connect`.

        Returns:
            The port.

        Raises:
            OSError: `EADDRINUSE`, something listens there.
        """
        return self._proc.listen(port, acceptor(self._proc.kernel, handler))

    async def connect(
        self, host: str, port: int, *, timeout: float | None = None
    ) -> HostConnection:
        """Connect to a host outside, as far as the network of the sandbox allows it.

        A name is resolved first; a connection to port 443 of one counts as one of TLS. What
        answers is scripted with `FakeEngine.on_connect_to`. `localhost` is the sandbox itself.

        Args:
            host: a name, or an address.
            port: of the host.
            timeout: seconds on the clock of the engine until connecting, a read or a write fails.

        Raises:
            OSError: what a program would get: `ENETUNREACH`, the sandbox has no network;
                `ConnectionResetError`, its network does not allow this; `ConnectionRefusedError`,
                nothing listens there; `TimeoutError`.
            socket.gaierror: there is no such name, or it may not be asked for.
        """
        await self.flush()
        work = self._proc.kernel.outward.connect(host, port)
        end = await limited(work, self._proc.clock, timeout)
        self._proc.at_end.append(end.close)
        return HostConnection(end, self._proc.clock, timeout)

    async def resolve(self, name: str) -> list[str]:
        """The addresses of a name, as the name server of the sandbox says.

        Raises:
            socket.gaierror: as `connect`.
        """
        await self.flush()
        return [str(one) for one in await self._proc.kernel.outward.resolve(name)]

    async def sleep(self, seconds: float) -> None:
        """Let time pass on the clock of the engine."""
        await self.flush()
        await self._proc.sleep(seconds)
