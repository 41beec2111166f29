"""Copies snapshots of directories between engines, which have no other way to do it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox.engine import SupportsMounts, SupportsSnapshots, TaskSpec

if TYPE_CHECKING:
    from pytest_sandbox.engine import DirectorySnapshot, Engine

#: Where the directory is in the sandboxes that do it, of which nothing else is used.
_PLACE = "/mnt/copied"


async def copy_directory(
    source: Engine, snapshot: DirectorySnapshot, target: Engine
) -> DirectorySnapshot:
    """Copy a snapshot of a directory from one engine to another, by a sandbox on each.

    Raises:
        EngineError: as making sandboxes and snapshots does.
    """
    giving = await source.create(TaskSpec())
    try:
        await giving.files.mkdir(_PLACE, parents=True)
        await SupportsMounts.of(giving).mount(_PLACE, snapshot)
        taking = await target.create(TaskSpec())
        try:
            await taking.files.unpack(_PLACE, giving.files.pack(_PLACE))
            return await SupportsSnapshots.of(taking).snapshot_directory(_PLACE)
        finally:
            await taking.kill()
    finally:
        await giving.kill()
