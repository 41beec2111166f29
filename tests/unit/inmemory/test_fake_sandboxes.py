"""Sandboxes in memory without pytest: what they are made of, and what is left of them."""

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_sandbox import Client, Sandbox, exceptions
from pytest_sandbox.client.transport.portal import Portal, portal
from pytest_sandbox.engine import EngineUnavailable
from pytest_sandbox.inmemory import FakeSandboxes
from pytest_sandbox.inmemory._view import on_loop


@pytest.fixture
def fake() -> Iterator[FakeSandboxes]:
    with FakeSandboxes(seed="a test") as sandboxes:
        yield sandboxes


def test_it_is_the_default_inside_only() -> None:
    before = Client.set_default(None)
    Client.set_default(before)
    with FakeSandboxes() as fake:
        assert Client.default() is fake.client
        with FakeSandboxes() as inner:
            assert Client.default() is inner.client
        assert Client.default() is fake.client
    assert Client.set_default(before) is before


def test_the_same_seed_makes_the_same_ids() -> None:
    told = []
    for seed in ("a", "a", "b"):
        with FakeSandboxes(seed=seed):
            told.append(Sandbox.create().object_id)
    assert told[0] == told[1] != told[2]


def test_once_closed_it_refuses_everything(fake: FakeSandboxes) -> None:
    sandbox = Sandbox.create()
    fake.close()
    fake.close()
    with pytest.raises(exceptions.ClientClosed):
        sandbox.poll()
    with pytest.raises(EngineUnavailable), fake:
        pass


def test_nothing_of_it_is_left() -> None:
    def use() -> "weakref.ref[FakeSandboxes]":
        with FakeSandboxes() as fake:
            fake.on_exec("serve").hang()
            sandbox = Sandbox.create("sleep", "inf", idle_timeout=60)
            sandbox.exec("serve")
            sandbox.filesystem.write_text("x", "/tmp/x")
            return weakref.ref(fake)

    idlers = list(portal().idlers)
    tasks = on_loop(lambda: len(asyncio.all_tasks()))
    left = use()
    gc.collect()
    assert left() is None
    assert portal().idlers == idlers
    assert on_loop(lambda: len(asyncio.all_tasks())) == tasks


def _one_command(fake: FakeSandboxes) -> None:
    fake.on_exec("make").reply(stdout="ok\n")
    sandbox = Sandbox.create()
    process = sandbox.exec("make")
    assert (process.stdout.read(), process.wait()) == ("ok\n", 0)
    sandbox.terminate()


def _what_runs_at_the_end(fake: FakeSandboxes) -> None:
    fake.on_exec("serve").hang()
    sandbox = Sandbox.create("sleep", "inf", idle_timeout=60)
    sandbox.exec("serve")


def _files_and_the_shell(fake: FakeSandboxes) -> None:
    sandbox = Sandbox.create()
    sandbox.filesystem.write_text("x", "/tmp/x")
    assert sandbox.run("sh", "-c", "cat /tmp/x").stdout == "x"
    assert fake.rpcs.count > 0


@pytest.mark.parametrize("use", [_one_command, _what_runs_at_the_end, _files_and_the_shell])
def test_it_leaves_nothing_to_the_garbage_collector(use: Callable[[FakeSandboxes], None]) -> None:
    def test() -> None:
        with FakeSandboxes() as fake:
            use(fake)
            fake.allow("unwaited-processes")
            assert fake.violations() == []

    test()  # imports what it needs
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        test()
        on_loop(lambda: None)
        gc.collect()
        left = [type(each).__name__ for each in gc.garbage]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert left == []


def test_a_test_takes_a_turn_for_each_call_and_one_at_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turns = []
    call = Portal.call

    def counted(*args: Any, **options: Any) -> Any:
        turns.append(1)
        return call(*args, **options)

    monkeypatch.setattr(Portal, "call", counted)
    with FakeSandboxes() as fake:
        _one_command(fake)
        assert len(turns) == len(["create", "exec", "read", "wait", "terminate"])
        assert fake.finish() == []
    assert len(turns) == 6


def test_files_are_seen_without_calls(fake: FakeSandboxes) -> None:
    sandbox = Sandbox.create()
    calls = fake.rpcs.count
    files = fake.filesystem(sandbox)
    files.write("/srv/a/b", "text", mode=0o600)
    assert (files.read_text("/srv/a/b"), files.read_bytes("/srv/a/b")) == ("text", b"text")
    assert files.listdir("/srv/a") == ["b"]
    files.remove("/srv/a/b")
    assert not files.exists("/srv/a/b")
    with pytest.raises(FileNotFoundError):
        files.read_text("/srv/a/b")
    assert fake.rpcs.count == calls


def test_files_of_a_sandbox_from_elsewhere_are_refused(fake: FakeSandboxes) -> None:
    with pytest.raises(ValueError, match="'sb-1' is not a sandbox of this test"):
        fake.filesystem("sb-1")


def test_without_jumps_only_somebody_else_can_move_the_time(fake: FakeSandboxes) -> None:
    fake.clock.autojump = False
    process = Sandbox.create().exec("sleep", "100")
    waiting = threading.Event()
    codes: list[int] = []

    def wait() -> None:
        waiting.set()
        codes.append(process.wait())

    thread = threading.Thread(target=wait)
    thread.start()
    waiting.wait()
    fake.clock.advance(99)
    assert process.poll() is None
    fake.clock.advance(1)
    thread.join()
    assert codes == [0]
    assert fake.clock.monotonic() == 100


def test_nothing_jumps_while_nobody_waits(fake: FakeSandboxes) -> None:
    sandbox = Sandbox.create(timeout=5)
    for _ in range(10):
        assert sandbox.poll() is None
    assert fake.clock.monotonic() == 0


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan")])
def test_time_that_cannot_pass_is_refused(fake: FakeSandboxes, seconds: float) -> None:
    with pytest.raises(ValueError, match="0 seconds or more"):
        fake.clock.advance(seconds)


def test_enormous_input_goes_through(fake: FakeSandboxes) -> None:
    data = b"x" * 8_000_000
    fake.on_exec("hash").calls(lambda call: str(len(call.stdin)), stdin=True)
    assert Sandbox.create().run("hash", input=data, text=False).stdout == b"8000000"


def test_a_command_that_cannot_start_tells_the_nearest_script(fake: FakeSandboxes) -> None:
    fake.on_exec("make", "tests").reply().optional()
    with pytest.raises(exceptions.Error, match=r"nearest script is `make tests` \(test_fake_"):
        Sandbox.create().exec("make2", "tests")
    (told,) = fake.violations()
    assert "unscripted command: make2 tests" in told


def test_rules_have_names(fake: FakeSandboxes) -> None:
    with pytest.raises(ValueError, match=r"no rule 'x'.*; there are unscripted-commands, "):
        fake.allow("x")


def test_one_name_is_no_list_of_names() -> None:
    with pytest.raises(ValueError, match=r"gpus='H100' is a str, .*; did you mean \['H100'\]\?"):
        FakeSandboxes(gpus="H100")


def test_several_connections_lead_to_one_engine(fake: FakeSandboxes) -> None:
    async def all_at_once() -> list[str]:
        sandbox = await Sandbox.create.aio()

        async def one(number: int) -> str:
            process = await sandbox.exec.aio("sh", "-c", f"sleep {number % 7}; echo {number}")
            text = await process.stdout.read.aio()
            await process.wait.aio()
            return text

        return await asyncio.gather(*map(one, range(100)))

    assert asyncio.run(all_at_once()) == [f"{number}\n" for number in range(100)]
    assert len(fake.client.channels._links) > 1


def test_no_time_passes_while_files_of_this_machine_are_read_and_written(
    fake: FakeSandboxes, tmp_path: Path
) -> None:
    sandbox = Sandbox.create(timeout=5)
    (tmp_path / "up").write_bytes(b"x" * 3_000_000)
    sandbox.filesystem.copy_from_local(tmp_path / "up", "/tmp/up")
    sandbox.filesystem.copy_to_local("/tmp/up", tmp_path / "down")
    sandbox.upload(tmp_path, "/tmp/tree")
    sandbox.download("/tmp/tree", tmp_path / "tree")
    assert (tmp_path / "tree" / "down").read_bytes() == b"x" * 3_000_000
    assert (fake.clock.monotonic(), sandbox.poll()) == (0, None)


def test_time_passes_for_a_thread_of_the_loop_that_waits_for_it(
    fake: FakeSandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_sandbox._shared.idle_loop.THREADS_IDLE_AFTER", 0.2)
    sandbox = Sandbox.create()
    wait = sandbox.exec("sleep", "100").wait
    assert portal().run(lambda: asyncio.to_thread(wait)) == 0
    assert fake.clock.monotonic() == 100


def test_a_run_that_is_given_up_kills_its_command(fake: FakeSandboxes) -> None:
    fake.clock.autojump = False
    sandbox = Sandbox.create()

    async def main() -> None:
        task = asyncio.ensure_future(sandbox.run.aio("sleep", "7777"))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())

    deadline = time.monotonic() + 10
    while found := fake.violations():
        assert time.monotonic() < deadline, found
        time.sleep(0.01)
