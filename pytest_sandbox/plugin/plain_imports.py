"""Imports the modules of this package as Python does, not as pytest imports those of plugins.

pytest rewrites the asserts of every module of a distribution that has a plugin: at their first
import, and again in each run where it cannot write the result beside them. That takes longer than
the import, and nothing here needs it but the checks that others run on their engines.
"""

import sys
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

_OURS = "pytest_sandbox."
#: Modules with asserts about what is tested, which pytest then explains.
_OF_TESTS = ("pytest_sandbox.engine.conformance", "pytest_sandbox.strategies")


class PlainFinder:
    """Finds modules of this package; one of `sys.meta_path`."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Where a module is; `None` if it is not one of these."""
        if not name.startswith(_OURS) or name.startswith(_OF_TESTS):
            return None
        return PathFinder.find_spec(name, path, target)


def install() -> None:
    """Have the modules that follow imported so."""
    sys.meta_path.insert(0, PlainFinder)
