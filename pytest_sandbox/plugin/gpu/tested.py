"""How a test is to have its GPUs: in its sandbox or in the process of pytest, real or simulated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..fakes import is_faked
from .options import gpu_settings

if TYPE_CHECKING:
    import pytest

_GIVE_SANDBOXES = {"sandbox", "sandbox_factory", "fake_sandboxes"}


def takes_sandbox(item: pytest.Item) -> bool:
    """Whether a test works in sandboxes, which then have the GPUs."""
    return not _GIVE_SANDBOXES.isdisjoint(getattr(item, "fixturenames", ()))


def is_simulated(item: pytest.Item) -> bool:
    """Whether its GPUs are those of the engine in memory."""
    fake = gpu_settings(item.config).mode == "fake"
    return fake or (takes_sandbox(item) and is_faked(item))
