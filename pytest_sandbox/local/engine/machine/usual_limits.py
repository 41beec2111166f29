"""The limits of a sandbox that asks for none, for people to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import memory_shares

if TYPE_CHECKING:
    from collections.abc import Collection

    from pytest_sandbox.local.options import LocalOptions

_GIB = 1 << 30


def usual_limits(options: LocalOptions, controllers: Collection[str]) -> str:
    """The limits of each sandbox, and of all together.

    Args:
        options: the engine's settings.
        controllers: the cgroup controllers that it can use.
    """
    memory = _size(options.memory or memory_shares.for_one_sandbox())
    disk = options.disk or memory_shares.for_disk()
    each = f"{_size(disk)} of disk, {options.processes} processes and threads"
    if "memory" not in controllers:
        return f"each sandbox: {memory} of memory, looked at four times a second, {each}"
    together = memory_shares.for_all_sandboxes()
    return f"each sandbox: {memory} of memory, {each}; all together: {_size(together)}"


def _size(size: int) -> str:
    return f"{size / _GIB:.1f} GiB" if size >= _GIB else f"{size >> 20} MiB"
