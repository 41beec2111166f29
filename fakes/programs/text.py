"""Programs that read files and standard input as text."""

import errno
import os
import re
import stat
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from decimal import Decimal

from ..files.inode import Inode
from ..processes.description import OpenedFile
from ..processes.process import SandboxProcess
from .paths import is_directory
from .utility import (
    CHUNK,
    NotSupported,
    chunks,
    close,
    complain,
    content,
    each,
    free,
    lines_of,
    number,
    options,
    problem,
)

#: Long options of `head` and `tail`.
_ENDS = {"lines": "n", "bytes": "c", "quiet": "q", "silent": "q", "verbose": "v"}
_BLANK = re.compile(rb"[ \t\n\v\f\r]")
_PRINTED = re.compile(rb"[!-~]")


async def cat(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Copy files to standard output."""
    _, paths = options(argv, "u")

    async def copy(path: str) -> None:
        async for data in chunks(proc, path):
            await proc.write(1, data)

    return await each(proc, "cat", paths or ["-"], copy)


async def head(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """The first lines, or bytes with `-c`."""
    given, paths = options(_dashed_number(argv), "n:c:qv", _ENDS, check=_check_amount)
    by_bytes, count = _amount(given)
    if count.startswith("-"):
        raise NotSupported("counting from the end")
    wanted = number(count, "number")
    title = _Titles(proc, paths, given)

    async def show(path: str) -> None:
        await title.show(path)
        left = wanted
        async with aclosing(chunks(proc, path)) as parts:
            async for data in parts:
                part = data[:left] if by_bytes else b"".join(lines_of(data)[:left])
                await proc.write(1, part)
                left -= len(part) if by_bytes else part.count(b"\n")
                if left <= 0:
                    break

    return await each(proc, "head", paths or ["-"], show)


async def tail(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """The last lines, or bytes with `-c`; `+N` counts from the start."""
    if any(word[:1] == "+" or (word[1:].isdigit() and len(argv) > 3) for word in argv[1:2]):
        raise NotSupported(f"the argument {argv[1]!r}")
    amounts: list[str] = []

    def check(letter: str, value: str) -> None:
        _check_amount(letter, value)
        amounts.extend([value] if letter in "nc" else [])

    given, paths = options(_dashed_number(argv), "n:c:qv", _ENDS, check=check)
    if len(amounts) > 1 and any(amount[:1] == "+" for amount in amounts):
        raise NotSupported("a number with + beside another one")
    by_bytes, count = _amount(given)
    wanted = abs(number(count, "number"))
    if wanted == 0 and count[:1] != "+":
        return 0
    title = _Titles(proc, paths, given)

    async def show(path: str) -> None:
        if by_bytes and len(paths) > 1 and path != "-" and is_directory(proc, path):
            raise NotSupported("a directory among several files, with -c,")
        await title.show(path)
        data = await _last(proc, path, wanted) if by_bytes and count[:1] != "+" else None
        if data is None:
            whole = await content(proc, path)
            parts = [whole] if by_bytes else lines_of(whole)
            if count.startswith("+"):
                start = max(wanted - 1, 0)
                data = whole[start:] if by_bytes else b"".join(parts[start:])
            else:
                data = b"".join(parts[len(parts) - min(wanted, len(parts)) :])
        await proc.write(1, data)

    return await each(proc, "tail", paths or ["-"], show)


async def _last(proc: SandboxProcess, path: str, size: int) -> bytes:
    """The last bytes of what may be much longer."""
    kept = bytearray()
    async for data in chunks(proc, path):
        kept += data
        proc.hold(len(data))
        surplus = len(kept) - size
        if surplus > 16 * CHUNK:
            del kept[:surplus]
            proc.hold(-surplus)
    return bytes(kept[len(kept) - min(size, len(kept)) :])


async def wc(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Count lines, words and bytes."""
    given, paths = options(argv, "lwc", {"lines": "l", "words": "w", "bytes": "c"})
    kinds = [kind for kind in ("-l", "-w", "-c") if kind in given or not given]
    totals = dict.fromkeys(kinds, 0)
    width = 1 if len(kinds) == 1 and len(paths) < 2 else _width(proc, paths or ["-"])

    async def line(counts: dict[str, int], path: str) -> None:
        shown = " ".join(f"{counts[kind]:{width}}" for kind in kinds)
        await proc.say(f"{shown} {path}\n" if path else f"{shown}\n")

    async def count(path: str) -> None:
        counts = dict.fromkeys(kinds, 0)
        pending = b""
        directory = path != "-" and is_directory(proc, path)
        async for data in chunks(proc, "/dev/null" if directory else path):
            # As in the C locale, where a word has a character that can be printed.
            pieces = _BLANK.split(pending + data)
            pending = pieces.pop()[-CHUNK:]
            words = sum(1 for piece in pieces if _PRINTED.search(piece))
            for kind, amount in (("-l", data.count(b"\n")), ("-w", words), ("-c", len(data))):
                if kind in counts:
                    counts[kind] += amount
        if "-w" in counts and _PRINTED.search(pending):
            counts["-w"] += 1
        for kind in kinds:
            totals[kind] += counts[kind]
        await line(counts, path if paths else "")
        if directory:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)

    code = await each(proc, "wc", paths or ["-"], count)
    if len(paths) > 1:
        await line(totals, "total")
    return code


async def tee(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Copy standard input to standard output and to files."""
    given, paths = options(argv, "a", {"append": "a"})
    flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if "-a" in given else os.O_TRUNC)
    fds = []

    async def open_one(path: str) -> None:
        opened = proc.open(path, flags)
        fds.append(fd := free(proc))
        proc.fds[fd] = opened

    code = await each(proc, "tee", paths, open_one)
    while data := await proc.read(0, CHUNK):
        for fd in (1, *fds):
            await proc.write(fd, data)
    for fd in fds:
        close(proc, fd)
    return code


async def sort(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Sort lines by their bytes, or with `-n` by the number they begin with."""
    given, paths = options(argv, "nru", {"numeric-sort": "n", "reverse": "r", "unique": "u"})
    lines: list[bytes] = []
    try:
        for path in paths or ["-"]:
            lines += [line.removesuffix(b"\n") for line in lines_of(await content(proc, path))]
    except OSError as error:
        await complain(proc, "sort", problem(error))
        return 2
    key = _leading_number if "-n" in given else bytes
    if "-u" in given:
        first: dict[object, bytes] = {}
        for line in lines:
            first.setdefault(key(line), line)
        lines = list(first.values())
    lines.sort(key=lambda line: (key(line), line), reverse="-r" in given)
    await proc.write(1, b"".join(line + b"\n" for line in lines))
    return 0


def _leading_number(line: bytes) -> Decimal:
    found = re.match(rb"[ \t]*(-?[0-9]*(?:\.[0-9]*)?)", line)
    text = found[1].decode() if found else ""
    return Decimal(text) if re.search("[0-9]", text) else Decimal(0)


def _pattern(given: Mapping[str, str], words: list[str]) -> str:
    """The fixed string to search for, taken from an option or from the words."""
    if "-e" not in given and not words:
        raise NotSupported("no pattern")
    pattern = given["-e"] if "-e" in given else words.pop(0)
    if "-F" not in given and any(character in pattern for character in r"\.[]*^$"):
        raise NotSupported(f"the regular expression {pattern!r} (-F takes fixed strings)")
    if "\n" in pattern:
        raise NotSupported("a pattern of several lines")
    return pattern


def _check_text(data: bytes) -> None:
    """Refuse what grep takes for binary: it then ends lines at null bytes too."""
    if b"\0" in data:
        raise NotSupported("a search in binary data")


async def grep(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Lines that hold a fixed string. A pattern that is more than that is refused."""
    given, paths = options(argv, "Fivcqnhxe:", once="e")
    wanted = os.fsencode(_pattern(given, paths))
    if not wanted and "-v" in given:
        raise NotSupported("lines without an empty string")
    shown = not {"-q", "-c"} & set(given)
    found = 0

    def matches(line: bytes) -> bool:
        text, key = (line.lower(), wanted.lower()) if "-i" in given else (line, wanted)
        return (text == key if "-x" in given else key in text) != ("-v" in given)

    async def search(path: str) -> None:
        nonlocal found
        shown_path = "(standard input)" if path == "-" else path
        name = f"{shown_path}:" if len(paths) > 1 and "-h" not in given else ""
        count = 0
        if "-c" in given and path != "-" and is_directory(proc, path):
            raise NotSupported("counting in a directory")
        data = await content(proc, path)
        _check_text(data)
        lines = [line.removesuffix(b"\n") for line in lines_of(data)]
        for index, line in enumerate(lines, start=1):
            if matches(line):
                count += 1
                if shown:
                    where = f"{name}{index}:" if "-n" in given else name
                    await proc.write(1, os.fsencode(where) + line + b"\n")
        if "-c" in given and "-q" not in given:
            await proc.say(f"{name}{count}\n")
        found += count

    code = await each(proc, "grep", paths or ["-"], search)
    if "-q" in given and found:
        return 0
    return 2 if code else 0 if found else 1


def _dashed_number(argv: Sequence[str]) -> list[str]:
    """`head -5` as `head -n 5`; only the first argument can be that."""
    if len(argv) > 1 and re.fullmatch("-[0-9]+", argv[1]):
        return [argv[0], "-n", argv[1][1:], *argv[2:]]
    return list(argv)


def _check_amount(letter: str, value: str) -> None:
    """Refuse a number that is none, though a later one may be what counts."""
    if letter in "nc":
        number(value, "number")


def _amount(given: Mapping[str, str]) -> tuple[bool, str]:
    """Whether bytes are counted, and how many of what is counted; the last option counts."""
    counted = [(key == "-c", value) for key, value in given.items() if key in ("-n", "-c")]
    return counted[-1] if counted else (False, "10")


class _Titles:
    """The titles that `head` and `tail` print above each of several files.

    Args:
        proc: what prints them.
        paths: of the files.
        given: options: `-q` for none, `-v` for one above a single file too.
    """

    def __init__(
        self, proc: SandboxProcess, paths: Sequence[str], given: Mapping[str, str]
    ) -> None:
        last = [key for key in given if key in ("-q", "-v")]
        self._wanted = last[-1] == "-v" if last else len(paths) > 1
        self._proc = proc
        self._printed = False

    async def show(self, path: str) -> None:
        """Print the title of a file.

        Raises:
            OSError: it cannot be opened; then it has none.
        """
        if path != "-":
            self._proc.open(path, os.O_RDONLY).release()
        if self._wanted:
            name = "standard input" if path == "-" else path
            await self._proc.say(("\n" if self._printed else "") + f"==> {name} <==\n")
            self._printed = True


def _width(proc: SandboxProcess, paths: Sequence[str]) -> int:
    """The width of the numbers of `wc`: of the size of all files, at least 7 for what has none."""
    total, least = 0, 1
    for path in paths:
        try:
            inode = _inode(proc, path)
        except OSError:
            continue
        if inode is not None and stat.S_ISREG(inode.mode):
            total += inode.size
        else:
            least = 7
    return max(len(str(total)), least)


def _inode(proc: SandboxProcess, path: str) -> Inode | None:
    """What a path leads to; `None` for a pipe or a terminal as standard input."""
    if path != "-":
        return proc.fs.lookup(path, base=proc.cwd)
    description = proc.fds.get(0)
    return description.handle.inode if isinstance(description, OpenedFile) else None
