"""What the small built-in programs have in common."""

import errno
import io
import os
import re
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from pytest_sandbox.engine import EngineError

from ..processes.description import OpenedFile
from ..processes.process import Program, SandboxProcess

#: Runs in a process, which may be a shell's; gets its own name and arguments.
Utility = Callable[[SandboxProcess, Sequence[str]], Awaitable[int]]

CHUNK = 65536


class NotSupported(Exception):
    """A built-in program, or the shell, was asked for something that it does not do."""


async def run(proc: SandboxProcess, utility: Utility, argv: Sequence[str]) -> int:
    """Run a utility: what goes wrong becomes a message and an exit code."""
    name = argv[0].rpartition("/")[2]
    try:
        return await utility(proc, argv)
    except OSError as error:
        await complain(proc, name, problem(error))
        return 1
    except NotSupported as error:
        return await refuse(proc, name, str(error))


async def refuse(proc: SandboxProcess, name: str, what: str) -> int:
    """Say that the engine in memory cannot do something, to the program and to the test."""
    sentence = f"{name}: {what} is not supported by the engine in memory"
    proc.kernel.hooks.problems.unsupported(proc, sentence)
    await complain(proc, name, f"{what} is not supported by the engine in memory")
    return 2


async def complain(proc: SandboxProcess, name: str, message: str) -> None:
    """Write a message to standard error, unless that is closed."""
    with suppress(OSError):
        await proc.complain(f"{name}: {message}")


def problem(error: OSError) -> str:
    """An error as programs print it."""
    return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)


def program(utility: Utility) -> Program:
    """A utility as a program of its own."""

    async def main(proc: SandboxProcess) -> int:
        return await run(proc, utility, proc.argv)

    return main


def helpful(utility: Utility) -> Utility:
    """A utility that would print help or its version, which this one refuses to."""

    async def checked(proc: SandboxProcess, argv: Sequence[str]) -> int:
        if list(argv[1:]) in (["--help"], ["--version"]):
            raise NotSupported(f"option {argv[1]}")
        return await utility(proc, argv)

    return checked


def options(
    argv: Sequence[str],
    short: str,
    long: Mapping[str, str] | None = None,
    *,
    permute: bool = True,
    once: str = "",
    check: Callable[[str, str], None] = lambda letter, value: None,
) -> tuple[dict[str, str], list[str]]:
    """Options, each with its value or "", the last given one last, and the other arguments.

    Args:
        argv: the command.
        short: letters of options; a colon follows one that takes a value, as in getopt(3).
        long: long names, each with the letter that it stands for. Abbreviations are not taken:
            what they stand for depends on options that are not known here.
        permute: whether options may follow other arguments.
        once: letters of options that are refused if they are given again.
        check: looks at the letter and the value of each option, also of one that a later one
            replaces; may raise `NotSupported`.

    Raises:
        NotSupported: names an option that is not known, or lacks its value.
    """
    reader = _Options(argv[1:], short, long or {}, once, check)
    rest: list[str] = []
    while reader.words:
        word = reader.words.pop(0)
        if word == "--":
            break
        if word.startswith("--"):
            reader.read_long(word)
        elif word.startswith("-") and word != "-":
            reader.read_short(word[1:])
        else:
            rest.append(word)
            if not permute:
                break
    return reader.found, rest + reader.words


class _Options:
    """Takes options from the words of a command."""

    def __init__(
        self,
        words: Sequence[str],
        short: str,
        long: Mapping[str, str],
        once: str,
        check: Callable[[str, str], None],
    ) -> None:
        self.words = list(words)
        self.found: dict[str, str] = {}
        self._short, self._long, self._once, self._check = short, long, once, check

    def read_long(self, word: str) -> None:
        name, equals, value = word[2:].partition("=")
        letter = self._long.get(name)
        if letter is None or (equals and not self._is_valued(letter)):
            raise NotSupported(f"option {word}")
        self._take(letter, word, value if equals else None)

    def read_short(self, letters: str) -> None:
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter == ":" or letter not in self._short:
                raise NotSupported(f"option -{letter}")
            if self._is_valued(letter):
                self._take(letter, f"-{letter}", letters or None)
                return
            self._take(letter, f"-{letter}", None)

    def _is_valued(self, letter: str) -> bool:
        return f"{letter}:" in self._short

    def _take(self, letter: str, word: str, value: str | None) -> None:
        if self.found.pop(f"-{letter}", None) is not None and letter in self._once:
            raise NotSupported(f"option {word} again")
        if value is None and self._is_valued(letter):
            if not self.words:
                raise NotSupported(f"option {word} without a value")
            value = self.words.pop(0)
        self._check(letter, value or "")
        self.found[f"-{letter}"] = value or ""


def lines_of(data: bytes) -> list[bytes]:
    """Lines with their ends, which only a line feed makes; the last one may lack it."""
    return io.BytesIO(data).readlines()


async def each(
    proc: SandboxProcess, name: str, paths: Sequence[str], action: Callable[[str], Awaitable[None]]
) -> int:
    """Do something for each path; one that fails is reported, and the others are done."""
    code = 0
    for path in paths:
        try:
            await action(path)
        except OSError as error:  # noqa: PERF203  each path fails for itself
            if error.errno == errno.EPIPE:
                raise
            await complain(proc, name, problem(error))
            code = 1
    return code


async def chunks(proc: SandboxProcess, path: str) -> AsyncGenerator[bytes, None]:
    """The bytes of a file, or of standard input for `-`."""
    if path == "-":
        while data := await proc.read(0, CHUNK):
            yield data
        return
    opened = proc.open(path, os.O_RDONLY)
    fd = free(proc)
    proc.fds[fd] = opened
    try:
        while data := await proc.read(fd, CHUNK):
            yield data
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        close(proc, fd)


async def content(proc: SandboxProcess, path: str) -> bytes:
    """All bytes of a file, or of standard input for `-`; they count as held until the end."""
    parts = []
    async for data in chunks(proc, path):
        proc.hold(len(data))
        parts.append(data)
    return b"".join(parts)


def free(proc: SandboxProcess) -> int:
    """The lowest descriptor that a program has not open, above the three usual ones."""
    fd = 3
    while fd in proc.fds:
        fd += 1
    return fd


def close(proc: SandboxProcess, fd: int) -> None:
    """Close a descriptor; one that is not open is fine."""
    description = proc.fds.pop(fd, None)
    if description is not None:
        description.release()


def write_file(proc: SandboxProcess, path: str, data: bytes, *, append: bool = False) -> None:
    """Make a file with these bytes, or replace or extend it."""
    flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC)
    opened = proc.open(path, flags)
    assert isinstance(opened, OpenedFile)
    opened.handle.pwrite(0, data)
    opened.release()


def number(text: str, what: str) -> int:
    """A whole number among the arguments."""
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise NotSupported(f"{what} {text!r}")
    return int(text)


async def execute(
    proc: SandboxProcess, argv: Sequence[str], values: dict[str, str], *, forgiving: bool = False
) -> int:
    """Become another program, as `execve(2)` does; 126 or 127 if it cannot be started.

    Args:
        proc: what becomes it.
        argv: the command and its arguments.
        values: the environment.
        forgiving: run a text without a `#!` as a shell script, as shells do.
    """
    name, proc.argv, proc.env = proc.argv[0], tuple(argv), values
    try:
        program = proc.kernel.program(proc)
    except EngineError as error:
        await complain(proc, name, f"{argv[0]}: {error}")
        return 126
    except OSError as error:
        if error.errno == errno.ENOEXEC and forgiving:
            return await execute(proc, ("/bin/sh", str(error.filename), *argv[1:]), values)
        missing = isinstance(error, FileNotFoundError)
        hint = proc.kernel.hooks.problems.unknown(proc, proc.argv) if missing else ""
        await complain(proc, name, problem(error) + (f"\n{hint}" if hint else ""))
        return 127 if missing else 126
    proc.program = program
    return await program(proc)


def signal_number(text: str) -> int:
    """A signal by number or name, with or without `SIG`."""
    try:
        if text.isdigit():
            return 0 if int(text) == 0 else int(signal.Signals(int(text)))
        return int(signal.Signals["SIG" + text.upper().removeprefix("SIG")])
    except (KeyError, ValueError):
        raise NotSupported(f"the signal {text!r}") from None
