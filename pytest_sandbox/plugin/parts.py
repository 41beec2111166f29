"""The parts of the plugin that have hooks, besides those that every run needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import (
    calls,
    early_start,
    engine,
    fake_files,
    fakes,
    options,
    ownership,
    pool,
    xdist,
)
from .gpu import leases as gpu_leases
from .gpu import listing as gpu_listing
from .gpu import options as gpu_options
from .gpu import usage as gpu_usage
from .templates import copies, summary
from .templates import fixtures as template_fixtures

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    import pytest

_PARTS = (
    options,
    engine,
    early_start,
    xdist,
    ownership,
    fake_files,
    fakes,
    copies,
    template_fixtures,
    summary,
    calls,
    pool,
    gpu_options,
    gpu_leases,
    gpu_listing,
    gpu_usage,
)


class _Hooks:
    """The hooks of a part, and no more to look at: pytest looks at every name of a plugin, twice.

    Args:
        part: the module with the hooks; other plugins may ask for its name and its file.
    """

    def __init__(self, part: ModuleType) -> None:
        hooks = {name: each for name, each in vars(part).items() if name.startswith("pytest_")}
        vars(self).update(hooks, __name__=part.__name__, __file__=part.__file__)

    def __dir__(self) -> Iterable[str]:
        return [name for name in vars(self) if name.startswith("pytest_")]


def register_parts(manager: pytest.PytestPluginManager) -> None:
    """Register them; pytest then calls their `pytest_configure` too."""
    for module in _PARTS:
        manager.register(_Hooks(module), module.__name__)
