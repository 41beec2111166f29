"""The Linux engine: sandboxes made of namespaces. Folders say in which process code runs.

The names are imported when they are first asked for: `ahead` starts the zygote before all else.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .engine.engine import LocalEngine as LocalEngine
    from .options import LocalOptions as LocalOptions
    from .options import Mode as Mode
    from .probing import probe as probe
    from .report import Finding as Finding
    from .report import Report as Report

_WHERE = {
    "Finding": "report",
    "LocalEngine": "engine.engine",
    "LocalOptions": "options",
    "Mode": "options",
    "Report": "report",
    "probe": "probing",
}

__all__ = ["Finding", "LocalEngine", "LocalOptions", "Mode", "Report", "probe"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
