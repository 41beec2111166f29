"""Registers the parts of the plugin, in the first hook that pytest calls."""

import pytest

from . import (
    calls_fixtures,
    early_start,
    engine,
    failures,
    fake_files,
    fakes,
    fixtures,
    marker,
    network_log,
    networks,
    options,
    ownership,
    pool,
    xdist,
)
from .gpu import collection as gpu_collection
from .gpu import fixture as gpu_fixture
from .gpu import leases as gpu_leases
from .gpu import listing as gpu_listing
from .gpu import marker as gpu_marker
from .gpu import options as gpu_options
from .gpu import usage as gpu_usage
from .modal import fixture as modal_fixture
from .modal import hints as modal_hints
from .modal import marker as modal_marker
from .templates import copies, summary
from .templates import fixtures as template_fixtures

_PARTS = (
    options,
    marker,
    engine,
    early_start,
    xdist,
    ownership,
    fake_files,
    fakes,
    fixtures,
    copies,
    template_fixtures,
    summary,
    calls_fixtures,
    network_log,
    networks,
    pool,
    modal_marker,
    modal_fixture,
    modal_hints,
    failures,
    gpu_options,
    gpu_marker,
    gpu_collection,
    gpu_leases,
    gpu_fixture,
    gpu_listing,
    gpu_usage,
)


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the parts of the plugin; pytest then calls this hook of theirs too."""
    for module in _PARTS:
        pluginmanager.register(module, module.__name__)
