"""Files of a sandbox that are open, on a real engine."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from typing import Any

import pytest

from pytest_sandbox.client import Sandbox, delete_bytes, exceptions, replace_bytes

Call = Callable[..., Any]


def test_a_file_is_written_and_read(sandbox: Sandbox, call: Call) -> None:
    file = call(sandbox.open, "/srv/t/f", "w")
    call(file.write, "one\ntwö\n")
    call(file.flush)
    assert sandbox.run("cat", "/srv/t/f").stdout == "one\ntwö\n"
    call(file.write, "three")
    call(file.close)

    file = call(sandbox.open, "/srv/t/f")
    assert call(file.readline) == "one\n"
    assert call(file.read, 2) == "tw"
    assert call(file.readlines) == ["ö\n", "three"]
    assert call(file.read) == call(file.readline) == ""
    call(file.seek, 4)
    assert call(file.read) == "twö\nthree"
    call(file.close)
    call(file.close)


def test_a_file_closes_at_the_end_of_a_with(sandbox: Sandbox) -> None:
    with sandbox.open("/srv/t/f", "wb") as file:
        file.write(b"\xff")
    with pytest.raises(ValueError, match="closed"):
        file.write(b"x")

    async def read() -> bytes:
        async with await sandbox.open.aio("/srv/t/f", "rb") as file:
            return await file.read.aio()

    assert asyncio.run(read()) == b"\xff"


@pytest.mark.parametrize(
    ("mode", "before", "after"),
    [
        ("r+", "before", "newore"),
        ("w", "before", "new"),
        ("w+", "before", "new"),
        ("a", "before", "beforenew"),
        ("a+", "before", "beforenew"),
        ("x", None, "new"),
        ("x+", None, "new"),
        ("w", None, "new"),
        ("a", None, "new"),
    ],
)
def test_modes_write_as_the_builtin_does(
    sandbox: Sandbox, mode: Any, before: str | None, after: str
) -> None:
    if before is not None:
        sandbox.filesystem.write_text(before, "/srv/t/f")

    with sandbox.open("/srv/t/f", mode) as file:
        file.write("new")

    assert sandbox.filesystem.read_text("/srv/t/f") == after


@pytest.mark.parametrize(
    ("mode", "path", "kind"),
    [
        ("r", "/srv/t/none", FileNotFoundError),
        ("r+", "/srv/t/none", FileNotFoundError),
        ("r", "/srv/t", IsADirectoryError),
        ("w", "/srv/t", IsADirectoryError),
        ("w", "/srv/t/none/f", FileNotFoundError),
        ("x", "/srv/t/f", FileExistsError),
        ("r", "/srv/t/f/x", NotADirectoryError),
    ],
)
def test_opening_fails_as_the_builtin_does(
    sandbox: Sandbox, call: Call, mode: Any, path: str, kind: type[Exception]
) -> None:
    sandbox.filesystem.write_text("x", "/srv/t/f")

    with pytest.raises(kind):
        call(sandbox.open, path, mode)


def test_a_mode_allows_what_it_says(sandbox: Sandbox) -> None:
    with sandbox.open("/srv/t/f", "w") as file:
        with pytest.raises(io.UnsupportedOperation, match="not readable"):
            file.read()
        with pytest.raises(TypeError, match="open as text"):
            file.write(b"x")  # type: ignore[arg-type]
    with (
        sandbox.open("/srv/t/f", "rb") as data,
        pytest.raises(io.UnsupportedOperation, match="not writeable"),
    ):
        data.write(b"x")


@pytest.mark.parametrize(
    ("start", "end", "left"), [(1, 3, "033"), (None, 2, "233"), (2, None, "01"), (None, None, "")]
)
def test_bytes_are_cut_out(
    sandbox: Sandbox, call: Call, start: int | None, end: int | None, left: str
) -> None:
    sandbox.filesystem.write_text("01233", "/srv/t/f")
    with sandbox.open("/srv/t/f", "r+b") as file:
        call(delete_bytes, file, start, end)

    assert sandbox.filesystem.read_text("/srv/t/f") == left


def test_bytes_are_replaced(sandbox: Sandbox, call: Call) -> None:
    sandbox.filesystem.write_text("0123", "/srv/t/f")
    with sandbox.open("/srv/t/f", "r+b") as file:
        call(replace_bytes, file, b"longer", 1, 2)

    assert sandbox.filesystem.read_text("/srv/t/f") == "0longer23"


def test_ranges_have_an_order(sandbox: Sandbox) -> None:
    with sandbox.open("/srv/t/f", "wb") as file:
        with pytest.raises(ValueError, match="start=3 is not before end=3"):
            delete_bytes(file, 3, 3)
        with pytest.raises(exceptions.InvalidError, match="start=3 is not before end=3"):
            replace_bytes(file, b"", 3, 3)
        with pytest.raises(ValueError, match="whence"):
            file.seek(0, 3)
        with pytest.raises(ValueError, match="32 bits"):
            file.seek(2**31)


def test_seeking_from_anywhere(sandbox: Sandbox, call: Call) -> None:
    sandbox.filesystem.write_text("0123456789", "/srv/t/f")
    with sandbox.open("/srv/t/f", "rb") as file:
        call(file.seek, -3, 2)
        assert call(file.read, 1) == b"7"
        call(file.seek, -2, 1)
        assert call(file.read) == b"6789"


def test_ls_mkdir_and_rm(sandbox: Sandbox, call: Call) -> None:
    call(sandbox.mkdir, "/srv/t/a/b", parents=True)
    sandbox.filesystem.write_text("x", "/srv/t/f")

    assert call(sandbox.ls, "/srv/t") == ["a", "f"]
    with pytest.raises(FileExistsError):
        call(sandbox.mkdir, "/srv/t/a")
    with pytest.raises(FileNotFoundError):
        call(sandbox.mkdir, "/srv/t/x/y")
    with pytest.raises(FileNotFoundError):
        call(sandbox.rm, "/srv/t/none")
    with pytest.raises(NotADirectoryError):
        call(sandbox.ls, "/srv/t/f")

    call(sandbox.rm, "/srv/t/f")
    call(sandbox.rm, "/srv/t/a", recursive=True)

    assert call(sandbox.ls, "/srv/t") == []
