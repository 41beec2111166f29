"""The GPUs of a test in Modal's cloud: its sandboxes ask for them, and no lease is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .held import TestGpus
from .options import gpu_settings
from .tested import takes_sandbox

if TYPE_CHECKING:
    from .marker import GpusWanted


def gpus_in_cloud(item: pytest.Item, wanted: GpusWanted) -> TestGpus:
    """What stands for the GPUs that the sandboxes of a test ask Modal for.

    Raises:
        pytest.fail.Exception: Modal cannot give what the test asks for.
    """
    if gpu_settings(item.config).mode == "fake":
        pytest.fail(
            "--gpu=fake does not work with --sandbox-engine=modal: Modal's GPUs are real. Leave it "
            "out, or run the test with --sandbox-engine=local.",
            pytrace=False,
        )
    if not takes_sandbox(item):
        pytest.fail(
            f"the test needs {wanted}, and takes no sandbox: Modal's GPUs are in sandboxes only. "
            "Take the fixture sandbox, or run the test with --sandbox-engine=local.",
            pytrace=False,
        )
    if wanted.memory is not None:
        pytest.fail(
            f"@pytest.mark.gpu(memory={wanted.memory}): Modal gives whole GPUs only; leave "
            "memory= out",
            pytrace=False,
        )
    first = wanted.requests[0]  # a sandbox asks Modal for one kind
    return TestGpus((), f"{first.kind or 'any'}:{first.count}")
