"""Finding CRIU, the program that dumps and restores the memory of processes (criu.org)."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess

from pytest_sandbox._shared.lazy_dataclass import dataclass

#: Names the program where no option does.
VARIABLE = "PYTEST_SANDBOX_CRIU"
#: Earlier ones fail on kernels of today, which map their clock into processes, vdso(7), in another
#: way than those did that they were made for.
OLDEST = (4, 0)
_REMEDY = (
    "Install CRIU 4 or newer (Debian 13, Fedora: the package criu)\n"
    f"or name one with --sandbox-engine-option criu=PATH or in {VARIABLE}:"
    " docs/engines.md, Memory snapshots"
)
_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_TIMEOUT = 10  # seconds
_LIBRARY = re.compile(r"=> (/\S+) \(")
_VERSION = re.compile(r"Version: (\d+)\.(\d+)\S*")
_PT_INTERP = 3  # elf(5)
_ELF64 = b"\x7fELF\x02"


class CriuMissing(Exception):
    """There is no CRIU that can be used.

    Args:
        reason: what was looked for and found.
        remedy: what to do about it.
    """

    def __init__(self, reason: str, remedy: str = _REMEDY) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True)
class Criu:
    """A CRIU that runs here.

    Attributes:
        version: `"4.2.1"`.
        program: its path.
        loader: what loads its libraries; empty if it needs none.
        libraries: their paths.
    """

    version: str
    program: str
    loader: str
    libraries: tuple[str, ...]


def find(option: str | None = None) -> Criu:
    """The CRIU to use.

    One that was unpacked from packages of a newer distribution than the machine's needs the
    libraries of that one too. So if a dynamic loader is beside it, its libraries are as well.

    Args:
        option: its path; `None` for that in the environment, else the one in `PATH`.

    Raises:
        CriuMissing: there is none, or it is too old.
    """
    path = option or os.environ.get(VARIABLE) or _installed()
    try:
        return _examine(path)
    except (OSError, subprocess.SubprocessError) as error:
        raise CriuMissing(f"{path} cannot be run: {error}") from error


def _installed() -> str:
    search = os.pathsep.join((os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS))
    path = shutil.which("criu", path=search)
    if path is None:
        raise CriuMissing("CRIU is not installed")
    return path


def _examine(path: str) -> Criu:
    path = os.path.realpath(path)
    interpreter = _interpreter(path)
    beside = os.path.join(os.path.dirname(path), os.path.basename(interpreter))
    loading: list[str] = []
    if interpreter and os.path.exists(beside):
        interpreter = beside
        loading = [beside, "--library-path", os.path.dirname(path)]
    found = _VERSION.search(_output([*loading, path, "--version"]))
    if found is None:
        raise CriuMissing(f"{path} does not print the version of a CRIU")
    version = found[0].partition(" ")[2]
    if (int(found[1]), int(found[2])) < OLDEST:
        raise CriuMissing(f"{path} is CRIU {version}, which is too old")
    libraries: list[str] = []
    if interpreter:  # ld.so(8), --list: what ldd(1) would print
        libraries = _LIBRARY.findall(_output([*(loading or [interpreter]), "--list", path]))
    return Criu(version, path, interpreter, tuple(libraries))


def _output(command: list[str]) -> str:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=_TIMEOUT,
        check=False,
    )
    if done.returncode:
        raise CriuMissing(f"{command[-2]}: {done.stdout.strip()[-500:]}")
    return done.stdout


def _interpreter(path: str) -> str:
    """The dynamic loader that an ELF program asks for (elf(5)); empty if it needs none."""
    with open(path, "rb") as file:
        header = file.read(64)
        if not header.startswith(_ELF64):
            raise CriuMissing(f"{path} is not a 64-bit program; a script perhaps")
        (offset,) = struct.unpack_from("<Q", header, 32)
        size, count = struct.unpack_from("<HH", header, 54)
        for number in range(count):
            file.seek(offset + number * size)
            kind, _, start, _, _, length = struct.unpack_from("<IIQQQQ", file.read(size))
            if kind == _PT_INTERP:
                file.seek(start)
                return file.read(length).rstrip(b"\0").decode()
    return ""
