"""Starting commands through the command router, and how clients reach it."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from grpclib import Status

from pytest_sandbox._proto import containers_pb2, router_pb2, sandboxes_pb2, secrets_pb2
from pytest_sandbox.engine import Output, PtySize
from pytest_sandbox.fakes import settle
from pytest_sandbox.server.commands import commands as commands_module
from pytest_sandbox.server.rpc.auth import ListenerConfig, TokenPair

from .harness import ERR, Created, Harness, refused, serve

PAIR = TokenPair("ak-x", "as-y")
TCP = ListenerConfig("tcp", PAIR)


@pytest.mark.asyncio
async def test_the_same_exec_id_starts_one_process(server: Harness) -> None:
    sandbox = await server.create()
    server.engine.gate.clear()
    calls = [
        asyncio.ensure_future(server.exec(sandbox, "echo", "hi", exec_id="e1")) for _ in range(3)
    ]
    await settle()
    server.engine.gate.set()
    await asyncio.gather(*calls)
    await server.exec(sandbox, "echo", "hi", exec_id="e1")
    assert len(sandbox.task.processes) == 1
    assert await server.output(sandbox, "e1") == b"hi\n"


@pytest.mark.asyncio
async def test_a_start_given_up_in_the_middle_is_found_by_its_next_attempt(
    server: Harness,
) -> None:
    sandbox = await server.create()
    server.engine.gate.clear()
    call = asyncio.ensure_future(server.exec(sandbox, "echo", "hi", exec_id="e1"))
    await settle()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await settle()
    server.engine.gate.set()
    await server.exec(sandbox, "echo", "hi", exec_id="e1")
    assert len(sandbox.task.processes) == 1


async def new_secret(server: Harness, env: Mapping[str, str]) -> str:
    request = secrets_pb2.SecretGetOrCreateRequest(
        env_dict=env,
        object_creation_type="OBJECT_CREATION_TYPE_EPHEMERAL",
    )
    return (await server.control.SecretGetOrCreate(request)).secret_id


@pytest.mark.asyncio
async def test_a_later_source_of_variables_wins(server: Harness) -> None:
    names = "ABCDE"
    own = await new_secret(server, dict.fromkeys(names, "sandbox"))
    secret = await new_secret(server, dict.fromkeys(names[1:], "secret"))
    source = await new_secret(server, dict.fromkeys(names[3:], "source"))
    sandbox = await server.create(secret_ids=[own])
    exec_id = await server.exec(
        sandbox,
        "env",
        secret_ids=[secret],
        env=dict.fromkeys(names[2:], "env"),
        secret_sources=[
            secrets_pb2.SecretSource(secret_id=source),
            secrets_pb2.SecretSource(env=sandboxes_pb2.StringMap(contents={"E": "inline"})),
        ],
    )
    printed = (await server.output(sandbox, exec_id)).decode().split()
    assert {"A=sandbox", "B=secret", "C=env", "D=source", "E=inline"} <= set(printed)


@pytest.mark.asyncio
async def test_output_goes_where_it_was_asked_to(server: Harness) -> None:
    sandbox = await server.create()
    await server.exec(
        sandbox,
        "echo",
        stdout_config="TASK_EXEC_STDOUT_CONFIG_DEVNULL",
        stderr_config="TASK_EXEC_STDERR_CONFIG_STDOUT",
        workdir="/srv",
        pty_info=sandboxes_pb2.PTYInfo(enabled=True, winsz_rows=30, winsz_cols=90, env_term="vt"),
    )
    spec = sandbox.task.processes[-1].spec
    assert (spec.stdout, spec.stderr) == (Output.DEVNULL, Output.STDOUT)
    assert (spec.workdir, spec.pty, spec.env) == ("/srv", PtySize(30, 90), {"TERM": "vt"})


@pytest.mark.asyncio
async def test_a_poll_tells_nothing_then_the_code_then_the_same(server: Harness) -> None:
    sandbox = await server.create()
    exec_id = await server.exec(sandbox, "cat")
    request = router_pb2.TaskExecPollRequest(task_id=sandbox.task_id, exec_id=exec_id)
    running = await server.router.TaskExecPoll(request, metadata=sandbox.auth)
    assert running.WhichOneof("exit_status") is None
    await server.write(sandbox, exec_id, b"", eof=True)
    await server.code(sandbox, exec_id)
    for _ in range(2):
        ended = await server.router.TaskExecPoll(request, metadata=sandbox.auth)
        assert ended.WhichOneof("exit_status") == "code"


@pytest.mark.asyncio
async def test_a_wait_returns_when_the_sandbox_ends(server: Harness) -> None:
    sandbox = await server.create()
    exec_id = await server.exec(sandbox, "hang")
    wait = asyncio.ensure_future(server.code(sandbox, exec_id))
    await settle()
    await server.terminate(sandbox)
    assert (await wait).signal == 9


@pytest.mark.asyncio
async def test_a_command_after_the_end_is_not_found(server: Harness) -> None:
    sandbox = await server.create("echo")
    await server.wait(sandbox, 10)
    with refused(Status.NOT_FOUND, "has ended"):
        await server.exec(sandbox, "echo")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("argv", "fields", "status", "words"),
    [
        ([], {}, Status.INVALID_ARGUMENT, ["empty"]),
        (["nope"], {}, Status.INVALID_ARGUMENT, ["'nope'"]),
        (["echo", "x" * 2**16], {}, Status.INVALID_ARGUMENT, ["65536"]),
        (["echo", "\0"], {}, Status.INVALID_ARGUMENT, ["NUL"]),
        (["echo"], {"workdir": "srv"}, Status.INVALID_ARGUMENT, ["'srv'"]),
        (["echo"], {"env": {"A=": "x"}}, Status.INVALID_ARGUMENT, ["'A='"]),
        (["echo"], {"secret_ids": ["st-nope"]}, Status.NOT_FOUND, ["st-nope"]),
        (["echo"], {"container_id": "ctr-1"}, Status.NOT_FOUND, ["Sidecar", "ctr-1"]),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_a_command_that_cannot_be_is_refused(
    server: Harness, argv: list[str], fields: dict[str, Any], status: Status, words: list[str]
) -> None:
    sandbox = await server.create()
    with refused(status, *words):
        await server.exec(sandbox, *argv, **fields)


@pytest.mark.asyncio
async def test_a_command_needs_an_id(server: Harness) -> None:
    sandbox = await server.create()
    request = router_pb2.TaskExecStartRequest(task_id=sandbox.task_id, command_args=["echo"])
    with refused(Status.INVALID_ARGUMENT, "exec_id"):
        await server.router.TaskExecStart(request, metadata=sandbox.auth)


@pytest.mark.asyncio
async def test_an_unknown_command_is_not_found(server: Harness) -> None:
    sandbox = await server.create()
    for call in (server.output(sandbox, "e-nope"), server.code(sandbox, "e-nope")):
        with refused(Status.NOT_FOUND, "e-nope"):
            await call


@pytest.mark.asyncio
async def test_finished_commands_stay_readable_up_to_a_number(
    server: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands_module, "FINISHED_COMMANDS", 2)
    sandbox = await server.create()
    box = server.app.state.sandboxes.get(sandbox.id)
    ids = [await server.exec(sandbox, "fail", "1") for _ in range(3)]
    await settle()
    with refused(Status.NOT_FOUND, ids[0]):
        await server.output(sandbox, ids[0], ERR)
    assert [each.id for each in box.commands.started] == ids[1:]
    assert [process.stderr.first for process in sandbox.task.processes] == [3, 0, 0]
    assert await server.output(sandbox, ids[1], ERR) == b"no\n"


@pytest.mark.asyncio
async def test_readiness_needs_a_probe(server: Harness) -> None:
    sandbox = await server.create()
    request = sandboxes_pb2.SandboxWaitUntilReadyTcrRequest(task_id=sandbox.task_id)
    with refused(Status.FAILED_PRECONDITION, sandbox.id):
        await server.router.SandboxWaitUntilReady(request, metadata=sandbox.auth)


# How to reach it


async def access(
    server: Harness, sandbox: Created, kind: str = "", version: str = ""
) -> containers_pb2.TaskGetCommandRouterAccessResponse:
    request = containers_pb2.TaskGetCommandRouterAccessRequest(task_id=sandbox.task_id)
    metadata = {
        "x-modal-token-id": PAIR.id,
        "x-modal-token-secret": PAIR.secret,
        "x-modal-client-type": kind or "1",
        "x-modal-client-version": version or "1",
    }
    return await server.control.TaskGetCommandRouterAccess(request, metadata=metadata)


@pytest.mark.asyncio
async def test_our_own_client_stays_on_its_socket(server: Harness) -> None:
    sandbox = await server.create()
    response = await access(server, sandbox)
    assert response.url == "unix:"
    assert {"authorization": f"Bearer {response.jwt}"} == sandbox.auth


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("kind", "version", "url"),
    [
        ("1", "1.2.3", "https://127.0.0.1:2"),
        ("1", "1.4.9", "https://127.0.0.1:2"),
        ("1", "1.5.0", "http://127.0.0.1:1"),
        ("1", "1.6.4", "http://127.0.0.1:1"),
        ("1", "1.10.0.dev3", "http://127.0.0.1:1"),
        ("1", "unknown", "https://127.0.0.1:2"),
        ("8", "1.0.0", "https://127.0.0.1:1"),
    ],
)
async def test_every_client_gets_an_address_that_it_takes(
    kind: str, version: str, url: str
) -> None:
    async with serve(listener=TCP) as server:
        server.app.state.router_plain_authority = "127.0.0.1:1"
        server.app.state.router_tls_url = "https://127.0.0.1:2"
        sandbox = await server.create(
            metadata={"x-modal-token-id": PAIR.id, "x-modal-token-secret": PAIR.secret}
        )
        assert (await access(server, sandbox, kind, version)).url == url


@pytest.mark.asyncio
async def test_without_trustme_a_client_that_wants_tls_goes_through_the_control_plane() -> None:
    async with serve(listener=TCP) as server:
        sandbox = await server.create(
            metadata={"x-modal-token-id": PAIR.id, "x-modal-token-secret": PAIR.secret}
        )
        with refused(Status.FAILED_PRECONDITION, "trustme", "pip install"):
            await access(server, sandbox, "1", "1.2.3")


@pytest.mark.asyncio
async def test_there_is_no_way_to_a_finished_sandbox(server: Harness) -> None:
    sandbox = await server.create("echo")
    await server.wait(sandbox, 10)
    with refused(Status.NOT_FOUND, sandbox.task_id):
        await access(server, sandbox)
