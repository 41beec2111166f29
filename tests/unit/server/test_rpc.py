"""What every call goes through: names, errors, tokens."""

import asyncio
import errno
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import jwt
import pytest
from google.protobuf.empty_pb2 import Empty
from grpclib import GRPCError, Status
from grpclib.client import Channel, StreamUnaryMethod, UnaryUnaryMethod
from grpclib.testing import ChannelFor

from pytest_sandbox import engine
from pytest_sandbox._proto import apps_pb2, inspector_pb2, router_pb2, sandboxes_pb2
from pytest_sandbox._proto.control_grpc import ModalClientBase, ModalClientStub
from pytest_sandbox.engine import SystemClock
from pytest_sandbox.fakes import VirtualClock, settle
from pytest_sandbox.server import Application
from pytest_sandbox.server.rpc.auth import (
    ROUTER_TOKEN_LIFETIME,
    ListenerConfig,
    RouterTokens,
    TokenPair,
)
from pytest_sandbox.server.rpc.errors import failure

from .engines import GatedEngine, GatedTask
from .harness import UNIX, Created, Harness, refused, serve

PAIR = TokenPair("ak-x", "as-y")
SHOWN = {"x-modal-token-id": PAIR.id, "x-modal-token-secret": PAIR.secret}
TCP = ListenerConfig("tcp", PAIR)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "path",
    ["/modal.client.ModalClient/QueueGetOrCreate", "/some.Service/Thing"],
)
async def test_an_unknown_path_says_its_name(path: str, tmp_path: Path) -> None:
    async with on_socket(tmp_path / "socket") as server:
        with refused(Status.UNIMPLEMENTED, path.rpartition("/")[2]):
            await UnaryUnaryMethod(server.channel, path, Empty, Empty)(Empty())


@asynccontextmanager
async def on_socket(path: Path) -> AsyncIterator[Harness]:
    """The same server behind a Unix socket."""
    stub = GatedEngine()
    app = Application(stub, await stub.start())
    server = app.server(UNIX)
    await server.start(path=str(path))
    channel = Channel(path=str(path))
    yield Harness(app, stub, channel)
    channel.close()
    await app.close()
    server.close()
    await server.wait_closed()


@pytest.mark.asyncio
async def test_a_server_on_a_socket_names_unknown_rpcs(tmp_path: Path) -> None:
    async with on_socket(tmp_path / "socket") as server:
        path = "/modal.client.ModalClient/QueueDelete"
        method = UnaryUnaryMethod(server.channel, path, Empty, Empty)
        with refused(Status.UNIMPLEMENTED, "QueueDelete"):
            await method(Empty())


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("rpc", "words"),
    [
        ("QueueGetOrCreate", ("modal.Queue", "sandboxes only")),
        ("PersistentSandboxCreate", ("_experimental_persistent", "without")),
        ("SandboxSetOutboundPolicyV2", ("update_outbound_policy", "outbound_cidr_allowlist")),
    ],
)
async def test_what_is_not_implemented_has_the_name_that_its_caller_knows(
    tmp_path: Path, rpc: str, words: tuple[str, ...]
) -> None:
    async with on_socket(tmp_path / "socket") as server:
        path = f"/modal.client.ModalClient/{rpc}"
        method = UnaryUnaryMethod(server.channel, path, Empty, Empty)
        with refused(Status.UNIMPLEMENTED, rpc, *words):
            await method(Empty())


@pytest.mark.asyncio
async def test_a_connection_that_breaks_leaves_nothing_under_way(tmp_path: Path) -> None:
    async with on_socket(tmp_path / "socket") as server:
        sandbox = await server.create("hang")
        exec_id = await server.exec(sandbox, "hang")
        await settle()
        before = asyncio.all_tasks()
        calls = [
            asyncio.ensure_future(call)
            for call in (
                server.wait(sandbox, 1000),
                server.logs(sandbox),
                server.code(sandbox, exec_id),
                server.output(sandbox, exec_id),
                pour(server, sandbox, exec_id),
            )
        ]
        box = server.app.state.sandboxes.get(sandbox.id)
        # The calls arrive in order on one connection: so they did when the last one has.
        while not box.commands.get(exec_id).stdin.accepted:  # noqa: ASYNC110  # no event tells
            await asyncio.sleep(0)
        server.channel.close()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(outcome, Exception) for outcome in outcomes)
        while asyncio.all_tasks() - before - set(calls):  # noqa: ASYNC110  # else time runs out
            await asyncio.sleep(0)


async def pour(server: Harness, sandbox: Created, exec_id: str) -> None:
    """Begin to write to a command, and never end."""
    request = router_pb2.TaskExecStdinWriteStreamRequest
    start = router_pb2.TaskExecStdinWriteStreamStart(task_id=sandbox.task_id, exec_id=exec_id)
    async with server.router.TaskExecStdinWriteStream.open(metadata=sandbox.auth) as stream:
        await stream.send_message(request(start=start))
        await stream.send_message(request(data=b"x"))
        await stream.recv_message()


@pytest.mark.asyncio
async def test_hundreds_of_calls_are_under_way_on_one_connection(tmp_path: Path) -> None:
    async with on_socket(tmp_path / "socket") as server:
        sandbox = await server.create("hang")
        waits = [asyncio.ensure_future(server.wait(sandbox, 10)) for _ in range(300)]
        await asyncio.wait_for(server.terminate(sandbox), 30)
        results = await asyncio.gather(*waits)
        assert all(result.status for result in results)


def test_every_exception_of_an_engine_has_a_status_that_clients_do_not_retry() -> None:
    retried = {Status.UNKNOWN, Status.INTERNAL}
    raised: list[engine.EngineError] = [
        engine.InvalidSpec("x"),
        engine.NotFreezable("x"),
        engine.OutputDropped(1, 2),
        engine.SpawnFailed(errno.ENOENT, "x"),
        engine.StoreFull("x"),
        engine.TaskEnded("x"),
        engine.TaskLost("x"),
        engine.UnknownImage("x"),
        engine.Unsupported("x", "y"),
        engine.EngineUnavailable("x"),
    ]
    # Others may have some of their own, such as the engine on another machine: for its bugs.
    of_contract = {
        kind
        for kind in subclasses(engine.EngineError)
        if kind.__module__.startswith("pytest_sandbox.engine.")
    }
    assert {type(error) for error in raised} == of_contract
    for error in raised:
        assert failure(error, "Rpc").status not in retried


def subclasses(kind: type[Exception]) -> Iterator[type[Exception]]:
    for sub in kind.__subclasses__():
        yield sub
        yield from subclasses(sub)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (FileNotFoundError(errno.ENOENT, "no", "/x"), Status.NOT_FOUND),
        (OSError(errno.ENOSPC, "full"), Status.RESOURCE_EXHAUSTED),
        (BrokenPipeError(errno.EPIPE, "gone"), Status.FAILED_PRECONDITION),
        (OSError(errno.EIO, "broken"), Status.INTERNAL),
        (GRPCError(Status.ABORTED, "as it is"), Status.ABORTED),
    ],
)
def test_an_os_error_has_the_status_of_its_errno(error: Exception, status: Status) -> None:
    assert failure(error, "Rpc").status == status


@pytest.mark.asyncio
async def test_a_bug_is_internal_and_leaves_a_traceback_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(GatedEngine):
        async def create(self, spec: engine.TaskSpec) -> GatedTask:
            raise RuntimeError("a bug")

    async with serve(Broken()) as server:
        with refused(Status.INTERNAL, "SandboxCreate", "RuntimeError", "a bug"):
            await server.create()
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info


@pytest.mark.asyncio
async def test_a_sandbox_that_dies_while_it_is_created_may_be_tried_again() -> None:
    class Dying(GatedEngine):
        async def create(self, spec: engine.TaskSpec) -> GatedTask:
            raise engine.TaskEnded("killed")

    async with serve(Dying()) as server:
        with refused(Status.UNAVAILABLE, "being created", "killed"):
            await server.create()


@pytest.mark.asyncio
async def test_no_rpc_of_ours_is_left_to_grpclib() -> None:
    stub = GatedEngine()
    app = Application(stub, await stub.start())
    served = app.services(UNIX).__mapping__()
    wanted = ModalClientBase.__mapping__(ModalClientStub(Channel()))  # type: ignore[arg-type]
    assert wanted.keys() <= served.keys()


# Who may call


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "metadata",
    [{}, {"x-modal-token-id": PAIR.id}, {**SHOWN, "x-modal-token-secret": "wrong"}],
    ids=["nothing", "no secret", "a wrong secret"],
)
async def test_tcp_needs_the_tokens_of_the_run(metadata: dict[str, str]) -> None:
    async with serve(listener=TCP) as server:
        with refused(Status.UNAUTHENTICATED, "MODAL_TOKEN_ID"):
            await server.control.ClientHello(Empty(), metadata=metadata)


@pytest.mark.asyncio
async def test_tcp_lets_in_who_shows_them() -> None:
    async with serve(listener=TCP) as server:
        hello = await server.control.ClientHello(Empty(), metadata=SHOWN)
        assert hello.image_builder_version


@pytest.mark.asyncio
async def test_the_inspector_is_not_served_over_tcp() -> None:
    async with serve(listener=TCP) as server:
        with refused(Status.UNIMPLEMENTED):
            await server.inspector.Engine(inspector_pb2.InspectorEngineRequest(), metadata=SHOWN)


@pytest.mark.asyncio
@pytest.mark.parametrize("listener", [UNIX, TCP], ids=["unix", "tcp"])
async def test_the_router_needs_a_bearer_token_everywhere(listener: ListenerConfig) -> None:
    async with serve(listener=listener) as server:
        for metadata in ({}, {"authorization": "Bearer nonsense"}, {"authorization": "Basic eA"}):
            with refused(Status.UNAUTHENTICATED):
                await server.router.TaskExecPoll(
                    router_pb2.TaskExecPollRequest(), metadata=metadata
                )


@pytest.mark.asyncio
async def test_a_token_opens_only_its_own_task(server: Harness) -> None:
    mine, other = await server.create(), await server.create()
    with refused(Status.PERMISSION_DENIED, other.task_id):
        await server.router.TaskExecPoll(
            router_pb2.TaskExecPollRequest(task_id=other.task_id, exec_id="x"), metadata=mine.auth
        )


def test_router_tokens_live_an_hour_or_more_and_only_their_own_process_accepts_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SystemClock()
    ours, theirs = RouterTokens(clock), RouterTokens(clock)
    token = ours.issue("ta-1")
    claims = jwt.decode(token, ours._key, ["HS256"])
    assert claims["exp"] - time.time() > 3600
    assert ours.check(f"Bearer {token}") == "ta-1"
    monkeypatch.setattr("pytest_sandbox.server.rpc.auth.KNOWN_TOKENS", 1)
    ours.issue("ta-2")
    assert ours.check(f"Bearer {token}") == "ta-1"
    with refused(Status.UNAUTHENTICATED):
        theirs.check(f"Bearer {token}")


@pytest.mark.asyncio
async def test_the_token_of_a_task_may_be_forgotten_and_holds_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pytest_sandbox.server.rpc.auth.KNOWN_TOKENS", 1)
    clock = VirtualClock()
    tokens = RouterTokens(clock)
    token = tokens.of_task("ta-1")
    await clock.advance(60)
    assert tokens.of_task("ta-1") == token
    tokens.issue("ta-2")
    assert tokens.of_task("ta-1") != token
    assert tokens.check(f"Bearer {token}") == "ta-1"


@pytest.mark.asyncio
async def test_a_token_is_renewed_when_half_its_time_is_over() -> None:
    clock = VirtualClock()
    tokens = RouterTokens(clock)
    token = tokens.issue("ta-1")
    assert tokens.of_task("ta-1") == token
    await clock.advance(ROUTER_TOKEN_LIFETIME * 0.6)
    renewed = tokens.of_task("ta-1")
    assert renewed != token
    assert tokens.check(f"Bearer {renewed}") == "ta-1"
    await clock.advance(ROUTER_TOKEN_LIFETIME * 0.5)
    assert tokens.check(f"Bearer {renewed}") == "ta-1"
    with refused(Status.UNAUTHENTICATED, "expired"):
        tokens.check(f"Bearer {token}")


def test_a_session_token_opens_no_task() -> None:
    tokens = RouterTokens(SystemClock())
    with refused(Status.UNAUTHENTICATED, "task_id"):
        tokens.check(f"Bearer {tokens.session()}")


@pytest.mark.asyncio
async def test_a_call_with_an_expired_token_is_refused(server: Harness) -> None:
    sandbox = await server.create("hang")
    command = await server.exec(sandbox, "cat")
    await server.clock.advance(ROUTER_TOKEN_LIFETIME - 1)
    poll = router_pb2.TaskExecPollRequest(task_id=sandbox.task_id, exec_id=command)
    await server.router.TaskExecPoll(poll, metadata=sandbox.auth)
    await server.clock.advance(1)
    with refused(Status.UNAUTHENTICATED, "expired"):
        await server.router.TaskExecPoll(poll, metadata=sandbox.auth)
    with refused(Status.UNAUTHENTICATED, "expired"):
        await server.exec(sandbox, "cat")


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_token_that_was_changed_is_refused(part: int) -> None:
    tokens = RouterTokens(SystemClock())
    parts = tokens.issue("ta-1").split(".")
    parts[part] = ("A" if parts[part][0] != "A" else "B") + parts[part][1:]
    with refused(Status.UNAUTHENTICATED, "not a valid token"):
        tokens.check("Bearer " + ".".join(parts))


@pytest.mark.parametrize("token", ["", "x", "..", "a.b.c", "é.é.é", "\ud800"])
def test_what_is_no_token_is_refused(token: str) -> None:
    with refused(Status.UNAUTHENTICATED, "not a valid token"):
        RouterTokens(SystemClock()).check(f"Bearer {token}")


def test_a_token_of_another_implementation_is_accepted() -> None:
    clock = SystemClock()
    tokens = RouterTokens(clock)
    claims = {"task_id": "ta-1", "exp": int(clock.now()) + 60}
    assert tokens.check(f"Bearer {jwt.encode(claims, tokens._key, 'HS256')}") == "ta-1"


@pytest.mark.asyncio
async def test_a_call_without_a_request_is_refused(server: Harness) -> None:
    path = "/modal.client.ModalClient/AppHeartbeat"
    method = StreamUnaryMethod(server.channel, path, apps_pb2.AppHeartbeatRequest, Empty)
    with refused(Status.INVALID_ARGUMENT, "before its request"):
        await method([])


@pytest.mark.asyncio
async def test_an_unknown_id_is_not_found_and_shown(server: Harness) -> None:
    with refused(Status.NOT_FOUND, "sb-nope"):
        await server.control.SandboxWait(sandboxes_pb2.SandboxWaitRequest(sandbox_id="sb-nope"))
    with refused(Status.NOT_FOUND, "ap-nope"):
        await server.control.AppHeartbeat(apps_pb2.AppHeartbeatRequest(app_id="ap-nope"))


@pytest.mark.asyncio
async def test_channel_for_serves_all_services() -> None:
    stub = GatedEngine()
    app = Application(stub, await stub.start())
    async with ChannelFor([app.services(UNIX)]) as channel:
        assert await ModalClientStub(channel).ClientHello(Empty())
