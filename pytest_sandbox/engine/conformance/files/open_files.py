"""Checks of open files: reading and writing at byte offsets."""

import asyncio
import os
from errno import (
    EBADF,
    EEXIST,
    EINVAL,
    EISDIR,
    ELOOP,
    ENAMETOOLONG,
    ENOENT,
    ENOTDIR,
)
from os import O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY
from stat import S_IMODE

from ... import Engine, Task
from ..support import a_task, equal, fails, sh, soon


async def read(task: Task, path: str) -> bytes:
    """The content of a file, as file operations see it."""
    file = await soon(task.files.open(path, O_RDONLY), f"open({path!r})")
    try:
        return await soon(file.pread(0, await file.size()), "pread")
    finally:
        await soon(file.close(), "close")


async def check_write_and_read_back(engine: Engine) -> None:
    """What `pwrite` wrote, `pread` and every program read."""
    data = bytes(range(256)) * 5
    async with a_task(engine) as task:
        file = await soon(task.files.open("/tmp/f", O_RDWR | O_CREAT), "open")
        await soon(file.pwrite(0, data), "pwrite")
        equal(await soon(file.pread(0, 10_000), "pread"), data, "pread of more than there is")
        equal(await soon(file.pread(100, 7), "pread"), data[100:107], "pread in the middle")
        equal(await soon(file.size(), "size"), len(data), "size")
        await soon(file.close(), "close")
        equal(await sh(task, "cat /tmp/f"), data, "cat")


async def check_end_of_file(engine: Engine) -> None:
    """`pread` at or beyond the end, or of nothing, is empty."""
    async with a_task(engine) as task:
        await sh(task, "printf abc > /tmp/f")
        file = await soon(task.files.open("/tmp/f", O_RDONLY), "open")
        for offset, size in ((3, 1), (4, 10), (2**40, 10), (0, 0)):
            equal(await soon(file.pread(offset, size), "pread"), b"", f"pread({offset}, {size})")


async def check_overwrite_in_the_middle(engine: Engine) -> None:
    """`pwrite` replaces bytes in place, and extends the file where it goes beyond the end."""
    async with a_task(engine) as task:
        await sh(task, "printf abcdef > /tmp/f")
        file = await soon(task.files.open("/tmp/f", O_RDWR), "open")
        await soon(file.pwrite(2, b"XY"), "pwrite")
        equal(await read(task, "/tmp/f"), b"abXYef", "in the middle")
        await soon(file.pwrite(5, b"123"), "pwrite")
        equal(await read(task, "/tmp/f"), b"abXYe123", "over the end")
        await soon(file.pwrite(0, b""), "pwrite of nothing")
        equal(await read(task, "/tmp/f"), b"abXYe123", "after writing nothing")


async def check_flags(engine: Engine) -> None:
    """Each combination of flags creates, keeps, cuts or refuses as `open(2)` has it."""
    cases = (
        # flags, what is there, the content afterwards or the errno
        (O_RDONLY, None, ENOENT),
        (O_RDONLY, b"old", b"old"),
        (O_RDWR, None, ENOENT),
        (O_WRONLY | O_TRUNC, None, ENOENT),
        (O_WRONLY | O_TRUNC, b"old", b""),
        (O_RDONLY | O_CREAT, None, b""),
        (O_RDWR | O_CREAT, None, b""),
        (O_RDWR | O_CREAT, b"old", b"old"),
        (O_RDWR | O_CREAT | O_TRUNC, b"old", b""),
        (O_WRONLY | O_APPEND | O_CREAT, None, b""),
        (O_WRONLY | O_APPEND | O_CREAT, b"old", b"old"),
        (O_RDWR | O_CREAT | O_EXCL, None, b""),
        (O_RDWR | O_CREAT | O_EXCL, b"old", EEXIST),
    )
    async with a_task(engine) as task:
        for flags, before, after in cases:
            what = f"open(flags={flags:o}) of {before!r}"
            await sh(task, "rm -f /tmp/f" + ("" if before is None else "; printf old > /tmp/f"))
            if isinstance(after, int):
                await fails(after, task.files.open("/tmp/f", flags), what)
                continue
            await (await soon(task.files.open("/tmp/f", flags), what)).close()
            equal(await read(task, "/tmp/f"), after, what)


async def check_append(engine: Engine) -> None:
    """A file open for appending is written at its end, whatever the offset."""
    async with a_task(engine) as task:
        await sh(task, "printf abc > /tmp/f")
        file = await soon(task.files.open("/tmp/f", O_RDWR | O_APPEND), "open")
        await soon(file.pwrite(0, b"123"), "pwrite")
        await sh(task, "printf xyz >> /tmp/f")
        await soon(file.pwrite(2**40, b"456"), "pwrite")
        equal(await soon(file.pread(0, 100), "pread"), b"abc123xyz456", "the file")


async def check_access_mode(engine: Engine) -> None:
    """A file open for one direction refuses the other with `EBADF`."""
    async with a_task(engine) as task:
        await sh(task, "printf abc > /tmp/f")
        reader = await soon(task.files.open("/tmp/f", O_RDONLY), "open")
        await fails(EBADF, reader.pwrite(0, b"x"), "pwrite on a file open for reading")
        await fails(EINVAL, reader.truncate(0), "truncate on a file open for reading")
        writer = await soon(task.files.open("/tmp/f", O_WRONLY), "open")
        await fails(EBADF, writer.pread(0, 1), "pread on a file open for writing")
        await fails(EINVAL, writer.pwrite(-1, b"x"), "pwrite before the start")
        await fails(EINVAL, writer.truncate(-1), "truncate to less than nothing")
        await fails(EINVAL, reader.pread(-1, 1), "pread before the start")
        equal(await read(task, "/tmp/f"), b"abc", "the file")


async def check_mode_of_a_new_file(engine: Engine) -> None:
    """A new file has the mode asked for; an existing one keeps its own."""
    async with a_task(engine) as task:
        for mode in (0o600, 0o644, 0o755):
            path = f"/tmp/f{mode:o}"
            await (await soon(task.files.open(path, O_WRONLY | O_CREAT, mode), "open")).close()
            equal(S_IMODE((await task.files.stat(path)).mode), mode, f"mode {mode:o}")
        await (await task.files.open("/tmp/f755", O_WRONLY | O_CREAT | O_TRUNC, 0o600)).close()
        equal(S_IMODE((await task.files.stat("/tmp/f755")).mode), 0o755, "an existing file")


async def check_truncate(engine: Engine) -> None:
    """`truncate` cuts a file, or extends it with zeros."""
    async with a_task(engine) as task:
        await sh(task, "printf abcdef > /tmp/f")
        file = await soon(task.files.open("/tmp/f", O_RDWR), "open")
        await soon(file.truncate(3), "truncate")
        equal(await soon(file.pread(0, 10), "pread"), b"abc", "cut")
        await soon(file.truncate(5), "truncate")
        equal(await soon(file.pread(0, 10), "pread"), b"abc\0\0", "extended")
        await soon(file.truncate(0), "truncate")
        equal(await soon(file.size(), "size"), 0, "emptied")


async def check_holes_and_large_offsets(engine: Engine) -> None:
    """Offsets beyond 32 bits work, and what was never written reads as zeros."""
    far = 5 * 2**30
    async with a_task(engine) as task:
        file = await soon(task.files.open("/tmp/f", O_RDWR | O_CREAT), "open")
        await soon(file.pwrite(far, b"end"), "pwrite")
        equal(await soon(file.size(), "size"), far + 3, "size")
        equal(await soon(file.pread(far - 2, 10), "pread"), b"\0\0end", "around the end")
        equal(await soon(file.pread(2**32 - 1, 3), "pread"), b"\0\0\0", "in the hole")
        equal((await soon(task.files.stat("/tmp/f"), "stat")).size, far + 3, "stat")
        await soon(file.truncate(0), "truncate")


async def check_big_reads_and_writes(engine: Engine) -> None:
    """Tens of megabytes go in and out, in one call each."""
    data = b"0123456789abcdef" * (20 * 65536)
    async with a_task(engine) as task:
        file = await soon(task.files.open("/tmp/f", O_RDWR | O_CREAT), "open")
        await soon(file.pwrite(3, data), "pwrite of 20 MB")
        assert await read(task, "/tmp/f") == b"\0\0\0" + data, "20 MB were damaged"
        assert await sh(task, "tail -c 1000 /tmp/f") == data[-1000:], "20 MB were damaged inside"


async def check_open_errors(engine: Engine) -> None:
    """`open` fails with the errno of the kernel, and names the path."""
    create = O_RDWR | O_CREAT
    async with a_task(engine) as task:
        await sh(task, "cd /tmp; mkdir d; : > f; ln -s loop loop; ln -s no/where b; ln -s f l")
        for number, path, flags in (
            (EISDIR, "/tmp/d", O_RDWR),
            (EISDIR, "/tmp/d", O_RDONLY),
            (EISDIR, "/tmp/d", create),
            (EISDIR, "/tmp/new/", create),
            (EISDIR, "/", O_RDONLY),
            (ENOTDIR, "/tmp/f/x", create),
            (ENOTDIR, "/tmp/f/", O_RDONLY),
            (ENOENT, "/tmp/x/y", create),
            (ENOENT, "/tmp/b", create),
            (ELOOP, "/tmp/loop", O_RDONLY),
            (ELOOP, "/tmp/l", O_RDONLY | O_NOFOLLOW),
            (EEXIST, "/tmp/l", create | O_EXCL),
            (ENAMETOOLONG, "/tmp/" + "x" * 256, create),
        ):
            what = f"open({path[:40]!r}, {flags:o})"
            error = await fails(number, task.files.open(path, flags), what)
            equal(error.filename, path, "the path in the error")


async def check_open_follows_links(engine: Engine) -> None:
    """`open` follows links, and creates the target of one that is broken."""
    async with a_task(engine) as task:
        await sh(task, "cd /tmp; printf abc > f; ln -s f l; ln -s l ll; ln -s new broken")
        equal(await read(task, "/tmp/ll"), b"abc", "through two links")
        file = await soon(task.files.open("/tmp/broken", O_RDWR | O_CREAT), "open")
        await soon(file.pwrite(0, b"made"), "pwrite")
        equal(await sh(task, "cat /tmp/new"), b"made", "the target of a broken link")


async def check_an_open_file_outlives_its_name(engine: Engine) -> None:
    """An open file stays the same when its name is removed, or given to another file."""
    async with a_task(engine) as task:
        await sh(task, "printf old > /tmp/f")
        file = await soon(task.files.open("/tmp/f", O_RDWR), "open")
        await sh(task, "mv /tmp/f /tmp/g; printf new > /tmp/f")
        await soon(file.pwrite(3, b"er"), "pwrite")
        equal(await sh(task, "cat /tmp/g; rm /tmp/g"), b"older", "the renamed file")
        equal(await soon(file.pread(0, 10), "pread"), b"older", "the removed file")
        equal(await read(task, "/tmp/f"), b"new", "the new file")


async def check_close(engine: Engine) -> None:
    """A closed file refuses everything with `EBADF`, except a second `close`."""
    async with a_task(engine) as task:
        file = await soon(task.files.open("/tmp/f", O_RDWR | O_CREAT), "open")
        await soon(file.close(), "close")
        await soon(file.close(), "a second close")
        await fails(EBADF, file.pread(0, 1), "pread on a closed file")
        await fails(EBADF, file.pwrite(0, b"x"), "pwrite on a closed file")
        await fails(EBADF, file.size(), "size of a closed file")
        await fails(EBADF, file.truncate(0), "truncate of a closed file")


async def check_many_open_files(engine: Engine) -> None:
    """Hundreds of files can be open, and used at the same time."""
    async with a_task(engine) as task:

        async def one(number: int) -> bytes:
            file = await task.files.open(f"/tmp/f{number}", O_RDWR | O_CREAT)
            await file.pwrite(0, b"%d" % number)
            opened.append(file)
            return await file.pread(0, 100)

        opened: list[object] = []
        seen = await soon(asyncio.gather(*(one(number) for number in range(300))), "300 files")
        equal(seen, [b"%d" % number for number in range(300)], "300 files")


async def check_concurrent_appends(engine: Engine) -> None:
    """Appends from many sides at once are all kept, each in one piece."""
    async with a_task(engine) as task:

        async def one(letter: bytes) -> None:
            file = await task.files.open("/tmp/f", O_WRONLY | O_APPEND | O_CREAT)
            for _ in range(10):
                await file.pwrite(0, letter * 100 + b"\n")
            await file.close()

        await soon(asyncio.gather(*(one(b"%c" % (65 + i)) for i in range(10))), "ten writers")
        lines = (await read(task, "/tmp/f")).splitlines()
        whole = [line for line in lines if len(line) == 100 and len(set(line)) == 1]
        equal((len(lines), len(whole)), (100, 100), "lines, and those in one piece")


async def check_a_cancelled_call_leaves_the_file_usable(engine: Engine) -> None:
    """Giving up on a read or a write, at whatever moment, harms no other call."""
    async with a_task(engine) as task:
        file = await task.files.open("/tmp/f", O_RDWR | O_CREAT)
        await file.pwrite(0, b"x" * 3_000_000)
        for turns in range(12):
            calls = [
                asyncio.ensure_future(file.pread(0, 3_000_000)),
                asyncio.ensure_future(file.pwrite(0, b"x" * 3_000_000)),
                asyncio.ensure_future(task.files.open("/tmp/f", os.O_RDONLY)),
            ]
            for _ in range(turns):
                await asyncio.sleep(0)
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
        equal(await soon(file.pread(0, 3), "pread after cancelled calls"), b"xxx", "pread")
        equal(await sh(task, "wc -c < /tmp/f"), b"3000000\n", "the size inside")
