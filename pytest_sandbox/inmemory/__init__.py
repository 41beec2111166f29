"""The real client and server around an engine of `fakes/`, on one event loop: `fake_sandboxes`."""

from ._clock import TestClock as TestClock
from ._sandboxes import FakeSandboxes as FakeSandboxes
from ._strictness import RULES as RULES
from ._strictness import check_rules as check_rules
from ._view import FakeSandboxFiles as FakeSandboxFiles

__all__ = ["RULES", "FakeSandboxFiles", "FakeSandboxes", "TestClock", "check_rules"]
