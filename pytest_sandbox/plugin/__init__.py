"""The pytest plugin: options, markers, fixtures, reports.

Loading it costs next to nothing: no module here imports the client, gRPC or asyncio before a test
asks for a sandbox.
"""

from .engine import SandboxEngine as SandboxEngine
from .fixtures import SandboxFactory as SandboxFactory
from .gpu.fixture import LeasedGpus as LeasedGpus
from .modal.server import ModalServer as ModalServer
from .network_log import NetworkConnection as NetworkConnection
from .network_log import SandboxNetworkLog as SandboxNetworkLog
from .register import pytest_addoption as pytest_addoption
from .templates.decorator import sandbox_template as sandbox_template

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
