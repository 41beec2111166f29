"""Warnings that a server sends with an answer."""

from __future__ import annotations

import warnings
from urllib.parse import unquote

from pytest_sandbox.rpcs import ServerWarning


def warn(texts: str) -> None:
    """Warn of what a server has said.

    Args:
        texts: as its metadata has them.
    """
    for text in texts.split(","):
        warnings.warn(unquote(text), ServerWarning, stacklevel=1)
