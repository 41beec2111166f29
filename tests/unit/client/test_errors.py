"""Every status is an exception that callers are promised; transient ones are retried."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.empty_pb2 import Empty
from grpclib import GRPCError, Status

from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox.client import Client, Sandbox, exceptions
from pytest_sandbox.client.transport import retries
from pytest_sandbox.client.transport.errors import BY_STATUS

from .stubs import Asked, control, fails, gives, in_turn

Serve = Callable[..., Client]

FOR_GOOD = sorted(set(Status) - {Status.OK} - retries.TRANSIENT, key=lambda each: each.value)
TRANSIENT = sorted(retries.TRANSIENT, key=lambda each: each.value)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between attempts add nothing to what these tests show."""
    monkeypatch.setattr(retries.Backoff, "delay", lambda *_: 0.0)


def test_every_status_has_an_exception() -> None:
    assert BY_STATUS.keys() == set(Status) - {Status.OK}


@pytest.mark.parametrize("status", FOR_GOOD, ids=lambda status: status.name)
def test_a_status_is_raised_at_once_with_its_message(serve: Serve, status: Status) -> None:
    service = control(SandboxTerminate=fails(status, "because of the test"))

    with pytest.raises(BY_STATUS[status], match="because of the test") as raised:
        Sandbox("sb-1", serve(service)).terminate()

    assert isinstance(raised.value, exceptions.Error)
    assert isinstance(raised.value.__context__, GRPCError)
    assert len(service.asked) == 1


@pytest.mark.parametrize("status", TRANSIENT, ids=lambda status: status.name)
def test_a_transient_status_is_raised_after_four_attempts(serve: Serve, status: Status) -> None:
    service = control(SandboxTerminate=fails(status))

    with pytest.raises(BY_STATUS[status]):
        Sandbox("sb-1", serve(service)).terminate()

    assert len(service.asked) == 4


def test_a_message_is_never_empty(serve: Serve) -> None:
    service = control(SandboxTerminate=fails(Status.ABORTED, ""))

    with pytest.raises(exceptions.ConflictError, match="SandboxTerminate ended with ABORTED"):
        Sandbox("sb-1", serve(service)).terminate()


def test_attempts_of_one_call_share_an_idempotency_key(serve: Serve) -> None:
    failing = fails(Status.UNAVAILABLE)
    service = control(
        SandboxTagsSet=in_turn(failing, failing, gives(Empty()), failing, gives(Empty()))
    )
    sandbox = Sandbox("sb-1", serve(service))

    sandbox.set_tags({"a": "b"})
    sandbox.set_tags({"a": "b"})

    keys = [asked.metadata["x-idempotency-key"] for asked in service.asked]
    attempts = [asked.metadata["x-retry-attempt"] for asked in service.asked]
    assert len(set(keys[:3])) == len(set(keys[3:])) == 1
    assert keys[0] != keys[3]
    assert attempts == ["0", "1", "2", "0", "1"]


def test_an_engine_that_dies_in_a_call_is_told_with_the_end_of_its_log(
    serve: Serve, tmp_path: Path
) -> None:
    async def die(_: object, stream: Any) -> None:
        """Close the socket, then the connection, as the kernel does for a process that ends."""
        path = client.channels.server.path  # type: ignore[attr-defined]
        Path(path).with_name("server.log").write_text("the last words")
        os.unlink(path)
        stream._stream._transport.close()

    client = serve(control(SandboxWait=die))

    with pytest.raises(exceptions.EngineDiedError, match="the last words") as raised:
        Sandbox("sb-1", client).wait()

    assert isinstance(raised.value, exceptions.ConnectionError)


def test_a_stream_that_breaks_off_with_the_engine_is_told_too(serve: Serve) -> None:
    async def die(_: object, stream: Any) -> None:
        os.unlink(client.channels.server.path)  # type: ignore[attr-defined]
        stream._stream._transport.close()

    client = serve(control(SandboxGetLogs=die))

    with pytest.raises(exceptions.EngineDiedError, match="Its log is gone too"):
        Sandbox("sb-1", client).stdout.read()


def test_a_client_of_nothing_is_told_at_once(tmp_path: Path) -> None:
    client = Client(tmp_path / "socket")

    with pytest.raises(exceptions.EngineDiedError, match=str(tmp_path)):
        Sandbox.from_id("sb-1", client)


def test_a_closed_client_says_so(serve: Serve) -> None:
    client = serve(control())
    client.close()

    with pytest.raises(exceptions.ClientClosed, match="make another"):
        Sandbox("sb-1", client).terminate()


def test_an_unserved_call_is_named(serve: Serve) -> None:
    with pytest.raises(exceptions.UnimplementedError, match="SandboxTagsGet"):
        Sandbox("sb-1", serve(control())).get_tags()


def test_the_tree_of_exceptions_is_the_one_that_is_printed() -> None:
    parents: list[str] = []
    printed: dict[str, str] = {}
    for indent, name in re.findall(
        r"^    ([│├└─ ]*)(\w*Error|ClientClosed)\b", exceptions.__doc__ or "", re.MULTILINE
    ):
        depth = len(indent) // 4
        printed[name] = parents[depth - 1] if depth else "Exception"
        parents[depth:] = [name]

    assert printed == {
        name: kind.__bases__[0].__name__
        for name, kind in vars(exceptions).items()
        if is_error(kind)
    }


def is_error(value: object) -> bool:
    return (
        isinstance(value, type)
        and value.__module__ == exceptions.__name__
        and not issubclass(value, Warning)
    )


@pytest.mark.parametrize(
    ("ours", "builtin"),
    [
        (exceptions.SandboxFilesystemNotFoundError, FileNotFoundError),
        (exceptions.SandboxFilesystemIsADirectoryError, IsADirectoryError),
        (exceptions.SandboxFilesystemPermissionError, PermissionError),
        (exceptions.StdinClosedError, ValueError),
    ],
)
def test_errors_are_also_the_builtin_ones(ours: type, builtin: type) -> None:
    assert issubclass(ours, builtin)


def test_lists_stop_at_the_first_empty_page(serve: Serve) -> None:
    def page(*sandboxes: pb.SandboxInfo) -> pb.SandboxListResponse:
        return pb.SandboxListResponse(sandboxes=sandboxes)

    first = [pb.SandboxInfo(id="sb-3", created_at=3), pb.SandboxInfo(id="sb-2", created_at=2)]
    service = control(
        SandboxList=in_turn(
            gives(page(*first)), gives(page(pb.SandboxInfo(id="sb-1", created_at=1))), gives(page())
        )
    )

    found = [sandbox.object_id for sandbox in Sandbox.list(client=serve(service))]

    def before(asked: Asked) -> float:
        return float(asked.request.before_timestamp)

    assert found == ["sb-3", "sb-2", "sb-1"]
    assert [before(asked) for asked in service.asked] == [0, 2, 1]
