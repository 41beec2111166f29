"""Images are built from steps: each makes a layer, once, and fails with its line and output."""

import asyncio
from dataclasses import replace

import pytest
from grpclib import Status

from pytest_sandbox import Rpcs
from pytest_sandbox._proto import (
    common_pb2,
    images_pb2,
    snapshots_pb2,
)
from pytest_sandbox.engine import (
    OPEN_NETWORK,
    ConnectionRecord,
    Host,
    NetworkLog,
)
from pytest_sandbox.fakes import settle
from pytest_sandbox.server.builds.build import UNWATCHED

from .building import SUCCESS, begin, built, failure, join, printed, secret
from .engines import GatedEngine, GatedTask
from .harness import Harness, refused, serve

# Steps and layers


@pytest.mark.asyncio
async def test_steps_run_one_on_the_other_and_end_their_sandboxes(server: Harness) -> None:
    image_id = await built(
        server, "ENV A=1", "RUN echo $A > /srv/a", "WORKDIR /app", "RUN pwd >> /srv/a", "ENV B=$A-2"
    )
    assert await printed(server, image_id, "cat", "/srv/a") == "1\n/app\n"
    *steps, sandbox = server.engine.tasks
    assert steps[0].spec.image == Host()
    assert all(task.poll() is not None for task in steps)
    assert (sandbox.spec.env, sandbox.spec.workdir) == ({"A": "1", "B": "1-2"}, "/app")


@pytest.mark.asyncio
async def test_steps_start_in_the_root_directory_and_programs_where_they_do(
    server: Harness,
) -> None:
    image_id = await built(server, "RUN pwd > /srv/a")
    assert await printed(server, image_id, "sh", "-c", "cat /srv/a; pwd") == "/\n/root\n"


@pytest.mark.asyncio
async def test_what_is_the_same_is_not_run_again(server: Harness) -> None:
    base = await built(server, "RUN echo one > /srv/a")
    first = await built(server, "RUN echo two > /srv/b", "ENV A=1", base=base)
    ran = len(server.engine.tasks)

    response = await begin(server, "RUN echo two > /srv/b", "ENV A=1", base=base)
    assert (response.image_id, response.result.status) == (first, SUCCESS)
    other = await begin(server, "RUN echo two > /srv/b", "ENV A=2", base=base)
    assert other.result.status == SUCCESS
    assert other.image_id != first
    one = await begin(server, "RUN echo one > /srv/a", "RUN echo two > /srv/b")
    assert one.result.status == SUCCESS
    assert len(server.engine.tasks) == ran


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "lines",
    [
        ("RUN echo other > /srv/a", "RUN cat /srv/a"),
        ("ENV A=1", "RUN echo one > /srv/a", "RUN cat /srv/a"),
        ("ARG A=1", "RUN echo one > /srv/a", "RUN cat /srv/a"),
        ("WORKDIR /srv", "RUN echo one > /srv/a", "RUN cat /srv/a"),
        ('SHELL ["bash", "-c"]', "RUN echo one > /srv/a", "RUN cat /srv/a"),
    ],
)
async def test_whatever_a_step_depends_on_makes_it_and_those_after_it_run(
    server: Harness, lines: tuple[str, ...]
) -> None:
    await built(server, "RUN echo one > /srv/a", "RUN cat /srv/a")
    ran = len(server.engine.tasks)
    await built(server, *lines)
    assert len(server.engine.tasks) == ran + 2


@pytest.mark.asyncio
async def test_a_forced_build_runs_all_steps_and_those_of_images_on_it(server: Harness) -> None:
    first = await built(server, "RUN echo one > /srv/a")
    second = await built(server, "RUN echo one > /srv/a", force=True)
    assert first != second
    assert len(server.engine.tasks) == 2


@pytest.mark.asyncio
async def test_two_clients_build_one_image_once(server: Harness) -> None:
    server.engine.gate.clear()
    first, second = await begin(server, "RUN true"), await begin(server, "RUN true")
    assert first.image_id == second.image_id
    other = await begin(server, "RUN true", "RUN false || true")
    joins = [join(server, each.image_id) for each in (first, second, other)]
    joined = asyncio.gather(*joins)
    await server.engine.waiting.wait()
    server.engine.gate.set()
    assert [result.status for result, _ in await joined] == [SUCCESS] * 3
    assert len(server.engine.tasks) == 2


@pytest.mark.asyncio
async def test_a_layer_that_was_evicted_is_made_again(server: Harness) -> None:
    server.engine.snapshots.room = 1
    first = await built(server, "RUN echo one > /srv/a")
    await built(server, "RUN echo two > /srv/b")
    with refused(Status.NOT_FOUND, first):
        await server.create(image_id=first)
    again = await built(server, "RUN echo one > /srv/a")
    assert await printed(server, again, "cat", "/srv/a") == "one\n"


@pytest.mark.asyncio
async def test_a_snapshot_of_a_built_image_is_not_taken_for_it(server: Harness) -> None:
    base = await built(server, "RUN echo one > /srv/a")
    sandbox = await server.create(image_id=base)
    await server.code(sandbox, await server.exec(sandbox, "sh", "-c", "echo two > /srv/a"))
    request = snapshots_pb2.SandboxSnapshotFsRequest(sandbox_id=sandbox.id, timeout=55)
    taken = (await server.control.SandboxSnapshotFs(request)).image_id
    for image_id, text in ((base, "one\n"), (taken, "two\n")):
        child = await built(server, "RUN cat /srv/a > /srv/b", base=image_id)
        assert await printed(server, child, "cat", "/srv/b") == text


@pytest.mark.asyncio
async def test_a_call_that_is_repeated_builds_once(server: Harness) -> None:
    await built(server, "RUN true")
    image = images_pb2.Image(dockerfile_commands=["FROM debian", "RUN true"])
    request = images_pb2.ImageGetOrCreateRequest(image=image, force_build=True)
    for key in ("one", "one", "two"):
        metadata = {"x-idempotency-key": key}
        response = await server.control.ImageGetOrCreate(request, metadata=metadata)
        await join(server, response.image_id)
    assert len(server.engine.tasks) == 3


@pytest.mark.asyncio
async def test_a_built_image_is_deleted_with_its_last_layer(server: Harness) -> None:
    async def delete(image_id: str) -> None:
        await server.control.ImageDelete(images_pb2.ImageDeleteRequest(image_id=image_id))

    lines = "RUN echo 1 > /srv/a", "RUN echo 2 > /srv/b"
    first = await built(server, *lines)
    other = await built(server, *lines, "ENV A=1")
    await delete(first)
    with refused(Status.NOT_FOUND, first):
        await server.create(image_id=first)
    assert await printed(server, other, "cat", "/srv/b") == "2\n"
    assert len(server.engine.snapshots.names) == 2

    sandbox = await server.create(image_id=other)
    await delete(other)
    assert len(server.engine.snapshots.names) == 2  # the sandbox depends on it
    assert await server.output(sandbox, await server.exec(sandbox, "cat", "/srv/b")) == b"2\n"
    await server.terminate(sandbox)
    again = await built(server, *lines)
    assert again not in (first, other)
    await delete(again)
    assert len(server.engine.snapshots.names) == 1
    with refused(Status.INVALID_ARGUMENT, "free nothing"):
        await delete(await server.image_id())


# Failures


@pytest.mark.asyncio
async def test_a_step_that_fails_shows_its_line_its_code_and_its_output(server: Harness) -> None:
    text = await failure(server, "RUN true", "RUN echo oh; fail 3")
    assert text.startswith("RUN echo oh; fail 3\nended with exit code 3:\noh\nno")
    assert all(task.poll() is not None for task in server.engine.tasks)
    # It is not kept: the next attempt runs the step again.
    assert "exit code 3" in await failure(server, "RUN true", "RUN echo oh; fail 3")
    assert len(server.engine.tasks) == 3


@pytest.mark.asyncio
async def test_a_step_without_network_says_how_to_have_one(server: Harness) -> None:
    assert server.app.state.info.network is None
    missed = "RUN echo curl: Could not resolve host; fail 1"
    assert "--sandbox-network=open" in await failure(server, missed)
    assert "network" not in await failure(server, "RUN echo oh; fail 1")
    missing = "RUN echo open /var/lib/dpkg/lock: No such file or directory; fail 1"
    assert "RUN apt-get update" in await failure(server, missing)
    missing = await failure(server, "RUN echo this sandbox has no user 70000:0; fail 1")
    assert "newuidmap" in missing
    assert "0 to 65535" in missing
    assert "Debian's own image" in await failure(server, "RUN echo sh: apt-get: not found; fail 1")


@pytest.mark.asyncio
async def test_a_step_that_fills_its_disk_or_the_store_says_so(server: Harness) -> None:
    text = await failure(server, "RUN echo cp: x: No space left on device; fail 1")
    assert "engine option disk" in text
    server.engine.snapshots.room = 0
    text = await failure(server, "RUN true")
    assert text.startswith("RUN true\nthere is room for 0 images")
    assert all(task.poll() is not None for task in server.engine.tasks)


@pytest.mark.asyncio
async def test_a_step_has_the_network_of_the_run_and_says_what_was_denied(
    server: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = server.app.state
    state.info_at_start = replace(state.info, network=OPEN_NETWORK)
    assert "network" not in await failure(server, "RUN fail 1")
    assert server.engine.tasks[-1].spec.network == OPEN_NETWORK

    async def log(task: GatedTask) -> NetworkLog:
        denied = ConnectionRecord("10.1.2.3", "pypi.local", 443, "denied", "it is private", 3)
        return NetworkLog((denied,))

    monkeypatch.setattr(GatedTask, "network_log", log)
    text = await failure(server, "RUN fail 1")
    assert "connection denied: pypi.local port 443: it is private\n" in text


@pytest.mark.asyncio
async def test_a_step_that_cannot_start_fails_the_build(server: Harness) -> None:
    assert "nosuch" in await failure(server, 'RUN ["nosuch"]')
    assert all(task.poll() is not None for task in server.engine.tasks)


@pytest.mark.asyncio
async def test_a_build_that_nobody_waits_for_is_interrupted(server: Harness) -> None:
    response = await begin(server, "RUN hang")
    await settle()
    await server.clock.advance(UNWATCHED + 1)
    result, _ = await join(server, response.image_id)
    assert result.status == common_pb2.GenericResult.GENERIC_STATUS_TERMINATED
    assert all(task.poll() is not None for task in server.engine.tasks)
    assert len(server.engine.snapshots.names) == 0


@pytest.mark.asyncio
async def test_a_build_ends_with_the_server() -> None:
    engine = GatedEngine()
    async with serve(engine) as server:
        await begin(server, "RUN hang")
        await settle()
    assert engine.tasks
    assert all(task.poll() is not None for task in engine.tasks)


@pytest.mark.asyncio
async def test_the_output_comes_while_a_step_runs_and_in_parts(server: Harness) -> None:
    response = await begin(server, "RUN echo begun; hang")
    request = images_pb2.ImageJoinStreamingRequest(image_id=response.image_id, timeout=1)
    reading = asyncio.ensure_future(server.control.ImageJoinStreaming(request))
    await settle()
    await server.clock.advance(2)
    messages = await reading
    text = "".join(entry.data for message in messages for entry in message.task_logs)
    assert text == "=> Step 1: RUN echo begun; hang\nbegun\n"
    assert not any(message.result.status for message in messages)
    request.last_entry_id = str(len(text) - len("begun\n"))
    reading = asyncio.ensure_future(server.control.ImageJoinStreaming(request))
    await settle()
    await server.clock.advance(2)
    rest = await reading
    assert "".join(entry.data for message in rest for entry in message.task_logs) == "begun\n"
    request.last_entry_id = "-1"
    with refused(Status.INVALID_ARGUMENT, "'-1'"):
        await server.control.ImageJoinStreaming(request)


# Secrets and arguments


@pytest.mark.asyncio
async def test_a_secret_is_in_no_layer_log_or_recording(server: Harness) -> None:
    server.app.recorder.record_start()
    secret_ids = [await secret(server, TOKEN="hunter2-and-more", X="1")]
    response = await begin(
        server, "RUN echo hunter2-; echo $TOKEN; test $X = 1", secret_ids=secret_ids
    )
    result, log = await join(server, response.image_id)
    assert result.status == SUCCESS
    assert log.endswith("hunter2-\n[secret]\n")
    text = await failure(server, "RUN echo $TOKEN; fail 1", secret_ids=secret_ids)
    assert "\n[secret]\nno" in text
    assert await printed(server, response.image_id, "sh", "-c", "echo $TOKEN") == "\n"
    assert all("TOKEN" not in task.spec.env for task in server.engine.tasks)
    assert "hunter2-and" not in Rpcs(server.app.recorder).to_json()


@pytest.mark.asyncio
async def test_another_secret_makes_another_layer(server: Harness) -> None:
    first, second, again = [await secret(server, X=x) for x in ("1", "2", "1")]
    one = await built(server, "RUN echo $X > /srv/a", secret_ids=[first])
    two = await built(server, "RUN echo $X > /srv/a", secret_ids=[second])
    assert await printed(server, one, "cat", "/srv/a") == "1\n"
    assert await printed(server, two, "cat", "/srv/a") == "2\n"
    assert await built(server, "RUN echo $X > /srv/a", secret_ids=[again]) == one


@pytest.mark.asyncio
async def test_arguments_are_variables_of_steps_only(server: Harness) -> None:
    lines = ("ARG A=1", "ARG B", "ARG C", "ENV C=env", "RUN echo $A $B $C $D > /srv/a", "ENV E=$B")
    image_id = await built(server, *lines, build_args={"B": "2", "C": "3", "D": "4"})
    assert await printed(server, image_id, "cat", "/srv/a") == "1 2 env\n"
    assert server.engine.tasks[-1].spec.env == {"C": "env", "E": "2"}
