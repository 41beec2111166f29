"""What is said of the machine of an engine that is not on this one."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor


def far_machine(engine: str) -> str:
    """What the machine is, or why it cannot be reached; for the header, so it never raises.

    Args:
        engine: its address.
    """
    from pytest_sandbox.remote import machine_at

    # Whoever calls pytest from a program may have an event loop in this thread.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, machine_at(engine)).result()
