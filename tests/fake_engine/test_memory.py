"""Processes that go on in copies of their sandbox."""

import asyncio

import pytest

from pytest_sandbox.engine import (
    EndCause,
    InvalidSpec,
    NotFreezable,
    ProcessSpec,
    PtySize,
    TaskSpec,
    VolumeMount,
)
from pytest_sandbox.fakes import Call, FakeEngine, MemoryTask, VirtualClock

from .conftest import content, run

pytestmark = pytest.mark.asyncio


async def frozen(engine: FakeEngine, *main: str) -> MemoryTask:
    """A sandbox that can be kept, with a main process that has begun."""
    spec = ProcessSpec(main) if main else None
    task = await engine.create(TaskSpec(main=spec, freezable=True))
    await advance(engine, 0)
    return task


async def copy(engine: FakeEngine, task: MemoryTask) -> MemoryTask:
    return await engine.create(TaskSpec(resume=await task.snapshot_memory(), freezable=True))


async def advance(engine: FakeEngine, seconds: float) -> None:
    assert isinstance(engine.clock, VirtualClock)
    await engine.clock.advance(seconds)


async def counter(call: Call) -> int:
    """Counts lines, and says whether it was begun in a copy."""
    while line := await call.read():
        for _ in line.splitlines():
            call.state["count"] = call.state.get("count", 0) + 1
            call.out(f"{call.state['count']} {call.resumed}\n")
    await call.flush()
    return 7


async def says(task: MemoryTask, data: bytes) -> bytes:
    assert task.main is not None
    before = task.main.stdout.end
    await task.main.write_stdin(data)
    return await task.main.stdout.read(before)


async def test_a_handler_goes_on_with_what_it_noted(engine: FakeEngine) -> None:
    engine.on_exec("counter").calls(counter).times(1)
    task = await frozen(engine, "counter")
    assert await says(task, b"x\n") == b"1 False\n"
    one, two = await copy(engine, task), await copy(engine, task)
    assert await says(one, b"x\n") == b"2 True\n"
    again = await copy(engine, one)
    assert [await says(each, b"x\n") for each in (again, two, task)] == [
        b"3 True\n", b"2 True\n", b"2 False\n",
    ]  # fmt: skip
    assert engine.unused == engine.problems == []


async def test_main_is_main_in_a_copy(engine: FakeEngine) -> None:
    engine.on_exec("counter").calls(counter)
    task = await copy(engine, await frozen(engine, "counter"))
    assert task.main is not None
    await task.main.close_stdin()
    end = await task.wait()
    assert (end.cause, end.status and end.status.code) == (EndCause.EXITED, 7)


async def test_what_was_sent_and_not_read_is_not_lost(engine: FakeEngine) -> None:
    async def late(call: Call) -> bytes:
        await call.sleep(10)
        return await call.read()

    engine.on_exec("late").calls(late)
    task = await frozen(engine, "late")
    assert task.main is not None
    await task.main.write_stdin(b"early")
    other = await copy(engine, task)
    await advance(engine, 10)
    assert other.main is not None
    assert await content(other.main.stdout) == b"early"


async def test_sleep_goes_on_for_the_rest_of_its_time(engine: FakeEngine) -> None:
    task = await frozen(engine, "sleep", "1m")
    await advance(engine, 45)
    image = await task.snapshot_memory()
    await advance(engine, 100)
    copies = [await engine.create(TaskSpec(resume=image)) for _ in range(2)]
    await advance(engine, 14.9)
    assert [each.poll() for each in copies] == [None, None]
    await advance(engine, 0.1)
    for each in copies:
        assert (await each.wait()).cause is EndCause.EXITED


async def test_streams_delays_and_silence_go_on(engine: FakeEngine) -> None:
    engine.on_exec("stream").stream(["1", "2", "3"], every=10, code=4)
    engine.on_exec("late").reply(stdout="late").delay(30)
    engine.on_exec("silent").hang()
    tasks = [await frozen(engine, name) for name in ("stream", "late", "silent")]
    await advance(engine, 15)
    copies = [await copy(engine, task) for task in tasks]
    mains = [each.main for each in copies]
    assert mains[0] is not None
    assert mains[1] is not None
    assert mains[2] is not None
    await advance(engine, 5)
    assert mains[0].stdout.tail(9) == b"2"
    await advance(engine, 10)
    assert (await content(mains[0].stdout), await mains[0].wait()) == (
        b"23", await tasks[0].main.wait(),  # type: ignore[union-attr]
    )  # fmt: skip
    assert await content(mains[1].stdout) == b"late"
    assert mains[2].poll() is None


async def test_files_mounts_and_folders_are_those_of_the_moment(engine: FakeEngine) -> None:
    async def writer(call: Call) -> None:
        if not call.resumed:
            await call.read()
        call.files.write("out", f"{call.cwd} {call.env['MODE']} {call.resumed}")

    engine.on_exec("writer").calls(writer)
    spec = ProcessSpec(("writer",), env={"MODE": "x"}, workdir="/srv/m")
    data = VolumeMount("data", "/data")
    task = await engine.create(TaskSpec(freezable=True, workdir="/srv/m", volumes=(data,)))
    await task.mount("/srv/m", None)
    await task.exec(spec)
    await asyncio.sleep(0)
    task.view.write("/srv/m/one", "1")
    image = await task.snapshot_memory()
    task.view.write("/srv/m/two", "2")
    engine.volume("data").write("shared", "yes")
    other = await engine.create(TaskSpec(resume=image))
    await advance(engine, 0)
    assert other.view.listdir("/srv/m") == ["one", "out"]
    assert other.view.read_text("/srv/m/out") == "/srv/m x True"
    assert other.view.read_text("/data/shared") == "yes"
    await other.unmount("/srv/m")
    assert other.view.listdir("/srv/m") == []
    assert task.view.listdir("/srv/m") == ["one", "two"]


async def test_an_open_file_is_a_copy_with_its_position(engine: FakeEngine) -> None:
    async def later(call: Call) -> None:
        if not call.resumed:
            call.out("a")
            await call.sleep(10)
        call.out("b")

    engine.on_exec("later").calls(later)
    task = await frozen(engine)
    await task.exec(ProcessSpec(("sh", "-c", "exec later > /srv/f")))
    await advance(engine, 1)
    other = await copy(engine, task)
    task.view.write("/srv/f", "x")
    await advance(engine, 0)
    assert other.view.read_text("/srv/f") == "ab"


async def test_a_server_listens_again(engine: FakeEngine) -> None:
    async def serve(call: Call) -> None:
        call.state.setdefault("seen", [])

        def answer(peer: object) -> str:
            call.state["seen"].append(1)
            return str(len(call.state["seen"]))

        call.listen(80, answer)
        await asyncio.get_running_loop().create_future()

    async def ask(task: MemoryTask) -> bytes:
        return await (await task.connect(80)).read(9)

    engine.on_exec("serve").calls(serve)
    task = await frozen(engine, "serve")
    assert [await ask(task) for _ in range(2)] == [b"1", b"2"]
    other = await copy(engine, task)
    await advance(engine, 0)
    assert [await ask(each) for each in (task, other, other)] == [b"3", b"3", b"4"]


async def test_processes_keep_their_numbers_and_what_they_share(engine: FakeEngine) -> None:
    engine.on_exec("worker").calls(lambda call: f"worker {call.resumed}\n").delay(10)
    task = await frozen(engine, "sh", "-c", "worker & exec sleep 20")
    other = await copy(engine, task)
    numbers = list(task.kernel.processes)
    assert list(other.kernel.processes) == numbers
    await advance(engine, 10)
    assert other.main is not None
    assert other.main.stdout.tail(99) == b"worker False\n"
    fresh = await other.exec(ProcessSpec(("sleep", "1")))
    assert fresh.proc.pid not in numbers  # type: ignore[attr-defined]
    await other.main.signal(9)
    assert (await other.wait()).cause is EndCause.EXITED
    assert (await fresh.wait()).signal == 9


async def test_a_terminal_is_one_in_a_copy(engine: FakeEngine) -> None:
    engine.on_exec("counter").calls(counter)
    main = ProcessSpec(("counter",), pty=PtySize())
    task = await engine.create(TaskSpec(main=main, freezable=True))
    assert await says(task, b"a") == b"a"
    await advance(engine, 0)
    other = await copy(engine, task)
    assert other.main is not None
    await other.main.write_stdin(b"x\n")
    await advance(engine, 0)
    assert other.main.stdout.tail(99) == b"x\r\n1 True\r\n"


async def test_a_sandbox_without_main_has_none_in_its_copies(engine: FakeEngine) -> None:
    task = await frozen(engine)
    task.view.write("/srv/f", "1")
    other = await copy(engine, task)
    assert (other.main, other.poll(), other.view.read_text("/srv/f")) == (None, None, "1")
    assert (await run(other, "cat", "/srv/f")).stdout == b"1"


@pytest.mark.parametrize(
    ("command", "named", "why"),
    [
        ("sleep 9; true", "sh -c 'sleep 9; true'", "no other program while it runs"),
        ("exec cat", "cat", "no other program while it runs"),
        ("sleep 9 | exec sleep 8", "sh -c", "no other program while it runs"),
        ("mkdir /d; cd /d; rmdir /d; exec sleep 9", "sleep 9", "its working directory was removed"),
        ("exec 3> /f; rm /f; exec sleep 9", "sleep 9", "a file open that was removed"),
        ("exec proud", "proud", "Call.state cannot be copied"),
    ],
)
async def test_what_cannot_be_dumped_is_named_and_goes_on(
    engine: FakeEngine, command: str, named: str, why: str
) -> None:
    async def proud(call: Call) -> None:
        call.state["thing"] = iter(call.read, b"")  # a method of something that cannot be copied
        await call.sleep(9)

    engine.on_exec("proud").calls(proud)
    task = await frozen(engine)
    process = await task.exec(ProcessSpec(("sh", "-c", command)))
    await advance(engine, 1)
    with pytest.raises(NotFreezable) as caught:
        await task.snapshot_memory()
    assert str(caught.value).startswith(f"process 2, {named}")
    assert why in str(caught.value)
    assert process.poll() is None


async def test_a_pipe_between_two_refuses_a_memory_snapshot(engine: FakeEngine) -> None:
    task = await frozen(engine)
    await run(task, "sh", "-c", "(sleep 9 &) | true")
    with pytest.raises(NotFreezable, match="sleep 9: it has a pipe or a terminal"):
        await task.snapshot_memory()


async def test_a_file_on_a_volume_that_is_gone_is_told(engine: FakeEngine) -> None:
    spec = TaskSpec(volumes=(VolumeMount("data", "/data"),), freezable=True)
    task = await engine.create(spec)
    await task.exec(ProcessSpec(("sh", "-c", "exec sleep inf > /data/log")))
    await advance(engine, 1)
    image = await task.snapshot_memory()
    assert await engine.create(TaskSpec(resume=image))
    engine.volume("data").remove("/log")
    assert await engine.create(TaskSpec(resume=image))  # somebody still has it open
    await asyncio.gather(*(each.kill() for each in engine._tasks))
    with pytest.raises(InvalidSpec, match="a file that was open on a volume is gone"):
        await engine.create(TaskSpec(resume=image))


async def test_only_a_sandbox_that_is_made_for_it_has_memory_snapshots(
    engine: FakeEngine, task: MemoryTask
) -> None:
    with pytest.raises(InvalidSpec, match="only be taken of a sandbox that was created for it"):
        await task.snapshot_memory()
