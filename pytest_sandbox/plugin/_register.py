"""The first hook that pytest calls adds the modules that have the others."""

import pytest

from . import _engine, _failures, _fixtures, _marker, _options, _rpcs, _watch, _xdist


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the parts of the plugin; pytest then calls this hook of theirs too."""
    for module in (_options, _marker, _engine, _xdist, _watch, _fixtures, _rpcs, _failures):
        pluginmanager.register(module, module.__name__)
