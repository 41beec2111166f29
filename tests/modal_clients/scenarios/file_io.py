"""Files through `sandbox.open` and its friends, the interface of older clients."""

import io

import pytest
from modal.file_io import FileWatchEventType, delete_bytes, replace_bytes


@pytest.fixture
def write(sandbox):
    def write(path, text):
        with sandbox.open(path, "w") as file:
            file.write(text)

    return write


@pytest.fixture
def read(sandbox):
    return lambda path: sandbox.exec("cat", path).stdout.read()


def test_what_is_written_is_read(sandbox, write):
    write("/tmp/a", "grün\n")

    with sandbox.open("/tmp/a") as file:
        assert file.read() == "grün\n"


def test_bytes_are_left_as_they_are(sandbox):
    with sandbox.open("/tmp/a", "wb") as file:
        file.write(b"\xff\x00")
    with sandbox.open("/tmp/a", "rb") as file:
        assert file.read() == b"\xff\x00"


def test_reading_goes_on_where_it_stopped(sandbox, write):
    write("/tmp/a", "abcdef")

    with sandbox.open("/tmp/a") as file:
        assert [file.read(2), file.read(2), file.read(9), file.read(1)] == ["ab", "cd", "ef", ""]


def test_lines(sandbox, write):
    write("/tmp/a", "one\ntwo\nthree")

    with sandbox.open("/tmp/a") as file:
        assert file.readline() == "one\n"
        assert file.readlines() == ["two\n", "three"]
        assert file.readline() == ""


def test_seek(sandbox, write):
    write("/tmp/a", "abcdef")

    with sandbox.open("/tmp/a") as file:
        file.seek(-2, 2)
        assert file.read() == "ef"
        file.seek(1)
        file.seek(1, 1)
        assert file.read(1) == "c"


def test_append_goes_to_the_end(sandbox, write, read):
    write("/tmp/a", "one\n")
    with sandbox.open("/tmp/a", "a") as file:
        file.write("two\n")

    assert read("/tmp/a") == "one\ntwo\n"


def test_update_in_place(sandbox, write, read):
    write("/tmp/a", "abcdef")
    with sandbox.open("/tmp/a", "r+") as file:
        file.seek(2)
        file.write("CD")

    assert read("/tmp/a") == "abCDef"


def test_flush_shows_what_was_written(sandbox, read):
    with sandbox.open("/tmp/a", "w") as file:
        file.write("early")
        file.flush()
        assert read("/tmp/a") == "early"


def test_bytes_are_replaced_and_deleted(sandbox, write, read):
    write("/tmp/a", "0123456789")
    with sandbox.open("/tmp/a", "r+") as file:
        replace_bytes(file, b"TWO-THREE", start=2, end=4)
    assert read("/tmp/a") == "01TWO-THREE456789"

    with sandbox.open("/tmp/a", "r+") as file:
        delete_bytes(file, start=2, end=11)
    assert read("/tmp/a") == "01456789"


def test_sixteen_megabytes_and_one_byte(sandbox):
    data = b"x" * (16 * 1024 * 1024 + 1)
    with sandbox.open("/tmp/big", "wb") as file:
        file.write(data)

    assert sandbox.exec("stat", "-c", "%s", "/tmp/big").stdout.read() == f"{len(data)}\n"


def test_exclusive_creation(sandbox, write):
    write("/tmp/a", "")

    with pytest.raises(FileExistsError, match="/tmp/a"):
        sandbox.open("/tmp/a", "x")
    sandbox.open("/tmp/b", "x").close()


def test_a_missing_file(sandbox):
    with pytest.raises(FileNotFoundError, match="/tmp/none"):
        sandbox.open("/tmp/none")


def test_a_directory_is_no_file(sandbox):
    with pytest.raises(IsADirectoryError, match="/tmp"):
        sandbox.open("/tmp", "w")


def test_a_file_is_no_directory(sandbox, write):
    write("/tmp/a", "")

    with pytest.raises(NotADirectoryError, match="/tmp/a"):
        sandbox.ls("/tmp/a")
    with pytest.raises(NotADirectoryError, match="/tmp/a/b"):
        sandbox.open("/tmp/a/b", "w")


def test_a_closed_file_stays_closed(sandbox):
    file = sandbox.open("/tmp/a", "w")
    file.close()

    with pytest.raises(ValueError, match="closed"):
        file.write("more")


def test_a_file_open_for_writing_is_not_read(sandbox):
    with sandbox.open("/tmp/a", "w") as file, pytest.raises(io.UnsupportedOperation):
        file.read()


def test_directories(sandbox, write):
    sandbox.mkdir("/tmp/d")
    sandbox.mkdir("/tmp/d/e/f", parents=True)
    write("/tmp/d/file", "")

    assert sorted(sandbox.ls("/tmp/d")) == ["e", "file"]


def test_a_directory_without_its_parent(sandbox):
    with pytest.raises(FileNotFoundError):
        sandbox.mkdir("/tmp/d/e")


def test_a_directory_that_is_there(sandbox):
    sandbox.mkdir("/tmp/d")

    with pytest.raises(FileExistsError, match="/tmp/d"):
        sandbox.mkdir("/tmp/d")
    sandbox.mkdir("/tmp/d", parents=True)


def test_remove(sandbox, write):
    sandbox.mkdir("/tmp/d")
    write("/tmp/d/file", "")
    sandbox.rm("/tmp/d/file")
    assert sandbox.ls("/tmp/d") == []

    write("/tmp/d/file", "")
    with pytest.raises(Exception, match="/tmp/d"):
        sandbox.rm("/tmp/d")
    sandbox.rm("/tmp/d", recursive=True)
    with pytest.raises(FileNotFoundError):
        sandbox.ls("/tmp/d")


def test_watch_sees_what_happens(sandbox):
    sandbox.mkdir("/tmp/d")
    busy = sandbox.exec("sh", "-c", "while :; do touch /tmp/d/new; rm /tmp/d/new; done")
    events = sandbox.watch("/tmp/d", filter=[FileWatchEventType.Create], timeout=20)
    event = next(iter(events))
    busy.stdin.write_eof()

    assert event.type is FileWatchEventType.Create
    assert event.paths == ["/tmp/d/new"]


def test_watch_ends_by_itself(sandbox):
    assert list(sandbox.watch("/tmp", timeout=1)) == []


def test_relative_paths_begin_where_commands_start(create):
    sandbox = create(workdir="/srv/app")
    sandbox.mkdir("data")
    with sandbox.open("data/test.txt", "w") as file:
        file.write("Hello\n")
    assert sandbox.ls("data") == ["test.txt"]
    assert sandbox.exec("cat", "data/test.txt").stdout.read() == "Hello\n"


def test_parents_of_a_file_are_not_made(sandbox):
    with pytest.raises(FileNotFoundError):
        sandbox.open("/srv/missing/f", "wb")
