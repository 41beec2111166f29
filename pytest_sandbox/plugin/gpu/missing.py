"""What happens to a test whose GPUs this machine does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from ..options import settings as settings_of_run
from ..templates.pytest_internals import skip_of_test
from .marker import misspelt_kinds
from .options import gpu_settings
from .tested import is_simulated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .marker import GpusWanted


def skip_or_fail(
    item: pytest.Item, wanted: GpusWanted, names: Sequence[str], reason: str
) -> NoReturn:
    """Skip a test, or have it fail if it has to run or asks for what does not exist.

    Args:
        item: the test.
        wanted: the GPUs that it asks for.
        names: of the devices of this machine.
        reason: what is missing.
    """
    settings = gpu_settings(item.config)
    if errors := misspelt_kinds(wanted, names):
        pytest.fail("\n".join(errors), pytrace=False)
    if settings.mode == "require":
        pytest.fail(f"{settings}: {reason}", pytrace=False)
    raise skip_of_test(reason)


def skip_without(item: pytest.Item, wanted: GpusWanted) -> None:
    """Skip a test, or have it fail, whose sandboxes are to have GPUs that are not there.

    Those that are there, each sandbox leases for itself.
    """
    if is_simulated(item) or settings_of_run(item.config).engine != "local":
        return
    if gpu_settings(item.config).mode == "skip":
        raise skip_of_test(f"{gpu_settings(item.config)}: needs {wanted}")
    from pytest_sandbox.gpus import GpusUnavailable, GpusUnusable, missing, this_machine

    names: list[str] = []
    reason = unusable = ""
    try:
        machine = this_machine()
        names = [device.name for device in machine.devices]
        reason = missing(machine, wanted.requests, None)
    except GpusUnusable as error:
        unusable = str(error)
    except GpusUnavailable as error:
        reason = f"needs {wanted}; this machine has none: {error}"
    if unusable:
        pytest.fail(unusable, pytrace=False)
    if reason:
        skip_or_fail(item, wanted, names, reason)
