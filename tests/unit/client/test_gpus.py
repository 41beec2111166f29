"""The argument `gpu=`."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_sandbox.client import Client, Sandbox
from pytest_sandbox.client.exceptions import InvalidError, UnimplementedError
from pytest_sandbox.client.sandbox.gpu import gpu_config


@pytest.mark.parametrize(
    ("gpu", "kind", "count"),
    [
        ("H100", "H100", 1),
        ("h100:2", "H100", 2),
        ("A100-80GB:8", "A100-80GB", 8),
        ("any", "ANY", 1),
        ("H100!", "H100!", 1),
        (["H100"], "H100", 1),
        (["h100:2", "a100-80gb:4", "any"], "H100,A100-80GB:4,ANY:1", 2),
        ("lease:GPU-1@0+5", "lease:GPU-1@0+5", 1),
    ],
)
def test_a_kind_and_a_count(gpu: Any, kind: str, count: int) -> None:
    config = gpu_config(gpu)
    assert config is not None
    assert (config.gpu_type, config.count) == (kind, count)


def test_none_is_none() -> None:
    assert gpu_config(None) is None


@pytest.mark.parametrize(
    "gpu", ["", ":2", "H100:", "H100:two", "H100:0", "H100:-1", 1, [], ["H100", 1]]
)
def test_what_makes_no_sense_is_refused_and_shown(gpu: Any) -> None:
    with pytest.raises(InvalidError) as caught:
        gpu_config(gpu)
    assert f"gpu={gpu!r}" in str(caught.value)


def test_the_local_engine_says_that_it_has_none(client: Client) -> None:
    with pytest.raises(UnimplementedError, match=r"gpu='H100:2': the engine 'local' has no GPUs"):
        Sandbox.create(gpu="H100:2", client=client)
