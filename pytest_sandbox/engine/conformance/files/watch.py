"""Checks of watches, which report changes of files as they happen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from errno import ENOENT

from ... import Engine, Task, WatchEvent, WatchKind
from ..support import a_task, equal, fails, sh, soon, stop


class Watcher:
    """Collects the events of one watch."""

    def __init__(self, events: AsyncIterator[WatchEvent]) -> None:
        self._events = events
        self.seen: list[WatchEvent] = []
        self._next = asyncio.ensure_future(anext(events))

    async def until(self, kind: WatchKind, *paths: str) -> None:
        """Wait for one event."""
        wanted = WatchEvent(kind, paths)
        event = wanted if wanted in self.seen else None
        while event != wanted:
            try:
                event = await soon(asyncio.shield(self._next), f"the wait for {wanted}")
            except AssertionError as error:
                raise AssertionError(f"{error}; seen: {self.seen}") from None
            self.seen.append(event)
            self._next = asyncio.ensure_future(anext(self._events))

    async def close(self) -> None:
        """Stop watching."""
        self._next.cancel()
        await asyncio.wait([self._next])
        await stop(self._events)


@asynccontextmanager
async def watching(task: Task, path: str, *, recursive: bool = False) -> AsyncIterator[Watcher]:
    """A watch that is in place when the `with` begins."""
    watcher = Watcher(task.files.watch(path, recursive=recursive))
    await asyncio.sleep(0)  # lets `anext` suspend, which is when the watch begins
    try:
        yield watcher
    finally:
        await watcher.close()


async def check_events_in_a_directory(engine: Engine) -> None:
    """A watch reports a file that is made, changed or removed in the directory, with its path."""
    async with a_task(engine) as task, watching(task, "/tmp") as watcher:
        await sh(task, ": > /tmp/f")
        await watcher.until(WatchKind.CREATE, "/tmp/f")
        await sh(task, "echo x >> /tmp/f")
        await watcher.until(WatchKind.MODIFY, "/tmp/f")
        await sh(task, "rm /tmp/f")
        await watcher.until(WatchKind.REMOVE, "/tmp/f")


async def check_changes_by_file_operations(engine: Engine) -> None:
    """A watch reports changes by file operations like those by programs."""
    async with a_task(engine) as task, watching(task, "/tmp") as watcher:
        await task.files.mkdir("/tmp/d")
        await watcher.until(WatchKind.CREATE, "/tmp/d")
        await task.files.remove("/tmp/d")
        await watcher.until(WatchKind.REMOVE, "/tmp/d")


async def check_rename(engine: Engine) -> None:
    """A rename inside a watched directory is reported with both names."""
    async with a_task(engine) as task:
        await sh(task, ": > /tmp/old")
        async with watching(task, "/tmp") as watcher:
            await sh(task, "mv /tmp/old /tmp/new")
            await watcher.until(WatchKind.RENAME, "/tmp/old", "/tmp/new")


async def check_rename_across_the_border(engine: Engine) -> None:
    """A rename out of, or into, a watched directory is reported with the name that is inside."""
    async with a_task(engine) as task:
        await sh(task, "mkdir /tmp/in /tmp/out; : > /tmp/in/a; : > /tmp/out/b")
        async with watching(task, "/tmp/in") as watcher:
            await sh(task, "mv /tmp/in/a /tmp/out/a")
            await watcher.until(WatchKind.RENAME_FROM, "/tmp/in/a")
            await sh(task, "mv /tmp/out/b /tmp/in/b")
            await watcher.until(WatchKind.RENAME_TO, "/tmp/in/b")


async def check_a_single_file(engine: Engine) -> None:
    """A file can be watched itself; changes to its neighbours are not reported."""
    async with a_task(engine) as task:
        await sh(task, ": > /tmp/f; : > /tmp/g")
        async with watching(task, "/tmp/f") as watcher:
            await sh(task, "echo x > /tmp/g; echo x >> /tmp/f")
            await watcher.until(WatchKind.MODIFY, "/tmp/f")
            others = [event for event in watcher.seen if event.paths != ("/tmp/f",)]
            equal(others, [], "events of other files")


async def check_not_recursive(engine: Engine) -> None:
    """Without `recursive`, changes in a directory below are not reported."""
    async with a_task(engine) as task:
        await sh(task, "mkdir /tmp/d")
        async with watching(task, "/tmp") as watcher:
            await sh(task, ": > /tmp/d/f; : > /tmp/last")
            await watcher.until(WatchKind.CREATE, "/tmp/last")
            below = [event for event in watcher.seen if "/tmp/d/f" in event.paths]
            equal(below, [], "events from below")


async def check_recursive(engine: Engine) -> None:
    """With `recursive`, directories below are watched too, also those made later."""
    async with a_task(engine) as task:
        await sh(task, "mkdir -p /tmp/a/b")
        async with watching(task, "/tmp", recursive=True) as watcher:
            await sh(task, ": > /tmp/a/b/f")
            await watcher.until(WatchKind.CREATE, "/tmp/a/b/f")
            await sh(task, "mkdir /tmp/a/new")
            await watcher.until(WatchKind.CREATE, "/tmp/a/new")
            await sh(task, ": > /tmp/a/new/g")
            await watcher.until(WatchKind.CREATE, "/tmp/a/new/g")


async def check_recursive_of_deep_directories(engine: Engine) -> None:
    """Directories may nest deeper than functions may call each other, also those made later."""
    deep = 1100 * "/d"
    async with a_task(engine) as task:
        for top in ("/tmp/a", "/srv/b"):
            await task.files.mkdir(f"{top}{deep}", parents=True)
        async with watching(task, "/tmp", recursive=True) as watcher:
            await sh(task, 'mv /srv/b /tmp/b; : > "/tmp/a$1/f"', deep)
            await watcher.until(WatchKind.CREATE, f"/tmp/a{deep}/f")
            await sh(task, ': > "/tmp/b$1/g"', deep)
            await watcher.until(WatchKind.CREATE, f"/tmp/b{deep}/g")


async def check_recursive_misses_nothing(engine: Engine) -> None:
    """With `recursive`, a file made at once in a new directory is reported."""
    async with a_task(engine) as task:
        for turn in range(10):
            top = f"/tmp/t{turn}"
            async with watching(task, "/tmp", recursive=True) as watcher:
                await sh(task, f"mkdir -p {top}/x/y/z; : > {top}/x/y/z/f")
                await watcher.until(WatchKind.CREATE, f"{top}/x/y/z/f")


async def check_two_watches(engine: Engine) -> None:
    """Two watches of one place report the same, and end independently."""
    async with a_task(engine) as task, watching(task, "/tmp") as one:
        async with watching(task, "/tmp") as other:
            await sh(task, ": > /tmp/f")
            await one.until(WatchKind.CREATE, "/tmp/f")
            await other.until(WatchKind.CREATE, "/tmp/f")
        await sh(task, ": > /tmp/g")
        await one.until(WatchKind.CREATE, "/tmp/g")


async def check_many_changes(engine: Engine) -> None:
    """Each of thousands of changes at once is reported."""
    async with a_task(engine) as task, watching(task, "/tmp") as watcher:
        await sh(task, "cd /tmp; touch $(seq 10000 13000)")
        await watcher.until(WatchKind.CREATE, "/tmp/13000")
        made = {event.paths[0] for event in watcher.seen if event.kind is WatchKind.CREATE}
        equal(len(made), 3001, "files made")


async def check_watch_what_is_missing(engine: Engine) -> None:
    """Watching what does not exist fails with `ENOENT`, and names the path."""
    async with a_task(engine) as task:
        call = anext(task.files.watch("/tmp/missing"))
        error = await fails(ENOENT, call, "the first anext of a watch")
        equal(error.filename, "/tmp/missing", "the path in the error")
