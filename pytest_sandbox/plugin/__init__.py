"""The pytest plugin: options, markers, fixtures, reports.

Loading it costs next to nothing: no module here imports the client, gRPC or asyncio before a test
asks for a sandbox. Names for annotations are imported when they are first asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

from . import plain_imports

plain_imports.install()

from .register import pytest_addoption as pytest_addoption  # noqa: E402

if TYPE_CHECKING:
    from .engine import SandboxEngine as SandboxEngine
    from .fixtures import SandboxFactory as SandboxFactory
    from .gpu.fixture import LeasedGpus as LeasedGpus
    from .modal.server import ModalServer as ModalServer
    from .network_log import NetworkConnection as NetworkConnection
    from .network_log import SandboxNetworkLog as SandboxNetworkLog
    from .templates.decorator import sandbox_template as sandbox_template

_WHERE = {
    "LeasedGpus": "gpu.fixture",
    "ModalServer": "modal.server",
    "NetworkConnection": "network_log",
    "SandboxEngine": "engine",
    "SandboxFactory": "fixtures",
    "SandboxNetworkLog": "network_log",
    "sandbox_template": "templates.decorator",
}

__all__ = [
    "LeasedGpus",
    "ModalServer",
    "NetworkConnection",
    "SandboxEngine",
    "SandboxFactory",
    "SandboxNetworkLog",
    "pytest_addoption",
    "sandbox_template",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
