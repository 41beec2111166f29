"""What a server has to do, whatever engine is below it, as its clients see it.

Each check is one sentence, its docstring. Names are concern and sentence in short; those are what
mutations refer to.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox.client import App, Sandbox, Secret, exceptions
from pytest_sandbox.engine import Capability, EngineInfo

from . import memory_checks, reach_checks, second_version_checks, snapshot_checks
from .wire import Wire

Check = Callable[[Wire], Awaitable[None]]

#: More than a server puts into one message.
MUCH = 1_500_000


async def streams_apart(wire: Wire) -> None:
    """Standard output and standard error of a command are two streams."""
    async with wire.sandbox() as sandbox:
        done = await sandbox.run.aio("sh", "-c", "printf out; printf err >&2")
        assert (done.stdout, done.stderr) == ("out", "err")


async def output_is_whole(wire: Wire) -> None:
    """All output arrives, also when it takes several messages."""
    async with wire.sandbox() as sandbox:
        data = bytes(range(251)) * (MUCH // 251)
        done = await sandbox.run.aio("cat", input=data, text=False)
        assert len(done.stdout) == len(data)
        assert done.stdout == data


async def output_from_an_offset(wire: Wire) -> None:
    """Output can be read again, from any byte on."""
    async with wire.raw() as sandbox:
        await wire.start(sandbox, "offset", "printf", "0123456789")
        for offset in (0, 4, 9, 10):
            assert await wire.output(sandbox, "offset", offset) == b"0123456789"[offset:]


async def output_ends(wire: Wire) -> None:
    """The streams of a command end when it has."""
    async with wire.sandbox() as sandbox:
        process = await sandbox.exec.aio("echo", "hi")
        assert await process.stdout.read.aio() == "hi\n"
        assert await process.stderr.read.aio() == ""


async def output_comes_before_the_end(wire: Wire) -> None:
    """Output can be read while the command runs."""
    async with wire.raw() as sandbox:
        await wire.start(sandbox, "early", "sh", "-c", "echo ready; cat")
        reading = asyncio.ensure_future(wire.output(sandbox, "early"))
        await wire.feed(sandbox, "early", 0, b"more", eof=True)
        assert await reading == b"ready\nmore"


async def input_ends(wire: Wire) -> None:
    """A command sees the end of its input."""
    async with wire.sandbox() as sandbox:
        process = await sandbox.exec.aio("cat")
        process.stdin.write(b"abc")
        process.stdin.write_eof()
        await process.stdin.drain.aio()
        assert await process.stdout.read.aio() == "abc"
        assert await process.wait.aio() == 0


async def input_arrives_once(wire: Wire) -> None:
    """Input that is sent again, as after a lost answer, is not written again."""
    async with wire.raw() as sandbox:
        await wire.start(sandbox, "again", "cat")
        for offset, data in ((0, b"abc"), (0, b"abc"), (1, b"bcde"), (5, b"f")):
            await wire.feed(sandbox, "again", offset, data)
        await wire.feed(sandbox, "again", 6, b"", eof=True)
        assert await wire.output(sandbox, "again") == b"abcdef"


async def exit_codes(wire: Wire) -> None:
    """The exit code of a command is the code that it ended with."""
    async with wire.sandbox() as sandbox:
        codes = [(await sandbox.run.aio("sh", "-c", f"exit {n}")).returncode for n in (0, 1, 255)]
        assert codes == [0, 1, 255]


async def exit_codes_of_signals(wire: Wire) -> None:
    """The exit code of a command that a signal ended is 128 and its number."""
    async with wire.sandbox() as sandbox:
        done = [await sandbox.run.aio("sh", "-c", f"kill -{n} $$") for n in (9, 15)]
        assert [each.returncode for each in done] == [137, 143]


async def commands_time_out(wire: Wire) -> None:
    """A command is killed when its time is up."""
    async with wire.raw() as sandbox:
        await wire.start(sandbox, "slow", "sleep", "60", timeout=1)
        await wire.engine.clock.advance(1)
        assert (await wire.end(sandbox, "slow")).code == -1


async def commands_start_once(wire: Wire) -> None:
    """A command that is started again under the same id is not run again."""
    async with wire.raw() as sandbox:
        for _ in range(2):
            await wire.start(sandbox, "once", "sh", "-c", "echo ran >> /tmp/ran")
            await wire.output(sandbox, "once")
        assert await wire.run(sandbox, "cat", "/tmp/ran") == b"ran\n"


async def variables_arrive(wire: Wire) -> None:
    """Variables of the sandbox and of a command arrive, and the command's win."""
    script = 'echo "$A $B $C"'
    async with wire.sandbox(env={"A": "1", "B": "2"}) as sandbox:
        done = await sandbox.run.aio(
            "sh", "-c", script, env={"B": "3"}, secrets=[Secret.from_dict({"C": "4"})]
        )
        assert done.stdout == "1 3 4\n"


async def names_find_what_runs(wire: Wire) -> None:
    """A sandbox that runs is found by its name, which no other can take."""
    app = await App.lookup.aio("wire-names", create_if_missing=True, client=wire.client)
    async with wire.sandbox(app=app, name="taken") as sandbox:
        found = await Sandbox.from_name.aio("wire-names", "taken", client=wire.client)
        assert found.object_id == sandbox.object_id
        with pytest.raises(exceptions.AlreadyExistsError):
            await Sandbox.create.aio(app=app, name="taken", client=wire.client)


async def names_are_free_again(wire: Wire) -> None:
    """The name of a sandbox that has ended finds nothing, and can be taken again."""
    app = await App.lookup.aio("wire-free", create_if_missing=True, client=wire.client)
    async with wire.sandbox(app=app, name="free"):
        pass
    with pytest.raises(exceptions.NotFoundError):
        await Sandbox.from_name.aio("wire-free", "free", client=wire.client)
    async with wire.sandbox(app=app, name="free"):
        pass


async def creation_is_repeatable(wire: Wire) -> None:
    """A sandbox is created once for one idempotency key."""
    request, key = await wire.creation(), {"x-idempotency-key": "one-and-the-same"}
    made = [await wire.control.SandboxCreate(request, metadata=key) for _ in range(2)]
    assert made[0].sandbox_id == made[1].sandbox_id
    await wire.control.SandboxTerminate(pb.SandboxTerminateRequest(sandbox_id=made[0].sandbox_id))


async def sandboxes_time_out(wire: Wire) -> None:
    """A sandbox ends when its time is up, and says so."""
    async with wire.sandbox("sleep", "60", timeout=1) as sandbox:
        await wire.engine.clock.advance(1)
        with pytest.raises(exceptions.SandboxTimeoutError):
            await sandbox.wait.aio()
        assert sandbox.returncode == 124


async def sandboxes_end_with_their_main_process(wire: Wire) -> None:
    """A sandbox ends when its main process does, with its exit code."""
    async with wire.sandbox("sh", "-c", "exit 3") as sandbox:
        await sandbox.wait.aio()
        assert sandbox.returncode == 3


async def terminated_sandboxes_say_so(wire: Wire) -> None:
    """A sandbox that was terminated says so, and runs no command any more."""
    async with wire.sandbox("sleep", "60") as sandbox:
        await sandbox.terminate.aio()
        with pytest.raises(exceptions.SandboxTerminatedError):
            await sandbox.wait.aio()
        assert sandbox.returncode == 137
        with pytest.raises(exceptions.NotFoundError):
            await sandbox.exec.aio("true")


async def main_output_is_apart(wire: Wire) -> None:
    """The main process has two streams too, and an input that ends."""
    script = "read line; echo out $line; echo err >&2"
    async with wire.sandbox("sh", "-c", script) as sandbox:
        sandbox.stdin.write("it\n")
        sandbox.stdin.write_eof()
        await sandbox.stdin.drain.aio()
        assert await sandbox.stdout.read.aio() == "out it\n"
        assert await sandbox.stderr.read.aio() == "err\n"


async def tags_belong_to_one_sandbox(wire: Wire) -> None:
    """The tags of a sandbox are those that were set on it, and find it."""
    async with wire.sandbox() as one, wire.sandbox() as other:
        await one.set_tags.aio({"which": "one"})
        await other.set_tags.aio({"which": "other"})
        assert await one.get_tags.aio() == {"which": "one"}
        assert await other.get_tags.aio() == {"which": "other"}
        found = Sandbox.list.aio(tags={"which": "other"}, client=wire.client)
        assert [sandbox.object_id async for sandbox in found] == [other.object_id]


async def listings_are_paged(wire: Wire) -> None:
    """A listing has the newest first, and continues before the last one of a page."""
    async with wire.raw("page") as a, wire.raw("page") as b, wire.raw("page") as c:
        request = pb.SandboxListRequest(tags=[pb.SandboxTag(tag_name="page", tag_value="yes")])
        page = (await wire.control.SandboxList(request)).sandboxes
        assert [info.id for info in page] == [c.id, b.id, a.id]
        request.before_timestamp = page[0].created_at
        rest = (await wire.control.SandboxList(request)).sandboxes
        assert [info.id for info in rest] == [b.id, a.id]


async def files_hold_what_is_written(wire: Wire) -> None:
    """A file holds what was written to it, whichever way it is read."""
    data = bytes(range(256)) * 5000
    async with wire.sandbox() as sandbox:
        await sandbox.filesystem.write_bytes.aio(data, "/srv/new/file")
        assert await sandbox.filesystem.read_bytes.aio("/srv/new/file") == data
        assert (await sandbox.run.aio("cat", "/srv/new/file", text=False)).stdout == data


async def open_files_have_a_position(wire: Wire) -> None:
    """An open file is read on where the last read ended."""
    async with wire.sandbox() as sandbox:
        await sandbox.filesystem.write_text.aio("one\ntwo\nthree", "/srv/lines")
        async with await sandbox.open.aio("/srv/lines", "r") as file:
            assert await file.read.aio(2) == "on"
            assert await file.readline.aio() == "e\n"
            assert await file.read.aio() == "two\nthree"


async def files_fail_like_files(wire: Wire) -> None:
    """What goes wrong with a file is the error that it would be here."""
    async with wire.sandbox() as sandbox:
        files = sandbox.filesystem
        await files.write_text.aio("text", "/srv/folder/file")
        with pytest.raises(FileNotFoundError):
            await files.read_bytes.aio("/srv/missing")
        with pytest.raises(IsADirectoryError):
            await files.read_bytes.aio("/srv/folder")
        with pytest.raises(NotADirectoryError):
            await files.read_bytes.aio("/srv/folder/file/below")
        with pytest.raises(FileExistsError):
            await files.make_directory.aio("/srv/folder", create_parents=False)
        with pytest.raises(exceptions.SandboxFilesystemDirectoryNotEmptyError):
            await files.remove.aio("/srv/folder")
        with pytest.raises(FileNotFoundError):
            await sandbox.open.aio("/srv/missing", "r")


async def errors_name_the_command(wire: Wire) -> None:
    """A command that is not there is the caller's mistake, and is named."""
    async with wire.sandbox() as sandbox:
        with pytest.raises(exceptions.InvalidError, match="no-such-program"):
            await sandbox.exec.aio("no-such-program")


CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        streams_apart,
        output_is_whole,
        output_from_an_offset,
        output_ends,
        output_comes_before_the_end,
        input_ends,
        input_arrives_once,
        exit_codes,
        exit_codes_of_signals,
        commands_time_out,
        commands_start_once,
        variables_arrive,
        names_find_what_runs,
        names_are_free_again,
        creation_is_repeatable,
        sandboxes_time_out,
        sandboxes_end_with_their_main_process,
        terminated_sandboxes_say_so,
        main_output_is_apart,
        tags_belong_to_one_sandbox,
        listings_are_paged,
        files_hold_what_is_written,
        open_files_have_a_position,
        files_fail_like_files,
        errors_name_the_command,
        *second_version_checks.CHECKS,
        *snapshot_checks.CHECKS,
        *reach_checks.NEEDS,
        *memory_checks.NEEDS,
    )
}

#: What an engine has to be capable of, for a check of a module to make sense.
NEEDS: dict[str, frozenset[Capability]] = {
    **{check.__name__: frozenset({Capability.SNAPSHOT}) for check in snapshot_checks.CHECKS},
    **{check.__name__: needs for check, needs in reach_checks.NEEDS.items()},
    **{check.__name__: needs for check, needs in memory_checks.NEEDS.items()},
}


def skip_without(name: str, info: EngineInfo) -> None:
    """Skip where an engine is not capable of what a check is about."""
    missing = [need.value for need in NEEDS.get(name, frozenset()) - info.capabilities]
    if name in snapshot_checks.BEYOND_A_RUN and not info.fingerprint:
        missing.append("export")
    if missing:
        names = ", ".join(sorted(missing))
        pytest.skip(f"the engine cannot do this here: {names} ({info.mode})")
