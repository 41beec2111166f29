"""Files through `sandbox.filesystem`, the interface of newer clients."""

import pytest
from modal.exception import (
    SandboxFilesystemDirectoryNotEmptyError,
    SandboxFilesystemIsADirectoryError,
    SandboxFilesystemNotADirectoryError,
    SandboxFilesystemNotFoundError,
    SandboxFilesystemPathAlreadyExistsError,
)
from modal.types import FileWatchEventType


@pytest.fixture
def files(sandbox):
    return sandbox.filesystem


def test_text_below_folders_that_were_not_there(files):
    files.write_text("grün\n", "/srv/deep/down/a")

    assert files.read_text("/srv/deep/down/a") == "grün\n"


def test_bytes_are_left_as_they_are(files):
    data = bytes(range(256)) * 4096
    files.write_bytes(data, "/tmp/a")

    assert files.read_bytes("/tmp/a") == data


def test_a_file_is_replaced_whole(files):
    files.write_text("a long first text", "/tmp/a")
    files.write_text("short", "/tmp/a")

    assert files.read_text("/tmp/a") == "short"


def test_files_come_and_go(files, tmp_path):
    (tmp_path / "here").write_bytes(b"\x00\xff" * 1000)
    files.copy_from_local(tmp_path / "here", "/tmp/there")
    files.copy_to_local("/tmp/there", tmp_path / "back")

    assert (tmp_path / "back").read_bytes() == b"\x00\xff" * 1000


def test_a_listing_describes_its_entries(files, sandbox):
    sandbox.exec("sh", "-c", "mkdir -p /tmp/d/e; echo hi > /tmp/d/f; ln -s f /tmp/d/g").wait()
    folder, file, link = files.list_files("/tmp/d")

    assert (folder.name, folder.is_dir()) == ("e", True)
    assert (file.path, file.size, file.is_file()) == ("/tmp/d/f", 3, True)
    assert (link.symlink_target, link.is_symlink()) == ("f", True)


def test_stat_tells_mode_and_owner(files, sandbox):
    sandbox.exec("sh", "-c", "echo hi > /tmp/a; chmod 640 /tmp/a").wait()
    info = files.stat("/tmp/a")

    assert (info.mode, info.permissions) == (0o100640, "0640")
    assert (info.owner, info.group) == ("root", "root")


def test_directories_are_made_and_removed(files):
    files.make_directory("/tmp/d/e")
    files.make_directory("/tmp/d/e")
    files.remove("/tmp/d", recursive=True)

    with pytest.raises(SandboxFilesystemNotFoundError):
        files.stat("/tmp/d")


def test_a_full_directory_is_not_removed_by_accident(files):
    files.write_text("", "/tmp/d/a")

    with pytest.raises(SandboxFilesystemDirectoryNotEmptyError):
        files.remove("/tmp/d")


def test_a_directory_that_is_there(files):
    files.make_directory("/tmp/d")

    with pytest.raises(SandboxFilesystemPathAlreadyExistsError):
        files.make_directory("/tmp/d", create_parents=False)


def test_a_missing_file(files):
    with pytest.raises(SandboxFilesystemNotFoundError, match="/tmp/none"):
        files.read_text("/tmp/none")


def test_a_directory_is_no_file(files):
    with pytest.raises(SandboxFilesystemIsADirectoryError):
        files.read_bytes("/tmp")
    with pytest.raises(SandboxFilesystemIsADirectoryError):
        files.write_bytes(b"data", "/tmp")


def test_a_file_is_no_directory(files):
    files.write_text("", "/tmp/a")

    with pytest.raises(SandboxFilesystemNotADirectoryError):
        files.write_text("", "/tmp/a/b")


def test_watch_sees_what_happens(files, sandbox):
    files.make_directory("/tmp/d")
    sandbox.exec("sh", "-c", "while :; do touch /tmp/d/new; rm /tmp/d/new; done")
    event = next(iter(files.watch("/tmp/d", filter=[FileWatchEventType.Create], timeout=20)))

    assert event.type is FileWatchEventType.Create
    assert event.paths == ["/tmp/d/new"]


def test_watch_ends_by_itself(files):
    assert list(files.watch("/tmp", timeout=1)) == []
