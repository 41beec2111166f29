"""Connects to a cluster of Ray, or starts one."""

from __future__ import annotations

import asyncio
import importlib
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pytest_sandbox._shared.async_tasks import retrieve
from pytest_sandbox._shared.install_command import install_command
from pytest_sandbox.engine import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

NAMESPACE = "pytest-sandbox"
#: Seconds that Ray may take to connect: less than a run waits for its engine, so that it is said
#: what the engine waited for.
CONNECT = 25.0
#: Seconds that one may take in addition which is started here: on a busy machine that is slow.
START_HERE = 60.0


async def connected(address: str, starts: Callable[[], object] = lambda: None) -> Any:
    """The module `ray`, connected to a cluster.

    Args:
        address: of the cluster, `ray://HOST:PORT`; `"ray"` for the one that `RAY_ADDRESS` names or
            this machine belongs to, and if there is none, for one that is started here.
        starts: called, on another thread, before one is started here.

    Raises:
        EngineUnavailable: it cannot be used; with what Ray says.
    """
    loop = asyncio.get_running_loop()
    connecting: asyncio.Future[Any] = loop.create_future()
    connecting.add_done_callback(retrieve)
    is_started = threading.Event()

    def begins() -> None:
        is_started.set()
        starts()

    def done(ray: Any, error: EngineUnavailable | None) -> None:
        if not connecting.done():
            connecting.set_result(ray) if error is None else connecting.set_exception(error)

    def connect() -> None:
        ray = failure = None
        try:
            ray = _connected(address, begins)
        except EngineUnavailable as error:
            failure = error
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(done, ray, failure)
        if ray is not None:
            # What Ray has started ends with the thread that did: prctl(2), PR_SET_PDEATHSIG.
            threading.Event().wait()

    # Not of a pool, which would wait for it: Ray may not give up for minutes.
    threading.Thread(target=connect, name="ray-connect", daemon=True).start()
    await asyncio.wait([connecting], timeout=CONNECT)
    if is_started.is_set():
        await asyncio.wait([connecting], timeout=START_HERE)
    if connecting.done():
        return connecting.result()
    if is_started.is_set():
        raise EngineUnavailable(
            f"a cluster of Ray that is started here was not ready after {CONNECT + START_HERE:g} s",
            "This machine may be too busy. `ray start --head` starts one before the tests, which "
            "all runs use.",
        )
    raise EngineUnavailable(
        f"the Ray cluster {in_words(address)} has not answered for {CONNECT:g} s",
        "Is it running, and reached from this machine? For ray://, the port is that of "
        "`ray start --ray-client-server-port`. A cluster with tokens takes none unless "
        "RAY_AUTH_MODE=token is set, and RAY_AUTH_TOKEN.",
    )


def in_words(address: str) -> str:
    """Which cluster an address means, for people."""
    named = os.environ.get("RAY_ADDRESS", "")
    return f"at RAY_ADDRESS={named}" if named and address == "ray" else address


def _connected(address: str, starts: Callable[[], object]) -> Any:
    try:
        ray: Any = importlib.import_module("ray")
    except ImportError as error:
        raise EngineUnavailable(
            f"the engine {address!r} needs the package ray: {error}", install_command("ray")
        ) from error
    quiet = {"namespace": NAMESPACE, "log_to_driver": False, "configure_logging": False}
    if ray.is_initialized():
        return ray
    try:
        if address != "ray":
            ray.init(address, **quiet)
            return ray
        try:
            ray.init("auto", **quiet)
        except ConnectionError:  # this machine belongs to none
            starts()
            ray.init(**quiet, include_dashboard=False)
    except Exception as error:  # Ray raises many kinds
        raise EngineUnavailable(
            f"the Ray cluster {in_words(address)} cannot be used: {error}",
            "Is it running, and has it the same version of Ray and Python?",
        ) from error
    return ray
