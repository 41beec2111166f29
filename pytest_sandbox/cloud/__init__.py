"""Modal's cloud as an engine: a server of the run that makes the calls of its clients at Modal.

It is run as `python -m pytest_sandbox.cloud`, in the place of the engine process. Credentials are
in that process alone: neither tests nor sandboxes get them.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .prune import CloudLeftover as CloudLeftover
    from .prune import prune_cloud as prune_cloud
    from .transport.settings import CloudSettings as CloudSettings
    from .transport.settings import read_settings as read_settings

_WHERE = {
    "CloudLeftover": "prune",
    "CloudSettings": "transport.settings",
    "prune_cloud": "prune",
    "read_settings": "transport.settings",
}

__all__ = ["CloudLeftover", "CloudSettings", "prune_cloud", "read_settings"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
