"""Checks of what a snapshot holds: every file that exists, and none that was removed.

An engine that stores only changes has to remember what was removed, and what is new in the place
of something old. So each step is done in a copy of a snapshot of the step before, and the files of
the next copy are compared with those of that step.
"""

import os
from contextlib import suppress
from stat import S_IMODE
from tarfile import DIRTYPE, FIFOTYPE, SYMTYPE

from ... import Capability, Engine, Task
from ..files.trees import DEEP, make_deep_tree, make_tree, member, tar
from ..lab import Lab, a_lab
from ..support import chunks, equal, sh, soon, start
from ..tree_state import TreeState, assert_same, tree_state

NEEDS = frozenset({Capability.SNAPSHOT})

#: Directories with a bit of everything, and what will happen to them.
START = (
    "mkdir -p /srv/t/keep/deep/er /srv/t/go/deep/er /srv/t/again /srv/t/move/in; cd /srv/t;"
    "for d in keep go again move move/in keep/deep; do echo $d > $d/f; echo $d > $d/g; done;"
    "ln -s keep to-keep; ln -s keep/f to-f; echo file > file; ln keep/f keep/h;"
    "mkdir -p /opt/t; echo usr > /opt/t/f"
)


async def generations(lab: Lab, *scripts: str) -> list[Task]:
    """Run each script in a copy of what the script before left; every copy is what it should be.

    Returns:
        A task for each script, and one more.
    """
    tasks = [await lab.task()]
    for number, script in enumerate(scripts):
        await sh(tasks[-1], script)
        before = await seen(tasks[-1])
        tasks.append(await lab.copy(await lab.snapshot(tasks[-1])))
        assert_same(await seen(tasks[-1]), before, f"a copy after step {number}, {script!r}")
        assert_same(await seen(tasks[-2]), before, f"the source after step {number}, {script!r}")
    return tasks


async def seen(task: Task) -> TreeState:
    """What the scripts here change."""
    names = [entry.name for entry in await task.files.listdir("/etc")]
    return {**await tree_state(task, "/srv", "/opt/t"), "names in /etc": names}


async def steps(engine: Engine, *scripts: str, shows: str = "", what: bytes = b"") -> None:
    """Do steps, begin with `START`; at the end a script shows what there is."""
    async with a_lab(engine) as lab:
        tasks = await generations(lab, START, *scripts)
        equal(await sh(tasks[-1], shows or "true"), what, f"what {shows!r} shows at the end")


async def check_everything_is_in_a_snapshot(engine: Engine) -> None:
    """A snapshot holds names, contents, kinds, modes, owners, times and links as they are."""
    async with a_lab(engine) as lab:
        source = await lab.task()
        await make_tree(source)
        expected = await tree_state(source, "/srv")
        for generation in range(3):
            source = await lab.copy(await lab.snapshot(source))
            assert_same(await tree_state(source, "/srv"), expected, f"generation {generation}")


async def check_times_to_the_nanosecond(engine: Engine) -> None:
    """Times are stored to the nanosecond: of files, directories and links."""
    nanoseconds = 1_234_567_890_123_456_789
    times = {"mtime": "1234567890.123456789"}
    data = tar(
        (member("d", DIRTYPE, mode=0o755, pax_headers=times), b""),
        (member("d/f", mode=0o644, pax_headers=times), b"x"),
        (member("l", SYMTYPE, linkname="d/f", pax_headers=times), b""),
    )
    async with a_lab(engine) as lab:
        source = await lab.task()
        await soon(source.files.unpack("/srv/u", chunks(data)), "unpack")
        for path in ("/srv/u/d", "/srv/u/d/f", "/srv/u/l"):
            before = await source.files.stat(path)
            copy = await lab.copy(await lab.snapshot(source))
            equal((await copy.files.stat(path)).mtime_ns, before.mtime_ns, f"mtime_ns of {path}")
        equal((await copy.files.stat("/srv/u/d/f")).mtime_ns, nanoseconds, "that of a file")


async def check_owners_and_modes(engine: Engine) -> None:
    """Owners, and all bits of modes, are stored."""
    modes = (0o000, 0o4755, 0o2711, 0o1777, 0o640)
    data = tar(
        *((member(f"f{mode:o}", mode=mode, uid=7, gid=9), b"x") for mode in modes),
        *((member(f"d{mode:o}", DIRTYPE, mode=mode, uid=1000, gid=3), b"") for mode in modes),
    )
    async with a_lab(engine) as lab:
        source = await lab.task()
        await soon(source.files.unpack("/srv/u", chunks(data)), "unpack")
        for mode in modes:
            equal(S_IMODE((await source.files.stat(f"/srv/u/f{mode:o}")).mode), mode, "before")
        expected = await tree_state(source, "/srv/u")
        copy = await lab.copy(await lab.snapshot(source))
        assert_same(await tree_state(copy, "/srv/u"), expected, "a copy")


async def check_changed_rights_alone(engine: Engine) -> None:
    """A new mode, owner or time is stored where nothing else changed."""
    await steps(
        engine,
        "cd /srv/t; chmod 600 keep/f; chmod 700 keep/deep; chown 12:34 keep/g move;"
        "touch -t 200109090146.40 go/f go",
        "cd /srv/t; chmod 640 keep/f; chown 0:0 move",
    )


async def check_removed_files_stay_removed(engine: Engine) -> None:
    """What was removed is not in the snapshot, wherever it came from."""
    await steps(
        engine,
        "cd /srv/t; rm -r go/f to-f keep/h move/in/g /opt/t/f; rm /etc/passwd",
        "cd /srv/t; rm -r move/in file",
        ": > /srv/t/last",
        shows="cd /srv/t; echo * go/* move/* /opt/t/*; test -e /etc/passwd || echo none",
        what=b"again go keep last move to-keep go/deep go/g move/f move/g /opt/t/*\nnone\n",
    )


async def check_removed_directories_stay_removed(engine: Engine) -> None:
    """A whole directory that was removed is not in the snapshot."""
    await steps(
        engine,
        "cd /srv/t; rm -r go /opt/t; mkdir /opt/t",
        "cd /srv/t; rm -r keep to-keep",
        shows="cd /srv/t; echo * /opt/t/*",
        what=b"again file move to-f /opt/t/*\n",
    )


async def check_directories_made_again_are_empty(engine: Engine) -> None:
    """A directory that was removed and made again holds only what is new."""
    await steps(
        engine,
        "cd /srv/t; rm -r again; mkdir again; echo new > again/new",
        "cd /srv/t; rm -r again keep/deep; mkdir -p again keep/deep; echo newer > again/f",
        "cd /srv/t; mkdir again/deep; rm -r /etc; mkdir /etc; : > /etc/alone",
        shows="cd /srv/t; echo again/* keep/* keep/deep/* /etc/*; cat again/f",
        what=b"again/deep again/f keep/deep keep/f keep/g keep/h keep/deep/* /etc/alone\nnewer\n",
    )


async def check_a_removed_directory_made_again_in_steps(engine: Engine) -> None:
    """A directory that is removed in one snapshot and made again in the next one is empty."""
    await steps(
        engine,
        "rm -r /srv/t/again /srv/t/keep/deep",
        "mkdir /srv/t/again; mkdir -p /srv/t/keep/deep/er",
        ": > /srv/t/again/x",
        shows="cd /srv/t; echo again/* keep/deep/* keep/deep/er/*",
        what=b"again/x keep/deep/er keep/deep/er/*\n",
    )


async def check_one_kind_in_the_place_of_another(engine: Engine) -> None:
    """A file, a link and a directory can each take the place of another one."""
    await steps(
        engine,
        "cd /srv/t; rm -r keep file to-keep go; echo now > keep; mkdir file; ln -s move go;"
        "mkdir to-keep; : > file/x",
        "cd /srv/t; rm -r keep file to-keep go; mkdir keep go; ln -s again file; echo 2 > to-keep",
        shows="cd /srv/t; echo keep/* go/* file/*; cat to-keep",
        what=b"keep/* go/* file/f file/g\n2\n",
    )


async def check_renamed_directories(engine: Engine) -> None:
    """A directory from a snapshot can be renamed, and another one take its place."""
    await steps(
        engine,
        "cd /srv/t; mv move moved; mkdir move; echo new > move/f",
        "cd /srv/t; mv moved/in in; mv in move/in; mv go/deep go/deeper; echo x > go/deeper/x",
        "cd /srv/t; mv move moved-too; mv moved move; mv /opt/t usr; mkdir /opt/t",
        shows="cd /srv/t; echo move/* moved-too/* moved-too/in/* go/deeper/*; cat move/f usr/f",
        what=(
            b"move/f move/g moved-too/f moved-too/in moved-too/in/f moved-too/in/g "
            b"go/deeper/er go/deeper/x\nmove\nusr\n"
        ),
    )


async def check_renamed_files(engine: Engine) -> None:
    """A file from a snapshot can be renamed, also over another one."""
    await steps(
        engine,
        "cd /srv/t; mv keep/f keep/renamed; mv go/f go/g; mv file /opt/t/f",
        "cd /srv/t; mv keep/renamed keep/f; mv go/g file; mv to-keep to-other",
        shows="cd /srv/t; echo keep/* go/*; cat keep/f file to-other/f /opt/t/f",
        what=b"keep/deep keep/f keep/g keep/h go/deep\nkeep\ngo\nkeep\nfile\n",
    )


async def check_names_of_one_file(engine: Engine) -> None:
    """Names of one file are names of one file in the snapshot, whenever the file got them."""
    async with a_lab(engine) as lab:
        tasks = await generations(
            lab,
            START,
            "cd /srv/t; echo a > go/a; ln go/a keep/a; ln go/a go/b; echo b >> keep/a",
            "cd /srv/t; rm keep/a; echo c >> go/f",
        )
        await sh(tasks[-1], "ln /srv/t/move/f /srv/t/move/second")
        copy = await lab.copy(await lab.snapshot(tasks[-1]))
        script = (
            "cd /srv/t; cat go/b; for p in 'go/a go/b' 'keep/f keep/h' 'move/f move/second'; do "
        )
        script += "set -- $p; test $1 -ef $2 || echo $p differ; done"
        equal(await sh(copy, script), b"a\nb\n", "a copy")


async def check_changed_contents(engine: Engine) -> None:
    """Extending, cutting or rewriting a file from a snapshot changes no older snapshot."""
    async with a_lab(engine) as lab:
        tasks = await generations(
            lab,
            START,
            "cd /srv/t; echo more >> keep/g; : > go/f; echo other > move/f",
            "cd /srv/t; echo again >> keep/g; echo again >> go/f; rm move/f; echo again > move/f",
        )
        show = "cd /srv/t; cat keep/g go/f move/f"
        equal(await sh(tasks[-1], show), b"keep\nmore\nagain\nagain\nagain\n", "the last one")
        equal(await sh(tasks[0], show), b"keep\ngo\nmove\n", "the first one")


async def check_holes_stay_holes(engine: Engine) -> None:
    """A large file that is mostly a hole costs what is in it, not its size."""
    size = 2**40
    async with a_lab(engine) as lab:
        source = await lab.task()
        file = await source.files.open("/srv/f", os.O_RDWR | os.O_CREAT)
        for offset in (0, size // 2):
            await file.pwrite(offset, b"data")
        await file.truncate(size)
        for _ in range(2):
            source = await lab.copy(await lab.snapshot(source))
            file = await source.files.open("/srv/f", os.O_RDWR)
            equal(await file.size(), size, "the size")
            for offset in (0, size // 2, size - 10):
                expected = b"data" if offset < size - 10 else bytes(4)
                equal(await file.pread(offset, 4), expected, f"the bytes at {offset}")
            await file.close()


async def check_names_of_any_bytes(engine: Engine) -> None:
    """Names of any bytes are stored, of files, links and directories."""
    names = [
        "\udcff",
        "a\nb",
        " ",
        "\xe9",
        "e\u0301",
        "-rf",
        "*",
        "x" * 255,
        "\\",
        ".wh.a",
        ".wh..wh..opq",
    ]
    async with a_lab(engine) as lab:
        source = await lab.task()
        for name in names:
            await source.files.mkdir(f"/srv/{name}/{name}", parents=True)
            await sh(source, 'echo one > "$1/f"; ln -s "$1" "$1/l"', f"/srv/{name}")
        expected = await tree_state(source, "/srv")
        copy = await lab.copy(await lab.snapshot(source))
        assert_same(await tree_state(copy, "/srv"), expected, "a copy")
        for name in names:
            await copy.files.remove(f"/srv/{name}", recursive=True)
        again = await lab.copy(await lab.snapshot(copy))
        equal(await again.files.listdir("/srv"), [], "what is left after removing all")


async def check_odd_kinds_of_files(engine: Engine) -> None:
    """Fifos are stored, by engines that have them."""
    fifo = tar((member("fifo", FIFOTYPE, mode=0o640, uid=5), b""))
    async with a_lab(engine) as lab:
        source = await lab.task()
        with suppress(OSError):
            await soon(source.files.unpack("/srv/u", chunks(fifo)), "unpack of a fifo")
        await sh(source, "mkdir -p /srv/u; : > /srv/u/f")
        expected = await tree_state(source, "/srv")
        for _ in range(2):
            source = await lab.copy(await lab.snapshot(source))
            assert_same(await tree_state(source, "/srv"), expected, "a copy")


async def check_long_paths(engine: Engine) -> None:
    """What is deeper than a path can say is stored too."""
    down = "d=" + "y" * 250 + "; for i in $(seq 20); do mkdir $d; cd $d; done; "
    up = "d=" + "y" * 250 + "; for i in $(seq 20); do cd $d; done; "
    async with a_lab(engine) as lab:
        source = await lab.task()
        await sh(source, f"cd /srv; {down} echo deep > f")
        for _ in range(2):
            source = await lab.copy(await lab.snapshot(source))
            equal(await sh(source, f"cd /srv; {up} cat f"), b"deep\n", "the deepest file")


async def check_deep_trees(engine: Engine) -> None:
    """A tree of a thousand levels is stored, of an idle task and of one in which programs run."""
    async with a_lab(engine) as lab:
        source = await lab.task()
        await make_deep_tree(source, "/srv/t")
        for _ in range(2):
            source = await lab.copy(await lab.snapshot(source))
            equal(await sh(source, f"cat /srv/t{DEEP}/f"), b"deep", "the file at the bottom")
            await start(source, "sleep", "100000")


async def check_changes_of_the_system(engine: Engine) -> None:
    """Where root may change `/usr`, what it changed is in the snapshot like everything else."""
    show = "cd /usr; echo * games/*; cat t/f 2>/dev/null; true"
    async with a_lab(engine) as lab:
        task = await lab.task()
        for script in (
            "mkdir /usr/t; echo one > /usr/t/f; mv /usr/games /usr/played",
            "mv /usr/t /srv/t; mkdir /usr/t /usr/games; rm -r /usr/played; mv /srv/t/f /usr/t/f",
        ):
            await sh(task, f"({script}) 2>/dev/null; true")
            expected = await sh(task, show)
            task = await lab.copy(await lab.snapshot(task))
            equal(await sh(task, show), expected, f"a copy after {script!r}")
