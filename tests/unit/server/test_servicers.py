"""Servicers are made by the first call of one of their RPCs, which a table has."""

import errno
import sys

import pytest
from grpclib import Status

from pytest_sandbox._proto import router_pb2, sandboxes_pb2, volumes_pb2
from pytest_sandbox._proto.extensions_grpc import ExtensionsStub
from pytest_sandbox.server.rpc.errors import failure, not_loaded
from pytest_sandbox.server.servicers import RPCS

from .harness import Harness, refused


@pytest.mark.asyncio
async def test_the_table_has_every_handler_and_no_other(server: Harness) -> None:
    servicers = server.app._servicers
    handlers = {
        name: {each for each in dir(getattr(servicers, name)) if each[0].isupper()} for name in RPCS
    }

    assert handlers == {name: set(rpcs.split()) for name, rpcs in RPCS.items()}


@pytest.mark.asyncio
async def test_every_servicer_is_in_the_table(server: Harness) -> None:
    servicers = type(server.app._servicers)
    made = {name for name in vars(servicers) if not name.startswith("_")}

    assert made - {"of", "close", "close_builds"} == {*RPCS, "builder", "creator"}


@pytest.mark.asyncio
async def test_a_call_makes_the_servicer_that_serves_it_alone(server: Harness) -> None:
    await server.app_id()

    assert vars(server.app._servicers).keys() & {*RPCS, "builder"} == {"apps"}


@pytest.mark.asyncio
async def test_a_module_that_vanished_during_the_run_is_named(
    server: Harness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of all kinds of calls, and of what handlers import; a call after that can succeed."""
    words = ("pytest_sandbox changed while the engine ran: ModuleNotFoundError", "again")
    with monkeypatch.context() as vanished:
        for name in ("v1.volumes", "v1.router", "builds.builder", "own.following", "v1.logs"):
            vanished.setitem(sys.modules, f"pytest_sandbox.server.{name}", None)
        with refused(Status.FAILED_PRECONDITION, "VolumeList", "server.v1.volumes", *words):
            await server.control.VolumeList(volumes_pb2.VolumeListRequest())
        with refused(Status.FAILED_PRECONDITION, "SandboxGetLogs", "server.v1.logs", *words):
            await server.control.SandboxGetLogs(sandboxes_pb2.SandboxGetLogsRequest())
        with refused(Status.FAILED_PRECONDITION, "ExecFollow", "server.own.following", *words):
            await ExtensionsStub(server.channel).ExecFollow([])
        with refused(Status.FAILED_PRECONDITION, "ImageGetOrCreate", "builds.builder", *words):
            await server.image_id()
        request = router_pb2.TaskExecStdinWriteStreamRequest()
        with refused(Status.UNAUTHENTICATED):  # strangers are not told
            await server.router.TaskExecStdinWriteStream([request])
    assert sum(record.exc_info is not None for record in caplog.records) == 4

    assert (await server.control.VolumeList(volumes_pb2.VolumeListRequest())).items == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (SyntaxError("half a file"), Status.FAILED_PRECONDITION),
        (FileNotFoundError(errno.ENOENT, "no", "volumes.py"), Status.FAILED_PRECONDITION),
        (OSError(errno.EMFILE, "too many"), Status.RESOURCE_EXHAUSTED),
        (AttributeError("of another version"), Status.FAILED_PRECONDITION),
    ],
)
def test_what_cannot_be_loaded_has_a_status(error: Exception, status: Status) -> None:
    assert not_loaded(error, "Rpc").status == status


def test_what_an_engine_cannot_import_is_its_own_failure() -> None:
    assert failure(ImportError("no driver", name="driver"), "Rpc").status == Status.INTERNAL
