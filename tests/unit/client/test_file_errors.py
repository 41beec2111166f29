"""Errors of file operations: the `OSError` of their kind, complete, on both engines."""

from __future__ import annotations

import errno
import os
import pickle
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox._proto import router_pb2 as rpb
from pytest_sandbox.client import Client, Sandbox, exceptions
from pytest_sandbox.inmemory import FakeSandboxes

from .command_stubs import STARTED, access_control, reads
from .stubs import gives, router, token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LONG = "/srv/t/" + "x" * 256


@pytest.fixture(params=["local", "fake"])
def machine(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A sandbox with a file, a directory that is not empty and a link to itself in `/srv/t`."""
    with ExitStack() as stack:
        if request.param == "local":
            sandbox = Sandbox.create(client=request.getfixturevalue("client"))
            stack.callback(sandbox.terminate)
        else:
            stack.enter_context(FakeSandboxes())
            sandbox = Sandbox.create()
        sandbox.filesystem.write_text("x", "/srv/t/d/f")
        sandbox.filesystem.write_text("x", "/srv/t/f")
        sandbox.run("ln", "-s", "loop", "/srv/t/loop", check=True)
        yield sandbox


#: What to call with which path, and the number of the error.
FILESYSTEM: list[tuple[str, tuple[Any, ...], str, int]] = [
    ("read_bytes", (), "/srv/t/none", errno.ENOENT),
    ("read_bytes", (), "/srv/t/d", errno.EISDIR),
    ("read_text", (), "/srv/t/f/x", errno.ENOTDIR),
    ("read_text", (), "/srv/t/loop", errno.ELOOP),
    ("read_text", (), LONG, errno.ENAMETOOLONG),
    ("write_bytes", (b"x",), "/srv/t/d", errno.EISDIR),
    ("write_text", ("x",), "/srv/t/f/x", errno.ENOTDIR),
    ("write_text", ("x",), "/srv/t/loop/x", errno.ELOOP),
    ("write_text", ("x",), LONG, errno.ENAMETOOLONG),
    ("list_files", (), "/srv/t/none", errno.ENOENT),
    ("list_files", (), "/srv/t/f", errno.ENOTDIR),
    ("list_files", (), "/srv/t/loop", errno.ELOOP),
    ("stat", (), "/srv/t/none", errno.ENOENT),
    ("stat", (), "/srv/t/f/x", errno.ENOTDIR),
    ("stat", (), LONG, errno.ENAMETOOLONG),
    ("make_directory", (), "/srv/t/f", errno.EEXIST),
    ("make_directory", (), "/srv/t/f/x", errno.ENOTDIR),
    ("make_directory", (), LONG, errno.ENAMETOOLONG),
    ("remove", (), "/srv/t/none", errno.ENOENT),
    ("remove", (), "/srv/t/d", errno.ENOTEMPTY),
    ("remove", (), "/", errno.EBUSY),
    ("remove", (), LONG, errno.ENAMETOOLONG),
]

OLDER: list[tuple[str, tuple[Any, ...], str, int]] = [
    ("open", ("r",), "/srv/t/none", errno.ENOENT),
    ("open", ("r",), "/srv/t/d", errno.EISDIR),
    ("open", ("w",), "/srv/t/f/x", errno.ENOTDIR),
    ("open", ("x",), "/srv/t/f", errno.EEXIST),
    ("open", ("r",), "/srv/t/loop", errno.ELOOP),
    ("open", ("w",), LONG, errno.ENAMETOOLONG),
    ("ls", (), "/srv/t/none", errno.ENOENT),
    ("ls", (), "/srv/t/f", errno.ENOTDIR),
    ("ls", (), "/srv/t/loop", errno.ELOOP),
    ("mkdir", (), "/srv/t/d", errno.EEXIST),
    ("mkdir", (), "/srv/t/none/x", errno.ENOENT),
    ("mkdir", (), LONG, errno.ENAMETOOLONG),
    ("rm", (), "/srv/t/none", errno.ENOENT),
    ("rm", (), "/srv/t/d", errno.ENOTEMPTY),
    ("rm", (), "/", errno.EBUSY),
]


def check(call: Callable[[], object], path: str, number: int) -> OSError:
    """A call fails with an error of this number that names the path once."""
    kind = type(OSError(number, ""))
    with pytest.raises(kind) as raised:
        call()
    error = raised.value
    told = (error.errno, error.filename, str(error).count(repr(path)))
    assert told == (number, path, 1), f"{error!r} of {path!r}"
    assert error.strerror
    return error


def test_errors_of_the_filesystem_are_complete(machine: Sandbox) -> None:
    for name, args, path, number in FILESYSTEM:
        options = {"create_parents": False} if name == "make_directory" else {}

        def call(
            name: str = name, args: Any = args, path: str = path, options: Any = options
        ) -> None:
            getattr(machine.filesystem, name)(*args, path, **options)

        error = check(call, path, number)
        assert isinstance(error, exceptions.SandboxFilesystemError)


def test_errors_of_the_older_calls_are_complete(machine: Sandbox) -> None:
    for name, args, path, number in OLDER:

        def call(name: str = name, args: Any = args, path: str = path) -> None:
            getattr(machine, name)(path, *args)

        check(call, path, number)


def test_errors_of_whole_directories_are_complete(machine: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "here" / "d").mkdir(parents=True)
    (tmp_path / "here" / "d" / "f").write_text("x")
    check(lambda: machine.download("/srv/t/none", tmp_path / "to"), "/srv/t/none", errno.ENOENT)
    check(lambda: machine.download("/srv/t/f", tmp_path / "to"), "/srv/t/f", errno.ENOTDIR)
    check(lambda: machine.upload(tmp_path, "/srv/t/f"), "/srv/t/f", errno.ENOTDIR)
    machine.filesystem.make_directory("/srv/t/up/d/f")
    check(lambda: machine.upload(tmp_path / "here", "/srv/t/up"), "/srv/t/up/d/f", errno.EISDIR)


def test_errors_of_an_open_file_name_it(machine: Sandbox) -> None:
    file = machine.open("/srv/t/f", "r+")
    check(lambda: file.seek(-5), "/srv/t/f", errno.EINVAL)


def test_errors_of_a_watch_are_complete(machine: Sandbox) -> None:
    path = "/srv/t/none"
    check(lambda: list(machine.watch(path)), path, errno.ENOENT)
    check(lambda: list(machine.filesystem.watch(path)), path, errno.ENOENT)


def test_errors_of_special_filesystems_are_complete(sandbox: Sandbox) -> None:
    check(lambda: sandbox.filesystem.write_text("x", "/proc/x/y"), "/proc/x", errno.ENOENT)
    setting = "/proc/sys/kernel/hostname"
    check(lambda: sandbox.open(setting, "w"), setting, errno.EROFS)


def test_errors_are_made_again_from_a_pickle() -> None:
    error = exceptions.SandboxFilesystemNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "/x")
    again = pickle.loads(pickle.dumps(error))
    assert (again.errno, again.filename, str(again)) == (error.errno, "/x", str(error))


@pytest.mark.parametrize(
    "report",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 100_000,
        b'{"error_kind": "NotFound", "message": "m", "errno": "x"}',
        b'{"error_kind": "NotFound", "message": "m", "errno": 1e999}',
        b'{"error_kind": "NotFound", "message": "m", "errno": [2]}',
    ],
)
def test_a_report_that_makes_no_sense_is_an_error_of_files(
    serve: Callable[..., Client], report: bytes
) -> None:
    service = router(
        TaskExecStart=STARTED,
        TaskExecWait=gives(rpb.TaskExecWaitResponse(code=1)),
        TaskExecStdioRead=reads(report),
    )
    sandbox = Sandbox("sb-1", serve(access_control(token()), service))

    with pytest.raises(exceptions.SandboxFilesystemError) as caught:
        sandbox.filesystem.remove("/srv/f")

    assert caught.value.errno == errno.EIO
