"""What a test recorded on each engine: a file in the folder of the run, shared by all workers."""

from __future__ import annotations

import fcntl
import hashlib
import marshal
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_sandbox._shared.real import os as real_os
from pytest_sandbox._shared.real import read_file, real_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Store:
    """The values of one test, of all engines that it has run on so far.

    Each worker of pytest-xdist may have the test on another engine, at the same time: so the file
    is locked while it is changed, and whichever comes second compares.

    Args:
        folder: of all tests of the run.
        test: its id without the engine.
    """

    def __init__(self, folder: Path, test: str) -> None:
        name = hashlib.sha256(test.encode(errors="surrogateescape")).hexdigest()
        self._path = os.path.join(folder, name)
        with real_files():
            real_os.makedirs(folder, mode=0o700, exist_ok=True)

    def begin(self, engine: str) -> None:
        """Forget what the test recorded on an engine: it runs there again."""
        with self._changing() as engines:
            engines.pop(engine, None)

    def record(self, engine: str, name: str, value: object) -> tuple[str, Any] | None:
        """Record a value.

        Returns:
            The first other engine that has recorded one by this name, and its value.
        """
        with self._changing() as engines:
            mine = engines.setdefault(engine, {"values": {}, "passed": False})
            mine["values"][name] = value
            for other, theirs in engines.items():
                if other != engine and name in theirs["values"]:
                    return other, theirs["values"][name]
        return None

    def finish(self, engine: str) -> dict[str, set[str]]:
        """Note that the test passed on an engine.

        Returns:
            The names that it recorded on each other engine on which it passed.
        """
        with self._changing() as engines:
            engines.setdefault(engine, {"values": {}, "passed": False})["passed"] = True
            return {
                other: set(theirs["values"])
                for other, theirs in engines.items()
                if other != engine and theirs["passed"]
            }

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        """What each engine recorded, the first one first; written back afterwards."""
        with real_files():
            lock = real_os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                engines = self._read()
                yield engines
                self._write(engines)
            finally:
                real_os.close(lock)

    def _read(self) -> dict[str, Any]:
        try:
            engines: dict[str, Any] = marshal.loads(read_file(self._path))  # noqa: S302  # our own
        except FileNotFoundError:
            return {}
        return engines

    def _write(self, engines: dict[str, Any]) -> None:
        # Complete once it has its name, even if this process is killed meanwhile.
        fresh = f"{self._path}.new"
        with open(fresh, "wb") as file:
            file.write(marshal.dumps(engines))
        real_os.replace(fresh, self._path)
