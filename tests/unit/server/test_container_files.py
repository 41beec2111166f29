"""Files through the control plane, as clients of `sandbox.open` use them."""

import asyncio
import errno
import json
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from grpclib import Status

from pytest_sandbox._proto import containers_pb2 as pb
from pytest_sandbox._shared.clock import SystemClock
from pytest_sandbox.engine import WatchEvent, WatchKind
from pytest_sandbox.fakes import settle
from pytest_sandbox.server.files import handle, sessions
from pytest_sandbox.server.files import watch as watch_module

from .harness import Created, Harness, refused


class FileError(Exception):
    def __init__(self, error: pb.SystemErrorMessage) -> None:
        super().__init__(error.error_message)
        self.code = error.error_code


async def begin(server: Harness, sandbox: Created, **operation: Any) -> Any:
    request = pb.ContainerFilesystemExecRequest(task_id=sandbox.task_id, **operation)
    return await server.control.ContainerFilesystemExec(request)


async def fetch(server: Harness, exec_id: str, timeout: float = 55) -> list[Any]:
    request = pb.ContainerFilesystemExecGetOutputRequest(exec_id=exec_id, timeout=timeout)
    return await server.control.ContainerFilesystemExecGetOutput(request)


async def result(server: Harness, exec_id: str) -> bytes:
    output = b""
    for batch in await fetch(server, exec_id):
        if batch.HasField("error"):
            raise FileError(batch.error)
        output += b"".join(batch.output)
        if batch.eof:
            return output
    raise AssertionError("no end")


async def do(server: Harness, sandbox: Created, **operation: Any) -> bytes:
    return await result(server, (await begin(server, sandbox, **operation)).exec_id)


@dataclass
class File:
    server: Harness
    sandbox: Created
    descriptor: str

    async def call(self, operation: str, **fields: Any) -> bytes:
        request = {"file_descriptor": self.descriptor, **fields}
        return await do(self.server, self.sandbox, **{f"file_{operation}_request": request})


async def opened(server: Harness, sandbox: Created, path: str, mode: str) -> File:
    response = await begin(server, sandbox, file_open_request={"path": path, "mode": mode})
    assert response.HasField("file_descriptor")
    await result(server, response.exec_id)
    return File(server, sandbox, response.file_descriptor)


async def content(server: Harness, sandbox: Created, path: str) -> bytes:
    return await (await opened(server, sandbox, path, "rb")).call("read")


@pytest.mark.asyncio
async def test_what_was_written_is_read(server: Harness) -> None:
    sandbox = await server.create()
    file = await opened(server, sandbox, "/tmp/f", "w+")
    await file.call("write", data=b"one\ntwo\nthree")
    await file.call("flush")
    await file.call("seek", offset=0)
    assert await file.call("read", n=2) == b"on"
    assert [await file.call("read_line") for _ in range(4)] == [b"e\n", b"two\n", b"three", b""]
    await file.call("seek", offset=-5, whence="SEEK_END")
    await file.call("seek", offset=1, whence="SEEK_CUR")
    assert await file.call("read") == b"hree"
    assert await file.call("read", n=0) == b""
    await file.call("close")
    with pytest.raises(FileError, match="not open"):
        await file.call("read")


@pytest.mark.asyncio
async def test_a_long_line_and_a_long_file_come_in_pieces(server: Harness) -> None:
    sandbox = await server.create()
    line = b"x" * 50_000 + b"\n"
    file = await opened(server, sandbox, "/tmp/f", "w+")
    for _ in range(60):
        await file.call("write", data=line)
    await file.call("seek", offset=0)
    assert await file.call("read_line") == line
    response = await begin(server, sandbox, file_read_request={"file_descriptor": file.descriptor})
    batches = await fetch(server, response.exec_id)
    sizes = [len(data) for batch in batches for data in batch.output]
    assert max(sizes) <= handle.CHUNK
    assert sum(sizes) == 59 * len(line)


@pytest.mark.asyncio
async def test_an_outcome_can_be_fetched_again(server: Harness) -> None:
    sandbox = await server.create()
    file = await opened(server, sandbox, "/tmp/f", "w+")
    await file.call("write", data=b"abc")
    await file.call("seek", offset=1)
    response = await begin(server, sandbox, file_read_request={"file_descriptor": file.descriptor})
    assert await result(server, response.exec_id) == b"bc"
    assert await result(server, response.exec_id) == b"bc"


@pytest.mark.asyncio
async def test_modes_are_those_of_open(server: Harness) -> None:
    sandbox = await server.create()
    with pytest.raises(FileError) as caught:
        await opened(server, sandbox, "/tmp/f", "r")
    assert caught.value.code == errno.ENOENT
    await (await opened(server, sandbox, "/tmp/f", "x")).call("write", data=b"one")
    with pytest.raises(FileError) as caught:
        await opened(server, sandbox, "/tmp/f", "x")
    assert caught.value.code == errno.EEXIST
    file = await opened(server, sandbox, "/tmp/f", "a+")
    await file.call("seek", offset=0)
    await file.call("write", data=b" two")
    await file.call("seek", offset=0)
    assert await file.call("read") == b"one two"
    file = await opened(server, sandbox, "/tmp/f", "r+")
    await file.call("write", data=b"ONE")
    assert await content(server, sandbox, "/tmp/f") == b"ONE two"
    await opened(server, sandbox, "/tmp/f", "w")
    assert await content(server, sandbox, "/tmp/f") == b""


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ["", "rw", "b", "rr", "rbt", "rt", "U"])
async def test_a_mode_that_makes_no_sense_is_invalid(server: Harness, mode: str) -> None:
    sandbox = await server.create()
    with refused(Status.INVALID_ARGUMENT, repr(mode)):
        await opened(server, sandbox, "/tmp/f", mode)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("mode", "operation"), [("w", "read"), ("w", "read_line"), ("r", "write"), ("r", "flush")]
)
async def test_a_file_does_what_it_was_opened_for(
    server: Harness, mode: str, operation: str
) -> None:
    sandbox = await server.create()
    await opened(server, sandbox, "/tmp/f", "w")
    file = await opened(server, sandbox, "/tmp/f", mode)
    with pytest.raises(FileError, match="not open for"):
        await file.call(operation)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("start", "end", "data", "expected"),
    [
        (2, 4, b"", b"014567"),
        (2, 4, b"ab", b"01ab4567"),
        (2, 4, b"abcde", b"01abcde4567"),
        (None, 2, b"", b"234567"),
        (6, None, b"", b"012345"),
        (None, None, b"new", b"new"),
        (8, None, b"89", b"0123456789"),
        (6, 100, b"x", b"012345x"),
    ],
)
@pytest.mark.parametrize("chunk", [1, 3, 1024])
async def test_bytes_are_replaced_and_what_is_behind_them_moves(
    server: Harness,
    monkeypatch: pytest.MonkeyPatch,
    start: int | None,
    end: int | None,
    data: bytes,
    expected: bytes,
    chunk: int,
) -> None:
    monkeypatch.setattr(handle, "CHUNK", chunk)
    sandbox = await server.create()
    file = await opened(server, sandbox, "/tmp/f", "w")
    await file.call("write", data=b"01234567")
    fields = {"start_inclusive": start, "end_exclusive": end}
    if data:
        await file.call("write_replace_bytes", data=data, **fields)
    else:
        await file.call("delete_bytes", **fields)
    assert await content(server, sandbox, "/tmp/f") == expected


@pytest.mark.asyncio
async def test_a_range_that_does_not_exist_is_an_error(server: Harness) -> None:
    sandbox = await server.create()
    file = await opened(server, sandbox, "/tmp/f", "w")
    for fields in ({"start_inclusive": 5, "end_exclusive": 3}, {"start_inclusive": 5}):
        with pytest.raises(FileError) as caught:
            await file.call("delete_bytes", **fields)
        assert caught.value.code == errno.EINVAL


@pytest.mark.asyncio
async def test_bytes_of_a_file_open_for_appending_are_not_replaced(server: Harness) -> None:
    sandbox = await server.create()
    file = await opened(server, sandbox, "/tmp/f", "a")
    with pytest.raises(FileError, match="not open for writing anywhere"):
        await file.call("write_replace_bytes", data=b"x")


@pytest.mark.asyncio
async def test_a_seek_before_the_beginning_is_an_error(server: Harness) -> None:
    sandbox = await server.create()
    file = await opened(server, sandbox, "/tmp/f", "w")
    with pytest.raises(FileError, match="-1"):
        await file.call("seek", offset=-1)


@pytest.mark.asyncio
async def test_directories_are_made_listed_and_removed(server: Harness) -> None:
    sandbox = await server.create()
    await do(server, sandbox, file_mkdir_request={"path": "/d/e", "make_parents": True})
    await opened(server, sandbox, "/d/f", "w")
    listed = await do(server, sandbox, file_ls_request={"path": "/d"})
    assert json.loads(listed) == {"paths": ["e", "f"]}
    with pytest.raises(FileError, match="/d"):
        await do(server, sandbox, file_rm_request={"path": "/d"})
    await do(server, sandbox, file_rm_request={"path": "/d", "recursive": True})
    with pytest.raises(FileError) as caught:
        await do(server, sandbox, file_ls_request={"path": "/d"})
    assert caught.value.code == errno.ENOENT


@pytest.mark.asyncio
@pytest.mark.parametrize("workdir", ["", "/srv/app"])
async def test_relative_paths_begin_in_the_working_directory(server: Harness, workdir: str) -> None:
    sandbox = await server.create(workdir=workdir or None)
    await do(server, sandbox, file_mkdir_request={"path": "d"})
    file = await opened(server, sandbox, "d/f", "w")
    await file.call("write", data=b"here")
    folder = workdir or "/root"
    assert await content(server, sandbox, f"{folder}/d/f") == b"here"
    listed = await do(server, sandbox, file_ls_request={"path": "d"})
    assert json.loads(listed) == {"paths": ["f"]}
    await do(server, sandbox, file_rm_request={"path": "./d", "recursive": True})
    assert "d" not in json.loads(await do(server, sandbox, file_ls_request={"path": "."}))["paths"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("operation", "path", "code"),
    [
        ("ls", "/tmp/f", errno.ENOTDIR),
        ("mkdir", "/tmp/f", errno.EEXIST),
        ("mkdir", "/no/such", errno.ENOENT),
        ("ls", "", errno.ENOENT),
        ("rm", "/tmp/\0", errno.EINVAL),
    ],
)
async def test_an_error_of_the_file_system_has_its_number(
    server: Harness, operation: str, path: str, code: int
) -> None:
    sandbox = await server.create()
    await opened(server, sandbox, "/tmp/f", "w")
    with pytest.raises(FileError) as caught:
        await do(server, sandbox, **{f"file_{operation}_request": {"path": path}})
    assert caught.value.code == code


@pytest.mark.asyncio
async def test_too_many_open_files_are_an_error(
    server: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MAX_OPEN", 2)
    sandbox = await server.create()
    for _ in range(2):
        await opened(server, sandbox, "/tmp/f", "w")
    with pytest.raises(FileError) as caught:
        await opened(server, sandbox, "/tmp/f", "w")
    assert caught.value.code == errno.EMFILE


@pytest.mark.asyncio
async def test_files_of_a_finished_sandbox_are_not_found(server: Harness) -> None:
    sandbox = await server.create()
    await server.terminate(sandbox)
    with refused(Status.NOT_FOUND, sandbox.task_id):
        await opened(server, sandbox, "/tmp/f", "w")


@pytest.mark.asyncio
async def test_a_request_without_an_operation_is_invalid(server: Harness) -> None:
    sandbox = await server.create()
    with refused(Status.INVALID_ARGUMENT, "operation"):
        await begin(server, sandbox)
    with refused(Status.NOT_FOUND, "nope"):
        await fetch(server, "nope")


# Watching


async def watch(server: Harness, sandbox: Created, **fields: Any) -> str:
    request = {"path": "/tmp", **fields}
    return str((await begin(server, sandbox, file_watch_request=request)).exec_id)


async def make(sandbox: Created, path: str) -> None:
    await settle()  # the watch has begun
    await sandbox.task.files.mkdir(path)
    await settle()


@pytest.mark.asyncio
async def test_each_change_is_one_message_with_two_newlines(server: Harness) -> None:
    sandbox = await server.create()
    exec_id = await watch(server, sandbox, timeout_secs=5)
    await make(sandbox, "/tmp/a")
    sandbox.task.kernel.fs.rename("/tmp/a", "/tmp/b")
    fetching = asyncio.ensure_future(fetch(server, exec_id))
    await server.clock.advance(5)
    *events, end = await fetching
    assert end.eof
    messages = [data for batch in events for data in batch.output]
    assert all(data.endswith(b"\n\n") for data in messages)
    assert [json.loads(data) for data in messages] == [
        {"event_type": "Create", "paths": ["/tmp/a"]},
        {"event_type": "Modify", "paths": ["/tmp/a", "/tmp/b"]},
    ]


@pytest.mark.asyncio
async def test_a_watch_goes_on_in_the_next_call(server: Harness) -> None:
    sandbox = await server.create()
    exec_id = await watch(server, sandbox)
    assert await fetch(server, exec_id, timeout=0) == []
    await make(sandbox, "/tmp/a")
    (batch,) = await fetch(server, exec_id, timeout=0)
    assert b"Create" in batch.output[0]


async def changes(*names: str) -> AsyncIterator[WatchEvent]:
    for name in names:
        yield WatchEvent(WatchKind.CREATE, (name,))
    await asyncio.get_running_loop().create_future()


def names_in(data: bytes | None) -> list[str]:
    assert data is not None
    return list(json.loads(data)["paths"])


@pytest.mark.asyncio
async def test_an_event_that_was_not_sent_is_given_again() -> None:
    """A connection that breaks closes the generator where it waits for the sending."""
    watch = watch_module.FileWatch(changes("/a", "/b"), SystemClock(), None, lambda: None)
    broken = watch.fetch(math.inf)
    assert names_in(await anext(broken)) == ["/a"]
    await broken.aclose()  # type: ignore[attr-defined]  # it is a generator
    again = watch.fetch(math.inf)
    assert [names_in(await anext(again)) for _ in range(2)] == [["/a"], ["/b"]]
    watch.cancel()


@pytest.mark.asyncio
async def test_a_client_says_how_many_events_it_has(server: Harness) -> None:
    sandbox = await server.create()
    exec_id = await watch(server, sandbox)
    for name in ("/tmp/a", "/tmp/b", "/tmp/c"):
        await make(sandbox, name)

    async def received(number: int | None) -> list[str]:
        request = pb.ContainerFilesystemExecGetOutputRequest(
            exec_id=exec_id, received_events=number
        )
        batches = await server.control.ContainerFilesystemExecGetOutput(request)
        return [name for batch in batches for name in names_in(batch.output[0])]

    assert await received(None) == ["/tmp/a", "/tmp/b", "/tmp/c"]
    assert await received(None) == []
    assert await received(1) == ["/tmp/b", "/tmp/c"]
    assert await received(3) == await received(1000) == []
    await make(sandbox, "/tmp/d")
    assert await received(2) == ["/tmp/c", "/tmp/d"]


@pytest.mark.asyncio
async def test_events_that_were_sent_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "CAPACITY", 2)
    watch = watch_module.FileWatch(changes(*"abcde"), SystemClock(), None, lambda: None)
    events = watch.fetch(math.inf)
    assert [names_in(await anext(events)) for _ in range(5)] == [[name] for name in "abcde"]
    late = watch.fetch(math.inf, 0)
    assert names_in(await anext(late)) == ["d"]
    watch.cancel()


@pytest.mark.asyncio
async def test_a_watch_that_cannot_be_says_why(server: Harness) -> None:
    sandbox = await server.create()
    exec_id = await watch(server, sandbox, path="/nope")
    with pytest.raises(FileError) as caught:
        await result(server, exec_id)
    assert caught.value.code == errno.ENOENT


@pytest.mark.asyncio
async def test_a_watch_ends_with_its_sandbox(server: Harness) -> None:
    sandbox = await server.create()
    exec_id = await watch(server, sandbox)
    fetching = asyncio.ensure_future(fetch(server, exec_id))
    await settle()
    await server.terminate(sandbox)
    (batch,) = await fetching
    assert batch.eof


@pytest.mark.asyncio
async def test_a_watch_that_nobody_fetches_is_given_up(server: Harness) -> None:
    sandbox = await server.create(timeout_secs=1000)
    box = server.app.state.sandboxes.get(sandbox.id)
    exec_id = await watch(server, sandbox)
    fetching = asyncio.ensure_future(fetch(server, exec_id, timeout=100))
    await server.clock.advance(100)
    assert await fetching == []
    assert box.files.watches == 1
    await server.clock.advance(watch_module.ABANDONED_AFTER)
    assert box.files.watches == 0


@pytest.mark.asyncio
async def test_operations_elsewhere_do_not_end_a_watch(
    server: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MAX_OUTCOMES", 3)
    watched, busy = await server.create(), await server.create()
    exec_id = await watch(server, watched)
    for _ in range(4):
        await do(server, busy, file_ls_request=pb.ContainerFileLsRequest(path="/tmp"))
    await make(watched, "/tmp/a")
    (batch,) = await fetch(server, exec_id, timeout=0)
    assert b"Create" in batch.output[0]


@pytest.mark.asyncio
async def test_operations_in_the_same_sandbox_do_not_end_a_watch(
    server: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MAX_OUTCOMES", 3)
    sandbox = await server.create()
    exec_id = await watch(server, sandbox)
    listings = []
    for _ in range(4):
        response = await begin(
            server, sandbox, file_ls_request=pb.ContainerFileLsRequest(path="/tmp")
        )
        listings.append(response.exec_id)
    await make(sandbox, "/tmp/a")
    (batch,) = await fetch(server, exec_id, timeout=0)
    assert b"Create" in batch.output[0]
    with refused(Status.NOT_FOUND, listings[0]):
        await fetch(server, listings[0])
    assert json.loads(await result(server, listings[-1])) == {"paths": []}
