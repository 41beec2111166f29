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


def register_parts(manager: pytest.PytestPluginManager) -> None:
    """Register them; pytest then calls their `pytest_configure` too."""
    for module in _PARTS:
        manager.register(module, module.__name__)
