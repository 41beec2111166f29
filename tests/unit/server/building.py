"""What tests of image builds share: to begin a build, to wait for it, and to look into an image."""

import hashlib
import io
import tarfile
from typing import Any

from pytest_sandbox._proto import (
    common_pb2,
    images_pb2,
    secrets_pb2,
    volumes_pb2,
)

from .harness import Harness

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


async def dockerfile(server: Harness, text: str, **fields: Any) -> str:
    """The id of the image of a Dockerfile, whose build was waited for."""
    definition = images_pb2.Image(dockerfile_commands=text.split("\n"), **fields)
    request = images_pb2.ImageGetOrCreateRequest(image=definition)
    response = await server.control.ImageGetOrCreate(request)
    if not response.result.status:
        result, _ = await join(server, response.image_id)
        assert result.status == result.GENERIC_STATUS_SUCCESS, result.exception
    return response.image_id


def tar_of(**files: str) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(f"in/{name}")
            member.size, member.mode = len(text), 0o640
            tar.addfile(member, io.BytesIO(text.encode()))
    return data.getvalue()
