"""One of the two versions that are compared: its process, and what it answers."""

import contextlib
import json
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

from .environment import Environment

#: Imports the worker from here, and the package from where that Python has it: the worker's folder
#: is last, and its modules are in no package of that name.
_START = """
import sys
sys.path.append({folder!r})
from benchmarks.comparison import worker
worker.main()
"""
_FOLDER = Path(__file__).parents[2]
#: Seconds that a process may take to end its sandboxes.
_CLOSE_TIMEOUT = 20.0


class VersionFailed(Exception):
    """A version cannot be measured, with the reason."""


class MeasuredVersion:
    """Measures one version in a process of its own.

    Args:
        name: "this" or "other".
        environment: where the version is.
        settings: the arguments of `Bench`.
    """

    def __init__(self, name: str, environment: Environment, settings: dict[str, int]) -> None:
        self.name = name
        self.about: dict[str, Any] = {}
        self._environment = environment
        self._settings = settings

    def __enter__(self) -> "MeasuredVersion":
        # Not the user's folder: Python would import the package of a checkout there.
        self._folder = tempfile.TemporaryDirectory()
        self._errors = tempfile.TemporaryFile("w+")
        command = [
            str(self._environment.python),
            "-c",
            _START.format(folder=str(_FOLDER)),
            json.dumps(self._settings),
        ]
        try:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder.name,
                env=self._environment.variables(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
            )
        except OSError as error:
            self._folder.cleanup()
            raise self._failed(f"does not run: {error}") from error
        try:
            self.about = self._answer()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def begin(self, figure: str) -> dict[str, Any]:
        """Start to measure a figure; returns the first turn, or the results."""
        return self._ask(json.dumps({"figure": figure}))

    def go_on(self) -> dict[str, Any]:
        """Let it measure a block; returns the next turn, or the results."""
        return self._ask("go")

    def finish(self) -> list[str]:
        """End the engine; returns what it left behind."""
        left: list[str] = self._ask("")["left_behind"]
        return left

    def _ask(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the answer says why
            print(line, file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        try:
            self._process.wait(_CLOSE_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise self._failed("answers no more, and does not end") from None
        raise self._failed(f"ended: {self._last_words()}")

    def _failed(self, how: str) -> VersionFailed:
        # Both can have the same Python, and even the same files.
        side = "this version" if self.name == "this" else "the other version"
        return VersionFailed(f"{side}: {self._environment.python} {how}")

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return lines[-1] if lines else f"status {self._process.returncode}"

    def _end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()  # told so, it ends its engine
        try:
            self._process.wait(_CLOSE_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()
        self._folder.cleanup()
