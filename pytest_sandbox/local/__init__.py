"""The Linux engine: sandboxes made of namespaces, without a container runtime."""

from ._engine import LocalEngine as LocalEngine
from ._options import LocalOptions as LocalOptions
from ._options import Mode as Mode
from ._probe import probe as probe
from ._report import Finding as Finding
from ._report import Report as Report

__all__ = ["Finding", "LocalEngine", "LocalOptions", "Mode", "Report", "probe"]
