"""System calls that one process prepares and another makes."""

import contextlib
import errno
import os
from pathlib import Path

import pytest

from pytest_sandbox.engine import TaskSpec
from pytest_sandbox.local import LocalEngine, LocalOptions
from pytest_sandbox.local.kernel.calls import NOW, PreparedCalls
from pytest_sandbox.local.kernel.file_attributes import copy_to_overlay
from pytest_sandbox.local.kernel.present import FileText

from .conftest import needs_root, only_child

#: Pages of which PID 1 of a sandbox gets copies, or the addresses of, before it serves. With
#: ordinary code it was 580.
MOST_FAULTS = 300


def test_they_are_made_in_order_and_each_time(tmp_path: Path) -> None:
    calls = PreparedCalls()
    calls.add("mkdir", f"{tmp_path}/a", 0o755)
    calls.add("mkdir", f"{tmp_path}/a/b", 0o700)
    calls.do(os.rename, f"{tmp_path}/a/b", f"{tmp_path}/b")
    calls.add("rmdir", f"{tmp_path}/a")

    assert not list(tmp_path.iterdir())
    calls.make()
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o700

    (tmp_path / "b").rmdir()
    calls.make()
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_an_error_names_what_it_is_about_and_ends_the_series(tmp_path: Path) -> None:
    calls = PreparedCalls()
    calls.add("rmdir", f"{tmp_path}/missing", about="some folder")
    calls.add("mkdir", f"{tmp_path}/after", 0o755)

    with pytest.raises(FileNotFoundError) as caught:
        calls.make()

    assert caught.value.filename == "some folder"
    assert not list(tmp_path.iterdir())


def test_an_allowed_error_is_none_and_others_are(tmp_path: Path) -> None:
    calls = PreparedCalls()
    calls.add("rmdir", f"{tmp_path}/missing", allowed=(errno.ENOENT,))
    calls.add("rmdir", f"{tmp_path}", allowed=(errno.ENOENT,))
    (tmp_path / "file").touch()

    with pytest.raises(OSError, match="rmdir") as caught:
        calls.make()

    assert caught.value.errno == errno.ENOTEMPTY


def test_later_calls_take_the_descriptor_of_an_earlier_one(tmp_path: Path) -> None:
    calls = PreparedCalls()
    file = calls.add_opening("open", f"{tmp_path}/file", os.O_CREAT | os.O_WRONLY, 0o600)
    calls.add("write", file, b"text", 4)
    calls.add("close", file)

    calls.make()

    assert (tmp_path / "file").read_text() == "text"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(file.value)


@pytest.mark.parametrize(("first", "made"), [("a", "a"), ("missing/a", "b")])
def test_other_arguments_are_used_if_the_first_are_refused(
    tmp_path: Path, first: str, made: str
) -> None:
    calls = PreparedCalls()
    ways = (f"{tmp_path}/{first}", 0o755), (f"{tmp_path}/b", 0o755)
    calls.add_either("mkdir", *ways, about="a folder")

    calls.make()

    assert [path.name for path in tmp_path.iterdir()] == [made]


def test_what_a_call_says_can_be_checked() -> None:
    said: list[str] = []
    calls = PreparedCalls()
    calls.add_check("getpid", expected=os.getpid(), otherwise=lambda: said.append("another"))
    calls.add_check("getpid", expected=1, otherwise=lambda: said.append("not 1"))
    calls.add_check("close", -1, expected=0, otherwise=lambda: said.append("closed"))

    with pytest.raises(OSError, match="close"):
        calls.make()
    assert said == ["not 1"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("file", b"text"), ("folder", b""), ("pipe", b""), ("missing", None)],
)
def test_content_is_that_of_a_file_and_nothing_stays_open(
    tmp_path: Path, kind: str, expected: bytes | None
) -> None:
    (tmp_path / "file").write_text("text")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    calls = PreparedCalls()
    found = FileText(f"{tmp_path}/{kind}", calls)
    before = os.listdir("/proc/self/fd")

    with contextlib.nullcontext() if expected is not None else pytest.raises(FileNotFoundError):
        calls.make()

    assert os.listdir("/proc/self/fd") == before
    assert found.text == (expected or b"")


@pytest.mark.parametrize(("path", "enough"), [(".", True), (".", False), ("missing", True)])
def test_work_is_done_unless_a_look_says_that_it_is_not_needed(
    tmp_path: Path, path: str, enough: bool
) -> None:
    look, calls = PreparedCalls(), PreparedCalls()
    look.add("access", f"{tmp_path}/{path}", os.F_OK)
    calls.do_unless(look, lambda: enough, os.mkdir, f"{tmp_path}/done")

    calls.make()

    assert (tmp_path / "done").exists() == (path == "missing" or not enough)


@needs_root
@pytest.mark.parametrize("attributes", [{}, {"user.overlay.opaque": b"y"}, {"user.x": b"1"}])
def test_a_new_upper_directory_is_like_the_lower_one(
    tmp_path: Path, attributes: dict[str, bytes]
) -> None:
    lower, upper = tmp_path / "lower", tmp_path / "upper"
    lower.mkdir()
    upper.mkdir()
    os.chown(lower, 7, 8)
    lower.chmod(0o2751)
    os.utime(lower, ns=(1_000_000_001, -5_999_999_997))
    for name, value in attributes.items():
        os.setxattr(lower, name, value)
    calls = PreparedCalls()
    copy_to_overlay(f"{lower}/.", str(upper), calls)

    calls.make()

    before, after = os.stat(lower), os.stat(upper)
    for name in ("st_mode", "st_uid", "st_gid", "st_atime_ns", "st_mtime_ns"):
        assert getattr(after, name) == getattr(before, name), name
    assert os.listxattr(upper) == [name for name in attributes if name == "user.x"]


def test_without_a_series_they_are_made_at_once(tmp_path: Path) -> None:
    NOW.add("mkdir", f"{tmp_path}/a", 0o755)
    assert (tmp_path / "a").is_dir()

    with pytest.raises(FileExistsError, match="that folder"):
        NOW.add("mkdir", f"{tmp_path}/a", 0o755, about="that folder")


def faults(pid: int) -> int:
    """The field minflt of proc_pid_stat(5)."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])


@pytest.mark.asyncio
async def test_pid_1_writes_to_few_pages() -> None:
    """Each is copied for it, which takes its time and the memory of every sandbox that lives."""
    engine = LocalEngine(LocalOptions(pool=False))  # else it may be what was a blank: `test_blanks`
    await engine.start()
    task = await engine.create(TaskSpec())
    try:
        assert faults(only_child(engine.factory.zygote.pid)) < MOST_FAULTS
    finally:
        await task.kill()
        await engine.close()
