"""Whatever a sandbox sends as a directory, `download` ends well or in a documented error."""

from __future__ import annotations

import errno
import io
import os
import re
import stat
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_sandbox._proto import router_pb2 as rpb
from pytest_sandbox._shared.tar.disk_source import DiskSource
from pytest_sandbox._shared.tar.member import Member, MemberKind
from pytest_sandbox._shared.tar.reader import Reader
from pytest_sandbox.client import Sandbox
from pytest_sandbox.client.exceptions import SandboxFilesystemError, UnsafeArchiveError
from pytest_sandbox.client.files.tool import FilesystemTool
from pytest_sandbox.client.transport.portal import portal
from pytest_sandbox.fakes.files import tar as in_memory
from pytest_sandbox.fakes.files.disk import Disk
from pytest_sandbox.fakes.files.vfs import Filesystem
from pytest_sandbox.local.agent import unpack as agent

from .command_stubs import DONE, STARTED, access_control
from .hostile_tars import tars
from .stubs import router, token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from pytest_sandbox.client import Client

TARGET = "/srv/target"
#: What is in the directories around that one.
OUTSIDE = "cat /srv/secret; stat -c %y%a /srv/secret; ls -A / /srv /tmp"
SETTINGS = settings(
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Sender:
    """A sandbox whose directories are whatever bytes a test says, in whatever pieces."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    async def read(self, request: Any, stream: Any) -> None:
        if request.file_descriptor == rpb.TASK_EXEC_STDIO_FILE_DESCRIPTOR_STDOUT:
            for piece in self.pieces:
                await stream.send_message(rpb.TaskExecStdioReadResponse(data=piece))

    def send(self, data: bytes, piece: int) -> None:
        self.pieces = [data[start : start + piece] for start in range(0, len(data), piece)]


@pytest.fixture
def sender() -> Sender:
    return Sender()


@pytest.fixture
def sandbox(serve: Callable[..., Client], sender: Sender) -> Sandbox:
    service = router(TaskExecStart=STARTED, TaskExecWait=DONE, TaskExecStdioRead=sender.read)
    return Sandbox("sb-1", serve(access_control(token()), service))


class Place:
    """A directory to download to, that is not empty, in another one."""

    def __init__(self, path: Path) -> None:
        self.outer = path
        self.target = path / "target"
        secret = path / "secret"
        for folder in (self.target, self.target / "there", secret):
            folder.mkdir()
        (secret / "x").write_text("secret")
        (self.target / "f").write_text("old")
        (self.target / "there" / "f").write_text("old")
        os.link(self.target / "f", path / "other name of f")
        (self.target / "link").symlink_to(secret)
        (self.target / "up").symlink_to("..")
        self._before = self._outside()

    def _outside(self) -> list[tuple[str, str]]:
        seen = []
        for path in [self.outer, *self.outer.rglob("*")]:
            if path != self.target and self.target not in path.parents:
                info = path.lstat()
                text = path.read_text() if stat.S_ISREG(info.st_mode) else ""
                seen.append((str(path), f"{info.st_mode} {info.st_mtime_ns} {text}"))
        return seen

    def check(self, *, special: bool = False) -> None:
        """Nothing was written outside, and nothing inside leads there or is half done.

        Args:
            special: whether links, devices and set-id bits are as they were sent.
        """
        assert self._outside() == self._before
        assert not os.path.lexists("/tmp/pytest-sandbox-no-such-file")
        for folder, directories, files in os.walk(self.target):
            for name in [*directories, *files]:
                path = Path(folder, name)
                info = path.lstat()
                assert len(name) != 33 or not name.startswith("."), f"{path} is left"
                if special:
                    continue
                if stat.S_ISLNK(info.st_mode):
                    assert path in (self.target / "link", self.target / "up") or self._inside(path)
                    continue
                assert stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode)
                if not stat.S_ISDIR(info.st_mode):
                    assert not info.st_mode & (stat.S_ISUID | stat.S_ISGID)

    def _inside(self, link: Path) -> bool:
        """Whether the text of a link leads to something below the target."""
        to = os.path.normpath(link.parent / os.readlink(link))
        return Path(to) == self.target or self.target in Path(to).parents


@SETTINGS
@given(data=tars(), piece=st.sampled_from([1 << 20, 1000, 512, 37]))
def test_a_download_of_any_bytes_stays_inside(
    sandbox: Sandbox,
    sender: Sender,
    tmp_path_factory: pytest.TempPathFactory,
    data: bytes,
    piece: int,
) -> None:
    here = Place(tmp_path_factory.mktemp("place"))
    sender.send(data, piece)

    error = outcome(lambda: sandbox.download("/d", here.target))

    if isinstance(error, UnsafeArchiveError):
        assert len(str(error)) < 1000
    else:
        assert error is None or (isinstance(error, OSError) and error.errno)
    here.check()


def outcome(call: Callable[[], object]) -> Exception | None:
    try:
        call()
    except Exception as error:
        return error
    return None


@SETTINGS
@given(data=tars())
def test_engines_make_the_same_of_any_bytes(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    """What the agent of the local engine runs in a sandbox, and the engine in memory."""
    here = Place(tmp_path_factory.mktemp("place"))
    fake = Filesystem(Disk(lambda: 0))
    in_memory.unpack(fake, "/", packed(here.outer))

    error = outcome(lambda: on_disk(here.target, data))
    faked = outcome(lambda: in_memory.unpack(fake, "/target", data))

    if isinstance(faked, OSError) and "is a device or a pipe" in str(faked):
        return  # the local engine makes them
    if isinstance(error, OSError) and error.errno == errno.EPERM:
        return  # a device, as an ordinary user
    assert isinstance(error, OSError | None)
    assert isinstance(faked, OSError | None)
    assert (error and error.errno) == (faked and faked.errno)
    assert described(packed(here.outer)) == described(b"".join(in_memory.pack(fake, "/")))
    here.check(special=True)


def on_disk(target: Path, data: bytes) -> None:
    read, write = os.pipe()
    before = os.umask(0)
    writing = threading.Thread(target=write_all, args=(write, data))
    writing.start()
    try:
        agent.unpack(str(target), read)
    finally:
        os.umask(before)
        writing.join()


def write_all(fd: int, data: bytes) -> None:
    with suppress(BrokenPipeError), os.fdopen(fd, "wb") as file:
        file.write(data)


def packed(folder: Path) -> bytes:
    return b"".join(DiskSource(str(folder)).pack(itself=True))


def described(data: bytes) -> dict[str, object]:
    """What a tar holds, by name; hard links are as what they are links to, with all its names."""
    reader = Reader(io.BytesIO(data).read)
    seen: dict[str, tuple[object, ...]] = {}
    names: dict[str, list[str]] = {}
    for member in reader:
        name = member.name.strip("/")
        first = member.target if member.kind is MemberKind.HARD_LINK else name
        names.setdefault(first, []).append(name)
        if first == name:
            # That of a directory is when something was made in it last. File systems clamp others,
            # each to its own range.
            far = not 0 <= member.mtime_ns < 2**31 * 10**9
            time = 0 if far or member.kind is MemberKind.DIRECTORY else member.mtime_ns
            content = filled(reader, member) if member.kind is MemberKind.FILE else b""
            seen[name] = (member.kind, member.mode, member.target, member.size, time, content)
    return {
        name: (seen[first], sorted(together))
        for first, together in names.items()
        for name in together
        if first not in (".", "")
    }


def filled(reader: Reader, member: Member) -> list[tuple[int, bytes]]:
    """Where a file has bytes that are not zero, and these: holes may be larger or smaller."""
    runs: list[tuple[int, bytes]] = []
    for offset, data in reader.contents(member):
        for run in re.finditer(rb"[^\0]+", data):
            start = offset + run.start()
            if runs and runs[-1][0] + len(runs[-1][1]) == start:
                start, before = runs.pop()
                runs.append((start, before + run[0]))
            else:
                runs.append((start, run[0]))
    return runs


def test_the_engine_process_ends_any_bytes_too(client: Client, sandboxes: Any) -> None:
    """As a command of the sandbox that reads what a client sends."""
    sandbox = sandboxes()
    sandbox.run("sh", "-c", "mkdir -p /srv/target/there; echo secret >/srv/secret", check=True)
    before = sandbox.run("sh", "-c", OUTSIDE).stdout
    tool = FilesystemTool(client, sandbox._task)

    @settings(SETTINGS, max_examples=20)
    @given(data=tars())
    def upload(data: bytes) -> None:
        async def content() -> AsyncIterator[bytes]:
            yield data

        error = outcome(lambda: portal().run(lambda: tool.write("Unpack", TARGET, content())))
        assert error is None or (isinstance(error, SandboxFilesystemError) and error.errno)

    upload()
    assert sandbox.run("sh", "-c", OUTSIDE).stdout == before
