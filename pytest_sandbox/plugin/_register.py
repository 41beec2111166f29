"""The first hook that pytest calls adds the modules that have the others."""

import pytest

from . import (
    _engine,
    _failures,
    _fakes,
    _fixtures,
    _marker,
    _options,
    _pool,
    _rpcs,
    _template_copy,
    _template_fixtures,
    _template_summary,
    _watch,
    _xdist,
)

_PARTS = (
    _options,
    _marker,
    _engine,
    _xdist,
    _watch,
    _fakes,
    _fixtures,
    _template_copy,
    _template_fixtures,
    _template_summary,
    _rpcs,
    _pool,
    _failures,
)


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the parts of the plugin; pytest then calls this hook of theirs too."""
    for module in _PARTS:
        pluginmanager.register(module, module.__name__)
