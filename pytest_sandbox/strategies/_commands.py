"""Commands, environments, and what a sandbox is created with."""

import string
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from pytest_sandbox.engine import Output, ProcessSpec, PtySize, TaskSpec

from ._paths import NASTY_NAMES, paths

#: Programs that take any arguments, and end at once.
HARMLESS = ("echo", "false", "true")
#: The longest host name: `__NEW_UTS_LEN`, see sethostname(2).
_HOSTNAME_MAX = 64
#: What decides whether a program is found, or runs at all.
_RESERVED = frozenset({"PATH", "IFS", "ENV", "BASH_ENV", "GCONV_PATH", "LOCPATH", "SHELLOPTS"})

_LETTERS = string.ascii_letters + string.digits
_NAME = st.text(_LETTERS + "._-", min_size=1, max_size=64)


def words(*, utf8: bool = False) -> st.SearchStrategy[str]:
    """What a command can be given as an argument: any text without NUL, also none at all.

    Args:
        utf8: only UTF-8, as a gRPC request needs it; else also bytes that are none, as
            surrogates, like `os.fsdecode` gives them.
    """
    sources = [st.sampled_from(["", *NASTY_NAMES]), st.text(_characters(), max_size=20)]
    if not utf8:
        sources.append(st.binary(max_size=20).map(_decoded))
    return st.one_of(sources).filter(lambda word: "\0" not in word)


def argv(
    commands: Sequence[str] = HARMLESS, *, max_words: int = 4, utf8: bool = False
) -> st.SearchStrategy[tuple[str, ...]]:
    """A command and its arguments.

    Args:
        commands: of which to take one.
        max_words: how many arguments there are at most.
        utf8: as in `words`.
    """
    arguments = st.lists(words(utf8=utf8), max_size=max_words)
    return st.builds(lambda command, rest: (command, *rest), st.sampled_from(commands), arguments)


def environments(*, max_size: int = 4, utf8: bool = False) -> st.SearchStrategy[dict[str, str]]:
    """Environment variables, also with names that no shell can read (`a.b`, `1`, with spaces).

    Never those that decide which program runs, like `PATH` and `LD_PRELOAD`.

    Args:
        max_size: how many there are at most.
        utf8: as in `words`.
    """
    usual = st.text(string.ascii_uppercase + "_", min_size=1, max_size=8)
    name = (usual | st.sampled_from(["a.b", "1", "A B", "-", "\xe9", "a\nb"])).filter(_is_free)
    return st.dictionaries(name, words(utf8=utf8), max_size=max_size)


def hostnames() -> st.SearchStrategy[str]:
    """Host names as an engine takes them: 1 to 64 letters, digits, dashes and dots."""
    middle = st.text(_LETTERS + ".-", max_size=_HOSTNAME_MAX - 2)
    letter = st.sampled_from(_LETTERS)
    longest = st.just("x" * _HOSTNAME_MAX)
    return letter | longest | st.builds(lambda a, b, c: a + b + c, letter, middle, letter)


def process_specs(
    commands: Sequence[str] = HARMLESS, *, pty: bool = False
) -> st.SearchStrategy[ProcessSpec]:
    """Processes that every engine can start, wherever `commands` are.

    Args:
        commands: of which to take one.
        pty: some of them on terminals; for engines with `Capability.PTY`.
    """
    side = st.integers(1, 500)
    return st.builds(
        ProcessSpec,
        argv=argv(commands),
        env=environments(),
        workdir=st.sampled_from([None, "/", "/tmp"]),
        stdout=st.sampled_from([Output.PIPE, Output.DEVNULL]),
        stderr=st.sampled_from(Output),
        pty=st.none() | st.builds(PtySize, side, side) if pty else st.none(),
    )


def task_specs(commands: Sequence[str] = HARMLESS) -> st.SearchStrategy[TaskSpec]:
    """Sandboxes that every engine can create: no limits, which need capabilities.

    Args:
        commands: for the main process; without any there is none.
    """
    return st.builds(
        TaskSpec,
        main=st.none() | process_specs(commands) if commands else st.none(),
        env=environments(),
        workdir=st.none() | paths("/srv", max_depth=2),
        hostname=hostnames(),
    )


def sandbox_options() -> st.SearchStrategy[dict[str, Any]]:
    """Keyword arguments of `Sandbox.create` that every engine can serve.

    Each is there or not: `name`, `env`, `timeout`, `idle_timeout`, `workdir`. A sandbox that runs
    keeps its name: terminate it before the next example, which may have the same one.
    """
    env = environments(utf8=True)
    optional: dict[str, st.SearchStrategy[Any]] = {
        "name": _NAME.filter(lambda name: not name.startswith("ap-")),
        "env": env | env.map(lambda variables: {**variables, "LEFT_OUT": None}),
        "timeout": st.integers(300, 24 * 60 * 60),
        "idle_timeout": st.integers(300, 24 * 60 * 60),
        "workdir": paths("/srv", max_depth=2, utf8=True),
    }
    return st.fixed_dictionaries({}, optional=optional)


def _characters() -> st.SearchStrategy[str]:
    return st.characters(codec="utf-8", exclude_characters="\0")


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _is_free(name: str) -> bool:
    return name not in _RESERVED and not name.startswith(("LD_", "PYTHON", "MALLOC_"))
