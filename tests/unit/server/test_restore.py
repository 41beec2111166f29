"""A sandbox goes back to an image: what stays, what starts anew, what ends."""

import asyncio
from typing import Any

import pytest
from grpclib import Status

from pytest_sandbox._proto import (
    common_pb2,
    containers_pb2,
    extensions_pb2,
    inspector_pb2,
    router_pb2,
    sandboxes_pb2,
    snapshots_pb2,
)
from pytest_sandbox._proto.extensions_grpc import ExtensionsStub
from pytest_sandbox.engine import (
    EndCause,
    ExitStatus,
    Snapshot,
    SupportsReplacement,
    Task,
    TaskEnd,
    TaskSpec,
)
from pytest_sandbox.fakes import settle

from .engines import GatedEngine, GatedTask
from .harness import STDOUT, Created, Harness, refused


async def snapshot(server: Harness, sandbox: Created) -> str:
    request = snapshots_pb2.SandboxSnapshotFsRequest(sandbox_id=sandbox.id, timeout=55)
    return (await server.control.SandboxSnapshotFs(request)).image_id


async def restore(
    server: Harness, sandbox: Created, image_id: str, metadata: Any = None
) -> GatedTask:
    request = extensions_pb2.SandboxRestoreImageRequest(sandbox_id=sandbox.id, image_id=image_id)
    await ExtensionsStub(server.channel).SandboxRestoreImage(request, metadata=metadata)
    return server.engine.tasks[-1]


async def batches(server: Harness, sandbox: Created, entry: str = "") -> Any:
    request = sandboxes_pb2.SandboxGetLogsRequest(
        sandbox_id=sandbox.id, file_descriptor=STDOUT, timeout=5, last_entry_id=entry
    )
    return await server.control.SandboxGetLogs(request)


async def describe(server: Harness, sandbox: Created) -> Any:
    request = inspector_pb2.InspectorDescribeRequest(sandbox_id=sandbox.id, tail_bytes=100)
    return await server.inspector.Describe(request)


@pytest.mark.asyncio
async def test_its_files_are_those_of_the_image_and_it_stays_who_it_is(server: Harness) -> None:
    sandbox = await server.create("cat", name="n", tags={"a": "b"}, timeout_secs=50)
    sandbox.task.view.write("/tmp/a", "kept")
    image_id = await snapshot(server, sandbox)
    sandbox.task.view.write("/tmp/b", "later")

    task = await restore(server, sandbox, image_id)

    assert task is not sandbox.task
    assert task.view.listdir("/tmp") == ["a"]
    assert (task.spec.main, task.spec.name) == (sandbox.task.spec.main, "n")
    assert sandbox.task.poll() == TaskEnd(EndCause.KILLED)
    (info,) = (await server.control.SandboxList(sandboxes_pb2.SandboxListRequest())).sandboxes
    assert (info.id, info.name, info.image_id) == (sandbox.id, "n", image_id)
    assert [tag.tag_name for tag in info.tags] == ["a"]
    assert (info.task_info.id, info.task_info.result.status) == (sandbox.task_id, 0)
    exec_id = await server.exec(sandbox, "echo", "same token")
    assert await server.output(sandbox, exec_id) == b"same token\n"


@pytest.mark.asyncio
async def test_a_task_that_another_one_can_replace_is_asked_for_that(server: Harness) -> None:
    asked: list[TaskSpec] = []

    class Replaceable(GatedTask, SupportsReplacement):
        async def create_replacement(self, spec: TaskSpec) -> Task:
            asked.append(spec)
            return await self.engine.create(spec)

    sandbox = await server.create("cat")
    image_id = await snapshot(server, sandbox)
    sandbox.task.__class__ = Replaceable

    task = await restore(server, sandbox, image_id)

    assert asked == [task.spec]


@pytest.mark.asyncio
async def test_it_lives_as_long_as_it_would_have(server: Harness) -> None:
    sandbox = await server.create("cat", timeout_secs=50)
    image_id = await snapshot(server, sandbox)
    await server.clock.advance(40)
    await restore(server, sandbox, image_id)
    await server.clock.advance(9)
    assert (await server.wait(sandbox)).status == 0
    await server.clock.advance(2)
    status = (await server.wait(sandbox, 1)).status
    assert status == common_pb2.GenericResult.GENERIC_STATUS_TIMEOUT


@pytest.mark.asyncio
async def test_it_may_be_idle_for_as_long_as_before(server: Harness) -> None:
    sandbox = await server.create(idle_timeout_secs=10)
    image_id = await snapshot(server, sandbox)
    await server.exec(sandbox, "hang")
    await server.clock.advance(30)
    await restore(server, sandbox, image_id)
    await server.clock.advance(9)
    assert (await server.wait(sandbox)).status == 0
    await server.clock.advance(2)
    status = (await server.wait(sandbox, 1)).status
    assert status == common_pb2.GenericResult.GENERIC_STATUS_IDLE_TIMEOUT


@pytest.mark.asyncio
async def test_what_ran_is_killed_and_what_ended_stays_readable(server: Harness) -> None:
    sandbox = await server.create()
    image_id = await snapshot(server, sandbox)
    ended = await server.exec(sandbox, "echo", "before")
    await server.code(sandbox, ended)
    running = await server.exec(sandbox, "cat")

    await restore(server, sandbox, image_id)

    assert (await server.code(sandbox, running)).signal == 9
    assert await server.output(sandbox, running) == b""
    assert await server.output(sandbox, ended) == b"before\n"
    with refused(Status.FAILED_PRECONDITION, "ended"):
        await server.write(sandbox, running, b"x")


@pytest.mark.asyncio
async def test_its_main_process_starts_anew_with_its_own_streams(server: Harness) -> None:
    sandbox = await server.create("cat")
    image_id = await snapshot(server, sandbox)
    write = sandboxes_pb2.SandboxStdinWriteRequest
    request = write(sandbox_id=sandbox.id, index=1, input=b"first")
    await server.control.SandboxStdinWrite(request)
    await settle()
    seen = (await asyncio.gather(batches(server, sandbox), server.clock.advance(6)))[0]
    assert [(b.items[0].data, b.entry_id) for b in seen] == [("first", "5-0")]

    await restore(server, sandbox, image_id)

    (rest,) = await batches(server, sandbox, "5-0")
    assert (rest.eof, list(rest.items)) == (True, [])
    request = write(sandbox_id=sandbox.id, index=1, input=b"second", eof=True)
    await server.control.SandboxStdinWrite(request)
    assert await server.logs(sandbox) == "second"
    assert await server.logs(sandbox, entry="0-0") == "second"
    assert await server.logs(sandbox, entry="3-1") == "ond"
    assert (await server.wait(sandbox, 1)).status == common_pb2.GenericResult.GENERIC_STATUS_SUCCESS


@pytest.mark.asyncio
async def test_who_reads_its_output_meanwhile_comes_to_its_end(server: Harness) -> None:
    sandbox = await server.create("cat")
    image_id = await snapshot(server, sandbox)
    reading = asyncio.ensure_future(batches(server, sandbox))
    await settle()
    await restore(server, sandbox, image_id)
    assert [batch.eof for batch in await reading] == [True]


@pytest.mark.asyncio
async def test_who_waits_for_it_goes_on_waiting(server: Harness) -> None:
    sandbox = await server.create("cat")
    image_id = await snapshot(server, sandbox)
    waiting = asyncio.ensure_future(server.wait(sandbox, 100))
    await settle()
    task = await restore(server, sandbox, image_id)
    await settle()
    assert not waiting.done()
    task.processes[0].proc.end(ExitStatus(code=3))
    assert (await waiting).exitcode == 3


@pytest.mark.asyncio
async def test_the_report_has_the_commands_before_and_after(server: Harness) -> None:
    sandbox = await server.create("cat")
    image_id = await snapshot(server, sandbox)
    await server.exec(sandbox, "hang")
    await restore(server, sandbox, image_id)
    await server.exec(sandbox, "echo", "after")
    await settle()

    told = await describe(server, sandbox)

    assert (told.running, told.image) == (True, f"{image_id} on debian:12 = host")
    commands = [(c.argv[0], c.main, c.running, c.ended_by) for c in told.commands]
    assert commands == [
        ("cat", True, True, ""),
        ("cat", False, False, "restored"),
        ("hang", False, False, "restored"),
        ("echo", False, False, ""),
    ]


@pytest.mark.asyncio
async def test_files_that_were_open_are_not_any_more(server: Harness) -> None:
    sandbox = await server.create()
    sandbox.task.view.write("/tmp/a", "kept")
    image_id = await snapshot(server, sandbox)
    request = containers_pb2.ContainerFilesystemExecRequest(
        task_id=sandbox.task_id,
        file_open_request=containers_pb2.ContainerFileOpenRequest(path="/tmp/a", mode="r"),
    )
    opened = await server.control.ContainerFilesystemExec(request)
    await restore(server, sandbox, image_id)
    request = containers_pb2.ContainerFilesystemExecRequest(
        task_id=sandbox.task_id,
        file_read_request=containers_pb2.ContainerFileReadRequest(
            file_descriptor=opened.file_descriptor
        ),
    )
    reading = await server.control.ContainerFilesystemExec(request)
    results = await server.control.ContainerFilesystemExecGetOutput(
        containers_pb2.ContainerFilesystemExecGetOutputRequest(exec_id=reading.exec_id, timeout=5)
    )
    assert results[0].error.error_message


@pytest.mark.asyncio
async def test_a_repeated_call_restores_once(server: Harness, engine: GatedEngine) -> None:
    sandbox = await server.create()
    image_id = await snapshot(server, sandbox)
    key = {"x-idempotency-key": "one"}
    first = await restore(server, sandbox, image_id, key)
    assert await restore(server, sandbox, image_id, key) is first
    assert len(engine.tasks) == 2


@pytest.mark.asyncio
async def test_a_sandbox_that_cannot_be_restored_goes_on(
    server: Harness, engine: GatedEngine
) -> None:
    sandbox = await server.create("cat")
    image_id = await snapshot(server, sandbox)
    engine.snapshots.forget(Snapshot("image-1"))
    with refused(Status.NOT_FOUND, "image-1"):
        await restore(server, sandbox, image_id)
    with refused(Status.NOT_FOUND, "im-nope"):
        await restore(server, sandbox, "im-nope")
    exec_id = await server.exec(sandbox, "echo", "alive")
    assert await server.output(sandbox, exec_id) == b"alive\n"


@pytest.mark.asyncio
async def test_a_sandbox_that_ends_while_it_is_restored_has_ended(
    server: Harness, engine: GatedEngine
) -> None:
    sandbox = await server.create()
    image_id = await snapshot(server, sandbox)
    engine.gate.clear()
    restoring = asyncio.ensure_future(restore(server, sandbox, image_id))
    await settle()
    await server.terminate(sandbox)
    engine.gate.set()
    with refused(Status.NOT_FOUND, "has ended"):
        await restoring
    assert [task.poll() for task in engine.tasks] == [TaskEnd(EndCause.KILLED)] * 2
    with refused(Status.NOT_FOUND, "has ended"):
        await restore(server, sandbox, image_id)


@pytest.mark.asyncio
async def test_a_sandbox_that_is_lost_while_it_is_restored_is_lost(
    server: Harness, engine: GatedEngine
) -> None:
    sandbox = await server.create()
    image_id = await snapshot(server, sandbox)
    box = server.app.state.sandboxes.get(sandbox.id)
    dying, killed = asyncio.Event(), asyncio.Event()
    kill = sandbox.task.kill

    async def slowly() -> None:
        dying.set()
        await killed.wait()
        await kill()

    sandbox.task.kill = slowly  # type: ignore[method-assign]
    engine.gate.clear()
    restoring = asyncio.ensure_future(restore(server, sandbox, image_id))
    await settle()
    losing = asyncio.ensure_future(box.fail(EndCause.LOST))
    await dying.wait()
    engine.gate.set()
    with refused(Status.NOT_FOUND, "has ended"):
        await restoring
    killed.set()
    await losing
    assert [task.poll() for task in engine.tasks] == [TaskEnd(EndCause.KILLED)] * 2


@pytest.mark.asyncio
async def test_restoring_twice_at_once_is_done_one_after_another(
    server: Harness, engine: GatedEngine
) -> None:
    sandbox = await server.create("cat")
    image_id = await snapshot(server, sandbox)
    await asyncio.gather(*(restore(server, sandbox, image_id) for _ in range(3)))
    assert [task.poll() is None for task in engine.tasks] == [False, False, False, True]
    main = engine.tasks[-1].main
    assert main is not None
    assert main.poll() is None


@pytest.mark.asyncio
async def test_a_terminal_that_was_asked_for_is_there_again(server: Harness) -> None:
    sandbox = await server.create("cat", pty_info={"enabled": True, "winsz_rows": 7})
    task = await restore(server, sandbox, await snapshot(server, sandbox))
    assert task.spec.main is not None
    assert task.spec.main.pty is not None
    assert task.spec.main.pty.rows == 7


@pytest.mark.asyncio
async def test_a_mount_does_not_outlive_what_it_was_made_in(
    server: Harness, engine: GatedEngine
) -> None:
    engine.snapshots.room = 2
    sandbox = await server.create()
    image_id = await snapshot(server, sandbox)
    kept = router_pb2.TaskSnapshotDirectoryRequest(
        task_id=sandbox.task_id, path=b"/tmp", snapshot_id="d"
    )
    shown = await server.router.TaskSnapshotDirectory(kept, metadata=sandbox.auth)
    mount = router_pb2.TaskMountDirectoryRequest(
        task_id=sandbox.task_id, path=b"/m", image_id=shown.image_id
    )
    await server.router.TaskMountDirectory(mount, metadata=sandbox.auth)
    await restore(server, sandbox, image_id)

    await snapshot(server, sandbox)  # for which the one that was mounted makes room

    assert engine.forgotten == ["image-2"]


@pytest.mark.asyncio
async def test_gpus_are_not_held_twice(server: Harness) -> None:
    resources = sandboxes_pb2.Resources(gpu_config={"gpu_type": "H100", "count": 1})
    sandbox = await server.create(resources=resources)
    image_id = await snapshot(server, sandbox)
    with refused(Status.UNIMPLEMENTED, "gpu"):
        await restore(server, sandbox, image_id)
