"""Stub servers of commands, and what they answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from grpclib import GRPCError, Status

from pytest_sandbox._proto import apps_pb2, images_pb2
from pytest_sandbox._proto import router_pb2 as rpb
from pytest_sandbox._proto import sandboxes_pb2 as spb
from pytest_sandbox.client import Client

from .stubs import Answer, Service, access, control, gives, in_turn, task_of, token

Serve = Callable[..., Client]

STARTED = gives(rpb.TaskExecStartResponse())
DONE = gives(rpb.TaskExecWaitResponse(code=0))
WRITTEN = gives(rpb.TaskExecStdinWriteResponse())


def access_control(*tokens: str, **answers: Answer) -> Service:
    """A control plane that knows the task of every sandbox, and gives these tokens in turn."""
    tokens = tokens or (token(),)
    return control(
        SandboxGetTaskId=task_of(),
        TaskGetCommandRouterAccess=in_turn(*map(access, tokens)),
        **answers,
    )


def reads(*chunks: bytes) -> Answer:
    return gives(*(rpb.TaskExecStdioReadResponse(data=chunk) for chunk in chunks))


def broken_after(*chunks: bytes) -> Answer:
    async def answer(request: object, stream: Any) -> None:
        await reads(*chunks)(request, stream)
        raise GRPCError(Status.UNAVAILABLE, "the connection broke")

    return answer


def creation(metadata: dict[str, str]) -> Answer:
    async def answer(_: object, stream: Any) -> None:
        await stream.send_initial_metadata(metadata=metadata)
        await stream.send_message(spb.SandboxCreateResponse(sandbox_id="sb-1"))

    return answer


def creating(metadata: dict[str, str], **answers: Answer) -> Service:
    return access_control(
        SandboxCreate=creation(metadata),
        AppGetOrCreate=gives(apps_pb2.AppGetOrCreateResponse(app_id="ap-1")),
        ImageGetOrCreate=gives(images_pb2.ImageGetOrCreateResponse(image_id="im-1")),
        **answers,
    )


def rpcs(*services: Service) -> list[str]:
    return [asked.rpc for service in services for asked in service.asked]
