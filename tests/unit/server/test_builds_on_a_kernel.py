"""Images are built by the local engine."""

import pytest
from grpclib import Status

from pytest_sandbox._proto import (
    common_pb2,
)

from .building import (
    begin,
    built,
    check_that_links_of_targets_are_followed,
    failure,
    join,
    mount,
    printed,
    secret,
)
from .harness import Harness, refused


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
