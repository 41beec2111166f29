"""What Modal's client says of itself with every call."""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from .settings import CloudSettings

#: `CLIENT_TYPE_CLIENT`: a program of a user, and no container of Modal's.
_CLIENT_TYPE = "1"


def identity(settings: CloudSettings) -> dict[str, str]:
    """The metadata of every call of the control plane, but for credentials that change."""
    uname = platform.uname()
    parts = (uname.system, uname.release, uname.machine)
    return {
        "x-modal-client-version": settings.version,
        "x-modal-client-type": _CLIENT_TYPE,
        "x-modal-python-version": ".".join(map(str, sys.version_info[:3])),
        "x-modal-node": quote(platform.node()),
        "x-modal-platform": quote("-".join(part.replace("-", "_") for part in parts)),
    }


def credentials(settings: CloudSettings) -> dict[str, str]:
    """The metadata that shows who makes a call, now."""
    if settings.oauth is not None:
        return settings.oauth.metadata()
    return {
        "x-modal-token-id": settings.token_id,
        "x-modal-token-secret": settings.token_secret,
    }


def user_agent(settings: CloudSettings) -> str:
    """The user agent, as that of Modal's client."""
    python = f"{platform.python_implementation()}/{platform.python_version()}"
    return f"modal-client/{settings.version} ({platform.system()}; {python})".lower()
