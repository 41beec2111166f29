"""Runs the function of a template in a sandbox, and takes a snapshot."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine

    from pytest_sandbox.client import Client, Sandbox

    from .variant import Variant

__tracebackhide__ = True  # a template that fails shows its own lines, not these


#: Seconds that a sandbox lives by default.
TIMEOUT = 300


def image_of(variant: Variant, sandbox: Sandbox, client: Client) -> str:
    """Prepare a sandbox, take a snapshot of it, and end it in any case.

    Returns:
        The id of an image, or of a snapshot with processes.

    Raises:
        pytest.fail.Exception: the sandbox reached its timeout; or the function returned a value,
            or ended the sandbox.
        Exception: what the function raises.
    """
    try:
        _run(variant, sandbox)
        if not variant.template.memory:
            return client.extensions.snapshot_and_end(sandbox).object_id
        snapshot = sandbox._experimental_snapshot()
        sandbox.terminate()
        return snapshot.object_id
    except Exception:
        if _timed_out(sandbox):
            pytest.fail(_timeout_message(variant), pytrace=False)
        raise
    finally:
        with contextlib.suppress(Exception):  # an error before this one is what counts
            sandbox.terminate()


def _run(variant: Variant, sandbox: Sandbox) -> None:
    result: Any = variant.template.body(
        **{variant.template.sandbox_parameter: sandbox, **variant.given}
    )
    if inspect.iscoroutine(result):
        result = _completed(result)
    if result is not None:
        pytest.fail(
            f"the template {variant.template.name!r} returned {result!r}, which its copies cannot "
            "have; write it to a file in the sandbox instead",
            pytrace=False,
        )
    if sandbox.poll() is not None:
        pytest.fail(
            _timeout_message(variant) if _timed_out(sandbox) else _ended_message(variant),
            pytrace=False,
        )


def _timeout_message(variant: Variant) -> str:
    timeout = variant.spec.get("timeout", TIMEOUT)
    return (
        f"the sandbox of the template {variant.template.name!r} reached its timeout={timeout}; "
        "see what takes so long, or give @sandbox_template a longer timeout="
    )


def _ended_message(variant: Variant) -> str:
    return (
        f"the sandbox of the template {variant.template.name!r} ended before its snapshot; do not "
        "terminate it: it ends by itself after the snapshot"
    )


def _completed(coroutine: Coroutine[Any, Any, object]) -> object:
    """The result of a coroutine, run on a loop of its own that is not the thread's loop."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.run_until_complete(_cancel(asyncio.all_tasks(loop)))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _cancel(tasks: Collection[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _timed_out(sandbox: Sandbox) -> bool:
    """Whether the sandbox reached its timeout."""
    from pytest_sandbox.client.exceptions import SandboxTimeoutError

    try:
        if sandbox.poll() is not None:
            sandbox.wait(raise_on_termination=False)
    except SandboxTimeoutError:
        return True
    except Exception:  # the engine may be gone, which the first error says
        return False
    return False
