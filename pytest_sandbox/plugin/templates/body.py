"""Running the function of a template in a sandbox, and keeping what comes of it."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine

    from pytest_sandbox.client import Client, Sandbox

    from .layer import Layer

__tracebackhide__ = True  # a template that fails shows its own lines, not these


#: Seconds that a sandbox lives by default.
TIMEOUT = 300


def image_of(layer: Layer, sandbox: Sandbox, client: Client) -> str:
    """Prepare a sandbox and keep it; it ends, whatever comes of it.

    Returns:
        The id of an image, or of a snapshot with processes.

    Raises:
        pytest.fail.Exception: it did not live long enough; or the function returned something,
            or ended it.
        Exception: what the function raises.
    """
    try:
        _run(layer, sandbox)
        if not layer.template.memory:
            return client.extensions.snapshot_and_end(sandbox).object_id
        snapshot = sandbox._experimental_snapshot()
        sandbox.terminate()
        return snapshot.object_id
    except Exception:
        if _outlived(sandbox):
            pytest.fail(_late(layer), pytrace=False)
        raise
    finally:
        with contextlib.suppress(Exception):  # what went wrong before is what counts
            sandbox.terminate()


def _run(layer: Layer, sandbox: Sandbox) -> None:
    result: Any = layer.template.body(**{layer.template.machine: sandbox, **layer.given})
    if inspect.iscoroutine(result):
        result = _completed(result)
    if result is not None:
        pytest.fail(
            f"the template {layer.template.name!r} returned {result!r}, which its copies cannot "
            "have; write it to a file in the sandbox",
            pytrace=False,
        )
    if sandbox.poll() is not None:
        pytest.fail(_late(layer) if _outlived(sandbox) else _ended_it(layer), pytrace=False)


def _late(layer: Layer) -> str:
    timeout = layer.spec.get("timeout", TIMEOUT)
    return (
        f"the sandbox of the template {layer.template.name!r} lived as long as its "
        f"timeout={timeout} allows; see what takes so long, or give @sandbox_template a "
        "longer timeout="
    )


def _ended_it(layer: Layer) -> str:
    return (
        f"the sandbox of the template {layer.template.name!r} ended before it could be kept; leave "
        "out what terminates it: it ends by itself afterwards"
    )


def _completed(coroutine: Coroutine[Any, Any, object]) -> object:
    """What comes of a coroutine, on a loop of its own, which is nobody's default."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.run_until_complete(_ended(asyncio.all_tasks(loop)))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _ended(tasks: Collection[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _outlived(sandbox: Sandbox) -> bool:
    """Whether its time was up."""
    from pytest_sandbox.client.exceptions import SandboxTimeoutError

    try:
        if sandbox.poll() is not None:
            sandbox.wait(raise_on_termination=False)
    except SandboxTimeoutError:
        return True
    except Exception:  # the engine may be gone: the first error says so
        return False
    return False
