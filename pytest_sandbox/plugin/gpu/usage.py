"""Tests that do not use the GPUs that they ask for, and tests that use some without asking."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from ..engine import session_of
from ..fakes import is_faked
from ..ownership import OWNED
from .held import GPUS
from .marker import wanted_gpus
from .options import gpu_settings
from .tested import gpus_of_sandboxes

if TYPE_CHECKING:
    from collections.abc import Generator

#: The names under which a test's report tells of these.
UNUSED, UNMARKED = "gpu-unused", "gpu-unmarked"
_NODE = r"/dev/nvidia\d+"
#: There is one wherever the driver is loaded and used.
_CONTROL = "/dev/nvidiactl"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Take note at the end of a test that passed, or make it fail."""
    before = _open_nodes()
    result = yield
    if GPUS in item.stash:
        if unused := item.stash[GPUS].unused():
            names = ", ".join(map(str, unused))
            _tell(item, UNUSED, f"never opened {names}")
    elif wanted_gpus(item) is None:
        if opened := sorted(_open_nodes() - before):
            _tell(item, UNMARKED, f"opened {', '.join(opened)} without the marker gpu")
        elif _asked(item):
            _tell(item, UNMARKED, "asked for a GPU without the marker gpu")
    return result


def _tell(item: pytest.Item, name: str, text: str) -> None:
    if gpu_settings(item.config).strict:
        pytest.fail(f"the test {text} (--gpu-strict)", pytrace=False)
    item.user_properties.append((name, text))


def _asked(item: pytest.Item) -> bool:
    """Whether a sandbox of a test was created with a GPU, and no marker says so."""
    client = session_of(item).connected
    if client is None or not client.with_gpus or is_faked(item):
        return False
    return gpus_of_sandboxes(item) is None and not client.with_gpus.isdisjoint(
        item.stash[OWNED].ids
    )


def _open_nodes() -> set[str]:
    """The nodes of GPUs that this process has open."""
    if not os.path.exists(_CONTROL):
        return set()
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        try:
            path = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            continue  # that of listdir
        if re.fullmatch(_NODE, path):
            found.add(path)
    return found
