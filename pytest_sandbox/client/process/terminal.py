"""The terminal of a command or of a main process: the argument `pty=` as a message."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

from pytest_sandbox._proto.sandboxes_pb2 import PTYInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

__tracebackhide__ = True  # a failing test shows the caller's line, not these


def terminal(pty: bool, environ: Mapping[str, str] = os.environ) -> PTYInfo | None:
    """A terminal like the one this process runs on, if it runs on one."""
    if not pty:
        return None
    size = shutil.get_terminal_size(fallback=(0, 0)) if sys.stdin and sys.stdin.isatty() else None
    return PTYInfo(
        enabled=True,
        winsz_rows=size.lines if size else 0,
        winsz_cols=size.columns if size else 0,
        env_term=environ.get("TERM", ""),
        env_colorterm=environ.get("COLORTERM", ""),
        env_term_program=environ.get("TERM_PROGRAM", ""),
        pty_type=PTYInfo.PTY_TYPE_SHELL,
        no_terminate_on_idle_stdin=True,
    )
