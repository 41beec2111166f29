"""The engine `process`: sandboxes that are processes of this machine, without isolation from it.

For places that allow no namespaces. The keeper is a process of its own; the engine imports none of
it but the messages.
"""

from .engine import ProcessEngine as ProcessEngine
from .options import ProcessOptions as ProcessOptions
from .report import examined as examined
from .report import without_isolation as without_isolation

__all__ = ["ProcessEngine", "ProcessOptions", "examined", "without_isolation"]
