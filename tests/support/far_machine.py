"""Another machine with an engine, which a process of this one plays."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_sandbox._shared.network.engine_address import RemoteAddress

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def far_machine(*options: str) -> Iterator[tuple[RemoteAddress, int]]:
    """Its address, and the process that plays it, which a test may stop or kill.

    Args:
        options: further ones of `pytest-sandbox serve`.
    """
    command = [sys.executable, "-m", "pytest_sandbox.cli", "serve", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(
        [*command, "--until-eof", *options],
        stdin=subprocess.PIPE,  # which ends it if this process is killed
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as serving:
        try:
            assert serving.stdout is not None
            yield RemoteAddress.parse(serving.stdout.readline().strip()), serving.pid
        finally:
            serving.send_signal(signal.SIGCONT)
            serving.terminate()
