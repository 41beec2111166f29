"""The Linux engine: sandboxes made of namespaces, without a container runtime."""

from ._engine import LocalEngine as LocalEngine
from ._options import LocalOptions as LocalOptions
from ._options import Mode as Mode

__all__ = ["LocalEngine", "LocalOptions", "Mode"]
