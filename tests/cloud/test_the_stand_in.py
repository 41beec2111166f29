"""The server that plays Modal's cloud does what its options say."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from google.protobuf.empty_pb2 import Empty
from grpclib import GRPCError, Status
from grpclib.client import Channel, UnaryUnaryMethod
from grpclib.config import Configuration
from grpclib.exceptions import StreamTerminatedError

from pytest_sandbox._proto import apps_pb2, images_pb2, router_pb2, sandboxes_pb2, sandboxes_v2_pb2
from pytest_sandbox._proto.common_pb2 import (
    OBJECT_CREATION_TYPE_CREATE_IF_MISSING as CREATE_IF_MISSING,
)
from pytest_sandbox._proto.control_grpc import ModalClientStub
from pytest_sandbox._proto.inspector_grpc import InspectorStub
from pytest_sandbox._proto.inspector_pb2 import InspectorEngineRequest
from pytest_sandbox._proto.router_grpc import TaskCommandRouterStub
from pytest_sandbox.rpcs import StatusDetails, retry_after

from ..support.cloud import Cloud, CloudOptions, Loss, RateLimit

pytestmark = pytest.mark.asyncio


@dataclass
class Caller:
    """A client that does nothing by itself.

    Attributes:
        cloud: that it calls.
        api: a connection.
        router: another one.
        metadata: of its calls of the API.
        trailers: of its last call.
    """

    cloud: Cloud
    api: Channel
    router: Channel
    metadata: dict[str, str]
    trailers: dict[str, str] = field(default_factory=dict)

    async def ask(self, name: str, request: Any, **more: str) -> Any:
        """A call of the API."""
        method = getattr(ModalClientStub(self.api), name)
        return await self._call(method, request, {**self.metadata, **more})

    async def second(self, name: str, request: Any) -> Any:
        """A call about sandboxes."""
        token = (await self.ask("AuthTokenGet", apps_pb2.AuthTokenGetRequest())).token
        return await self.ask(name, request, **{"x-modal-auth-token": token})

    async def command(self, task_id: str, jwt: str) -> None:
        """Run a command."""
        request = router_pb2.TaskExecStartRequest(
            task_id=task_id, exec_id="some", command_args=["true"]
        )
        method = TaskCommandRouterStub(self.router).TaskExecStart
        await self._call(method, request, {"authorization": f"Bearer {jwt}"})

    async def create(self) -> Any:
        """A sandbox."""
        app = apps_pb2.AppGetOrCreateRequest(app_name="a", object_creation_type=CREATE_IF_MISSING)
        image = images_pb2.Image(dockerfile_commands=["FROM debian:12"])
        made = await self.ask("ImageGetOrCreate", images_pb2.ImageGetOrCreateRequest(image=image))
        request = sandboxes_v2_pb2.SandboxCreateV2Request(
            app_id=(await self.ask("AppGetOrCreate", app)).app_id,
            definition=sandboxes_pb2.Sandbox(image_id=made.image_id, timeout_secs=60),
        )
        return await self.second("SandboxCreateV2", request)

    async def _call(
        self, method: UnaryUnaryMethod[Any, Any], request: Any, metadata: dict[str, str]
    ) -> Any:
        try:
            async with method.open(metadata=metadata) as stream:
                await stream.send_message(request, end=True)
                response = await stream.recv_message()
                await stream.recv_trailing_metadata()
        finally:
            self.trailers = {k: str(v) for k, v in (stream.trailing_metadata or {}).items()}
        return response


@asynccontextmanager
async def running(folder: Path, **options: Any) -> AsyncIterator[Caller]:
    cloud = Cloud(CloudOptions(**options), folder)
    await cloud.start()
    api, router = (channel_to(url, cloud.ca_file) for url in (cloud.url, cloud.router_url))
    metadata = {
        "x-modal-client-version": "1.6.4",
        "x-modal-client-type": "1",
        "x-modal-token-id": cloud.options.token_id,
        "x-modal-token-secret": cloud.options.token_secret,
    }
    try:
        yield Caller(cloud, api, router, metadata)
    finally:
        api.close()
        router.close()
        await cloud.close()


def channel_to(url: str, ca_file: Path) -> Channel:
    trusts = ssl.create_default_context(cafile=ca_file)
    trusts.set_alpn_protocols(["h2"])
    where = urlsplit(url)
    return Channel(where.hostname, where.port, ssl=trusts, status_details_codec=StatusDetails())


@contextmanager
def refused(status: Status, words: str) -> Any:
    with pytest.raises(GRPCError, match=words) as caught:
        yield caught
    assert caught.value.status is status


async def test_who_is_let_in(tmp_path: Path) -> None:
    async with running(tmp_path) as caller:
        hello = Empty()
        await caller.ask("ClientHello", hello)
        for value in ("1.4.3", "new"):
            with refused(Status.FAILED_PRECONDITION, "too old"):
                await caller.ask("ClientHello", hello, **{"x-modal-client-version": value})
        for name in ("x-modal-token-id", "x-modal-token-secret"):
            with refused(Status.UNAUTHENTICATED, "does not open"):
                await caller.ask("ClientHello", hello, **{name: "other"})
        with refused(Status.UNAUTHENTICATED, "no x-modal-auth-token"):
            await caller.ask("SandboxListV2", sandboxes_pb2.SandboxListRequest())
        with refused(Status.UNAUTHENTICATED, "signature"):
            request = sandboxes_pb2.SandboxListRequest()
            await caller.ask("SandboxListV2", request, **{"x-modal-auth-token": "a.b.c"})
        with refused(Status.UNAUTHENTICATED, "not a valid token"):
            await caller.command("ta-some", "other")


async def test_what_it_does_not_have(tmp_path: Path) -> None:
    async with running(tmp_path) as caller:
        with refused(Status.UNIMPLEMENTED, "first version"):
            await caller.ask("SandboxCreate", sandboxes_pb2.SandboxCreateRequest())
        with refused(Status.NOT_FOUND, "first version"):
            await caller.ask("SandboxGetFromName", sandboxes_pb2.SandboxGetFromNameRequest())
        with refused(Status.UNIMPLEMENTED, "does not serve"):
            await InspectorStub(caller.api).Engine(InspectorEngineRequest())
        with refused(Status.UNIMPLEMENTED, "does not serve"):
            start = router_pb2.TaskExecStartRequest()
            await TaskCommandRouterStub(caller.api).TaskExecStart(start)
        with refused(Status.UNIMPLEMENTED, "does not serve"):
            await ModalClientStub(caller.router).ClientHello(Empty(), metadata=caller.metadata)
        await caller.create()
        assert "x-sandbox-task-id" not in caller.trailers


async def test_a_host_is_known_by_its_certificate(tmp_path: Path) -> None:
    async with running(tmp_path) as caller:
        port = urlsplit(caller.cloud.router_url).port
        trusts = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        as_api = Configuration(ssl_target_name_override="127.0.0.2")
        other = Channel("127.0.0.3", port, ssl=trusts, config=as_api)
        with pytest.raises(ssl.SSLCertVerificationError, match=r"127\.0\.0\.2"):
            await other.__connect__()
        stranger = Channel("127.0.0.3", port, ssl=ssl.create_default_context())
        with pytest.raises(ssl.SSLCertVerificationError, match="verify failed"):
            await stranger.__connect__()


async def test_tokens_expire(tmp_path: Path) -> None:
    lifetimes = {"auth_token_lifetime": 5, "router_token_lifetime": 10}
    async with running(tmp_path, **lifetimes) as caller:
        made = await caller.create()
        auth = (await caller.ask("AuthTokenGet", apps_pb2.AuthTokenGetRequest())).token
        request = sandboxes_v2_pb2.SandboxGetCommandRouterAccessRequest(sandbox_id=made.sandbox_id)
        asked = "SandboxGetCommandRouterAccess", request
        await caller.ask(*asked, **{"x-modal-auth-token": auth})
        caller.cloud.clock.advance(6)
        with refused(Status.UNAUTHENTICATED, "expired"):
            await caller.ask(*asked, **{"x-modal-auth-token": auth})
        await caller.command(made.task_id, made.command_router_access.jwt)
        caller.cloud.clock.advance(6)
        with refused(Status.UNAUTHENTICATED, "expired"):
            await caller.command(made.task_id, made.command_router_access.jwt)
        access = await caller.second(*asked)
        await caller.command(made.task_id, access.jwt)
        assert access.url == caller.cloud.router_url


async def test_a_start_takes_a_number_of_calls(tmp_path: Path) -> None:
    async with running(tmp_path, start_polls=2, router_refusals=1) as caller:
        made = await caller.create()
        request = sandboxes_pb2.SandboxGetTaskIdRequest(sandbox_id=made.sandbox_id)
        told = [(await caller.second("SandboxGetTaskIdV2", request)).task_id for _ in range(4)]
        assert (made.task_id, made.HasField("command_router_access")) == ("", False)
        assert told[:2] == ["", ""]
        assert told[2] == told[3] != ""
        assert len(caller.cloud.plans_left) == 1
        with pytest.raises(ConnectionError):
            await caller.router.__connect__()
        await caller.router.__connect__()
        assert caller.cloud.plans_left == []


async def test_lists_are_late(tmp_path: Path) -> None:
    async with running(tmp_path, list_delay=2) as caller:
        made = await caller.create()

        async def listed(**fields: Any) -> list[Any]:
            request = sandboxes_pb2.SandboxListRequest(**fields)
            return list((await caller.second("SandboxListV2", request)).sandboxes)

        assert [len(await listed()) for _ in range(4)] == [0, 0, 1, 1]
        terminate = sandboxes_pb2.SandboxTerminateRequest(sandbox_id=made.sandbox_id)
        await caller.second("SandboxTerminateV2", terminate)
        late = await listed()
        assert [each.task_info.finished_at for each in late] == [0]
        assert await listed(before_timestamp=late[0].created_at) == []  # a page of the same listing
        assert [len(await listed()) for _ in range(3)] == [1, 0, 0]
        assert (await listed(include_finished=True))[0].task_info.finished_at


async def test_rates_are_limited(tmp_path: Path) -> None:
    limits = {"ClientHello": RateLimit(2, 3.5), "AuthTokenGet": RateLimit(1, None)}
    async with running(tmp_path, rate_limits=limits) as caller:
        for _ in range(2):
            with refused(Status.RESOURCE_EXHAUSTED, "too many") as caught:
                await caller.ask("ClientHello", Empty())
            assert retry_after(caught.value.details) == 3.5
        await caller.ask("ClientHello", Empty())
        with refused(Status.RESOURCE_EXHAUSTED, "too many") as caught:
            await caller.ask("AuthTokenGet", apps_pb2.AuthTokenGetRequest())
        assert retry_after(caught.value.details) is None


async def test_connections_are_lost(tmp_path: Path) -> None:
    losses = [
        Loss("SandboxCreateV2", nth=2),
        Loss("SandboxCreateV2", nth=3, how="goaway"),
        Loss("SandboxCreateV2", nth=4, carried_out=True),
        Loss("SandboxCreateV2", nth=5, how="goaway", carried_out=True),
    ]
    async with running(tmp_path, api_losses=losses) as caller:
        count: Callable[[], int] = lambda: len(caller.cloud.app.state.sandboxes.all())  # noqa: E731
        await caller.create()
        counts = []
        for how in ("lost", "GOAWAY", "lost", "GOAWAY"):
            with pytest.raises(StreamTerminatedError, match=how):
                await caller.create()
            counts.append(count())
        await caller.create()
        assert (counts, count()) == ([1, 1, 2, 3], 4)
        assert caller.cloud.plans_left == []


async def test_answers_warn(tmp_path: Path) -> None:
    warnings = {"ClientHello": "the café closes", "SandboxListV2": "no"}
    async with running(tmp_path, warnings=warnings) as caller:
        await caller.ask("ClientHello", Empty())
        assert caller.trailers["x-modal-warning"] == "the%20caf%C3%A9%20closes"
        with refused(Status.UNAUTHENTICATED, "auth-token"):
            await caller.ask("SandboxListV2", sandboxes_pb2.SandboxListRequest())
        assert caller.trailers["x-modal-warning"] == "no"
        await caller.ask("AuthTokenGet", apps_pb2.AuthTokenGetRequest())
        assert "x-modal-warning" not in caller.trailers
