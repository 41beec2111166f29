"""The actor that serves the engine of a node. Nodes import this module; it needs no Ray."""

from __future__ import annotations

import subprocess
import sys
import tempfile

_SERVE = (sys.executable, "-m", "pytest_sandbox.cli", "serve")

#: Seconds that `pytest-sandbox serve` may take to end.
_END = 10.0


class NodeActor:
    """Serves the engine of the node that it is on, for as long as it lives.

    Args:
        host: the address of the node, where the other nodes and drivers reach it.
    """

    def __init__(self, host: str) -> None:
        self._listen = f"[{host}]:0" if ":" in host else f"{host}:0"
        self._start()

    def _start(self) -> None:
        # Not a pipe, which would be full some day.
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115  # as long as the process
        # In a process of its own, which ends with its standard input, and so with this one.
        self._serving = subprocess.Popen(
            [*_SERVE, "--listen", self._listen, "--until-eof"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )
        assert self._serving.stdout is not None
        self._address = self._serving.stdout.readline().strip()

    def address(self) -> str:
        """Where the engine is, with the token; one that has ended is started again.

        Raises:
            RuntimeError: it cannot start; with what it said.
        """
        if self._serving.poll() is not None and self._address:
            self._start()
        if self._address:
            return self._address
        self._serving.wait(_END)
        self._said.seek(0)
        said = self._said.read()[-2000:].strip()
        self._start()  # for whoever asks next
        raise RuntimeError(said or "the engine of the node has ended")
