"""Builds of images: waits until the server has done the steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._proto import images_pb2 as pb
from pytest_sandbox._proto.common_pb2 import DEPLOYMENT_NAMESPACE_WORKSPACE, GenericResult

from ..exceptions import ImageBuildError
from ..transport.retries import CONTROL
from .enable_output import show

if TYPE_CHECKING:
    from ..base_client import BaseClient
    from ..transport.calls import Calls

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: A definition that the server maps to the view of this machine.
_HOST = ("FROM host",)
#: One that it maps to the same view with the project.
_HOST_WITH_PROJECT = (*_HOST, "LABEL pytest-sandbox.project=true")
#: Seconds that the server holds a request for the output of a build.
_HOLD = 55.0


async def build(client: BaseClient, definition: pb.Image, *, force: bool, app_id: str = "") -> str:
    """The id of an image, which is there when this returns.

    Args:
        client: of the server that makes it.
        definition: what it is made of.
        force: make it again although the server has it.
        app_id: of the app that it is for, if there is one.

    Raises:
        ImageBuildError: a step failed.
    """
    request = pb.ImageGetOrCreateRequest(
        image=definition,
        app_id=app_id,
        force_build=force,
        namespace=DEPLOYMENT_NAMESPACE_WORKSPACE,
    )
    response = await client.calls.control(
        lambda link: link.control.ImageGetOrCreate,
        request,
        timeout=None,  # a registry may be asked, which has time-outs of its own
    )
    image_id, result = response.image_id, response.result
    join = pb.ImageJoinStreamingRequest(image_id=image_id, timeout=max(_HOLD, client.calls.hold))
    while not result.status:
        async for message in client.calls.stream(
            lambda link: link.control.ImageJoinStreaming, lambda: join, {}, CONTROL
        ):
            join.last_entry_id = message.entry_id or join.last_entry_id
            result = message.result
            show(message.task_logs)
    if result.status != GenericResult.GENERIC_STATUS_SUCCESS:
        raise ImageBuildError(f"the build of {image_id} failed:\n{result.exception}", image_id)
    return image_id


async def host_image(client: BaseClient, *, project: bool) -> str:
    """The id of the view of this machine, which is asked for once."""
    if project:
        return await client.ids.get("host image with the project", _host_with_project)
    return await client.ids.get("host image", _host_image)


async def debian_image(client: BaseClient, python: str, app_id: str) -> str:
    """The id of Debian with a Python, which is asked for once, and built by Modal if need be."""
    lines = (f"FROM python:{python}-slim-bookworm",)

    async def built(calls: Calls) -> str:
        definition = pb.Image(dockerfile_commands=lines)
        return await build(client, definition, force=False, app_id=app_id)

    return await client.ids.get(lines[0], built)


async def _host_image(calls: Calls) -> str:
    return await _built(calls, _HOST)


async def _host_with_project(calls: Calls) -> str:
    return await _built(calls, _HOST_WITH_PROJECT)


async def _built(calls: Calls, lines: tuple[str, ...]) -> str:
    request = pb.ImageGetOrCreateRequest(image=pb.Image(dockerfile_commands=lines))
    response = await calls.control(lambda link: link.control.ImageGetOrCreate, request)
    return response.image_id
