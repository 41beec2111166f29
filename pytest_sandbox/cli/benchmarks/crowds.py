"""The figures of many sandboxes at once."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

from pytest_sandbox import Sandbox

from .memory import available_bytes
from .samples import Samples
from .session import Bench

_SIZE = 50
_MOST = 10  # samples: each has fifty sandboxes


def concurrent(bench: Bench) -> None:
    """Sandboxes created, used and ended at once by the async client."""

    async def one() -> None:
        sandbox = await Sandbox.create.aio()
        process = await sandbox.exec.aio("echo", "hello")
        assert await process.stdout.read.aio() == "hello\n"
        assert await process.wait.aio() == 0
        await sandbox.terminate.aio()

    rates = []
    for _ in bench.cycles(f"{_SIZE} concurrent create + exec + read + end", _MOST):
        started = time.perf_counter()
        asyncio.run(_all_at_once(*(one() for _ in range(_SIZE))))
        rates.append(_SIZE / (time.perf_counter() - started))
    bench.fact(f"{_SIZE} concurrent create + exec + read + end", rates, "per second")


def terminate_all(bench: Bench) -> None:
    """Many sandboxes ended at once, beside one after the other."""
    together, in_turn = Samples(), Samples()
    for _ in bench.cycles(f"2 * {_SIZE} create + end", _MOST):
        made = [Sandbox.create() for _ in range(2 * _SIZE)]
        with together.sample():
            asyncio.run(_all_at_once(*(each.terminate.aio() for each in made[:_SIZE])))
        with in_turn.sample():
            for each in made[_SIZE:]:
                each.terminate()
    bench.timing(f"{_SIZE} ended at once", together, "one after the other", in_turn)


async def _all_at_once(*what: Coroutine[Any, Any, Any]) -> None:
    await asyncio.gather(*what)


def crowd(bench: Bench) -> None:
    """Creation beside many live sandboxes, and what each of them costs."""
    alone, beside = Samples(), Samples()
    for _ in bench.cycles("create + end, engine empty"):
        _create_and_end(alone)
    before = available_bytes()
    live = [Sandbox.create() for _ in range(bench.live)]
    each = (before - available_bytes()) / bench.live
    name = f"beside {bench.live} live sandboxes"
    for _ in bench.cycles(f"create + end {name}"):
        _create_and_end(beside)
    started = time.perf_counter()
    for sandbox in live:
        sandbox.terminate()
    bench.timing(f"create {name}", beside, "create, engine empty", alone)
    bench.fact(f"memory of each of {bench.live} live sandboxes", each / 1e6, "MB")
    bench.fact(f"ending {bench.live} sandboxes", time.perf_counter() - started, "s")


def _create_and_end(samples: Samples) -> None:
    with samples.sample():
        sandbox = Sandbox.create()
    sandbox.terminate()
