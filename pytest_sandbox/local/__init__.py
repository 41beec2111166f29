"""The Linux engine: sandboxes made of namespaces. Folders say in which process code runs."""

from .engine.engine import LocalEngine as LocalEngine
from .options import LocalOptions as LocalOptions
from .options import Mode as Mode
from .probe import probe as probe
from .report import Finding as Finding
from .report import Report as Report

__all__ = ["Finding", "LocalEngine", "LocalOptions", "Mode", "Report", "probe"]
