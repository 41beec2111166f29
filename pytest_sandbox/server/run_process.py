"""The life of the process that serves a run: it says that it is ready, and ends with the run."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from pytest_sandbox._shared import run_directory
from pytest_sandbox._shared.selector import run
from pytest_sandbox.engine import EngineUnavailable

from . import lease

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

log = logging.getLogger("pytest_sandbox.server")

#: Seconds that an engine may take to end its sandboxes; the owner of a run waits longer.
CLOSE_TIMEOUT = 8.0


def serve_run(run_dir: Path, serve: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> int:
    """Serve until the run ends.

    Args:
        run_dir: the directory of the run, which is removed at the end.
        serve: serves until the event is set, and calls `say` when it is ready. It may raise
            `EngineUnavailable` before, which is said instead.

    Returns:
        The exit status: 1 if it could not start.
    """
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    # grpclib warns of every call that a client cancels, which is normal here.
    logging.getLogger("grpclib").setLevel(logging.ERROR)
    ended_well = False
    try:
        run(_serve(run_dir, serve))
        ended_well = True
    except EngineUnavailable as error:
        say({"error": {"reason": error.reason, "remedy": error.remedy}})
        return 1
    finally:
        # After an error, an owner that is still alive reads the log and removes the directory.
        if ended_well or lease.is_free(run_dir):
            run_directory.remove(run_dir)
    return 0


def say(message: dict[str, Any]) -> None:
    """Tell the launcher, which reads one line."""
    print(json.dumps(message), flush=True)  # noqa: T201


async def _serve(
    run_dir: Path, serve: Callable[[asyncio.Event], Coroutine[Any, Any, None]]
) -> None:
    if lease.is_free(run_dir):
        # Started by a process that inherited the run and has outlived its owner.
        raise EngineUnavailable(f"the run in {run_dir} has ended")
    stop = _stop_event(run_dir)
    await asyncio.to_thread(lease.sweep, run_dir.parent, run_dir)
    await serve(stop)


def _stop_event(run_dir: Path) -> asyncio.Event:
    """An event that is set when the owner of the run is gone, or by a signal.

    From then on the process has `CLOSE_TIMEOUT` seconds left: when it is gone, the kernel ends
    what is left of its sandboxes.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        limit = threading.Timer(CLOSE_TIMEOUT, _give_up, (run_dir,))
        limit.daemon = True
        limit.start()
        # The loop may be closed already: then the process is about to end anyway.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    lease.watch(run_dir, end)
    return stop


def _give_up(run_dir: Path) -> None:
    log.error("the engine did not close within %g seconds", CLOSE_TIMEOUT)
    run_directory.remove(run_dir)
    os._exit(1)
