"""Memory snapshots with the real CRIU: what copies have."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox.engine import (
    EndCause,
    MemorySnapshot,
    ProcessSpec,
    PtySize,
    TaskSpec,
)

from ..conftest import is_forker, needs_root, shell
from ..stories import ASKS_ECHO, ECHO, STORIES, THREADS
from .talks import resumed, tells

if TYPE_CHECKING:
    from pytest_sandbox.local import LocalEngine
    from pytest_sandbox.local.engine.task import LocalTask

pytestmark = [needs_root, pytest.mark.asyncio(loop_scope="module")]


@pytest.mark.parametrize("name", STORIES)
async def test_a_copy_goes_on_with_what_it_had_and_so_does_the_source(
    engine: LocalEngine, name: str
) -> None:
    source = await tells(engine, STORIES[name])
    expected = await source.asks()

    image = await source.task.snapshot_memory()
    copies = [await resumed(engine, image) for _ in range(2)]
    answers = [await talk.asks() for talk in (source, *copies)]
    again = await copies[0].task.snapshot_memory()
    copies.append(await resumed(engine, again))
    answers += [await talk.asks() for talk in (copies[0], copies[-1])]

    assert answers == [expected] * 5
    await engine.forget(image)
    await engine.forget(again)
    for talk in (source, *copies):
        await talk.task.kill()


async def test_a_sandbox_for_the_next_copy_is_made_ahead(engine: LocalEngine) -> None:
    source = await tells(engine, THREADS)
    expected = await source.asks()
    image = await source.task.snapshot_memory()
    copies = [await resumed(engine, image) for _ in range(2)]
    spare = await ahead(engine, image)
    copies.append(await resumed(engine, image))
    assert copies[-1].task is spare
    assert [await talk.asks() for talk in copies] == [expected] * 3

    spare = await ahead(engine, image)
    await engine.forget(image)

    await spare.wait()
    for talk in (source, *copies):
        await talk.task.kill()


@pytest.mark.parametrize("name", STORIES)
async def test_a_copy_in_a_sandbox_that_was_made_ahead_goes_on_too(
    engine: LocalEngine, name: str
) -> None:
    """CRIU is started in it ahead, as far as that goes."""
    source = await tells(engine, STORIES[name])
    expected = await source.asks()
    image = await source.task.snapshot_memory()
    await source.task.kill()
    copies = [await resumed(engine, image) for _ in range(2)]
    spare = await ahead(engine, image)
    assert spare.restoring is not None
    assert not spare.restoring.has_failed()

    copies.append(await resumed(engine, image))

    assert copies[-1].task is spare
    assert await copies[-1].asks() == expected
    await engine.forget(image)
    for talk in copies:
        await talk.task.kill()


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def test_a_sandbox_in_which_a_restore_was_begun_in_vain_is_not_used(
    engine: LocalEngine,
) -> None:
    source = await tells(engine, THREADS)
    expected = await source.asks()
    image = await source.task.snapshot_memory()
    zygote = (await engine.memory.ready()).zygote
    copies = [await resumed(engine, image) for _ in range(2)]
    spare = await ahead(engine, image)
    assert spare.restoring is not None
    for pid in children_of(zygote.pid):
        if not is_forker(pid) and pid not in zygote._pids.values():
            os.kill(pid, signal.SIGKILL)
    deadline = asyncio.get_running_loop().time() + 30
    while not spare.restoring.has_failed():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.001)

    copies.append(await resumed(engine, image))

    assert spare.poll() is not None
    assert await copies[-1].asks() == expected
    await engine.forget(image)
    for talk in (source, *copies):
        await talk.task.kill()


async def ahead(engine: LocalEngine, image: MemorySnapshot) -> LocalTask:
    """The sandbox that the engine made ahead for a copy."""
    pool = (await engine.memory.ready()).pool
    files = engine.memory._find(image)[1].files
    deadline = asyncio.get_running_loop().time() + 30
    while not pool.depends_on(files):
        assert asyncio.get_running_loop().time() < deadline, "none was ever made"
        await asyncio.sleep(0.001)
    prepared = next(one for one in pool._prepared if one.shape.image == files)
    made = await asyncio.shield(prepared.making)
    await asyncio.sleep(0)  # in which the pool has it begin the restore
    return made


async def test_what_a_copy_starts_has_the_next_number(engine: LocalEngine) -> None:
    source = await tells(engine, THREADS)
    image = await source.task.snapshot_memory()
    copy = await resumed(engine, image)
    assert int((await shell(copy.task, "echo $$")).out) < 30
    await source.task.kill()
    await copy.task.kill()


async def test_an_interactive_shell_goes_on_with_its_terminal(engine: LocalEngine) -> None:
    main = ProcessSpec(("/bin/bash", "--norc", "-i"), pty=PtySize(31, 101))
    source = await engine.create(TaskSpec(main=main, freezable=True))
    assert source.main is not None
    await source.main.write_stdin(b"PS1=; x=42; echo up$x\n")
    await _says(source, "up42\r\n")

    copy = await engine.create(TaskSpec(resume=await source.snapshot_memory()))
    assert copy.main is not None
    await copy.main.write_stdin(b"sleep 1000 & jobs; tty; stty size; echo x$x\n")
    said = await _says(copy, "x42\r\n")
    assert "Running" in said
    assert "/dev/pts/0\r\n31 101\r\n" in said
    await copy.main.resize(PtySize(5, 6))
    await copy.main.write_stdin(b"stty size; kill %1; exit 3\n")
    await _says(copy, "5 6\r\n")
    end = await asyncio.wait_for(copy.wait(), 20)
    assert (end.cause, end.status and end.status.code) == (EndCause.EXITED, 3)

    await source.main.write_stdin(b"echo still$x\n")
    await _says(source, "still42\r\n")
    await source.kill()


async def _says(task: LocalTask, end: str) -> str:
    assert task.main is not None
    said = ""
    while end not in said:
        more = await asyncio.wait_for(task.main.stdout.read(len(said.encode())), 20)
        assert more, said
        said += more.decode()
    return said


async def test_connections_between_programs_that_were_started_apart_go_on(
    engine: LocalEngine,
) -> None:
    source = await tells(engine, ECHO)
    await source.asks()
    client = ProcessSpec(("python3", "-c", ASKS_ECHO))
    process = await source.task.exec(client)
    assert await asyncio.wait_for(process.stdout.read(0), 20) == b"connected\n"

    image = await source.task.snapshot_memory()
    copies = [await resumed(engine, image) for _ in range(2)]
    for talk in (*copies, source):
        await shell(talk.task, ": >/tmp/go")
        seen = await shell(talk.task, "until test -e /tmp/seen; do sleep 0.01; done; cat /tmp/seen")
        assert seen.out == "b'ABC'"
    await engine.forget(image)
    for talk in (source, *copies):
        await talk.task.kill()


async def test_work_on_files_is_no_part_of_it(engine: LocalEngine) -> None:
    source = await tells(engine, THREADS)
    watch = source.task.files.watch("/srv")
    change = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0)
    await source.task.files.listdir("/srv")  # the watch has begun by then

    image = await source.task.snapshot_memory()
    copy = await resumed(engine, image)
    # The helper that restored the copy answers from inside, and ends a moment later.
    count = "set -- /proc/[0-9]*; [ $# -gt 3 ] && [ $((n += 1)) -lt 1000 ]"
    inside = await shell(copy.task, f"n=0; while {count}; do sleep 0.01; done; echo $#")
    assert int(inside.out) == 3  # PID 1, the main process, the shell
    await shell(source.task, "touch /srv/f")
    assert (await asyncio.wait_for(change, 20)).paths
    await watch.aclose()  # type: ignore[attr-defined]
    await engine.forget(image)
    await source.task.kill()
    await copy.task.kill()
