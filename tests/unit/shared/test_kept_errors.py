"""What is kept of an error, and what is raised of it."""

import errno

import pytest

from pytest_sandbox._shared.kept_errors import to_raise
from pytest_sandbox.client import exceptions
from pytest_sandbox.engine import (
    EngineUnavailable,
    OutputDropped,
    SpawnFailed,
    StoreFull,
    TaskLost,
    Unsupported,
)


class Numbered(OSError):
    """Takes other arguments than `OSError` does."""

    def __init__(self, kind: str) -> None:
        super().__init__(errno.EIO, "broken", "/a")
        self.kind = kind


def raised(error: BaseException) -> BaseException:
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


@pytest.mark.parametrize(
    "kept",
    [
        EngineUnavailable("no zygote", "start one"),
        OutputDropped(3, 4),
        SpawnFailed(errno.ENOENT, "no such program"),
        StoreFull("no room", forgetting_helps=False),
        TaskLost("its machine is gone"),
        Unsupported("gpus", "there are none"),
        OSError(errno.EIO, "broken", "/a", None, "/b"),
        ConnectionResetError(errno.ECONNRESET, "broken off"),
        exceptions.EngineDiedError("/socket", "log", run_ended=True),
        exceptions.NotFoundError("gone"),
        exceptions.FilesystemOSError(errno.EIO, "broken"),
        Numbered("its own arguments"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no text"),
    ],
    ids=lambda kept: type(kept).__name__,
)
def test_what_is_raised_says_the_same_and_leaves_nothing_behind(kept: Exception) -> None:
    kept.__cause__ = cause = ValueError("why")
    kept.hint = "added"  # type: ignore[attr-defined]
    first, second = (raised(to_raise(kept)) for _ in range(2))

    assert kept.__traceback__ is None
    assert first is not second
    assert first.__traceback__ is not None
    for error in (first, second):
        assert type(error) is type(kept)
        assert (str(error), error.args, vars(error)) == (str(kept), kept.args, vars(kept))
        assert error.__cause__ is cause
    if isinstance(kept, OSError):
        assert isinstance(first, OSError)
        assert (first.errno, first.filename, first.filename2) == (
            kept.errno,
            kept.filename,
            kept.filename2,
        )


def test_what_a_caller_notes_is_no_note_of_the_next_one() -> None:
    kept = ValueError("broken")
    kept.__notes__ = ["of all"]  # type: ignore[attr-defined]  # since Python 3.11
    first = to_raise(kept)
    first.__notes__.append("of the first")  # type: ignore[attr-defined]

    assert to_raise(kept).__notes__ == ["of all"]  # type: ignore[attr-defined]
