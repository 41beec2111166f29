"""Servers that answer what a test tells them to, and remember what they were asked."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from grpclib import GRPCError, Status

from pytest_sandbox._proto import containers_pb2, sandboxes_pb2
from pytest_sandbox._proto.control_grpc import ModalClientBase
from pytest_sandbox._proto.router_grpc import TaskCommandRouterBase

if TYPE_CHECKING:
    from grpclib.server import Stream

Answer = Callable[[Any, "Stream[Any, Any]"], Awaitable[None]]


@dataclass
class Asked:
    """A call that came in."""

    rpc: str
    request: Any
    metadata: Mapping[str, str]


@dataclass
class Service:
    """A service of which some calls are answered, and all others are UNIMPLEMENTED."""

    base: type
    answers: dict[str, Answer]
    asked: list[Asked] = field(default_factory=list)

    def of(self, rpc: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.rpc == rpc]

    def servable(self) -> Any:
        handlers = {name: self._handler(name) for name in self.base.__abstractmethods__}  # type: ignore[attr-defined]
        return type("Stub", (self.base,), handlers)()

    def _handler(self, name: str) -> Callable[[Any, Stream[Any, Any]], Awaitable[None]]:
        async def handle(_: object, stream: Stream[Any, Any]) -> None:
            request = await stream.recv_message()
            metadata = {key: str(value) for key, value in (stream.metadata or {}).items()}
            self.asked.append(Asked(name, request, metadata))
            if name not in self.answers:
                raise GRPCError(Status.UNIMPLEMENTED, f"{name} is not stubbed")
            await self.answers[name](request, stream)

        return handle


def control(**answers: Answer) -> Service:
    return Service(ModalClientBase, answers)


def router(**answers: Answer) -> Service:
    return Service(TaskCommandRouterBase, answers)


def gives(*messages: Any) -> Answer:
    async def answer(_: object, stream: Stream[Any, Any]) -> None:
        for message in messages:
            await stream.send_message(message)

    return answer


def fails(status: Status, message: str = "as the test wants") -> Answer:
    async def answer(_: object, __: Stream[Any, Any]) -> None:
        raise GRPCError(status, message)

    return answer


def in_turn(*answers: Answer) -> Answer:
    """Each call gets the next answer; further ones the last."""
    left = list(answers)

    async def answer(request: object, stream: Stream[Any, Any]) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(request, stream)

    return answer


def token(expires_in: float = 3600.0, name: str = "") -> str:
    """A token that expires, with a signature that nobody looks at."""
    claims = {"exp": time.time() + expires_in, "name": name}
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.signature"


def task_of(task_id: str = "ta-1") -> Answer:
    return gives(sandboxes_pb2.SandboxGetTaskIdResponse(task_id=task_id))


def access(jwt: str) -> Answer:
    response = containers_pb2.TaskGetCommandRouterAccessResponse(jwt=jwt, url="https://there")
    return gives(response)
