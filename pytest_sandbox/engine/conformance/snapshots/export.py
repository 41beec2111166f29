"""Snapshots as bytes, for later runs; of engines that are `SupportsExport`."""

from collections.abc import AsyncIterator

from ... import (
    Capability,
    Engine,
    InvalidSpec,
    Snapshot,
    SupportsExport,
    SupportsFlatten,
    UnknownImage,
)
from ..calls import export, forget, load
from ..files.trees import DEEP, make_deep_tree, make_tree
from ..lab import a_lab
from ..support import Interrupted, chunks, equal, raises, sh, soon
from ..tree_state import assert_same, tree_state

NEEDS = frozenset({Capability.SNAPSHOT})


async def exported(engine: Engine, image: Snapshot, below: Snapshot | None = None) -> bytes:
    """A snapshot as bytes."""

    async def collect() -> bytes:
        return b"".join([chunk async for chunk in export(engine, image, below)])

    return await soon(collect(), f"export({image!r})")


async def check_a_loaded_snapshot_is_the_same(engine: Engine) -> None:
    """A snapshot that was exported and loaded again has the same files, in each of its layers."""
    if not isinstance(engine, SupportsExport):
        return
    async with a_lab(engine) as lab:
        source = await lab.task()
        await make_tree(source)
        await sh(source, "mkdir -p /srv/again/d /opt/t; rm /etc/hosts")
        await sh(source, ": > /srv/again/f; : > /opt/t/x")
        source = await lab.copy(await lab.snapshot(source))
        await sh(source, "cd /srv; rm -r again t/a; mkdir again; echo two > again/new; mv t u")
        expected = await tree_state(source, "/srv", "/etc", "/opt/t")
        image = await lab.snapshot(source)
        for _ in range(2):
            data = await exported(engine, image)
            image = lab.forget_later(await soon(load(engine, chunks(data)), "load()"))
            copy = await lab.copy(image)
            assert_same(await tree_state(copy, "/srv", "/etc", "/opt/t"), expected, "a copy")
        await sh(copy, "cd /srv; rm -r u; echo more >> again/new")
        again = await lab.copy(await lab.snapshot(copy))
        equal(
            await sh(again, "cd /srv; echo *; cat again/new"), b"again\ntwo\nmore\n", "the next one"
        )


async def check_what_is_above_another_snapshot(engine: Engine) -> None:
    """What was written above a snapshot can be exported alone, and loaded on the same files."""
    if not isinstance(engine, SupportsExport):
        return
    async with a_lab(engine) as lab:
        source = await lab.task()
        await sh(source, "cd /srv; mkdir d e; for i in 1 2; do echo $i > d/$i; cp d/$i e; done")
        below = await lab.snapshot(source)
        source = await lab.copy(below)
        await sh(source, "cd /srv; rm d/1; echo two >> d/2; rm -r e; mkdir e; echo 3 > e/3")
        expected = await tree_state(source, "/srv")
        above = await lab.snapshot(source)
        streams = [await exported(engine, below), await exported(engine, above, below)]
        for each in (above, below):
            await soon(forget(engine, each), "forget()")
        again: Snapshot | None = None
        for stream in streams:
            loading = load(engine, chunks(stream), again)
            again = lab.forget_later(await soon(loading, "load()"))
        assert again is not None
        assert_same(await tree_state(await lab.copy(again), "/srv"), expected, "the loaded one")


async def check_a_flattened_snapshot_is_the_same(engine: Engine) -> None:
    """A snapshot whose layers are merged has the same files, also those that are gone."""
    if not isinstance(engine, SupportsFlatten):
        return
    async with a_lab(engine) as lab:
        source = await lab.task()
        for script in (
            "mkdir /srv/d /srv/e; echo 1 > /srv/d/1; echo 1 > /srv/e/1; ln -s d /srv/l",
            "rm /srv/d/1; echo 2 > /srv/d/2; rm /etc/hosts",
            "rm -r /srv/e; mkdir /srv/e; echo 3 > /srv/e/3",
            "chmod 700 /srv/d; echo 4 >> /srv/d/2",
            "mv /srv/e/3 /srv/f; mkdir -p /opt/x",
        ):
            await sh(source, script)
            image = await lab.snapshot(source)
            source = await lab.copy(image)
        expected = await tree_state(source, "/srv", "/etc", "/opt/x")
        flat = await soon(engine.flatten(image), "flatten()")
        if flat != image:
            lab.forget_later(flat)
        copy = await lab.copy(flat)
        assert_same(await tree_state(copy, "/srv", "/etc", "/opt/x"), expected, "the flat one")
        equal(await soon(engine.flatten(flat), "flatten()"), flat, "what is flat already")


async def check_deep_trees(engine: Engine) -> None:
    """A tree of a thousand levels is exported and loaded."""
    if not isinstance(engine, SupportsExport):
        return
    async with a_lab(engine) as lab:
        source = await lab.task()
        await make_deep_tree(source, "/srv/t")
        data = await exported(engine, await lab.snapshot(source))
        image = lab.forget_later(await soon(load(engine, chunks(data)), "load()"))
        shown = await sh(await lab.copy(image), f"cat /srv/t{DEEP}/f")
        equal(shown, b"deep", "the file at the bottom")


async def check_a_loaded_snapshot_is_independent(engine: Engine) -> None:
    """A loaded snapshot does not need the one that was exported."""
    if not isinstance(engine, SupportsExport):
        return
    async with a_lab(engine) as lab:
        source = await lab.task()
        await sh(source, "echo one > /srv/f")
        image = await lab.snapshot(source)
        data = await exported(engine, image)
        await soon(forget(engine, image), "forget()")
        for size in (1000, len(data)):
            loaded = lab.forget_later(await soon(load(engine, chunks(data, size)), "load()"))
            equal(await sh(await lab.copy(loaded), "cat /srv/f"), b"one\n", f"chunks of {size}")


async def check_what_is_no_snapshot_is_not_loaded(engine: Engine) -> None:
    """What `export` did not give, or half of it, is refused with `InvalidSpec`."""
    if not isinstance(engine, SupportsExport):
        return
    async with a_lab(engine) as lab:
        source = await lab.task()
        await sh(source, "head -c 300000 /dev/zero > /srv/f; mkdir /srv/d; : > /srv/d/last")
        data = await exported(engine, await lab.snapshot(source))
        damaged = bytearray(data)
        damaged[len(data) // 2] ^= 0xFF
        for bad, what in (
            (b"", "nothing"),
            (b"no snapshot at all" * 1000, "something else"),
            (data[:-1], "all but the last byte"),
            (data[: len(data) // 2], "half of it"),
            (data[:10], "the beginning"),
            (data + b"x", "a byte too much"),
            (bytes(damaged), "one byte changed"),
        ):
            await raises(InvalidSpec, load(engine, chunks(bad)), f"load() of {what}")
        equal(await sh(await lab.task(), "echo fine"), b"fine\n", "a task afterwards")


async def check_a_stream_that_fails(engine: Engine) -> None:
    """An error of the stream that is being loaded reaches the caller as it is."""
    if not isinstance(engine, SupportsExport):
        return
    async with a_lab(engine) as lab:
        data = await exported(engine, await lab.snapshot(await lab.task()))

        async def broken() -> AsyncIterator[bytes]:
            yield data[:100]
            raise Interrupted

        await raises(Interrupted, load(engine, broken()), "load() of a broken stream")


async def check_exporting_what_is_not_there(engine: Engine) -> None:
    """A snapshot that is not there, or not any more, is not exported: `UnknownImage`."""
    if not isinstance(engine, SupportsExport):
        return
    async with a_lab(engine) as lab:
        image = await lab.snapshot(await lab.task())
        await soon(forget(engine, image), "forget()")
        for each in (image, Snapshot("no-such-image")):
            await raises(UnknownImage, exported(engine, each), f"export({each!r})")
