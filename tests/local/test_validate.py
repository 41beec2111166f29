"""What cannot be run is refused before anything is started, and the message shows it."""

import pytest

from pytest_sandbox.engine import (
    Gpus,
    InvalidSpec,
    Limits,
    MemorySnapshot,
    Output,
    ProcessSpec,
    PtySize,
    TaskSpec,
    Unsupported,
    VolumeMount,
    check_process,
)
from pytest_sandbox.local.engine.validate import check_task


@pytest.mark.parametrize(
    ("spec", "shown"),
    [
        (ProcessSpec(()), "()"),
        (ProcessSpec(("",)), "('',)"),
        (ProcessSpec(("a\0b",)), r"'a\\x00b'"),
        (ProcessSpec(("a",), env={"A=B": "x"}), "'A=B'"),
        (ProcessSpec(("a",), env={"": "x"}), "''"),
        (ProcessSpec(("a",), env={"A": "x\0"}), r"'x\\x00'"),
        (ProcessSpec(("a",), workdir="here"), "'here'"),
        (ProcessSpec(("a",), stdout=Output.STDOUT), "stdout"),
        (ProcessSpec(("a",), pty=PtySize(0, 80)), "0 rows"),
        (ProcessSpec(("a",), pty=PtySize(24, 65536)), "65536 columns"),
    ],
)
def test_impossible_processes(spec: ProcessSpec, shown: str) -> None:
    with pytest.raises(InvalidSpec, match=shown.replace("(", r"\(").replace(")", r"\)")):
        check_process(spec)


@pytest.mark.parametrize(
    "spec",
    [
        TaskSpec(hostname=""),
        TaskSpec(hostname="-x"),
        TaskSpec(hostname="a" * 65),
        TaskSpec(hostname="a/b"),
        TaskSpec(hostname="a\n"),
        TaskSpec(workdir="here"),
        TaskSpec(main=ProcessSpec(())),
        TaskSpec(limits=Limits(cpus=float("nan"))),
        TaskSpec(limits=Limits(memory=0)),
        TaskSpec(limits=Limits(processes=0)),
    ],
)
def test_impossible_tasks(spec: TaskSpec) -> None:
    with pytest.raises(InvalidSpec):
        check_task(spec, {})


@pytest.mark.parametrize(
    ("spec", "feature"),
    [
        (TaskSpec(gpus=Gpus(), freezable=True), "gpu"),
        (TaskSpec(volumes=(VolumeMount("v", "/v"),), freezable=True), "volume"),
        (TaskSpec(volumes=(VolumeMount("v", "/v"),), resume=MemorySnapshot("image")), "volume"),
    ],
)
def test_what_this_engine_does_not_have_is_refused(spec: TaskSpec, feature: str) -> None:
    with pytest.raises(Unsupported, match=f"{feature}: "):
        check_task(spec, {})


@pytest.mark.parametrize(
    ("limits", "controller"), [(Limits(memory=2**30), "memory"), (Limits(cpus=1), "cpu")]
)
def test_a_limit_that_cannot_be_held_is_refused_with_the_reason(
    limits: Limits, controller: str
) -> None:
    with pytest.raises(Unsupported, match=f"{controller} limit: no such luck"):
        check_task(TaskSpec(limits=limits), {controller: "no such luck"})
