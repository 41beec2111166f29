"""The filesystem tool, run as a command that exists only in the server."""

import asyncio
import errno
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pytest_sandbox._proto import containers_pb2
from pytest_sandbox._shared.filesystem_tool import TOOL
from pytest_sandbox.engine import Entry, EntryKind, WatchEvent, WatchKind
from pytest_sandbox.fakes import settle
from pytest_sandbox.fakes.files.memory_files import MemoryFile, MemoryFiles
from pytest_sandbox.server.commands.filesystem_tool import READ_LIMIT

from .harness import ERR, STDOUT, Created, Harness


async def run(
    server: Harness, sandbox: Created, operation: str, data: bytes | None = None, **fields: Any
) -> tuple[int, bytes, Any]:
    """The exit code, standard output, and what standard error says."""
    exec_id = await server.exec(sandbox, TOOL, json.dumps({operation: fields}))
    if data is not None:
        await server.write(sandbox, exec_id, data, eof=True)
    code = (await server.code(sandbox, exec_id)).code
    error = await server.output(sandbox, exec_id, ERR)
    return code, await server.output(sandbox, exec_id), json.loads(error) if error else None


async def kind(server: Harness, sandbox: Created, operation: str, **fields: Any) -> str:
    code, _, error = await run(server, sandbox, operation, **fields)
    assert code == 1
    assert error["version"] == 1
    assert error["message"].strip()
    return str(error["error_kind"])


@pytest.mark.asyncio
async def test_a_file_is_written_and_read(server: Harness) -> None:
    sandbox = await server.create()
    assert await run(server, sandbox, "WriteFile", b"data", path="/a/b/c") == (0, b"", None)
    assert await run(server, sandbox, "ReadFile", path="/a/b/c") == (0, b"data", None)


@pytest.mark.asyncio
async def test_a_write_replaces_what_was_there(server: Harness) -> None:
    sandbox = await server.create()
    await run(server, sandbox, "WriteFile", b"target", path="/tmp/target")
    sandbox.task.kernel.fs.symlink("target", "/tmp/link")
    await run(server, sandbox, "WriteFile", b"new", path="/tmp/link")
    assert sandbox.task.view.read_bytes("/tmp/target") == b"target"
    assert sandbox.task.view.read_bytes("/tmp/link") == b"new"


@pytest.mark.asyncio
async def test_a_write_keeps_the_mode_and_the_owner_of_what_was_there(server: Harness) -> None:
    sandbox = await server.create()
    await run(server, sandbox, "WriteFile", b"old", path="/tmp/f")
    fs = sandbox.task.kernel.fs
    fs.chown("/tmp/f", 1000, 100)
    fs.chmod("/tmp/f", 0o4750)
    await run(server, sandbox, "WriteFile", b"new", path="/tmp/f")
    inode = fs.lookup("/tmp/f")
    assert (inode.mode & 0o7777, inode.uid, inode.gid) == (0o4750, 1000, 100)
    assert sandbox.task.view.read_bytes("/tmp/f") == b"new"


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/tmp/f", "/f"])
async def test_writers_of_one_file_do_not_disturb_each_other_nor_a_reader(
    server: Harness, path: str
) -> None:
    sandbox = await server.create()
    names = sandbox.task.kernel.fs
    await run(server, sandbox, "WriteFile", b"first", path=path)
    ids = [
        await server.exec(sandbox, TOOL, json.dumps({"WriteFile": {"path": path}}))
        for _ in range(2)
    ]
    await settle()
    await server.write(sandbox, ids[0], b"sec")
    await settle()
    assert sandbox.task.view.read_bytes(path) == b"first"
    await server.write(sandbox, ids[1], b"third", eof=True)
    assert (await server.code(sandbox, ids[1])).code == 0
    assert sandbox.task.view.read_bytes(path) == b"third"
    await server.write(sandbox, ids[0], b"ond", eof=True, offset=3)
    assert (await server.code(sandbox, ids[0])).code == 0
    assert sandbox.task.view.read_bytes(path) == b"second"
    folder = names.folder(path.rpartition("/")[0] or "/")
    assert [name for name in names.names(folder) if name.startswith(".")] == []


@pytest.mark.asyncio
async def test_a_write_that_fails_leaves_what_was_there(
    server: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(self: MemoryFile, offset: int, data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    sandbox = await server.create()
    await run(server, sandbox, "WriteFile", b"old", path="/tmp/f")
    monkeypatch.setattr(MemoryFile, "pwrite", full)
    code, _, error = await run(server, sandbox, "WriteFile", b"new", path="/tmp/f")
    assert (code, error["message"]) == (1, "No space left on device")
    assert sandbox.task.view.read_bytes("/tmp/f") == b"old"
    assert sandbox.task.kernel.fs.names(sandbox.task.kernel.fs.folder("/tmp")) == ["f"]


@pytest.mark.asyncio
async def test_entries_are_described(server: Harness) -> None:
    sandbox = await server.create()
    await run(server, sandbox, "WriteFile", b"data", path="/tmp/f")
    await run(server, sandbox, "MakeDirectory", path="/tmp/d", parents=False)
    sandbox.task.kernel.fs.symlink("f", "/tmp/l")
    _, out, _ = await run(server, sandbox, "ListFiles", path="/tmp")
    entries = json.loads(out)
    assert [(entry["name"], entry["type"]) for entry in entries] == [
        ("d", "directory"),
        ("f", "file"),
        ("l", "symlink"),
    ]
    _, out, _ = await run(server, sandbox, "Stat", path="/tmp/f")
    assert json.loads(out) == {
        "name": "f",
        "path": "/tmp/f",
        "type": "file",
        "size": 4,
        "mode": 0o100644,
        "permissions": "0644",
        "owner": "root",
        "group": "root",
        "modified_time": 1_000_000_000.0,
        "symlink_target": None,
    }
    _, out, _ = await run(server, sandbox, "Stat", path="/tmp/l")
    assert json.loads(out)["symlink_target"] == "f"


@pytest.mark.asyncio
async def test_every_failure_has_the_kind_that_clients_know(server: Harness) -> None:
    sandbox = await server.create()
    await run(server, sandbox, "WriteFile", b"data", path="/tmp/d/f")
    failures: list[tuple[str, dict[str, Any], str]] = [
        ("ReadFile", {"path": "/tmp/nope"}, "NotFound"),
        ("ReadFile", {"path": "/tmp/d"}, "IsDirectory"),
        ("ReadFile", {"path": "/tmp/d/f/x"}, "NotDirectory"),
        ("WriteFile", {"path": "/tmp/d"}, "IsDirectory"),
        ("WriteFile", {"path": "/tmp/d/"}, "IsDirectory"),
        ("WriteFile", {"path": "/tmp/d/f/x"}, "NotDirectory"),
        ("ListFiles", {"path": "/tmp/d/f"}, "NotDirectory"),
        ("MakeDirectory", {"path": "/tmp/d", "parents": False}, "PathAlreadyExists"),
        ("MakeDirectory", {"path": "/x/y", "parents": False}, "NotFound"),
        ("Remove", {"path": "/tmp/d", "recursive": False}, "DirectoryNotEmpty"),
        ("Remove", {"path": "/tmp/nope", "recursive": True}, "NotFound"),
        ("Watch", {"path": "/nope"}, "NotFound"),
        ("Stat", {"path": "relative"}, "Other"),
        ("Stat", {}, "Other"),
        ("Watch", {"path": "/tmp", "filter": 3}, "Other"),
        ("Watch", {"path": "/tmp", "timeout_secs": -1}, "Other"),
        ("Watch", {"path": "/tmp", "timeout_secs": float("nan")}, "Other"),
        ("Fly", {"path": "/tmp"}, "Other"),
    ]
    for operation, fields, expected in failures:
        assert (operation, await kind(server, sandbox, operation, **fields)) == (
            operation,
            expected,
        )


@pytest.mark.asyncio
@pytest.mark.parametrize("arguments", [[], ["{"], ["[]"], ["{}"], ['{"Stat": 1}'], ["{}", "{}"]])
async def test_arguments_that_make_no_sense_are_an_error(
    server: Harness, arguments: list[str]
) -> None:
    sandbox = await server.create()
    exec_id = await server.exec(sandbox, TOOL, *arguments)
    assert (await server.code(sandbox, exec_id)).code == 1
    assert json.loads(await server.output(sandbox, exec_id, ERR))["error_kind"] == "Other"


@pytest.mark.asyncio
async def test_output_that_nobody_wants_is_dropped_and_errors_can_be_merged(
    server: Harness,
) -> None:
    sandbox = await server.create()
    stat = json.dumps({"Stat": {"path": "/tmp"}})
    quiet = await server.exec(sandbox, TOOL, stat, stdout_config="TASK_EXEC_STDOUT_CONFIG_DEVNULL")
    assert (await server.code(sandbox, quiet)).code == 0
    assert await server.output(sandbox, quiet) == b""
    merged = await server.exec(sandbox, TOOL, "{}", stderr_config="TASK_EXEC_STDERR_CONFIG_STDOUT")
    assert json.loads(await server.output(sandbox, merged))["error_kind"] == "Other"
    assert await server.output(sandbox, merged, ERR) == b""


@pytest.mark.asyncio
async def test_a_device_is_not_replaced(server: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    async def device(self: MemoryFiles, path: str, *, follow: bool = False) -> Entry:
        return Entry(path, EntryKind.OTHER, 0o20666, 0, 0, 0, "root", "root", 0)

    monkeypatch.setattr(MemoryFiles, "stat", device)
    sandbox = await server.create()
    assert await kind(server, sandbox, "WriteFile", path="/dev/null") == "Other"


@pytest.mark.asyncio
async def test_a_file_over_the_limit_is_refused_before_it_is_read(
    server: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def huge(self: MemoryFiles, path: str, *, follow: bool = False) -> Entry:
        return Entry(path, EntryKind.FILE, 0o100644, READ_LIMIT + 1, 0, 0, "root", "root", 0)

    monkeypatch.setattr(MemoryFiles, "stat", huge)
    sandbox = await server.create()
    assert await kind(server, sandbox, "ReadFile", path="/tmp/f") == "FileTooLarge"


@pytest.mark.asyncio
async def test_a_write_that_fails_shows_its_end_before_the_error_of_the_input(
    server: Harness,
) -> None:
    sandbox = await server.create()
    exec_id = await server.exec(sandbox, TOOL, json.dumps({"WriteFile": {"path": "/tmp"}}))
    await settle()
    with pytest.raises(Exception, match="exit code 1"):
        await server.write(sandbox, exec_id, b"x" * 10_000_000)
    assert (await server.code(sandbox, exec_id)).code == 1


@pytest.mark.asyncio
async def test_a_slow_disk_makes_the_writer_wait(
    server: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()

    async def unpack(self: MemoryFiles, path: str, stream: AsyncIterator[bytes]) -> None:
        await gate.wait()
        async for _ in stream:
            pass

    monkeypatch.setattr(MemoryFiles, "unpack", unpack)
    sandbox = await server.create()
    exec_id = await server.exec(sandbox, TOOL, json.dumps({"Unpack": {"path": "/tmp/u"}}))
    write = asyncio.ensure_future(server.write(sandbox, exec_id, b"x" * 8 * 1024 * 1024, eof=True))
    execution = server.app.state.sandboxes.get(sandbox.id).commands.get(exec_id)
    while execution.stdin.accepted < 4 * 1024 * 1024:  # noqa: ASYNC110  # no event tells
        await asyncio.sleep(0)
    await settle()
    assert not write.done()
    assert execution.stdin.accepted < 5 * 1024 * 1024
    gate.set()
    await write
    assert (await server.code(sandbox, exec_id)).code == 0


@pytest.mark.asyncio
async def test_a_directory_goes_out_and_in_as_one_stream(server: Harness) -> None:
    sandbox = await server.create()
    await run(server, sandbox, "WriteFile", b"data", path="/tmp/d/f")
    code, packed, error = await run(server, sandbox, "Pack", path="/tmp/d")
    assert (code, error) == (0, None)
    assert await run(server, sandbox, "Unpack", packed, path="/tmp/u") == (0, b"", None)
    assert await run(server, sandbox, "ReadFile", path="/tmp/u/f") == (0, b"data", None)


@pytest.mark.asyncio
async def test_a_removed_thing_is_gone(server: Harness) -> None:
    sandbox = await server.create()
    await run(server, sandbox, "WriteFile", b"data", path="/tmp/d/f")
    assert (await run(server, sandbox, "Remove", path="/tmp/d", recursive=True))[0] == 0
    assert await kind(server, sandbox, "Stat", path="/tmp/d") == "NotFound"


@pytest.mark.asyncio
async def test_a_watch_prints_the_events_that_are_wanted_until_its_input_ends(
    server: Harness,
) -> None:
    sandbox = await server.create()
    operation = {"Watch": {"path": "/tmp", "recursive": True, "filter": ["Create", "Rename"]}}
    exec_id = await server.exec(sandbox, TOOL, json.dumps(operation))
    await settle()
    sandbox.task.view.write("/tmp/a", "modified")
    sandbox.task.kernel.fs.rename("/tmp/a", "/tmp/b")
    await settle()
    await server.write(sandbox, exec_id, b"", eof=True)
    assert (await server.code(sandbox, exec_id)).code == 0
    lines = (await server.output(sandbox, exec_id)).splitlines()
    assert [json.loads(line) for line in lines] == [
        {"event_type": "Create", "paths": ["/tmp/a"]},
        {"event_type": "Rename", "paths": ["/tmp/a", "/tmp/b"]},
    ]


@pytest.mark.asyncio
async def test_a_watch_ends_when_its_time_is_up(server: Harness) -> None:
    sandbox = await server.create()
    operation = {"Watch": {"path": "/tmp", "timeout_secs": 5, "filter": None}}
    exec_id = await server.exec(sandbox, TOOL, json.dumps(operation))
    wait = asyncio.ensure_future(server.code(sandbox, exec_id))
    await server.clock.advance(4)
    assert not wait.done()
    await server.clock.advance(1)
    assert (await wait).code == 0
    assert (await run(server, sandbox, "Watch", path="/tmp", timeout_secs=0))[0] == 0


@pytest.mark.asyncio
async def test_a_timeout_kills_the_tool_too(server: Harness) -> None:
    sandbox = await server.create()
    exec_id = await server.exec(
        sandbox, TOOL, json.dumps({"WriteFile": {"path": "/tmp/f"}}), timeout_secs=5
    )
    await server.clock.advance(5)
    assert (await server.code(sandbox, exec_id)).code == -1


@pytest.mark.asyncio
async def test_the_end_of_the_sandbox_ends_the_tool(server: Harness) -> None:
    sandbox = await server.create()
    exec_id = await server.exec(sandbox, TOOL, json.dumps({"WriteFile": {"path": "/tmp/f"}}))
    wait = asyncio.ensure_future(server.code(sandbox, exec_id))
    await settle()
    await server.terminate(sandbox)
    assert (await wait).signal == 9


@pytest.mark.asyncio
async def test_the_tool_is_also_there_through_the_control_plane(server: Harness) -> None:
    sandbox = await server.create()
    request = containers_pb2.ContainerExecRequest(
        task_id=sandbox.task_id, command=[TOOL, json.dumps({"Stat": {"path": "/tmp"}})]
    )
    exec_id = (await server.control.ContainerExec(request)).exec_id
    get = containers_pb2.ContainerExecGetOutputRequest(
        exec_id=exec_id, file_descriptor=STDOUT, get_raw_bytes=True, timeout=10
    )
    first, last = await server.control.ContainerExecGetOutput(get)
    assert json.loads(first.items[0].message_bytes)["type"] == "directory"
    assert last.exit_code == 0


@pytest.mark.asyncio
async def test_a_filter_does_not_hide_that_events_were_lost(
    server: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def watch(
        self: MemoryFiles, path: str, *, recursive: bool = False
    ) -> AsyncIterator[WatchEvent]:
        yield WatchEvent(WatchKind.ACCESS, ("/tmp/f",))
        yield WatchEvent(WatchKind.UNKNOWN, ("/tmp",))

    monkeypatch.setattr(MemoryFiles, "watch", watch)
    sandbox = await server.create()
    _, out, _ = await run(server, sandbox, "Watch", path="/tmp", filter=["Create"], timeout_secs=1)
    assert [json.loads(line) for line in out.splitlines()] == [
        {"event_type": "Unknown", "paths": ["/tmp"]}
    ]
