"""Programs that read files and standard input as text."""

import itertools
import os
from collections.abc import Sequence
from contextlib import aclosing

from ..processes.process import SandboxProcess
from .utility import (
    CHUNK,
    NotSupported,
    chunks,
    close,
    content,
    each,
    free,
    number,
    options,
)


async def cat(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Copy files to standard output."""
    _, paths = options(argv, "u")

    async def copy(path: str) -> None:
        async for data in chunks(proc, path):
            await proc.write(1, data)

    return await each(proc, "cat", paths or ["-"], copy)


async def head(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """The first lines, or bytes with `-c`."""
    given, paths = options(_dashed_number(argv), "n:c:q")
    size, lines = given.get("-c"), number(given.get("-n", "10"), "number of lines")
    if lines < 0 or (size and size.startswith("-")):
        raise NotSupported("counting from the end")

    async def show(path: str) -> None:
        await _title(proc, paths, path)
        left = number(size, "number of bytes") if size else lines
        async with aclosing(chunks(proc, path)) as parts:
            async for data in parts:
                part = data[:left] if size else b"".join(data.splitlines(keepends=True)[:left])
                await proc.write(1, part)
                left -= len(part) if size else part.count(b"\n")
                if left <= 0:
                    break

    return await each(proc, "head", paths or ["-"], show)


async def tail(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """The last lines, or bytes with `-c`; `+N` counts from the start."""
    given, paths = options(_dashed_number(argv), "n:c:q")
    by_bytes = "-c" in given
    count = given.get("-c", given.get("-n", "10"))
    wanted = number(count.lstrip("+-"), "number")

    async def show(path: str) -> None:
        await _title(proc, paths, path)
        data = await _last(proc, path, wanted) if by_bytes and count[:1] != "+" else None
        if data is None:
            whole = await content(proc, path)
            parts = [whole] if by_bytes else whole.splitlines(keepends=True)
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
    given, paths = options(argv, "lwc")
    kinds = [kind for kind in ("-l", "-w", "-c") if kind in given or not given]
    totals = dict.fromkeys(kinds, 0)

    async def line(counts: dict[str, int], path: str) -> None:
        shown = " ".join(str(counts[kind]) for kind in kinds)
        await proc.say(f"{shown} {path}".rstrip() + "\n")

    async def count(path: str) -> None:
        counts = dict.fromkeys(kinds, 0)
        inside = False
        async for data in chunks(proc, path):
            words = len(data.split()) - (inside and not data[:1].isspace())
            inside = not data[-1:].isspace()
            for kind, amount in (("-l", data.count(b"\n")), ("-w", words), ("-c", len(data))):
                if kind in counts:
                    counts[kind] += amount
        for kind in kinds:
            totals[kind] += counts[kind]
        await line(counts, path if paths else "")

    code = await each(proc, "wc", paths or ["-"], count)
    if len(paths) > 1:
        await line(totals, "total")
    return code


async def tee(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Copy standard input to standard output and to files."""
    given, paths = options(argv, "a")
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
    given, paths = options(argv, "nru")
    data = b"".join([await content(proc, path) for path in paths or ["-"]])
    lines = [line.rstrip(b"\n") for line in data.splitlines(keepends=True)]
    if "-u" in given:
        lines = list(dict.fromkeys(lines))
    lines.sort(reverse="-r" in given)
    if "-n" in given:
        lines.sort(key=_leading_number, reverse="-r" in given)
    await proc.write(1, b"".join(line + b"\n" for line in lines))
    return 0


def _leading_number(line: bytes) -> float:
    text = line.strip()
    end = 1 if text[:1] == b"-" else 0
    while end < len(text) and (text[end : end + 1].isdigit() or text[end : end + 1] == b"."):
        end += 1
    try:
        return float(text[:end])
    except ValueError:
        return 0.0


async def grep(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Lines that hold a fixed string. A pattern that is more than that is refused."""
    given, rest = options(argv, "Fivcqnhxe:")
    if "-e" in given:
        rest.insert(0, given["-e"])
    if not rest:
        raise NotSupported("no pattern")
    pattern, *paths = rest
    if "-F" not in given and any(character in pattern for character in r"\.[]*^$"):
        raise NotSupported(f"the regular expression {pattern!r} (-F takes fixed strings)")
    wanted = os.fsencode(pattern)
    found = 0

    def matches(line: bytes) -> bool:
        text, key = (line.lower(), wanted.lower()) if "-i" in given else (line, wanted)
        return (text == key if "-x" in given else key in text) != ("-v" in given)

    async def search(path: str) -> None:
        nonlocal found
        name = f"{path}:" if len(paths) > 1 and "-h" not in given else ""
        count = 0
        for index, line in enumerate((await content(proc, path)).splitlines(), start=1):
            if matches(line):
                count += 1
                if not {"-q", "-c"} & set(given):
                    where = f"{name}{index}:" if "-n" in given else name
                    await proc.write(1, os.fsencode(where) + line + b"\n")
        if "-c" in given and "-q" not in given:
            await proc.say(f"{name}{count}\n")
        found += count

    code = await each(proc, "grep", paths or ["-"], search)
    return 2 if code else 0 if found else 1


def _dashed_number(argv: Sequence[str]) -> list[str]:
    """`head -5` as `head -n 5`."""
    parts = (
        ["-n", word[1:]] if word[:1] == "-" and word[1:].isdigit() else [word] for word in argv
    )
    return list(itertools.chain.from_iterable(parts))


async def _title(proc: SandboxProcess, paths: Sequence[str], path: str) -> None:
    if len(paths) > 1:
        await proc.say(("" if path == paths[0] else "\n") + f"==> {path} <==\n")
