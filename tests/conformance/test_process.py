"""The engine of processes keeps the contract, but for what isolation is."""

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from pytest_sandbox.engine import (
    Capability,
    EngineUnavailable,
    Limits,
    OciImage,
    ProcessSpec,
    ProcessUser,
    TaskSpec,
    Unsupported,
    VolumeMount,
)
from pytest_sandbox.engine.conformance import CHECKS, CLOSING, Check, RelocatedEngine
from pytest_sandbox.processes import ProcessEngine, ProcessOptions

#: All that it can do, on every machine.
CAPABILITIES = frozenset({Capability.PORT, Capability.PTY})
#: What takes long, and is about files and output, with which the local engine does the same.
BIG = {
    *("output.big_output", "output.big_output_without_a_reader", "output.flow_control"),
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
async def engine() -> AsyncIterator[ProcessEngine]:
    """One engine for all checks; errors that nobody asked for, which asyncio tells, are bugs."""
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(str(told)))
    engine = ProcessEngine()
    info = await engine.start()
    assert info.capabilities == CAPABILITIES
    yield engine
    await engine.close()
    gc.collect()
    assert complaints == []


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "check",
    [each for each in CHECKS if each.applies_to(CAPABILITIES) and str(each) not in BIG],
    ids=str,
)
async def test_contract(check: Check, engine: ProcessEngine) -> None:
    await check.run(RelocatedEngine(engine))


@pytest.mark.asyncio
@pytest.mark.parametrize("check", CLOSING, ids=str)
async def test_end_of_the_engine(check: Check) -> None:
    engine = ProcessEngine()
    await engine.start()
    await check.run(RelocatedEngine(engine))
    await engine.close()


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"landlok": "off"}, "did you mean 'landlock'?"),
        ({"landlock": "no"}, "must be auto or off, got 'no'"),
        ({"connect": "80,http"}, "must be ports, as in 5432,8000, got '80,http'"),
        ({"connect": "70000"}, "must be ports"),
        ({"processes": "0"}, "must be a whole number of at least 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, str], wrong: str) -> None:
    with pytest.raises(EngineUnavailable) as caught:
        ProcessOptions.parse(options)
    assert wrong in str(caught.value)


def test_options_are_read() -> None:
    options = ProcessOptions.parse({"landlock": "off", "connect": "80,5432", "processes": "9"})
    assert options == ProcessOptions(landlock=False, connect=(80, 5432), processes=9)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("spec", "feature"),
    [
        (TaskSpec(image=OciImage("alpine:3.21", "sha256:0", ())), "image: not alpine:3.21"),
        (TaskSpec(exit_snapshot=True), "snapshot"),
        (TaskSpec(volumes=(VolumeMount("v", "/data"),)), "volume"),
        (TaskSpec(hostname="other"), "hostname"),
        (TaskSpec(limits=Limits(memory=1 << 30)), "memory limit"),
        (TaskSpec(limits=Limits(cpus=1)), "cpu limit"),
        (TaskSpec(workdir="/no/such/folder"), "workdir: /no/such/folder"),
        (TaskSpec(main=ProcessSpec(("true",), user=ProcessUser(1, 1))), "user: 1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_it_lacks_is_refused_by_name(
    spec: TaskSpec, feature: str, engine: ProcessEngine
) -> None:
    with pytest.raises(Unsupported, match=f"^{feature}.*engine 'process'"):
        await engine.create(spec)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_directory_of_the_machine_can_be_the_working_directory(
    engine: ProcessEngine,
) -> None:
    task = await engine.create(TaskSpec(workdir="/usr"))
    process = await task.exec(ProcessSpec(("pwd",)))
    assert await process.stdout.read(0) == b"/usr\n"
    await task.kill()
