"""Calls of Ray that raise, hang, and answer when nobody waits any more."""

from __future__ import annotations

import asyncio
import atexit
import threading
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox.cluster.on_ray import groups as groups_module
from pytest_sandbox.cluster.on_ray import ray_calls
from pytest_sandbox.cluster.on_ray.ray_calls import RayCalls
from pytest_sandbox.engine import EngineUnavailable

from .fake_ray import ONE_CPU, FakeRay, placer_of

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.asyncio
HANGS = r"the Ray cluster has not answered for [\d.]+ s"


@pytest.fixture
def hung(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Keeps what waits for it until the end of the test, or until it is set."""
    monkeypatch.setattr(ray_calls, "LIMIT", 0.05)
    event = threading.Event()
    yield event
    event.set()


async def test_what_ray_gives_and_raises() -> None:
    calls = RayCalls(1)
    assert await calls(int, "7") == 7
    with pytest.raises(EngineUnavailable, match="Ray does not do what it should: invalid literal"):
        await calls(int, "seven")
    await calls.close()


async def test_a_call_that_hangs_is_an_error_in_time_and_so_are_those_behind_it(
    hung: threading.Event,
) -> None:
    calls = RayCalls(1)
    called: list[int] = []
    for call in (hung.wait, lambda: called.append(1)):
        with pytest.raises(EngineUnavailable, match=HANGS) as caught:
            await calls(call)
        assert "`ray status`" in caught.value.remedy
    hung.set()
    await calls(called.append, 2, limit=30.0)
    assert called == [2]  # what was given up before it began is not done


async def test_while_a_call_has_no_answer_others_do_not_wait_as_long_for_theirs(
    hung: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_calls, "WHILE_SILENT", 0.01)
    calls = RayCalls(2)
    with pytest.raises(EngineUnavailable, match=HANGS):
        await calls(hung.wait)
    with pytest.raises(EngineUnavailable, match=HANGS):
        await calls(hung.wait, limit=3600.0)
    hung.set()
    for _ in range(30_000):
        if not calls._given_up:
            break
        await asyncio.sleep(0.001)
    monkeypatch.setattr(ray_calls, "WHILE_SILENT", 0.0)
    assert await calls(int, "7", limit=3600.0) == 7


async def test_what_comes_too_late_is_undone(hung: threading.Event) -> None:
    calls = RayCalls(1)
    undone: asyncio.Queue[str] = asyncio.Queue()

    def slow() -> str:
        hung.wait()
        return "a group"

    with pytest.raises(EngineUnavailable, match=HANGS):
        await calls(slow, late=undone.put)
    hung.set()
    assert await undone.get() == "a group"


async def test_what_has_to_be_done_is_done_later_although_it_was_given_up(
    hung: threading.Event,
) -> None:
    calls = RayCalls(1)
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    with pytest.raises(EngineUnavailable, match=HANGS):
        await calls(hung.wait)
    with pytest.raises(EngineUnavailable, match=HANGS):
        await calls(loop.call_soon_threadsafe, done.set, anyway=True)
    hung.set()
    await asyncio.wait_for(done.wait(), 30)


async def test_nothing_is_called_after_the_last_call(
    hung: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Ray is asked after its shutdown, it asks of a new cluster, which it starts."""
    calls = RayCalls(1)
    called: list[str] = []
    begun = threading.Event()

    def slow() -> None:
        begun.set()
        hung.wait()
        called.append("first")

    monkeypatch.setattr(ray_calls, "LIMIT", 30.0)
    first = asyncio.ensure_future(calls(slow))
    assert await asyncio.to_thread(begun.wait, 30)
    queued = asyncio.ensure_future(calls(called.append, "queued", anyway=True))
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(calls.close(lambda: called.append("last")))
    await asyncio.sleep(0)
    hung.set()
    await closing
    await first
    with pytest.raises(EngineUnavailable, match="the connection to the Ray cluster is closed"):
        await queued
    with pytest.raises(EngineUnavailable, match="the connection to the Ray cluster is closed"):
        await calls(called.append, "later")
    assert called == ["first", "last"]


async def test_a_head_that_hangs_while_a_sandbox_is_placed_is_an_error(
    hung: threading.Event,
) -> None:
    class Hanging(FakeRay):
        def placement_group_table(self, group: int) -> dict[str, object]:
            hung.wait()
            return super().placement_group_table(group)

    ray = Hanging("n")
    placer, nodes = placer_of(ray, "n")
    with pytest.raises(EngineUnavailable, match=HANGS):
        await placer.place(ONE_CPU, list(nodes.engines.values()))
    hung.set()
    await asyncio.to_thread(ray.removed.wait, 30)
    assert not ray.groups  # nobody has it


async def test_a_run_ends_although_ray_hangs(
    hung: threading.Event, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Soon, and so does the process, in which Ray has its shutdown called once more."""
    monkeypatch.setattr(ray_calls, "LIMIT", 3600.0)
    monkeypatch.setattr(ray_calls, "LAST", 0.05)
    monkeypatch.setattr(groups_module, "AT_END", 0.05)
    at_exit: list[object] = []
    monkeypatch.setattr(atexit, "unregister", at_exit.append)

    class Hanging(FakeRay):
        def remove_placement_group(self, group: int) -> None:
            hung.wait()

        def shutdown(self) -> None:
            hung.wait()

    ray = Hanging("n")
    placer, nodes = placer_of(ray, "n")
    await (await placer.place(ONE_CPU, list(nodes.engines.values()))).release()  # it is kept
    await placer.place(ONE_CPU, list(nodes.engines.values()))
    await placer.close()
    assert at_exit == [ray.shutdown]
    assert "the connection to Ray could not be closed: the Ray cluster has not" in caplog.text
