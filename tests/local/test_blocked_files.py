"""A system call on a sandbox's file may block: that stops its own files, and nothing else."""

import asyncio
import ctypes
import os
import struct
import tempfile
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from pytest_sandbox.local.agents.file_threads import PER_SANDBOX, FileThreads
from pytest_sandbox.local.agents.open_file import LocalOpenFile

pytestmark = pytest.mark.asyncio

libc = ctypes.CDLL(None, use_errno=True)

# include/uapi/linux/fanotify.h
FAN_CLASS_CONTENT, FAN_NONBLOCK = 0x04, 0x02
FAN_MARK_ADD, FAN_ACCESS_PERM, FAN_ALLOW = 0x01, 0x20000, 0x01
AT_FDCWD = -100
EVENT = struct.Struct("=IBBHQii")


class Gate:
    """Lets nothing read some files until it is opened: fanotify(7), "Permission events"."""

    def __init__(self) -> None:
        self._fd = libc.fanotify_init(FAN_CLASS_CONTENT | FAN_NONBLOCK, os.O_RDONLY)
        if self._fd < 0:
            pytest.skip(f"needs root: fanotify: {os.strerror(ctypes.get_errno())}")
        self._open = False

    def close_for(self, path: str) -> None:
        """Stop reads of a file."""
        mask = ctypes.c_uint64(FAN_ACCESS_PERM)
        failed = libc.fanotify_mark(self._fd, FAN_MARK_ADD, mask, AT_FDCWD, path.encode())
        assert failed == 0, os.strerror(ctypes.get_errno())

    async def waiting(self) -> int:
        """The descriptor of the next read that waits."""
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(self._fd, ready.set_result, None)
        await ready
        asyncio.get_running_loop().remove_reader(self._fd)
        return int(EVENT.unpack(os.read(self._fd, EVENT.size))[5])

    def asked(self) -> bool:
        """Whether a further read waits."""
        try:
            return bool(os.read(self._fd, EVENT.size))
        except BlockingIOError:
            return False

    def let_go(self, fd: int) -> None:
        """Allow a read."""
        os.write(self._fd, struct.pack("=iI", fd, FAN_ALLOW))
        os.close(fd)

    def open(self) -> None:
        """Allow all."""
        if not self._open:
            os.close(self._fd)
            self._open = True


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()


class Sandbox:
    """What a sandbox has of open files."""

    def __init__(self) -> None:
        self.opened: set[LocalOpenFile] = set()
        self.threads = FileThreads()
        self.running = asyncio.Event()
        self.running.set()

    def open(self, path: str) -> LocalOpenFile:
        fd = os.open(path, os.O_RDWR)
        return LocalOpenFile(fd, path, self.opened, self.running, self.threads)


@pytest.fixture
def path() -> Iterator[str]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"content")
        file.flush()
        yield file.name


@pytest_asyncio.fixture
async def hostile() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox()
    yield sandbox
    for file in list(sandbox.opened):
        await file.close()


async def test_a_read_that_waits_does_not_stop_the_engine(
    gate: Gate, hostile: Sandbox, path: str
) -> None:
    gate.close_for(path)
    read = asyncio.ensure_future(hostile.open(path).pread(0, 7))

    waiting = await gate.waiting()  # would not return if the event loop were in the read

    assert not read.done()
    gate.let_go(waiting)
    assert await read == b"content"


async def test_a_sandbox_cannot_occupy_the_threads_of_others(
    gate: Gate, hostile: Sandbox, path: str
) -> None:
    with tempfile.NamedTemporaryFile() as neighbours:
        neighbours.write(b"neighbour")
        neighbours.flush()
        gate.close_for(path)
        file = hostile.open(path)
        reads = [asyncio.ensure_future(file.pread(0, 7)) for _ in range(PER_SANDBOX + 300)]
        waiting = [await gate.waiting() for _ in range(PER_SANDBOX)]

        neighbour = Sandbox().open(neighbours.name)
        assert await neighbour.pread(0, 9) == b"neighbour"
        await neighbour.close()

        for fd in waiting:
            gate.let_go(fd)
        gate.open()
        assert set(await asyncio.gather(*reads)) == {b"content"}


async def test_a_cancelled_read_keeps_its_thread_until_it_returns(
    gate: Gate, hostile: Sandbox, path: str
) -> None:
    gate.close_for(path)
    file = hostile.open(path)
    reads = [asyncio.ensure_future(file.pread(0, 7)) for _ in range(PER_SANDBOX)]
    waiting = [await gate.waiting() for _ in range(PER_SANDBOX)]
    for read in reads:
        read.cancel()
    await asyncio.gather(*reads, return_exceptions=True)
    further = asyncio.ensure_future(file.pread(0, 7))
    with tempfile.NamedTemporaryFile() as other:
        await Sandbox().open(other.name).pread(0, 1)
    assert not gate.asked()

    gate.let_go(waiting.pop())
    gate.let_go(await gate.waiting())
    assert await further == b"content"
    gate.let_go(waiting.pop())


async def test_a_closed_file_closes_the_copies_too(hostile: Sandbox, path: str) -> None:
    before = len(os.listdir("/proc/self/fd"))
    file = hostile.open(path)
    reads = [asyncio.ensure_future(file.pread(0, 7)) for _ in range(20)]
    await asyncio.sleep(0)
    for read in reads:
        read.cancel()
    await asyncio.gather(*reads, return_exceptions=True)
    await file.close()

    while len(os.listdir("/proc/self/fd")) > before:  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(0)
