"""An engine in memory, whose programs are Python callables: enough to test the server with."""

import asyncio
import contextlib
import errno
import heapq
import os
import posixpath
import signal
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from pytest_sandbox.engine import (
    Capability,
    Clock,
    EndCause,
    Engine,
    EngineInfo,
    Entry,
    EntryKind,
    ExitStatus,
    Files,
    OpenFile,
    Output,
    OutputLog,
    Process,
    ProcessSpec,
    PtySize,
    SpawnFailed,
    Task,
    TaskEnd,
    TaskEnded,
    TaskSpec,
    WatchEvent,
)


class ManualClock(Clock):
    """Stands still until `advance`."""

    def __init__(self) -> None:
        self._now = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> float:
        return 1_000_000_000.0 + self._now

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self._now + seconds, self._count, waiter))
        await waiter

    async def advance(self, seconds: float) -> None:
        """Let time pass, and everything run that has become due."""
        end = self._now + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, waiter = heapq.heappop(self._sleepers)
            self._now = max(self._now, due)
            if not waiter.done():
                waiter.set_result(None)
            await settle()
        self._now = end
        await settle()


async def settle() -> None:
    """Let every task run until all of them wait for something."""
    for _ in range(50):
        await asyncio.sleep(0)


Program = Callable[["StubProcess"], Awaitable[int]]


class StubProcess(Process):
    def __init__(self, spec: ProcessSpec, env: dict[str, str], program: Program) -> None:
        self.spec = spec
        self.env = env
        self.stdout = OutputLog()
        self.stderr = OutputLog()
        self.stdin = OutputLog()
        self.signals: list[int] = []
        self.keep_output_open = False
        self._status: ExitStatus | None = None
        self._exited = asyncio.Event()
        if spec.stderr is not Output.PIPE:
            self.stderr.close()
        self._work = asyncio.ensure_future(self._run(program))

    async def _run(self, program: Program) -> None:
        code = await program(self)
        self.exit(ExitStatus(code=code))

    def exit(self, status: ExitStatus) -> None:
        if self._status is None:
            self._status = status
            self.stdin.close()
            if not self.keep_output_open:
                self.stdout.close()
                self.stderr.close()
            self._exited.set()

    async def write_stdin(self, data: bytes) -> None:
        await self.stdin.append(data)
        if self._status is not None:
            raise BrokenPipeError(errno.EPIPE, "gone")

    async def close_stdin(self) -> None:
        self.stdin.close()

    def poll(self) -> ExitStatus | None:
        return self._status

    async def wait(self) -> ExitStatus:
        await self._exited.wait()
        assert self._status is not None
        return self._status

    async def signal(self, number: int) -> None:
        self.signals.append(number)
        if number == signal.SIGKILL:
            self._work.cancel()
            self.exit(ExitStatus(signal=number))

    async def resize(self, size: PtySize) -> None:
        raise AssertionError("nothing resizes yet")


# Programs


async def cat(process: StubProcess) -> int:
    async for data in process.stdin.follow():
        await process.stdout.append(data)
    return 0


async def echo(process: StubProcess) -> int:
    await process.stdout.append(" ".join(process.spec.argv[1:]).encode() + b"\n")
    return 0


async def fail(process: StubProcess) -> int:
    await process.stderr.append(b"no\n")
    return int(process.spec.argv[1])


async def hang(process: StubProcess) -> int:
    await asyncio.Event().wait()
    raise AssertionError("never")


async def printenv(process: StubProcess) -> int:
    lines = [f"{name}={value}\n" for name, value in sorted(process.env.items())]
    await process.stdout.append("".join(lines).encode())
    return 0


async def daemon(process: StubProcess) -> int:
    """Exits, and leaves its output open behind, as a daemon does that inherited it."""
    await process.stdout.append(b"started\n")
    process.keep_output_open = True
    return 0


async def flood(process: StubProcess) -> int:
    """Writes as many bytes as it is told, in chunks of 64 KiB."""
    left = int(process.spec.argv[1])
    while left:
        size = min(left, 65536)
        await process.stdout.append(b"x" * size)
        left -= size
    return 0


PROGRAMS: dict[str, Program] = {
    "cat": cat,
    "daemon": daemon,
    "echo": echo,
    "fail": fail,
    "flood": flood,
    "hang": hang,
    "printenv": printenv,
}


# Files


@dataclass
class Node:
    """A file, a directory (`content is None`) or a link."""

    content: bytearray | None
    mode: int
    target: str | None = None


class StubFile(OpenFile):
    def __init__(self, node: Node, flags: int) -> None:
        assert node.content is not None
        self._content = node.content
        self._append = bool(flags & os.O_APPEND)

    async def pread(self, offset: int, size: int) -> bytes:
        return bytes(self._content[offset : offset + size])

    async def pwrite(self, offset: int, data: bytes) -> None:
        if self._append:
            offset = len(self._content)
        if offset > len(self._content):
            self._content.extend(bytes(offset - len(self._content)))
        self._content[offset : offset + len(data)] = data

    async def size(self) -> int:
        return len(self._content)

    async def truncate(self, size: int) -> None:
        del self._content[size:]
        self._content.extend(bytes(size - len(self._content)))

    async def close(self) -> None:
        pass


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)


class StubFiles(Files):
    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {
            "/": Node(None, stat.S_IFDIR | 0o755),
            "/tmp": Node(None, stat.S_IFDIR | 0o777),
        }
        self.events: asyncio.Queue[WatchEvent] = asyncio.Queue()

    def _node(self, path: str, follow: bool = True) -> Node:
        path = posixpath.normpath(path)
        parent = posixpath.dirname(path)
        if path != "/" and self.nodes.get(parent, Node(None, 0)).content is not None:
            raise _error(errno.ENOTDIR, path)
        node = self.nodes.get(path)
        if node is None:
            raise _error(errno.ENOENT, path)
        if follow and node.target is not None:
            return self._node(posixpath.join(parent, node.target))
        return node

    def link(self, path: str, target: str) -> None:
        self.nodes[path] = Node(bytearray(), stat.S_IFLNK | 0o777, target)

    async def open(self, path: str, flags: int, mode: int = 0o666) -> OpenFile:
        try:
            node = self._node(path)
            if flags & os.O_EXCL:
                raise _error(errno.EEXIST, path)
        except FileNotFoundError:
            if not flags & os.O_CREAT:
                raise
            self._node(posixpath.dirname(path))
            node = self.nodes[posixpath.normpath(path)] = Node(bytearray(), stat.S_IFREG | mode)
        if node.content is None:
            raise _error(errno.EISDIR, path)
        if flags & os.O_TRUNC:
            node.content.clear()
        return StubFile(node, flags)

    async def stat(self, path: str, *, follow: bool = False) -> Entry:
        node = self._node(path, follow)
        kind = EntryKind.FILE if node.content is not None else EntryKind.DIRECTORY
        if node.target is not None:
            kind = EntryKind.SYMLINK
        size = len(node.content or b"")
        return Entry(path, kind, node.mode, size, 0, 0, "root", "root", 1_500_000_000, node.target)

    async def listdir(self, path: str) -> list[Entry]:
        if self._node(path).content is not None:
            raise _error(errno.ENOTDIR, path)
        inside = [p for p in self.nodes if p != "/" and posixpath.dirname(p) == path]
        return [await self.stat(p) for p in sorted(inside)]

    async def mkdir(self, path: str, *, parents: bool = False) -> None:
        path = posixpath.normpath(path)
        if path in self.nodes:
            if parents and self.nodes[path].content is None:
                return
            raise _error(errno.EEXIST, path)
        if parents:
            await self.mkdir(posixpath.dirname(path), parents=True)
        self._node(posixpath.dirname(path))
        self.nodes[path] = Node(None, stat.S_IFDIR | 0o755)

    async def remove(self, path: str, *, recursive: bool = False) -> None:
        path = posixpath.normpath(path)
        self._node(path, follow=False)
        inside = [p for p in self.nodes if p.startswith(f"{path}/")]
        if inside and not recursive:
            raise _error(errno.ENOTEMPTY, path)
        for name in [*inside, path]:
            del self.nodes[name]

    async def watch(self, path: str, *, recursive: bool = False) -> AsyncIterator[WatchEvent]:
        self._node(path)
        while True:
            yield await self.events.get()

    async def pack(self, path: str) -> AsyncIterator[bytes]:
        self._node(path)
        for name in sorted(p for p in self.nodes if p.startswith(f"{path}/")):
            yield f"{name}\n".encode()

    async def unpack(self, path: str, stream: AsyncIterator[bytes]) -> None:
        content = bytearray()
        async for data in stream:
            content += data
        await self.mkdir(path, parents=True)
        self.nodes[f"{path}/unpacked"] = Node(content, stat.S_IFREG | 0o644)


# The engine


class StubTask(Task):
    def __init__(self, engine: "StubEngine", spec: TaskSpec) -> None:
        self.spec = spec
        self.files = self.stub_files = StubFiles()
        self.processes: list[StubProcess] = []
        self._engine = engine
        self._end: TaskEnd | None = None
        self._over = asyncio.Event()
        self.main: Process | None = None
        if spec.main is not None:
            self.main = self._start(spec.main)
            self._follower = asyncio.ensure_future(self._follow(self.main))

    def _start(self, spec: ProcessSpec) -> StubProcess:
        program = self._engine.programs.get(spec.argv[0])
        if program is None:
            raise SpawnFailed(errno.ENOENT, f"command not found: {spec.argv[0]!r}")
        process = StubProcess(spec, {**self.spec.env, **spec.env}, program)
        self.processes.append(process)
        return process

    async def _follow(self, main: Process) -> None:
        status = await main.wait()
        self.end(TaskEnd(EndCause.EXITED, status))

    def end(self, end: TaskEnd) -> None:
        if self._end is None:
            self._end = end
            for process in self.processes:
                process.exit(ExitStatus(signal=signal.SIGKILL))
            self._over.set()

    async def exec(self, spec: ProcessSpec) -> Process:
        if self._end is not None:
            raise TaskEnded("the task is over")
        await self._engine.spawning()
        return self._start(spec)

    def poll(self) -> TaskEnd | None:
        return self._end

    async def wait(self) -> TaskEnd:
        await self._over.wait()
        assert self._end is not None
        return self._end

    async def kill(self) -> None:
        self.end(TaskEnd(EndCause.KILLED))


@dataclass
class StubEngine(Engine):
    clock: Clock = field(default_factory=ManualClock)
    programs: dict[str, Program] = field(default_factory=lambda: dict(PROGRAMS))
    tasks: list[StubTask] = field(default_factory=list)
    capabilities: frozenset[Capability] = frozenset(Capability)
    #: Cleared by a test that wants creations and spawns to wait.
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    #: Set when one waits, or would.
    waiting: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def start(self) -> EngineInfo:
        return EngineInfo("stub", "in memory", self.capabilities, {"python": "callable"})

    async def spawning(self) -> None:
        self.waiting.set()
        await self.gate.wait()

    async def create(self, spec: TaskSpec) -> Task:
        await self.spawning()
        task = StubTask(self, spec)
        self.tasks.append(task)
        return task

    async def close(self) -> None:
        for task in self.tasks:
            await task.kill()
            for process in task.processes:
                process._work.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await process._work
