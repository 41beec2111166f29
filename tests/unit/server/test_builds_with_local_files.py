"""Files of the client are copied by steps, and added to sandboxes, as Docker does it."""

import hashlib
import stat

import pytest
from grpclib import Status

from pytest_sandbox._proto import (
    common_pb2,
    images_pb2,
    volumes_pb2,
)

from .building import begin, built, check_that_links_of_targets_are_followed, mount, printed
from .harness import Harness, refused


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
