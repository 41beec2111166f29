"""How a cluster of Ray is found, and what is said if it cannot be used; Ray itself is a fake."""

from __future__ import annotations

import asyncio
import sys
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox.cluster.on_ray import connecting
from pytest_sandbox.cluster.on_ray.connecting import connected
from pytest_sandbox.engine import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.asyncio
MISMATCH = "Version mismatch: The cluster was started with: Python: 3.12.1"


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Has Ray answer each attempt to connect; the addresses that it is given."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    def answers(*given: Callable[[], object]) -> list[str]:
        asked: list[str] = []

        def init(address: str = "a new one", **_: Any) -> None:
            asked.append(address)
            given[len(asked) - 1]()

        fake = SimpleNamespace(init=init, is_initialized=lambda: False)
        monkeypatch.setitem(sys.modules, "ray", fake)
        return asked

    return answers


def fails(error: Exception) -> Callable[[], object]:
    def fail() -> object:
        raise error

    return fail


def works() -> None:
    pass


@pytest.mark.parametrize(
    ("address", "answers", "asked"),
    [
        ("ray", [works], ["auto"]),
        ("ray", [fails(ConnectionError("none")), works], ["auto", "a new one"]),
        ("ray://host:1", [works], ["ray://host:1"]),
    ],
)
async def test_which_cluster_is_used(
    ray: Callable[..., list[str]],
    address: str,
    answers: list[Callable[[], object]],
    asked: list[str],
) -> None:
    tried = ray(*answers)
    assert (await connected(address)) is sys.modules["ray"]
    assert tried == asked


@pytest.mark.parametrize("address", ["ray", "ray://host:1"])
async def test_another_python_is_said_in_the_words_of_ray(
    ray: Callable[..., list[str]], address: str
) -> None:
    ray(fails(RuntimeError(MISMATCH)))
    with pytest.raises(EngineUnavailable, match=MISMATCH) as caught:
        await connected(address)
    assert "the same version of Ray and Python" in caught.value.remedy


async def test_no_new_cluster_takes_the_place_of_one_that_was_named(
    ray: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ray(fails(ConnectionError("no answer")))
    with pytest.raises(EngineUnavailable, match="ray://host:1 cannot be used: no answer"):
        await connected("ray://host:1")
    ray(fails(ConnectionError("no answer")), fails(ConnectionError("no answer again")))
    monkeypatch.setenv("RAY_ADDRESS", "host:2")  # which Ray reads, also for a new one
    with pytest.raises(EngineUnavailable, match="at RAY_ADDRESS=host:2 cannot be used"):
        await connected("ray")


async def test_a_cluster_that_does_not_answer_is_said_in_time(
    ray: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    never = threading.Event()
    ray(never.wait)
    monkeypatch.setattr(connecting, "CONNECT", 0.01)
    with pytest.raises(EngineUnavailable, match=r"has not answered for 0\.01 s") as caught:
        await connected("ray://host:1")
    assert "RAY_AUTH_TOKEN" in caught.value.remedy
    never.set()


async def test_a_cluster_that_is_started_here_has_more_time(
    ray: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "CONNECT", 0.5)
    slow = threading.Event()
    ray(fails(ConnectionError("none")), slow.wait)
    asyncio.get_running_loop().call_later(0.6, slow.set)
    assert await connected("ray") is sys.modules["ray"]


async def test_a_cluster_that_does_not_start_here_is_said_in_time(
    ray: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    never = threading.Event()
    ray(fails(ConnectionError("none")), never.wait)
    monkeypatch.setattr(connecting, "CONNECT", 0.5)
    monkeypatch.setattr(connecting, "START_HERE", 0.01)
    with pytest.raises(EngineUnavailable, match=r"was not ready after 0\.51 s") as caught:
        await connected("ray")
    assert "`ray start --head`" in caught.value.remedy
    never.set()


async def test_the_package_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EngineUnavailable, match="needs the package ray") as caught:
        await connected("ray")
    assert "[ray]" in caught.value.remedy
