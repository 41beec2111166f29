"""The GPUs of tests whose engine is on another machine, which leases them to sandboxes."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox._run import EngineStartError

from ..engine import session_of
from .held import TestGpus
from .missing import skip_or_fail

if TYPE_CHECKING:
    from .marker import GpusWanted


def gpus_elsewhere(item: pytest.Item, wanted: GpusWanted) -> TestGpus:
    """What stands for the GPUs that the sandboxes of a test ask another machine for.

    Raises:
        pytest.skip.Exception: the other machine has no GPUs.
        pytest.fail.Exception: it has to have some, or the test wants a part of one.
    """
    # An engine that does not start is an error of the fixture that needs it.
    with suppress(EngineStartError):
        # Asked for each test: machines with GPUs come to a cluster, and go, while tests run.
        engine = session_of(item).client().inspector.engine()
        if "gpu" not in engine.capabilities:
            there = engine.details.get("no GPU") or "there are none"
            skip_or_fail(item, wanted, [], f"needs {wanted} of another machine: {there}")
    if wanted.memory is not None:
        pytest.fail(
            f"needs {wanted}: only on this machine do tests share GPUs by memory=; leave it out "
            "for one of another machine",
            pytrace=False,
        )
    return TestGpus((), [f"{each.kind or 'any'}:{each.count}" for each in wanted.requests])
