"""The engine of processes keeps the contract, but for what isolation is."""

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from pytest_sandbox.engine import Capability
from pytest_sandbox.engine.conformance import CHECKS, CLOSING, Check, RelocatedEngine
from pytest_sandbox.processes import ProcessEngine

#: All that it can do, on every machine.
CAPABILITIES = frozenset({Capability.PORT, Capability.PTY})
#: What takes long, and is about the agent's work on files, which the local engine has too.
BIG = {
    *("watch.recursive_of_deep_directories", "watch.many_changes", "files.many_names"),
    *("trees.deep_paths", "trees.deep_trees", "trees.many_files"),
}
#: What is not so without isolation.
ABSENT = {
    "processes.workdir_of_the_task",
    "processes.default_workdir_is_the_home_of_root",
    "processes.hostname",
    "tasks.the_system_can_be_changed_inside",
    "prepare.prepared_tasks_are_like_any_other",
    "prepare.main_and_environment_may_be_others",
    "prepare.tasks_of_one_kind_one_after_the_other",
    "prepare.any_number_of_hints",
    "files.files_belong_to_root",
    "files.owner_without_a_name",
    "files.dots_above_the_root",
    "files.root_may_do_what_modes_forbid",
}


def test_what_is_absent_is_declared() -> None:
    """Everything else either is promised, or needs a capability which another check refuses."""
    assert {str(check) for check in CHECKS if check.isolated} == ABSENT
    for check in CHECKS:
        if check.isolated:
            assert check.mismatch(CAPABILITIES) == f"the engine does not isolate: {check.isolated}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started() -> AsyncIterator[RelocatedEngine]:
    """One engine for all checks; errors that nobody asked for, which asyncio tells, are bugs."""
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(str(told)))
    engine = ProcessEngine()
    info = await engine.start()
    assert info.capabilities == CAPABILITIES
    yield RelocatedEngine(engine)
    await engine.close()
    gc.collect()
    assert complaints == []


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "check",
    [each for each in CHECKS if each.applies_to(CAPABILITIES) and str(each) not in BIG],
    ids=str,
)
async def test_contract(check: Check, started: RelocatedEngine) -> None:
    await check.run(started)


@pytest.mark.asyncio
@pytest.mark.parametrize("check", CLOSING, ids=str)
async def test_end_of_the_engine(check: Check) -> None:
    engine = ProcessEngine()
    await engine.start()
    await check.run(RelocatedEngine(engine))
    await engine.close()
