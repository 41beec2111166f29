"""How a test is to have its GPUs: in its sandbox or in the process of pytest, real or simulated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._shared.engine_options import CLOUD_ENGINE, is_elsewhere
from pytest_sandbox._shared.gpus.requests import parse

from ..fakes import is_faked, takes_fake_sandboxes
from ..marker import merged_spec
from ..options import engine_of
from ..templates.taken import taken_templates
from .marker import GpusWanted
from .options import gpu_settings

if TYPE_CHECKING:
    import pytest

_GIVE_SANDBOXES = {"sandbox", "sandbox_factory"}


def takes_sandbox(item: pytest.Item) -> bool:
    """Whether a test works in sandboxes, which then have the GPUs."""
    if not _GIVE_SANDBOXES.isdisjoint(getattr(item, "fixturenames", ())):
        return True
    if takes_fake_sandboxes(item):
        return True
    # Not those that tests share, or that resume processes: these stay as the template made them.
    return any(
        each.scope == "function" and not each.template.memory for each in taken_templates(item)
    )


def gpus_of_sandboxes(item: pytest.Item) -> GpusWanted | None:
    """The GPUs that sandboxes of a test are to have by another marker or by a template.

    Those are `@pytest.mark.sandbox(gpu=...)` and `sandbox_template(gpu=...)`; `None` for none.
    """
    own = merged_spec(item).get("gpu") if takes_sandbox(item) else None
    specs = [own, *(each.template.spec.get("gpu") for each in taken_templates(item))]
    return next((GpusWanted(parse(gpu)) for gpu in specs if gpu is not None), None)


def is_in_cloud(item: pytest.Item) -> bool:
    """Whether the GPUs of a test are Modal's."""
    return engine_of(item) == CLOUD_ENGINE and not is_faked(item)


def are_elsewhere(item: pytest.Item) -> bool:
    """Whether its GPUs are those of another machine, which leases them to its sandboxes."""
    return is_elsewhere(engine_of(item)) and takes_sandbox(item) and not is_faked(item)


def is_simulated(item: pytest.Item) -> bool:
    """Whether its GPUs are those of the engine in memory."""
    fake = gpu_settings(item.config).mode == "fake"
    return fake or (takes_sandbox(item) and is_faked(item))
