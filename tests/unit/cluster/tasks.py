"""Tasks of a cluster, as its tests look at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pytest_sandbox.engine import (
    ProcessSpec,
    Task,
)

if TYPE_CHECKING:
    from pytest_sandbox.cluster.task import ClusterTask


def node_of(task: Task) -> str:
    return cast("ClusterTask", task).node.name


async def write(task: Task, path: str, text: str) -> None:
    process = await task.exec(ProcessSpec(("sh", "-c", f"echo {text} > {path}")))
    assert (await process.wait()).code == 0


async def read(task: Task, path: str) -> bytes:
    process = await task.exec(ProcessSpec(("cat", path)))
    output = b"".join([part async for part in process.stdout.follow()])
    await process.wait()
    return output
