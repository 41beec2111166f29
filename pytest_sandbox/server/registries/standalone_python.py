"""Interpreters of Python that need nothing of an image, for `add_python` of Modal's clients.

Clients copy one to `/usr/local`, out of files that Modal has stored under the name of a release.
Here they are those that uv has installed on this machine: the same builds, which run wherever they
are put (https://gregoryszorc.com/docs/python-build-standalone).
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ..model.local_files import LocalFile
from ..rpc.errors import precondition
from ..volumes.uploads import CHUNK, Upload

_NAME = re.compile(r"python-build-standalone\.(\d+)\.(3\.\d+)(?:\.\d+)?(t?)-gnu")
#: Releases from this one on have a program `python`; for others, clients make a link themselves.
_HAS_PYTHON = 20241008
#: What is of no use in an image, or hinders: pip installs nothing where there is the latter.
_LEFT_OUT = {"__pycache__", "EXTERNALLY-MANAGED"}


class StandalonePython(NamedTuple):
    """An interpreter that a client wants.

    Attributes:
        release: that its files are of, a date as a number.
        series: `"3.12"`.
        suffix: `"t"` for one without the global lock.
    """

    release: int
    series: str
    suffix: str

    @classmethod
    def of_name(cls, name: str) -> "StandalonePython | None":
        """The one that a name at Modal stands for; `None` for other names."""
        match = _NAME.fullmatch(name)
        return cls(int(match[1]), match[2], match[3]) if match else None

    def files(self) -> list[LocalFile]:
        """The files of the newest one on this machine, below `/python`.

        Raises:
            GRPCError: FAILED_PRECONDITION: there is none.
        """
        folder = self._newest()
        if folder is None:
            raise precondition(
                f"add_python={self.series + self.suffix!r} needs a Python that runs in any image, "
                f"and there is none of that version in {_installed()}: `uv python install "
                f"{self.series}{self.suffix}` gets it. Or take an image that has Python, such as "
                f"python:{self.series}-slim, without add_python"
            )
        return [_file(path, folder) for path in self._paths(folder)]

    def placeholder(self) -> list[LocalFile]:
        """What stands for it where no program of an image runs: the file of its program."""
        return [LocalFile(f"/python/bin/python{self.series}{self.suffix}", Upload(), 0o755)]

    def _newest(self) -> Path | None:
        build = "+freethreaded" if self.suffix else ""
        name = re.compile(
            rf"cpython-{re.escape(self.series)}\.(\d+){re.escape(build)}"
            rf"-linux-{os.uname().machine}-gnu"
        )
        found = {
            int(match[1]): folder
            for folder in _folders(_installed())
            if (match := name.fullmatch(folder.name)) and not folder.is_symlink()
        }
        return found[max(found)] if found else None

    def _paths(self, folder: Path) -> Iterator[Path]:
        for place, folders, names in os.walk(folder):
            folders[:] = sorted(set(folders) - _LEFT_OUT)
            for name in sorted(set(names) - _LEFT_OUT):
                path = Path(place, name)
                if path == folder / "bin/python" and self.release < _HAS_PYTHON:
                    continue
                # Links are copied as what they lead to: local files have none.
                if path.is_file():
                    yield path


class FileOnDisk:
    """A content that is read from a file of this machine whenever it is needed.

    Attributes:
        size: in bytes.
        digest: its SHA-256, in hexadecimal.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.size = path.stat().st_size
        with path.open("rb") as file:
            found = hashlib.sha256()
            while data := file.read(CHUNK):
                found.update(data)
        self.digest = found.hexdigest()

    def chunks(self) -> Iterator[bytes]:
        """All bytes, some at a time."""
        with self._path.open("rb") as file:
            while data := file.read(CHUNK):
                yield data


def _file(path: Path, folder: Path) -> LocalFile:
    mode = path.stat().st_mode & 0o777
    return LocalFile(f"/python/{path.relative_to(folder)}", FileOnDisk(path), mode)


def _folders(place: Path) -> Iterable[Path]:
    try:
        return list(place.iterdir())
    except OSError:  # there is no such folder, or it is somebody else's
        return ()


def _installed() -> Path:
    """The folder that uv installs interpreters into."""
    if chosen := os.environ.get("UV_PYTHON_INSTALL_DIR"):
        return Path(chosen)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    return Path(data) / "uv/python"
