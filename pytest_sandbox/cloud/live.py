"""The sandboxes of a run that are alive in the cloud, in a file that outlives the run.

A run that was killed with its processes, or whose machine went down, ends nothing. The next run on
this machine, or `pytest-sandbox prune --engine modal`, finds its file, on which no process has a
lock any more, and ends what is in it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .transport.settings import CloudSettings

#: The tag of each sandbox with the id of its run, by which those are found that the file has not:
#: a run may be killed before it is told the id of what it has created.
RUN_TAG = "pytest-sandbox-run"


def state_directory(environ: Mapping[str, str]) -> Path:
    """Where the files of all runs of this user are."""
    base = environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(base) / "pytest-sandbox" / "cloud"


def account(settings: CloudSettings) -> str:
    """Stands for the account that sandboxes belong to."""
    text = f"{settings.server_urls[0]} {settings.who}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass
class LeftRun:
    """The file of a run that has ended without an end to its sandboxes.

    Attributes:
        run: its id.
        account: whose its sandboxes are.
        ids: those that may be alive.
    """

    path: Path
    run: str = ""
    account: str = ""
    ids: set[str] = field(default_factory=set)

    def forget(self) -> None:
        """Remove the file."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()


class LiveFile:
    """The file of this run, locked for as long as this process lives.

    Args:
        directory: of the files of all runs.
        account: whose the sandboxes are.

    Attributes:
        run: the id of this run.
    """

    def __init__(self, directory: Path, account: str) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.run = f"{secrets.token_hex(8)}"
        self._path = directory / f"{self.run}.jsonl"
        self._file: IO[str] = open(self._path, "x", encoding="utf-8", buffering=1)  # noqa: SIM115
        # The kernel releases it however this process ends, flock(2).
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._write({"run": self.run, "account": account})

    def begun(self, sandbox_id: str) -> None:
        """A sandbox is alive."""
        self._write({"begun": sandbox_id})

    def ended(self, sandbox_id: str) -> None:
        """A sandbox is not alive any more."""
        self._write({"ended": sandbox_id})

    def remove(self) -> None:
        """All sandboxes have ended."""
        self._file.close()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def _write(self, what: Mapping[str, str]) -> None:
        self._file.write(json.dumps(what) + "\n")


@contextlib.contextmanager
def left_runs(directory: Path, account: str) -> Iterator[list[LeftRun]]:
    """The runs of an account that were killed; no other process has them at the same time.

    Args:
        directory: of the files of all runs.
        account: whose sandboxes.
    """
    with contextlib.ExitStack() as stack:
        left: list[LeftRun] = []
        for path in sorted(directory.glob("*.jsonl")):
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            except OSError:  # another process has removed it
                continue
            stack.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                run = _read(path)
            except OSError:  # it goes on, or is gone
                continue
            if run.account == account:
                left.append(run)
        yield left


def _read(path: Path) -> LeftRun:
    run = LeftRun(path)
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            said = json.loads(line)
        except ValueError:  # the last one, of a process that was killed
            continue
        run.run = said.get("run", run.run)
        run.account = said.get("account", run.account)
        if "begun" in said:
            run.ids.add(said["begun"])
        run.ids.discard(said.get("ended", ""))
    return run
