"""Snapshots of many layers as snapshots of few: each layer makes a sandbox slower to start."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from pytest_sandbox._shared.async_tasks import finish

from ...protocol.common import Succeeded
from ...protocol.zygote import ExportRequest
from .transfer import load_layer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_sandbox.engine import Snapshot

    from ..links.zygote_link import ZygoteLink
    from .layer_store import LayerStore, Stack

#: Bytes of layers that are merged into one: they take this much memory twice, while other images
#: depend on the old ones.
_MOST = 32 * 1024 * 1024
#: Layers below which it is not worth it.
_FEWEST = 4


async def flatten(zygote: ZygoteLink, store: LayerStore, snapshot: Snapshot) -> Snapshot:
    """The same files in fewer layers; the same snapshot if there are few, or only large ones.

    Raises:
        StoreFull: no room for it.
        UnknownImage: there is no such snapshot.
    """
    stack = store.stack(snapshot)
    if len(store.split(stack)[0]) < _FEWEST:
        return snapshot
    return await finish(_flatten(zygote, store, snapshot), store.forget)


async def _flatten(zygote: ZygoteLink, store: LayerStore, snapshot: Snapshot) -> Snapshot:
    with store.depending(store.stack(snapshot)) as stack:
        written, _ = store.split(stack)
        runs = list(_runs(written, store))
        if len(written) - len(runs) < _FEWEST - 1:
            return snapshot
        await store.share(stack, zygote)
        merged: list[int] = []
        try:
            for run in runs:
                layer = run[0] if len(run) == 1 else await _merge(zygote, store, run)
                store.hold((layer,))
                merged.append(layer)
            return store.add((*merged, *stack[len(written) :]), store.new_layer())
        finally:
            store.release(tuple(merged))


def _runs(stack: Stack, store: LayerStore) -> Iterator[Stack]:
    """Layers next to each other that are small together, or one that is not."""
    run: list[int] = []
    for layer in stack:
        if run and sum(map(store.size, [*run, layer])) > _MOST:
            yield tuple(run)
            run = []
        run.append(layer)
    if run:
        yield tuple(run)


async def _merge(zygote: ZygoteLink, store: LayerStore, run: Stack) -> int:
    """A layer with what is in others, of which nothing passes through this process."""
    read, write = os.pipe2(os.O_CLOEXEC)
    exporting = asyncio.ensure_future(
        zygote.request(ExportRequest(layers=list(run)), Succeeded, (write,))
    )
    try:
        return await load_layer(zygote, store, read)
    finally:
        await asyncio.wait([exporting])
        exporting.cancelled() or exporting.exception()  # what it did not write, nothing loaded
