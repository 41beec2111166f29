"""What can be planned to go wrong, and what is refused before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox import Faults
from pytest_sandbox._proto import inspector_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Plan:
    """Remembers what was set."""

    def __init__(self) -> None:
        self.faults: dict[str, pb.Fault] = {}
        self.fired: dict[str, int] = {}

    def fault_set(self, fault: pb.Fault) -> None:
        self.faults[fault.id] = pb.Fault.FromString(fault.SerializeToString())

    def fault_list(self, ids: Iterable[str]) -> list[pb.FaultState]:
        return [pb.FaultState(id=each, fired=self.fired.get(each, 0)) for each in ids]

    def fault_clear(self, ids: Iterable[str]) -> None:
        for each in ids:
            del self.faults[each]


@pytest.fixture
def plan() -> Plan:
    return Plan()


@pytest.fixture
def faults(plan: Plan) -> Faults:
    return Faults(plan)


def test_the_last_word_of_a_fault_is_what_is_set(plan: Plan, faults: Faults) -> None:
    faults.on("TaskExecStart", nth=2).status("UNAVAILABLE").times(3).delay(5)
    (fault,) = plan.faults.values()
    assert (fault.call.nth, fault.call.times, fault.call.delay) == (2, 3, 5)
    assert fault.call.status.status == "UNAVAILABLE"


def test_a_fault_without_effect_is_not_set_and_never_fires(plan: Plan, faults: Faults) -> None:
    fault = faults.on("TaskExecStart").times(2)
    assert plan.faults == {}
    assert faults.unfired() == [fault]
    assert repr(fault) == "<faults.on('TaskExecStart').times(2)>"


def test_faults_that_fired_less_than_they_were_to_are_told(plan: Plan, faults: Faults) -> None:
    fault = faults.on("TaskExecStart").status("ABORTED").times(2)
    (fault_id,) = plan.faults
    plan.fired[fault_id] = 1
    assert faults.unfired() == [fault]
    plan.fired[fault_id] = 2
    assert faults.unfired() == []


def test_optional_and_random_faults_need_not_fire(faults: Faults) -> None:
    faults.on("TaskExecStart").status("ABORTED").optional()
    faults.random(1, rate=0.5, among=["TaskExecStart"])
    assert faults.unfired() == []


@pytest.mark.parametrize(
    ("plan_it", "words"),
    [
        (lambda f: f.on("TaskExecStrat"), "no RPC 'TaskExecStrat'; did you mean 'TaskExecStart'"),
        (lambda f: f.on("TaskExecStart", nth=0), "nth=0: calls are counted from 1"),
        (lambda f: f.on("TaskExecStart").status("UNAVAILIBLE"), "did you mean 'UNAVAILABLE'"),
        (lambda f: f.on("TaskExecStart").status("OK"), "is not a fault"),
        (lambda f: f.on("TaskExecStart").times(0), "at least 1"),
        (lambda f: f.on("TaskExecStart").delay(-1), "delay=-1"),
        (lambda f: f.on("TaskExecStart").delay(float("nan")), "delay=nan"),
        (lambda f: f.on("TaskExecStart").rate_limit(retry_after=-0.1), "retry_after=-0.1"),
        (lambda f: f.on("TaskExecStart").cut_stream(after_bytes=5), "only a stream"),
        (lambda f: f.on("TaskExecStdioRead").cut_stream(after_bytes=-5), "-5 is negative"),
        (
            lambda f: f.on("TaskExecStart").status("ABORTED").drop_response(),
            "has an effect already",
        ),
        (
            lambda f: f.on("TaskExecStdioRead").cut_stream(after_bytes=1).status("ABORTED"),
            "has an effect already",
        ),
        (lambda f: f.on("TaskExecStart").where(command="x"), "has no field 'command'"),
        (lambda f: f.on("TaskExecStart").where(exec_id=lambda _: True), "not functions"),
        (lambda f: f.on("TaskExecStdinWriteStream").where(data=b""), "no request to look at"),
        (lambda f: f.random(1, rate=1.5, among=["TaskExecStart"]), "not between 0 and 1"),
        (lambda f: f.random(1, rate=0.5, among=[]), "at least one"),
        (lambda f: f.random(1, rate=0.5, among=["X"]), "no RPC 'X'"),
        (lambda f: f.vanish("sb-1", at=-1), "at=-1"),
        (lambda f: f.oom("sb-1", at=float("inf")), "at=inf"),
        (lambda f: f.vanish(5), "sandbox=5 is an int: give a Sandbox or its id"),
    ],
)
def test_nonsense_is_refused_and_not_set(
    plan: Plan, faults: Faults, plan_it: Callable[[Faults], Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        plan_it(faults)
    assert plan.faults == {}
    assert faults.unfired() == []


def test_a_fault_whose_part_was_refused_can_be_mended(plan: Plan, faults: Faults) -> None:
    fault = faults.on("TaskExecStart").status("ABORTED")
    with pytest.raises(ValueError, match="at least 1"):
        fault.times(0)
    assert plan.faults == {}
    fault.times(2)
    assert list(plan.faults) == [fault.id]
    assert faults.unfired() == [fault]


def test_clearing_takes_all_back(plan: Plan, faults: Faults) -> None:
    faults.on("TaskExecStart").status("ABORTED")
    faults.vanish("sb-1")
    faults.clear()
    assert plan.faults == {}
    assert faults.unfired() == []
