"""What sandboxes ask Ray for, and what is said if no node can ever have it."""

from __future__ import annotations

import pytest

from pytest_sandbox.cluster.on_ray.resources import bundles, feasible, refused
from pytest_sandbox.engine import EngineError, Gpus, Limits, Requests, StoreFull, TaskSpec
from pytest_sandbox.engine import Unsupported as Absent

GIB = 2**30
NODES = {
    "small": {"CPU": 4.0, "memory": 64.0 * GIB},
    "big": {"CPU": 32.0, "memory": 8.0 * GIB, "GPU": 2.0, "accelerator_type:H100": 1.0},
}


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        (TaskSpec(), []),
        (TaskSpec(limits=Limits(processes=9)), []),
        (TaskSpec(requests=Requests(cpus=2.0)), [{"CPU": 2.0}]),
        (TaskSpec(requests=Requests(memory=GIB)), [{"memory": float(GIB)}]),
        (TaskSpec(limits=Limits(cpus=3.0)), [{"CPU": 3.0}]),
        (
            TaskSpec(requests=Requests(cpus=1.0), limits=Limits(cpus=3.0, memory=GIB)),
            [{"CPU": 1.0, "memory": float(GIB)}],
        ),
        (
            TaskSpec(requests=Requests(cpus=1.0), gpus=Gpus("H100", 2, (Gpus(),))),
            [
                {"CPU": 1.0, "GPU": 2.0, "accelerator_type:H100": 0.001},
                {"CPU": 1.0, "GPU": 1.0},
            ],
        ),
    ],
)
def test_a_request_counts_and_else_the_limit(
    spec: TaskSpec, wanted: list[dict[str, float]]
) -> None:
    assert bundles(spec) == wanted


@pytest.mark.parametrize(
    ("spec", "kind", "words"),
    [
        (
            TaskSpec(requests=Requests(cpus=64.0)),
            StoreFull,
            "no node of the Ray cluster has 64 CPU; the most that a node has is 32 CPU on big",
        ),
        (
            TaskSpec(requests=Requests(cpus=8.0, memory=16 * GIB)),
            StoreFull,
            "the most that a node has is 32 CPU on big, 65536 MiB of memory on small",
        ),
        (
            TaskSpec(gpus=Gpus("B200")),
            Absent,
            "has 1 GPU, B200; the most that a node has is 2 GPU on big (H100)",
        ),
    ],
)
def test_what_no_node_can_ever_have_is_refused_with_what_they_have(
    spec: TaskSpec, kind: type[EngineError], words: str
) -> None:
    wanted = bundles(spec)
    assert not feasible(wanted[0], NODES.values())
    error = refused(wanted, NODES, all_nodes=True)
    assert type(error) is kind
    assert words in str(error)


def test_a_node_that_a_sandbox_has_to_be_on_is_named() -> None:
    error = refused([{"CPU": 8.0}], {"small": NODES["small"]}, all_nodes=False)
    assert "small has not 8 CPU; the most that a node has is 4 CPU on small" in str(error)
