"""Checks of packing and unpacking whole directories as tar streams."""

import asyncio
import io
import tarfile
from collections.abc import AsyncIterator
from contextlib import suppress
from errno import EINVAL, EISDIR, ENOENT, ENOTDIR
from os import O_WRONLY
from stat import S_IMODE

from ... import Engine, Entry, EntryKind, ProcessSpec, Task
from ..support import Interrupted, a_task, chunks, equal, fails, raises, sh, soon, stop

TREE = (
    "mkdir -p /srv/t/a/b /srv/t/empty '/srv/t/ odd name'; cd /srv/t;"
    "printf one > a/one; : > a/nothing; printf x > .hidden; printf 'l\\nf' > ' odd name/f'; "
    "ln -s ../a/one a/relative; ln -s /etc/hostname a/absolute; ln -s missing a/broken;"
    "ln -s a linked; ln a/one a/b/same; chmod 600 a/nothing; chmod 755 a/one; chmod 1777 empty;"
    "chmod 500 a/b; chmod 4711 .hidden; mkdir -p $1; printf long > $1/$2; ln -s $1/$2 far;"
    "touch -t 199912312359.59 a/one; touch -t 203012312359.59 .hidden; touch -t 200001010000 empty"
)
LONG_FOLDER = "/".join("d" * 200 for _ in range(3))
LONG_NAME = "n" * 255
DEEP = "/d" * 1000


async def make_tree(task: Task) -> None:
    """A tree with something of everything, in `/srv/t`."""
    await sh(task, TREE, LONG_FOLDER, LONG_NAME)


async def make_deep_tree(task: Task, top: str) -> None:
    """A tree of a thousand levels, and a file at its bottom."""
    await soon(task.files.mkdir(f"{top}{DEEP}", parents=True), "mkdir")
    await sh(task, f"printf deep > {top}{DEEP}/f")


async def packed(task: Task, path: str) -> bytes:
    """A directory as one tar."""
    return b"".join([chunk async for chunk in task.files.pack(path)])


async def walk(task: Task, root: str) -> dict[str, Entry]:
    """Everything below a directory, relative path to description."""
    found: dict[str, Entry] = {}
    directories = [root]
    while directories:
        for entry in await task.files.listdir(directories.pop()):
            found[entry.path.removeprefix(f"{root}/")] = entry
            if entry.kind is EntryKind.DIRECTORY:
                directories.append(entry.path)
    return found


def tar(*members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:  # noqa: A002
    """A tar of these members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    """A member of a tar."""
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in fields.items():
        setattr(info, field, value)
    return info


async def check_round_trip(engine: Engine) -> None:
    """A packed directory, unpacked elsewhere, is the same: names, modes, times, links."""
    async with a_task(engine) as source, a_task(engine) as target:
        await make_tree(source)
        await soon(target.files.unpack("/opt/new/t", source.files.pack("/srv/t")), "pack | unpack")
        before, after = await walk(source, "/srv/t"), await walk(target, "/opt/new/t")
        # Without isolation, files of two tasks may belong to two users, and neither is root.
        users = [(await task.files.stat("/tmp")).uid for task in (source, target)]
        owner = ("uid", "gid") if users[0] == users[1] else ()
        equal(sorted(after), sorted(before), "the names")
        for name, old in before.items():
            new = after[name]
            for field in ("kind", "mode", "symlink_target", *owner):
                equal(getattr(new, field), getattr(old, field), f"{field} of {name[:60]!r}")
            if old.kind is not EntryKind.SYMLINK:
                equal(new.mtime_ns, old.mtime_ns, f"mtime_ns of {name[:60]!r}")
            if old.kind is EntryKind.FILE:
                equal(new.size, old.size, f"size of {name[:60]!r}")
        script = "cd /opt/new/t; cat a/one a/nothing .hidden ' odd name/f' $1/$2"
        equal(await sh(target, script, LONG_FOLDER, LONG_NAME), b"onexl\nflong", "the contents")


async def check_hard_links_stay_linked(engine: Engine) -> None:
    """Two names of one file are packed and unpacked as two names of one file."""
    async with a_task(engine) as task:
        await sh(
            task, "mkdir -p /srv/t/a; cd /srv/t; printf one > a/x; ln a/x b; printf one > other"
        )
        await soon(task.files.unpack("/srv/u", task.files.pack("/srv/t")), "pack | unpack")
        await sh(task, "cd /srv/u; printf more >> a/x")
        equal(await sh(task, "cat /srv/u/b /srv/u/other"), b"onemoreone", "the other name")


async def check_holes_stay_holes(engine: Engine) -> None:
    """A hole is not packed as zeros, and is a hole again after unpacking."""
    size = 64 * 2**20
    async with a_task(engine) as task:
        await sh(task, "mkdir /srv/t; printf start > /srv/t/f")
        file = await task.files.open("/srv/t/f", 2)
        await file.pwrite(size // 2, b"middle")
        await file.truncate(size)
        data = await soon(packed(task, "/srv/t"), "pack")
        assert len(data) < 2**20, f"a file with 11 bytes of data was packed as {len(data)} bytes"
        await soon(task.files.unpack("/srv/u", chunks(data)), "unpack")
        copy = await task.files.open("/srv/u/f", 0)
        equal(await copy.size(), size, "the size")
        for offset, expected in ((0, b"start\0"), (size // 2, b"middle\0"), (size - 3, b"\0\0\0")):
            equal(await copy.pread(offset, len(expected)), expected, f"the bytes at {offset}")
        again = await soon(packed(task, "/srv/u"), "pack")
        assert len(again) < 2**20, f"after unpacking it was packed as {len(again)} bytes"


async def check_other_programs_read_it(engine: Engine) -> None:
    """What `pack` gives is a tar that other programs read; names are relative to the directory."""
    async with a_task(engine) as task:
        await make_tree(task)
        data = await soon(packed(task, "/srv/t"), "pack")
        with tarfile.open(fileobj=io.BytesIO(data), mode="r|") as archive:
            members = {info.name.removeprefix("./"): info for info in archive}
        names = {name for name in members if name not in ("", ".")}
        equal(names, set(await walk(task, "/srv/t")), "the names in the tar")
        equal(members["a/relative"].linkname, "../a/one", "the target of a link")
        equal(S_IMODE(members["empty"].mode), 0o1777, "a mode")
        links = members["a/one"].islnk(), members["a/b/same"].islnk()
        equal(sorted(links), [False, True], "which of two names is the hard link")


async def check_it_reads_what_other_programs_write(engine: Engine) -> None:
    """`unpack` reads every common kind of tar: the old one, GNU's and that of POSIX."""
    long = "/".join(("d" * 90, "e" * 90, "f" * 90))
    for format in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):  # noqa: A001
        name = "short" if format == tarfile.USTAR_FORMAT else long
        data = tar(
            (member("d", tarfile.DIRTYPE, mode=0o700, mtime=1_000_000_000), b""),
            (member("d/f", mode=0o640, mtime=1_000_000_001), b"content"),
            (member("d/l", tarfile.SYMTYPE, linkname="f"), b""),
            (member("d/h", tarfile.LNKTYPE, linkname="d/f"), b""),
            (member(name, mode=0o644), b"long"),
            format=format,
        )
        async with a_task(engine) as task:
            await soon(task.files.unpack("/srv/u", chunks(data, 1000)), f"unpack, {format=}")
            equal(await sh(task, f"cd /srv/u; cat d/l d/h {name}"), b"contentcontentlong", "files")
            file, directory = await task.files.stat("/srv/u/d/f"), await task.files.stat("/srv/u/d")
            equal((S_IMODE(file.mode), file.mtime_ns), (0o640, 1_000_000_001 * 10**9), "a file")
            equal((S_IMODE(directory.mode), directory.mtime_ns), (0o700, 10**18), "a directory")


async def check_chunks_of_any_size(engine: Engine) -> None:
    """`unpack` does not care where the stream is cut."""
    data = tar((member("f"), b"x" * 3000), (member("g"), b""))
    async with a_task(engine) as task:
        for size in (1, 7, 511, 512, 513, 100_000):
            await soon(task.files.unpack(f"/srv/{size}", chunks(data, size)), f"chunks of {size}")
            equal((await task.files.stat(f"/srv/{size}/f")).size, 3000, f"chunks of {size}")


async def check_unpack_into_what_is_there(engine: Engine) -> None:
    """`unpack` replaces files and links of the same name, and leaves the rest alone."""
    data = tar(
        (member("a", tarfile.DIRTYPE, mode=0o755), b""),
        (member("a/f"), b"new"),
        (member("l"), b"file now"),
        (member("f", tarfile.SYMTYPE, linkname="a/f"), b""),
    )
    async with a_task(engine) as task:
        await sh(
            task,
            "mkdir -p /srv/u/a; cd /srv/u; echo old > a/f; echo k > a/keep;"
            "echo t > t; ln -s t l; : > f",
        )
        await soon(task.files.unpack("/srv/u", chunks(data)), "unpack")
        equal(
            await sh(task, "cd /srv/u; cat a/f a/keep t l f"), b"newk\nt\nfile nownew", "the files"
        )


async def check_unpack_leaves_directories_as_they_are(engine: Engine) -> None:
    """`unpack` sets mode, owner and time of the directories that it makes, and of no others."""
    names = (".", "old", "new", "new/below")
    data = tar(*((member(name, tarfile.DIRTYPE, mode=0o700, mtime=5), b"") for name in names))
    async with a_task(engine) as task:
        await sh(task, "mkdir /srv/u /srv/u/old; chmod 1777 /srv/u; chmod 2750 /srv/u/old")
        for path, modes in (
            ("/srv/u", (0o1777, 0o2750, 0o700, 0o700)),
            ("/srv/made/v", (0o700, 0o700, 0o700, 0o700)),
        ):
            await soon(task.files.unpack(path, chunks(data)), f"unpack to {path}")
            for name, mode in zip(names, modes, strict=True):
                entry = await soon(task.files.stat(f"{path}/{name}"), "stat")
                seen = (S_IMODE(entry.mode), entry.mtime_ns == 5 * 10**9)
                equal(seen, (mode, mode == 0o700), f"mode and time of {path}/{name}")


async def check_unpack_stays_below_its_directory(engine: Engine) -> None:
    """No member of a tar is written outside the directory, whatever its name or the links."""
    hostile = (
        ((member("../escaped"), b"x"),),
        ((member("a/../../escaped"), b"x"),),
        ((member("/escaped"), b"x"),),
        ((member("up", tarfile.SYMTYPE, linkname=".."), b""), (member("up/escaped"), b"x")),
        ((member("top", tarfile.SYMTYPE, linkname="/"), b""), (member("top/escaped"), b"x")),
        ((member("l", tarfile.SYMTYPE, linkname="/escaped"), b""), (member("l"), b"x")),
        ((member("h", tarfile.LNKTYPE, linkname="../victim"), b""), (member("h"), b"x")),
        ((member("h", tarfile.LNKTYPE, linkname="/victim"), b""), (member("h"), b"x")),
    )
    for members in hostile:
        async with a_task(engine) as task:
            await sh(task, "mkdir -p /srv/u; echo safe > /srv/victim; echo safe > /victim")
            what = f"unpack of {[info.name for info, _ in members]}"
            with suppress(OSError):  # refusing is as good as containing
                await soon(task.files.unpack("/srv/u", chunks(tar(*members))), what)
            escaped = "for f in /escaped /srv/escaped; do test -e $f && echo $f; done; "
            equal(await sh(task, escaped + "cat /victim /srv/victim"), b"safe\nsafe\n", what)


async def check_pack_errors(engine: Engine) -> None:
    """`pack` of what is no directory fails with the errno of the kernel, and names the path."""
    async with a_task(engine) as task:
        await sh(task, ": > /tmp/f")
        for number, path in ((ENOENT, "/tmp/missing"), (ENOTDIR, "/tmp/f")):
            error = await fails(number, packed(task, path), f"pack({path!r})")
            equal(error.filename, path, "the path in the error")


async def check_pack_of_one_file(engine: Engine) -> None:
    """`pack` of a file has it alone, by its name, with its mode, time and holes."""
    async with a_task(engine) as task:
        await sh(task, "printf begin > /tmp/f; ln -s f /tmp/l")
        file = await task.files.open("/tmp/f", O_WRONLY)
        await file.pwrite(2**26, b"end")
        await file.close()
        await sh(task, "chmod 640 /tmp/f; touch -t 200109090146.40 /tmp/f")
        mtime = (await task.files.stat("/tmp/f")).mtime_ns // 10**9
        for path, name in (("/tmp/f", "f"), ("/tmp/l", "l")):
            data = await soon(_packed_file(task, path), f"pack({path!r}, file=True)")
            assert len(data) < 1_000_000, f"pack of a file with a hole has {len(data)} bytes"
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                found = [(each.name, each.size, each.mode, each.mtime) for each in archive]
            equal(found, [(name, 2**26 + 3, 0o640, mtime)], f"pack({path!r}, file=True)")
        for number, path in ((ENOENT, "/tmp/missing"), (EISDIR, "/tmp")):
            error = await fails(number, _packed_file(task, path), f"pack({path!r}, file=True)")
            equal(error.filename, path, "the path in the error")


async def _packed_file(task: Task, path: str) -> bytes:
    return b"".join([chunk async for chunk in task.files.pack(path, file=True)])


async def check_unpack_errors(engine: Engine) -> None:
    """`unpack` of what is no tar, or of half of one, fails with `EINVAL`; the task lives on."""
    whole = tar((member("f"), b"x" * 100_000))
    async with a_task(engine) as task:
        await sh(task, ": > /tmp/f")
        for data in (b"no tar at all" * 1000, whole[:50_000], whole[:100]):
            await fails(EINVAL, task.files.unpack("/tmp/u", chunks(data)), "unpack of damage")
        await fails(ENOTDIR, task.files.unpack("/tmp/f/x", chunks(whole)), "unpack below a file")
        equal(await sh(task, "echo fine"), b"fine\n", "the task afterwards")


async def check_unpack_refuses_hostile_members(engine: Engine) -> None:
    """`unpack` of a member that cannot be fails with `EINVAL`; the task lives on."""
    hostile = (
        member("h", tarfile.LNKTYPE, linkname="."),
        member("h", tarfile.LNKTYPE, linkname="./"),
        member("f", pax_headers={"path": "a\0b"}),
        member("l", tarfile.SYMTYPE, pax_headers={"linkpath": "b\0c"}),
        member("h", tarfile.LNKTYPE, pax_headers={"linkpath": "b\0c"}),
        member("l", tarfile.SYMTYPE),
        member("."),
        member("../up"),
        member("u", b"Z"),
        member("f", pax_headers={"mtime": "inf"}),
        member("f", pax_headers={"mtime": "1" * 5000}),
        member("f", pax_headers={"mtime": "\u00b2.5"}),
        member("f", uid=2**40),
        member("f", gid=2**70),
        member("f", pax_headers={"size": "-1"}),
        member("f", pax_headers={"GNU.sparse.map": "0", "GNU.sparse.size": "9"}),
        member("f", pax_headers={"GNU.sparse.map": f"0,{2**70}", "GNU.sparse.size": f"{2**70}"}),
        member("n" * 100_000),
    )
    async with a_task(engine) as task:
        for info in hostile:
            what = f"unpack of {info.name[:20]!r}, {info.type!r}, {info.pax_headers}"
            await fails(EINVAL, task.files.unpack("/srv/u", chunks(tar((info, b"")))), what)
        equal(await sh(task, "echo fine"), b"fine\n", "the task afterwards")


async def check_times_before_1970(engine: Engine) -> None:
    """A time before 1970 with a fraction of a second stays what it is, in and out."""
    data = tar((member("f", pax_headers={"mtime": "-4.5"}), b""))
    async with a_task(engine) as task:
        await soon(task.files.unpack("/srv/u", chunks(data)), "unpack")
        before = (await task.files.stat("/srv/u/f")).mtime_ns
        equal(before, -4_500_000_000, "mtime_ns of what was unpacked")
        with tarfile.open(fileobj=io.BytesIO(await packed(task, "/srv/u"))) as archive:
            equal(archive.getmember("f").mtime, -4.5, "the time in the tar")
        await soon(task.files.unpack("/srv/v", task.files.pack("/srv/u")), "pack | unpack")
        equal((await task.files.stat("/srv/v/f")).mtime_ns, before, "mtime_ns of the copy")


async def check_pack_while_directories_vanish(engine: Engine) -> None:
    """`pack` of a tree from which directories and files vanish finishes with what is there."""
    script = "cd /srv/t; while :; do mkdir -p a/b/c; : > a/b/c/f; echo; rm -rf a; done"
    async with a_task(engine) as task:
        await sh(task, "mkdir -p /srv/t/z; : > /srv/t/z/f")
        process = await task.exec(ProcessSpec(("/bin/sh", "-c", script)))
        assert await soon(process.stdout.read(0), "the first round")
        for _ in range(50):
            data = await soon(packed(task, "/srv/t"), "pack while directories vanish")
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                assert "z/f" in archive.getnames(), archive.getnames()
        await process.signal(9)
        await soon(process.wait(), "the end")


async def check_unpack_of_a_stream_that_fails(engine: Engine) -> None:
    """An error of the stream that is being unpacked reaches the caller as it is."""

    async def broken() -> AsyncIterator[bytes]:
        yield tar((member("f"), b"x" * 100_000))[:5000]
        raise Interrupted

    async with a_task(engine) as task:
        await raises(
            Interrupted, task.files.unpack("/tmp/u", broken()), "unpack of a broken stream"
        )
        equal(await sh(task, "echo fine"), b"fine\n", "the task afterwards")


async def check_giving_up_on_pack(engine: Engine) -> None:
    """A reader may stop in the middle of `pack`; other calls continue."""
    async with a_task(engine) as task:
        await sh(task, "mkdir /srv/t; head -c 20000000 /dev/zero > /srv/t/f")
        for _ in range(5):
            stream = task.files.pack("/srv/t")
            assert await soon(anext(stream), "the first chunk"), "an empty chunk"
            await stop(stream)
        whole = await soon(packed(task, "/srv/t"), "pack after giving up")
        assert len(whole) > 20_000_000, f"only {len(whole)} bytes were packed"


async def check_many_files(engine: Engine) -> None:
    """Thousands of files are packed and unpacked, while other calls are answered."""
    async with a_task(engine) as task:
        await sh(task, "mkdir /srv/t; cd /srv/t; touch $(seq 10000 13000)")
        copying = asyncio.ensure_future(task.files.unpack("/srv/u", task.files.pack("/srv/t")))
        equal(await sh(task, "echo free"), b"free\n", "another call meanwhile")
        await soon(copying, "pack | unpack of 3001 files")
        equal(len(await task.files.listdir("/srv/u")), 3001, "the number of files")


DEPTH = 1100


async def check_deep_paths(engine: Engine) -> None:
    """Directories nest deeper than functions may call each other, in every operation."""
    deep = "/srv/t" + DEPTH * "/d"
    async with a_task(engine) as task:
        files = task.files
        await soon(files.mkdir(deep, parents=True), "mkdir")
        await soon(files.mkdir(deep, parents=True), "mkdir of what is there")
        equal(await soon(files.listdir(deep), "listdir"), [], "listdir")
        await sh(task, 'printf x > "$1/f"', deep)
        below = f"/srv/v{DEPTH * '/v'}"
        await soon(files.unpack(below, chunks(await packed(task, deep))), "unpack below it")
        equal((await soon(files.stat(f"{below}/f"), "stat")).size, 1, "unpacked")
        for path in ("/srv/t", "/srv/v"):
            await soon(files.remove(path, recursive=True), "remove")
        equal(await soon(files.listdir("/srv"), "listdir"), [], "what is left")


async def check_deep_trees(engine: Engine) -> None:
    """A tree of a thousand levels, about as many as a path can say, is packed and unpacked."""
    async with a_task(engine) as task:
        await make_deep_tree(task, "/srv/t")
        data = await soon(packed(task, "/srv/t"), "pack")
        await soon(task.files.unpack("/srv/u", chunks(data)), "unpack")
        equal(await sh(task, f"cat /srv/u{DEEP}/f"), b"deep", "the file at the bottom")
        await soon(task.files.remove("/srv/u", recursive=True), "remove")
        await fails(ENOENT, task.files.stat("/srv/u"), "stat of what was removed")
