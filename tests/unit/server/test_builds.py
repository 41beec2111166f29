"""Images are built from steps: each makes a layer, once, and fails with its line and output."""

import asyncio
import hashlib
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from grpclib import Status

from pytest_sandbox import Rpcs
from pytest_sandbox._proto import (
    common_pb2,
    images_pb2,
    secrets_pb2,
    snapshots_pb2,
    volumes_pb2,
)
from pytest_sandbox.engine import (
    OPEN_NETWORK,
    ConnectionRecord,
    EngineUnavailable,
    Host,
    NetworkLog,
)
from pytest_sandbox.engines import load_engine
from pytest_sandbox.fakes import settle
from pytest_sandbox.server.builds.build import UNWATCHED

from .engines import GatedEngine, GatedTask
from .harness import Harness, refused, serve

SUCCESS = common_pb2.GenericResult.GENERIC_STATUS_SUCCESS
FAILURE = common_pb2.GenericResult.GENERIC_STATUS_FAILURE


async def begin(
    server: Harness, *lines: str, base: str = "", force: bool = False, **fields: Any
) -> images_pb2.ImageGetOrCreateResponse:
    if base:
        fields["base_images"] = [images_pb2.BaseImage(docker_tag="base", image_id=base)]
    image = images_pb2.Image(
        dockerfile_commands=["FROM base" if base else "FROM debian", *lines], **fields
    )
    request = images_pb2.ImageGetOrCreateRequest(image=image, force_build=force)
    return await server.control.ImageGetOrCreate(request)


async def join(server: Harness, image_id: str) -> tuple[common_pb2.GenericResult, str]:
    request = images_pb2.ImageJoinStreamingRequest(image_id=image_id, timeout=55)
    messages = await server.control.ImageJoinStreaming(request)
    log = "".join(entry.data for message in messages for entry in message.task_logs)
    return messages[-1].result, log


async def built(server: Harness, *lines: str, **fields: Any) -> str:
    """The id of an image, whose build was waited for."""
    response = await begin(server, *lines, **fields)
    result = response.result
    if not result.status:
        result, _ = await join(server, response.image_id)
    assert result.status == SUCCESS, result.exception
    return response.image_id


async def failure(server: Harness, *lines: str, **fields: Any) -> str:
    response = await begin(server, *lines, **fields)
    assert not response.result.status
    result, _ = await join(server, response.image_id)
    assert result.status == FAILURE
    return result.exception


async def printed(server: Harness, image_id: str, *argv: str) -> str:
    sandbox = await server.create(image_id=image_id)
    output = await server.output(sandbox, await server.exec(sandbox, *argv))
    await server.terminate(sandbox)
    return output.decode()


async def secret(server: Harness, **env: str) -> str:
    request = secrets_pb2.SecretGetOrCreateRequest(
        env_dict=env, object_creation_type=common_pb2.OBJECT_CREATION_TYPE_EPHEMERAL
    )
    return (await server.control.SecretGetOrCreate(request)).secret_id


async def mount(server: Harness, files: dict[str, bytes], mode: int = 0o644) -> str:
    named = []
    for path, data in files.items():
        digest = hashlib.sha256(data).hexdigest()
        put = volumes_pb2.MountPutFileRequest(sha256_hex=digest, data=data)
        assert (await server.control.MountPutFile(put)).exists
        named.append(volumes_pb2.MountFile(filename=path, sha256_hex=digest, mode=mode))
    request = volumes_pb2.MountGetOrCreateRequest(
        files=named,
        object_creation_type=common_pb2.OBJECT_CREATION_TYPE_ANONYMOUS_OWNED_BY_APP,
    )
    return (await server.control.MountGetOrCreate(request)).mount_id


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


# Local files


@pytest.mark.asyncio
async def test_files_are_copied_to_where_docker_would(server: Harness) -> None:
    files = {"/d/one": b"1", "/d/sub/two": b"2", "/three.txt": b"3", "/four.txt": b"4"}
    context = await mount(server, files, mode=0o750)
    image_id = await built(
        server,
        "RUN mkdir /there && ln -s /there /link",
        "WORKDIR /app",
        "COPY d rel",
        "COPY three.txt /as-name",
        "COPY three.txt /there",
        "COPY *.txt /all/",
        'COPY ["d/one", "three.txt", "/two/"]',
        "COPY --chmod=600 d/sub/two /link/deep/",
        context_mount_id=context,
    )
    sandbox = await server.create(image_id=image_id)
    wanted = {
        "/app/rel/one": "1",
        "/app/rel/sub/two": "2",
        "/as-name": "3",
        "/there/three.txt": "3",
        "/all/three.txt": "3",
        "/all/four.txt": "4",
        "/two/one": "1",
        "/two/three.txt": "3",
        "/there/deep/two": "2",
    }
    output = await server.output(sandbox, await server.exec(sandbox, "cat", *wanted))
    assert output.decode() == "".join(wanted.values())
    stats = [await sandbox.task.files.stat(path) for path in ("/as-name", "/there/deep/two")]
    assert [oct(entry.mode)[-3:] for entry in stats] == ["750", "600"]


async def odd(server: Harness, entries: dict[str, tuple[int, bytes]]) -> str:
    """Local files of any kind, by their paths: the mode with the type, and the content."""
    named = []
    for path, (mode, data) in entries.items():
        digest = hashlib.sha256(data).hexdigest()
        put = volumes_pb2.MountPutFileRequest(sha256_hex=digest, data=data)
        await server.control.MountPutFile(put)
        named.append(volumes_pb2.MountFile(filename=path, sha256_hex=digest, mode=mode))
    request = volumes_pb2.MountGetOrCreateRequest(
        files=named, object_creation_type=common_pb2.OBJECT_CREATION_TYPE_EPHEMERAL
    )
    return (await server.control.MountGetOrCreate(request)).mount_id


FOLDER, LINK = stat.S_IFDIR | 0o750, stat.S_IFLNK | 0o777
ODD = {
    "/d": (FOLDER, b""),
    "/d/e": (FOLDER, b""),
    "/d/f": (0o644, b"f\n"),
    "/d/up": (LINK, b"../../../top"),
    "/d/l": (LINK, b"f"),
    "/absolute": (LINK, b"/d"),
    "/loop": (LINK, b"loop"),
    "/gone": (LINK, b"/etc/passwd"),
    "/root": (LINK, b"."),
    "/top": (0o600, b"top\n"),
}


@pytest.mark.asyncio
async def test_links_and_directories_of_the_context_are_copied_as_at_docker(
    server: Harness,
) -> None:
    context = await odd(server, ODD)
    image_id = await built(
        server,
        "RUN mkdir -p /t/real /u && ln -s real /t/d",
        "COPY absolute /a",
        "COPY d/up d/l absolute/f /b/",
        "COPY root/d /c",
        "COPY d/e /new/e",
        "COPY . /t/",
        "RUN --mount=type=bind,source=absolute,target=/m readlink /m/l > /u/m",
        context_mount_id=context,
    )
    seen = (
        "cd /a; readlink l up; cat /b/up /b/l /b/f /c/f /u/m; ls -d /new/e; cat /t/real/f; "
        "readlink /t/d /t/loop"
    )
    assert await printed(server, image_id, "sh", "-c", seen) == (
        "f\n../../../top\ntop\nf\nf\nf\nf\n/new/e\nf\nreal\nloop\n"
    )
    sandbox = await server.create(image_id=image_id)
    assert (await sandbox.task.files.stat("/a/e")).mode & 0o777 == 0o750
    assert (await sandbox.task.files.stat("/b/up")).mode & 0o777 == 0o600
    for line in ("COPY loop /x", "COPY gone /x", "COPY d/up/x /x", "COPY l*p /x/"):
        with refused(Status.INVALID_ARGUMENT, "is not among"):
            await begin(server, line, context_mount_id=context)
    for mode, data in ((stat.S_IFIFO | 0o644, b""), (LINK, b""), (LINK, b"x" * 5000)):
        with refused(Status.INVALID_ARGUMENT, "cannot have the mode"):
            await odd(server, {"/x": (mode, data)})


async def check_that_links_of_targets_are_followed(server: Harness) -> None:
    links = (
        "RUN mkdir -p /srv/t /srv/real && echo old > /srv/real/old && cd /srv/t"
        " && ln -s new a && ln -s ../real/old b && ln -s b c && ln -s /srv/real/far d"
        " && ln -s loop loop && ln -s ../real way"
    )
    context = await mount(server, {"/f": b"1", "/g/b": b"2"})
    image_id = await built(
        server,
        links,
        *("COPY f /srv/t/a", "COPY f /srv/t/c", "COPY --from=base /srv/f /srv/t/d"),
        *("COPY g/b /srv/t/", "RUN echo 3 > /srv/real/x && ln -s ../t/y /srv/real/y"),
        "COPY f /srv/t/way/y",
        base=await built(server, "RUN mkdir -p /srv && printf 4 > /srv/f"),
        context_mount_id=context,
    )
    seen = (
        "cd /srv/t; for each in a c d way ../real/y; do readlink $each; done; "
        "cat new b ../real/old ../real/far y"
    )
    expected = "new\nb\n/srv/real/far\n../real\n../t/y\n12141"
    assert await printed(server, image_id, "sh", "-c", seen) == expected
    text = await failure(server, links, "COPY f /srv/t/loop", context_mount_id=context)
    assert "Too many levels of symbolic links" in text


@pytest.mark.asyncio
async def test_a_file_is_copied_to_where_a_link_at_its_target_leads(server: Harness) -> None:
    await check_that_links_of_targets_are_followed(server)


@pytest.mark.asyncio
async def test_a_file_of_the_definition_is_in_the_context(server: Harness) -> None:
    given = [images_pb2.ImageContextFile(filename="/.0_requirements.txt", data=b"six\n")]
    image_id = await built(server, "COPY /.0_requirements.txt /r/0.txt", context_files=given)
    assert await printed(server, image_id, "cat", "/r/0.txt") == "six\n"


@pytest.mark.asyncio
async def test_other_contents_make_another_layer(server: Harness) -> None:
    for content in (b"1", b"2", b"1"):
        context = await mount(server, {"/a": content})
        image_id = await built(server, "COPY a /srv/", context_mount_id=context)
        assert await printed(server, image_id, "cat", "/srv/a") == content.decode()
    steps = [task for task in server.engine.tasks if task.spec.name.startswith("build: ")]
    assert len(steps) == 2


@pytest.mark.asyncio
async def test_a_sandbox_gets_local_files_through_links_of_its_image(server: Harness) -> None:
    base = await built(server, "RUN mkdir -p /real && ln -s /real /link")
    mounts = [await mount(server, {"/link/a/b": b"1"}), await mount(server, {"/root/c": b"2"})]
    sandbox = await server.create("cat", "/real/a/b", "c", image_id=base, mount_ids=mounts)
    assert await server.logs(sandbox) == "12"
    ran = len(server.engine.tasks)
    await server.create("true", image_id=base, mount_ids=mounts)
    assert len(server.engine.tasks) == ran + 1
    with refused(Status.NOT_FOUND, "mo-nope"):
        await server.create("true", mount_ids=["mo-nope"])


@pytest.mark.asyncio
async def test_local_files_that_cannot_be_added_are_named_with_their_call(server: Harness) -> None:
    base = await built(server, "RUN mkdir -p /srv && touch /srv/file")
    for files, *words in (
        ({"/srv/file/a": b"1"}, "add_local_file or add_local_dir: /srv/file/a\n", "'/srv/file"),
        ({"/srv/file/b/c": b"1", "/srv/file/a": b"1"}, "add_local_dir: /srv/file\n", "'/srv/file"),
    ):
        with refused(Status.FAILED_PRECONDITION, *words):
            await server.create("true", image_id=base, mount_ids=[await mount(server, files)])


@pytest.mark.asyncio
async def test_contents_that_are_here_are_not_uploaded_again(server: Harness) -> None:
    assert await mount(server, {"/a": b"1"}) == await mount(server, {"/a": b"1"})
    here, missing = hashlib.sha256(b"1").hexdigest(), "0" * 64
    request = volumes_pb2.MountBatchedCheckExistenceRequest(sha256_hex_hashes=[here, missing])
    response = await server.control.MountBatchedCheckExistence(request)
    assert response.missing_sha256_hex_hashes == [missing]

    creation = common_pb2.OBJECT_CREATION_TYPE_EPHEMERAL
    for path, digest, status in (
        ("/a", missing, Status.FAILED_PRECONDITION),
        ("a", here, Status.INVALID_ARGUMENT),
    ):
        file = volumes_pb2.MountFile(filename=path, sha256_hex=digest)
        with refused(status, repr(path)):
            await server.control.MountGetOrCreate(
                volumes_pb2.MountGetOrCreateRequest(files=[file], object_creation_type=creation)
            )
    with refused(Status.UNIMPLEMENTED, "python-build-standalone"):
        await server.control.MountGetOrCreate(
            volumes_pb2.MountGetOrCreateRequest(deployment_name="python-build-standalone")
        )


# With a real kernel


@pytest_asyncio.fixture
async def local() -> AsyncIterator[Harness]:
    try:
        async with serve(load_engine("local")) as harness:
            yield harness
    except EngineUnavailable as error:
        pytest.skip(f"no local engine here: {error.reason}")


@pytest.mark.asyncio
async def test_steps_on_a_view_of_this_machine(local: Harness) -> None:
    context = await mount(local, {"/bin/greet": b"#!/bin/sh\necho hello $A\n"}, mode=0o755)
    secret_ids = [await secret(local, TOKEN="hunter2-and-more")]
    image_id = await built(
        local,
        "ENV A=you",
        "COPY . /",  # through /bin, which is a link on many machines
        "RUN greet > /srv/a && sleep 1000 & test -n $TOKEN",
        context_mount_id=context,
        secret_ids=secret_ids,
    )
    assert await printed(local, image_id, "sh", "-c", "greet; env") == await printed(
        local, image_id, "sh", "-c", "echo hello you; env"
    )
    assert "hunter2" not in await printed(local, image_id, "env")
    assert "exit code 7" in await failure(local, "RUN exit 7")
    assert "signal 9" in await failure(local, "RUN kill -9 $$")


@pytest.mark.asyncio
async def test_links_at_targets_in_a_view_of_this_machine(local: Harness) -> None:
    await check_that_links_of_targets_are_followed(local)


@pytest.mark.asyncio
async def test_a_step_that_hangs_is_interrupted_and_leaves_nothing(local: Harness) -> None:
    response = await begin(local, "RUN echo begun; sleep 1000")
    build = local.app.builder.find(response.image_id)
    assert build is not None
    assert await build.log.ready(len("=> Step 1: RUN echo begun; sleep 1000\n"))
    await build.cancel()
    result, log = await join(local, response.image_id)
    assert result.status == common_pb2.GenericResult.GENERIC_STATUS_TERMINATED
    assert log.endswith("\nbegun\n")
    with refused(Status.NOT_FOUND, response.image_id):
        await local.create(image_id=response.image_id)
