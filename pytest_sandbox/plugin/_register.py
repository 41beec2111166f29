"""The first hook that pytest calls adds the modules that have the others."""

import pytest

from . import (
    _engine,
    _failures,
    _fakes,
    _fixtures,
    _marker,
    _options,
    _rpcs,
    _watch,
    _xdist,
)


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the parts of the plugin; pytest then calls this hook of theirs too."""
    parts = (_options, _marker, _engine, _xdist, _watch, _fakes, _fixtures, _rpcs, _failures)
    for module in parts:
        pluginmanager.register(module, module.__name__)
