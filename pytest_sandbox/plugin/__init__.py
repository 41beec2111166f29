"""The pytest plugin: options, markers, fixtures, reports.

Loading it costs next to nothing: no module here imports the client, gRPC or asyncio before a test
asks for a sandbox. Names for annotations are imported when they are first asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

from . import plain_imports

plain_imports.install()

from . import fixtures, hooks  # noqa: E402
from .declarations import declare_options  # noqa: E402

if TYPE_CHECKING:
    import pytest

    from .engine import SandboxEngine as SandboxEngine
    from .factory import SandboxFactory as SandboxFactory
    from .gpu.leased import LeasedGpus as LeasedGpus
    from .modal.server import ModalServer as ModalServer
    from .network_log import NetworkConnection as NetworkConnection
    from .network_log import SandboxNetworkLog as SandboxNetworkLog
    from .parity.match import Parity as Parity
    from .templates.decorator import sandbox_template as sandbox_template

_WHERE = {
    "LeasedGpus": "gpu.leased",
    "ModalServer": "modal.server",
    "NetworkConnection": "network_log",
    "Parity": "parity.match",
    "SandboxEngine": "engine",
    "SandboxFactory": "factory",
    "SandboxNetworkLog": "network_log",
    "sandbox_template": "templates.decorator",
}

__all__ = [
    "LeasedGpus",
    "ModalServer",
    "NetworkConnection",
    "Parity",
    "SandboxEngine",
    "SandboxFactory",
    "SandboxNetworkLog",
    "pytest_addoption",
    "sandbox_template",
]


def pytest_addoption(parser: "pytest.Parser", pluginmanager: "pytest.PytestPluginManager") -> None:
    """Declare the options, and register what every run needs."""
    declare_options(parser)
    for module in (fixtures, hooks):
        pluginmanager.register(module, module.__name__)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
