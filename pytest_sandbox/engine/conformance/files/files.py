"""Checks of paths: describing, listing, making and removing what they name."""

from errno import EBUSY, EEXIST, EINVAL, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, ENOTEMPTY
from stat import S_IMODE, S_ISDIR, S_ISLNK, S_ISREG

from ... import Engine, Entry, EntryKind
from ..check import isolated
from ..support import a_task, equal, fails, sh, soon


def kinds(entries: list[Entry]) -> dict[str, EntryKind]:
    """What a directory holds, name to kind."""
    return {entry.name: entry.kind for entry in entries}


async def check_describe_a_file(engine: Engine) -> None:
    """`stat` gives kind, mode, size and time of a file."""
    async with a_task(engine, env={"TZ": "UTC0"}) as task:
        await sh(task, "printf 12345 > /tmp/f; chmod 640 /tmp/f; touch -t 200109090146.40 /tmp/f")
        entry = await soon(task.files.stat("/tmp/f"), "stat")
        equal((entry.path, entry.name), ("/tmp/f", "f"), "path and name")
        equal((entry.kind, entry.size), (EntryKind.FILE, 5), "kind and size")
        equal((S_ISREG(entry.mode), S_IMODE(entry.mode)), (True, 0o640), "mode")
        equal(entry.mtime_ns, 1_000_000_000_000_000_000, "mtime_ns")
        equal(entry.symlink_target, None, "symlink_target")


@isolated("files belong to the user that programs run as, and not to root")
async def check_files_belong_to_root(engine: Engine) -> None:
    """What programs and file operations make belongs to root, by number and by name."""
    async with a_task(engine) as task:
        await sh(task, ": > /tmp/f")
        await soon(task.files.mkdir("/tmp/d"), "mkdir")
        for path in ("/tmp/f", "/tmp/d"):
            entry = await soon(task.files.stat(path), "stat")
            owner = (entry.uid, entry.gid, entry.owner, entry.group)
            equal(owner, (0, 0, "root", "root"), f"the owner of {path}")


async def check_describe_a_directory(engine: Engine) -> None:
    """`stat` of a directory says so, the root directory too."""
    async with a_task(engine) as task:
        await sh(task, "mkdir /tmp/d; chmod 1770 /tmp/d")
        entry = await soon(task.files.stat("/tmp/d"), "stat")
        equal((entry.kind, S_ISDIR(entry.mode)), (EntryKind.DIRECTORY, True), "kind")
        equal(S_IMODE(entry.mode), 0o1770, "mode")
        root = await soon(task.files.stat("/"), "stat of /")
        equal((root.kind, root.path, root.name), (EntryKind.DIRECTORY, "/", ""), "the root")


async def check_describe_a_link(engine: Engine) -> None:
    """`stat` describes a symbolic link itself, or its target with `follow`."""
    async with a_task(engine) as task:
        await sh(task, "cd /tmp; printf abc > f; ln -s f to-file; ln -s /no/where broken")
        for name, target in (("to-file", "f"), ("broken", "/no/where")):
            entry = await soon(task.files.stat(f"/tmp/{name}"), "stat")
            equal((entry.kind, entry.symlink_target), (EntryKind.SYMLINK, target), name)
            assert S_ISLNK(entry.mode), f"mode of a link: {entry.mode:o}"
        entry = await soon(task.files.stat("/tmp/to-file", follow=True), "stat")
        seen = (entry.path, entry.kind, entry.size, entry.symlink_target)
        equal(seen, ("/tmp/to-file", EntryKind.FILE, 3, None), "the target")
        await fails(ENOENT, task.files.stat("/tmp/broken", follow=True), "follow a broken link")


@isolated("names of users are the machine's")
async def check_owner_without_a_name(engine: Engine) -> None:
    """An owner without a name inside is shown as a number; one with a name by its name."""
    async with a_task(engine) as task:
        await sh(
            task, "echo 'someone:x:0:0::/:/bin/sh' > /etc/passwd; echo > /etc/group; : > /tmp/f"
        )
        entry = await soon(task.files.stat("/tmp/f"), "stat")
        equal((entry.owner, entry.group), ("someone", "0"), "owner and group")


async def check_stat_errors(engine: Engine) -> None:
    """`stat` fails with the errno of the kernel, and names the path."""
    async with a_task(engine) as task:
        await sh(task, "cd /tmp; : > f; ln -s loop loop; ln -s pong ping; ln -s ping pong")
        for number, path in (
            (ENOENT, "/tmp/missing"),
            (ENOENT, "/missing/x"),
            (ENOTDIR, "/tmp/f/x"),
            (ENOTDIR, "/tmp/f/"),
            (ELOOP, "/tmp/loop/x"),
            (ELOOP, "/tmp/ping/x"),
            (ENAMETOOLONG, "/tmp/" + "x" * 256),
            (ENAMETOOLONG, "/tmp" + "/x" * 2100),
        ):
            error = await fails(number, task.files.stat(path), f"stat({path[:40]!r})")
            equal(error.filename, path, "the path in the error")
        await fails(ELOOP, task.files.stat("/tmp/loop", follow=True), "following a loop")


async def check_paths_are_absolute(engine: Engine) -> None:
    """A path that is relative, empty, or holds a NUL is refused with `EINVAL`."""
    async with a_task(engine) as task:
        for path in ("tmp", "", ".", "/tmp/\0x"):
            await fails(EINVAL, task.files.stat(path), f"stat({path!r})")
            await fails(EINVAL, task.files.open(path, 0), f"open({path!r})")
            await fails(EINVAL, task.files.listdir(path), f"listdir({path!r})")
            await fails(EINVAL, task.files.mkdir(path), f"mkdir({path!r})")
            await fails(EINVAL, task.files.remove(path), f"remove({path!r})")


async def check_paths_are_resolved_by_the_kernel(engine: Engine) -> None:
    """Dots, double and final slashes, and linked directories work in a path as in any program."""
    async with a_task(engine) as task:
        await sh(task, "cd /tmp; mkdir -p a/b; printf abc > a/b/f; ln -s a/b link; ln -s .. a/b/up")
        for path in ("//tmp//a/./b/f", "/tmp/a/../a/b/f", "/tmp/link/f", "/tmp/a/b/up/b/f"):
            entry = await soon(task.files.stat(path), "stat")
            equal((entry.path, entry.size), (path, 3), path)


@isolated("above a task's folder are directories of the machine")
async def check_dots_above_the_root(engine: Engine) -> None:
    """Nothing is above the root directory: dots there lead to itself."""
    async with a_task(engine) as task:
        await sh(task, "printf abc > /tmp/f")
        entry = await soon(task.files.stat("/../../tmp/f"), "stat")
        equal(entry.size, 3, "dots above the root")


async def check_listdir(engine: Engine) -> None:
    """`listdir` describes every name in a directory, hidden ones too, sorted."""
    async with a_task(engine) as task:
        await sh(task, "mkdir -p /tmp/d/sub; cd /tmp/d; printf 12 > b; : > .hidden; ln -s b a")
        entries = await soon(task.files.listdir("/tmp/d"), "listdir")
        equal([entry.name for entry in entries], [".hidden", "a", "b", "sub"], "the names")
        equal([entry.path for entry in entries], [f"/tmp/d/{e.name}" for e in entries], "the paths")
        for entry in entries:
            equal(await soon(task.files.stat(entry.path), "stat"), entry, f"{entry.name}, alone")


async def check_listdir_of_an_empty_directory(engine: Engine) -> None:
    """`listdir` of an empty directory gives nothing: no dots."""
    async with a_task(engine) as task:
        await task.files.mkdir("/tmp/empty")
        equal(await soon(task.files.listdir("/tmp/empty"), "listdir"), [], "an empty directory")


async def check_listdir_follows_a_linked_directory(engine: Engine) -> None:
    """`listdir` follows a link to a directory, and names what is in it below the link."""
    async with a_task(engine) as task:
        await sh(task, "mkdir /tmp/d; : > /tmp/d/f; ln -s d /tmp/link")
        entries = await soon(task.files.listdir("/tmp/link"), "listdir")
        equal([entry.path for entry in entries], ["/tmp/link/f"], "the paths")


async def check_listdir_errors(engine: Engine) -> None:
    """`listdir` fails with the errno of the kernel, and names the path."""
    async with a_task(engine) as task:
        await sh(task, "cd /tmp; : > f; ln -s loop loop; ln -s f to-file; ln -s missing broken")
        for number, path in (
            (ENOENT, "/tmp/missing"),
            (ENOENT, "/tmp/broken"),
            (ENOTDIR, "/tmp/f"),
            (ENOTDIR, "/tmp/to-file"),
            (ELOOP, "/tmp/loop"),
        ):
            error = await fails(number, task.files.listdir(path), f"listdir({path!r})")
            equal(error.filename, path, "the path in the error")


async def check_many_names(engine: Engine) -> None:
    """A directory of thousands of names is listed whole."""
    async with a_task(engine) as task:
        await sh(task, "mkdir /tmp/d; cd /tmp/d; touch $(seq 10000 15000)")
        entries = await soon(task.files.listdir("/tmp/d"), "listdir")
        expected = [str(number) for number in range(10000, 15001)]
        equal([entry.name for entry in entries], expected, "5001 names")


async def check_strange_names(engine: Engine) -> None:
    """Any name that the kernel allows works: spaces, line ends, Unicode, 255 bytes."""
    names = sorted(
        (" ", "a b", "line\nend", "-rf", "*", "'\"", "日本語", "é", "x" * 255, "~", "\\")
    )
    async with a_task(engine) as task:
        await task.files.mkdir("/tmp/d")
        for name in names:
            await soon(task.files.mkdir(f"/tmp/d/{name}"), f"mkdir {name!r}")
        entries = await soon(task.files.listdir("/tmp/d"), "listdir")
        equal(sorted(entry.name for entry in entries), names, "the names")
        for name in names:
            await soon(task.files.remove(f"/tmp/d/{name}"), f"remove {name!r}")
        equal(await soon(task.files.listdir("/tmp/d"), "listdir"), [], "after removing them")


async def check_names_of_any_bytes(engine: Engine) -> None:
    """A name that is not UTF-8 is text with `surrogateescape`, both ways."""
    name, path = "b\udcffd\udc80", "/tmp/d/b\udcffd\udc80"
    async with a_task(engine) as task:
        await sh(
            task, r"mkdir /tmp/d; : > $(printf '/tmp/d/b\377d\200'); ln -s $(printf '\377') /tmp/l"
        )
        equal(
            kinds(await soon(task.files.listdir("/tmp/d"), "listdir")),
            {name: EntryKind.FILE},
            "names",
        )
        equal((await soon(task.files.stat(path), "stat")).path, path, "stat")
        equal((await soon(task.files.stat("/tmp/l"), "stat")).symlink_target, "\udcff", "a target")
        await soon(task.files.remove(path), "remove")
        await soon(task.files.mkdir(path), "mkdir")
        equal(
            await sh(task, r"test -d $(printf '/tmp/d/b\377d\200') && echo yes"), b"yes\n", "inside"
        )
        error = await fails(ENOENT, task.files.stat(path + "\udcfe"), "stat")
        equal(error.filename, path + "\udcfe", "the path in the error")


async def check_mkdir(engine: Engine) -> None:
    """`mkdir` makes one directory, and refuses where something is, or nothing is above."""
    async with a_task(engine) as task:
        await sh(task, "cd /tmp; : > f; ln -s missing broken")
        await soon(task.files.mkdir("/tmp/d"), "mkdir")
        entry = await soon(task.files.stat("/tmp/d"), "stat")
        equal(entry.kind, EntryKind.DIRECTORY, "the directory")
        for number, path in (
            (EEXIST, "/tmp/d"),
            (EEXIST, "/tmp/f"),
            (EEXIST, "/tmp/broken"),
            (EEXIST, "/"),
            (ENOENT, "/tmp/x/y"),
            (ENOTDIR, "/tmp/f/x"),
            (ENAMETOOLONG, "/tmp/" + "x" * 256),
        ):
            error = await fails(number, task.files.mkdir(path), f"mkdir({path[:40]!r})")
            equal(error.filename, path, "the path in the error")


async def check_mkdir_with_parents(engine: Engine) -> None:
    """`mkdir(parents=True)` makes those above too; an existing directory is fine."""
    async with a_task(engine) as task:
        await sh(task, "cd /tmp; : > f; mkdir real; ln -s real link")
        for path in ("/tmp/a/b/c", "/tmp/a/b/c", "/tmp/a/b/d/", "/tmp/link", "/tmp/link/x", "/"):
            await soon(task.files.mkdir(path, parents=True), f"mkdir({path!r}, parents=True)")
            entry = await soon(task.files.stat(path, follow=True), "stat")
            equal(entry.kind, EntryKind.DIRECTORY, path)
        equal((await task.files.stat("/tmp/real/x")).kind, EntryKind.DIRECTORY, "below a link")
        await fails(EEXIST, task.files.mkdir("/tmp/f", parents=True), "mkdir over a file")
        await fails(ENOTDIR, task.files.mkdir("/tmp/f/x", parents=True), "mkdir below a file")


async def check_remove(engine: Engine) -> None:
    """`remove` takes a file, a link but not its target, or an empty directory."""
    async with a_task(engine) as task:
        await sh(task, "cd /tmp; : > f; ln -s f l; ln -s d ld; ln -s no broken; mkdir d; ln f hard")
        for name in ("l", "ld", "broken", "f", "d"):
            await soon(task.files.remove(f"/tmp/{name}"), f"remove {name}")
        left = kinds(await soon(task.files.listdir("/tmp"), "listdir"))
        equal(left, {"hard": EntryKind.FILE}, "what is left")


async def check_remove_errors(engine: Engine) -> None:
    """`remove` fails with the errno of the kernel, names the path, and removes nothing."""
    async with a_task(engine) as task:
        await sh(task, "mkdir -p /tmp/d/sub; cd /tmp; : > f")
        for recursive in (False, True):
            for number, path in (
                (ENOENT, "/tmp/missing"),
                (ENOENT, "/missing/x"),
                (ENOTDIR, "/tmp/f/x"),
                (ENAMETOOLONG, "/tmp/" + "x" * 256),
                (EBUSY, "/"),
                (EBUSY, "/tmp/.."),
            ):
                call = task.files.remove(path, recursive=recursive)
                error = await fails(number, call, f"remove({path[:40]!r}, recursive={recursive})")
                equal(error.filename, path, "the path in the error")
        error = await fails(ENOTEMPTY, task.files.remove("/tmp/d"), "remove of a full directory")
        equal(error.filename, "/tmp/d", "the path in the error")
        equal(set(kinds(await task.files.listdir("/tmp"))), {"d", "f"}, "what is left")


async def check_remove_recursively(engine: Engine) -> None:
    """`remove(recursive=True)` takes a whole tree, links in it but never their targets."""
    async with a_task(engine) as task:
        await sh(
            task,
            "cd /tmp; mkdir -p tree/a/b tree/c keep; : > tree/a/b/f; : > tree/.h; : > keep/f;"
            "ln -s ../../keep tree/a/link; ln -s /tmp/keep/f tree/file; ln keep/f tree/hard;"
            "ln -s tree to-tree; mkdir -p '/tmp/tree/ o/dd'; : > plain",
        )
        await soon(task.files.remove("/tmp/to-tree", recursive=True), "remove of a link")
        await soon(task.files.remove("/tmp/plain", recursive=True), "remove of a file")
        await soon(task.files.remove("/tmp/tree", recursive=True), "remove of a tree")
        equal(set(kinds(await task.files.listdir("/tmp"))), {"keep"}, "what is left")
        equal(set(kinds(await task.files.listdir("/tmp/keep"))), {"f"}, "the targets")


@isolated("modes hold for the user that programs run as, which is not root")
async def check_root_may_do_what_modes_forbid(engine: Engine) -> None:
    """File operations are done as root, whatever modes say."""
    async with a_task(engine) as task:
        await sh(task, "mkdir -p /tmp/tree/a/b; printf abc > /tmp/tree/a/f; chmod 000 /tmp/tree/a")
        equal(await soon(task.files.listdir("/tmp/tree"), "listdir") != [], True, "listdir")
        equal((await soon(task.files.stat("/tmp/tree/a/f"), "stat")).size, 3, "stat")
        await soon(task.files.remove("/tmp/tree", recursive=True), "remove of a tree")
        equal(await soon(task.files.listdir("/tmp"), "listdir"), [], "what is left")


async def check_hard_links(engine: Engine) -> None:
    """Two names of one file show the same content and outlive each other."""
    async with a_task(engine) as task:
        await sh(task, "cd /tmp; printf one > a; ln a b; printf more >> a")
        equal((await soon(task.files.stat("/tmp/b"), "stat")).size, 7, "the other name")
        await soon(task.files.remove("/tmp/a"), "remove")
        equal(await sh(task, "cat /tmp/b"), b"onemore", "the other name afterwards")


async def check_programs_and_files_see_the_same(engine: Engine) -> None:
    """What file operations change, programs see at once, and the other way round."""
    async with a_task(engine, workdir="/srv") as task:
        await task.files.mkdir("/srv/d")
        await sh(task, "test -d d && echo x > d/f && mv d e")
        equal(
            kinds(await soon(task.files.listdir("/srv/e"), "listdir")), {"f": EntryKind.FILE}, "e"
        )
        await soon(task.files.remove("/srv/e", recursive=True), "remove")
        equal(await sh(task, "ls"), b"", "ls")


async def check_replace_a_file(engine: Engine) -> None:
    """`replace` puts a file in place of another at once, and keeps mode and owner of that."""
    async with a_task(engine) as task:
        files = task.files
        await sh(task, "cd /tmp; printf new > new; printf old > old; chmod 4750 old; ln old other")
        await soon(files.replace("/tmp/new", "/tmp/old"), "replace")
        before = await soon(files.stat("/tmp/other"), "stat")
        entry = await soon(files.stat("/tmp/old"), "stat")
        equal((S_IMODE(entry.mode), entry.size), (0o4750, 3), "what is there")
        equal((entry.uid, entry.gid), (before.uid, before.gid), "its owner")
        equal(await sh(task, "cat /tmp/old /tmp/other"), b"newold", "contents")
        await fails(ENOENT, files.stat("/tmp/new"), "the name it had")


async def check_replace_a_link_or_nothing(engine: Engine) -> None:
    """`replace` replaces a link and not its target, and makes a name that is free."""
    async with a_task(engine) as task:
        files = task.files
        await sh(task, "cd /tmp; : > a; printf to > to; ln -s to link; chmod 600 a")
        await soon(files.replace("/tmp/a", "/tmp/link"), "replace a link")
        entry = await soon(files.stat("/tmp/link"), "stat")
        equal((entry.kind, S_IMODE(entry.mode)), (EntryKind.FILE, 0o600), "in place of the link")
        equal(await sh(task, "cat /tmp/to"), b"to", "the target of the link")
        await soon(files.replace("/tmp/link", "/tmp/free"), "replace nothing")
        equal(S_IMODE((await soon(files.stat("/tmp/free"), "stat")).mode), 0o600, "a free name")


async def check_replace_errors(engine: Engine) -> None:
    """`replace` fails with the errno of the kernel, and changes nothing."""
    async with a_task(engine) as task:
        await sh(task, "cd /tmp; mkdir d; : > f")
        for number, source, target in (
            (ENOENT, "/tmp/missing", "/tmp/f"),
            (ENOENT, "/tmp/f", "/tmp/missing/f"),
            (EISDIR, "/tmp/f", "/tmp/d"),
            (ENOTDIR, "/tmp/f", "/tmp/f/x"),
            (EINVAL, "tmp/f", "/tmp/g"),
            (EINVAL, "/tmp/f", "tmp/g"),
        ):
            await fails(number, task.files.replace(source, target), f"{source} to {target}")
        equal(sorted(kinds(await soon(task.files.listdir("/tmp"), "listdir"))), ["d", "f"], "names")
