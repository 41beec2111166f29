"""Sandboxes made of layers of images, which share nothing with the machine but its kernel.

The image has one program, busybox, which links to nothing; there is no `/bin`, `/lib`, `/etc`,
`/tmp` and `/dev` in it, and no Python.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import sys
import tarfile
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from pytest_sandbox.engine import (
    OPEN_NETWORK,
    Capability,
    Gpus,
    InvalidSpec,
    OciImage,
    ProcessSpec,
    ProcessUser,
    PtySize,
    StoreFull,
    Task,
    TaskSpec,
    UnknownImage,
    Unsupported,
    VolumeMount,
)
from pytest_sandbox.images import LayerBlob
from pytest_sandbox.local import LocalEngine, LocalOptions, Mode

from .conftest import Done, content, need_users, until
from .layers import (
    BUSYBOX,
    Entry,
    blob,
    busybox,
    digest,
    emptied,
    file,
    folder,
    hard_link,
    image,
    link,
    removed,
    tar,
)

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not BUSYBOX.exists(), reason="busybox-static is not installed"),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store") / "images"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(store: Path) -> AsyncIterator[LocalEngine]:
    async with an_engine(store) as engine:
        yield engine


@contextlib.asynccontextmanager
async def an_engine(store: Path, options: LocalOptions | None = None) -> AsyncIterator[LocalEngine]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_SANDBOX_IMAGES", str(store))
        engine = LocalEngine(options)
        await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bare(engine: LocalEngine, tmp_path_factory: pytest.TempPathFactory) -> OciImage:
    """An image with one program."""
    made = image(blob(tmp_path_factory.mktemp("blobs"), busybox()))
    await engine.unpack(made)
    return made


Make = Callable[..., Awaitable[Task]]


@pytest_asyncio.fixture(loop_scope="module")
async def make(engine: LocalEngine, bare: OciImage) -> AsyncIterator[Make]:
    """Makes sandboxes of an image, that with one program unless another is given."""
    tasks = []

    async def make(made: OciImage | None = None, **more: object) -> Task:
        if made is not None:
            await engine.unpack(made)
        spec = TaskSpec(image=made or bare, **more)  # type: ignore[arg-type]
        tasks.append(await engine.create(spec))
        return tasks[-1]

    yield make
    for task in tasks:
        await task.kill()


async def sh(task: Task, script: str) -> str:
    """What a script prints, whose commands are all of busybox."""
    done = await run(task, "sh", "-c", f"b=/busybox; {script}")
    assert (done.code, done.err) == (0, ""), done
    return done.out


async def run(task: Task, *argv: str) -> Done:
    process = await task.exec(ProcessSpec(("/busybox", *argv)))
    await process.close_stdin()
    out, err = await content(process.stdout), await content(process.stderr)
    return Done((await process.wait()).returncode, out, err)


async def test_nothing_of_the_machine_shows(make: Make) -> None:
    task = await make()
    names = (await sh(task, "$b ls -A /")).split()
    assert names == ["busybox", "dev", "etc", "proc", "root", "sys", "tmp"]
    assert (await sh(task, "$b ls -A /etc")).split() == ["hostname", "hosts", "mtab", "resolv.conf"]
    mounts = await sh(task, "$b cat /proc/self/mounts")
    assert "ext4" not in mounts
    assert {line.split()[1] for line in mounts.splitlines()} & {"/usr", "/opt", "/home"} == set()


async def test_a_sandbox_has_what_container_engines_give(make: Make) -> None:
    task = await make(hostname="box")
    assert await sh(task, "$b hostname; $b cat /etc/hostname") == "box\nbox\n"
    assert "127.0.0.1\tbox\n" in await sh(task, "$b cat /etc/hosts")
    assert await sh(task, "$b stat -c %a /tmp; $b touch /tmp/x; echo $HOME; $b pwd") == (
        "1777\n/root\n/root\n"
    )
    devices = "null zero full random urandom tty"
    assert await sh(task, f"for d in {devices}; do test -c /dev/$d || echo $d; done") == ""
    assert await sh(task, "echo x > /dev/stdout; $b head -c 1 /dev/zero | $b wc -c") == "x\n1\n"


async def test_the_environment_has_nothing_of_the_machine(make: Make) -> None:
    task = await make(env={"OWN": "1"})
    env = dict(line.split("=", 1) for line in (await run(task, "env")).out.splitlines())
    assert env.pop("PATH") == "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    env.pop("NVIDIA_VISIBLE_DEVICES", None)
    assert env == {"HOME": "/root", "OWN": "1"}


async def test_processes(make: Make) -> None:
    task = await make()
    process = await task.exec(ProcessSpec(("/busybox", "cat"), pty=PtySize(10, 20)))
    await process.write_stdin(b"typed\n")
    shown = b""
    async for data in process.stdout.follow():
        shown += data
        if shown.count(b"typed") == 2:
            break
    await process.signal(9)
    assert (await process.wait()).signal == 9
    missing = await run(task, "nothing-of-this-name")
    assert missing.code == 127
    with pytest.raises(Exception, match="command not found"):
        await task.exec(ProcessSpec(("sh",)))


async def test_the_root_directory_is_as_the_topmost_layer_that_has_it_says(
    make: Make, tmp_path: Path
) -> None:
    lower = blob(tmp_path, busybox(folder("./", 0o711, mtime=1234)))
    above = blob(tmp_path, tar(file("a")))
    task = await make(image(lower, above, blob(tmp_path, tar(file("b")))))
    assert await sh(task, "$b stat -c %a /; $b ls /a /b") == "711\n/a\n/b\n"
    await sh(task, "$b chmod 750 /")
    copy = await make(image(lower, above, blob(tmp_path, tar(folder("/", 0o705), file("c")))))
    assert await sh(copy, "$b stat -c %a /") == "705\n"


async def test_a_user_runs_programs_though_none_of_the_image_could_switch(
    make: Make, engine: LocalEngine
) -> None:
    need_users(engine)
    task = await make()
    spec = ProcessSpec(("/busybox", "id", "-G"), user=ProcessUser(77, 78, (79,)))
    process = await task.exec(spec)
    assert await content(process.stdout) == "78 79\n"


async def test_files(make: Make) -> None:
    task = await make()
    await task.files.mkdir("/a/b", parents=True)
    events = task.files.watch("/a", recursive=True)
    first = asyncio.ensure_future(anext(events))
    await task.files.stat("/a")  # after which the watch is set
    opened = await task.files.open("/a/b/f", os.O_RDWR | os.O_CREAT)
    await opened.pwrite(0, b"data")
    assert await opened.pread(0, 9) == b"data"
    await opened.close()
    assert (await first).paths == ("/a/b/f",)
    await events.aclose()  # type: ignore[attr-defined]
    info = await task.files.stat("/a/b/f")
    assert (info.owner, info.group) == ("0", "0")  # there are no accounts
    await task.files.remove("/a", recursive=True)
    assert (await sh(task, "$b ls /")).split().count("a") == 0


async def test_snapshots(engine: LocalEngine, make: Make) -> None:
    first = await make()
    await sh(first, "echo one > /f; $b mkdir /d; echo x > /d/y")
    taken = await first.snapshot()  # type: ignore[attr-defined]
    await sh(first, "echo two > /f")
    copy = await engine.create(TaskSpec(image=taken))
    try:
        assert await sh(copy, "$b cat /f /d/y") == "one\nx\n"
        await sh(copy, "$b rm -r /d /busybox.gone 2> /dev/null; echo three > /f")
        ended = await copy.snapshot(end=True)
    finally:
        await copy.kill()
    last = await engine.create(TaskSpec(image=ended))
    assert await sh(last, "$b cat /f; test -e /d || echo gone; $b pwd") == "three\ngone\n/root\n"
    directory = await first.snapshot_directory("/d")  # type: ignore[attr-defined]
    await last.files.mkdir("/m")
    await last.mount("/m", directory)
    assert await sh(last, "$b cat /m/y") == "x\n"
    await last.unmount("/m")
    await last.kill()


async def test_a_busy_sandbox_is_copied(engine: LocalEngine, make: Make) -> None:
    task = await make()
    await task.exec(ProcessSpec(("/busybox", "sleep", "1000")))
    await sh(task, "echo one > /f")
    copy = await engine.create(TaskSpec(image=await task.snapshot()))  # type: ignore[attr-defined]
    assert await sh(copy, "$b cat /f") == "one\n"
    await copy.kill()


async def test_an_exported_snapshot_has_the_image(
    engine: LocalEngine, make: Make, store: Path
) -> None:
    """The layers of the image are not part of it; another run finds them in the store."""
    task = await make()
    await sh(task, "echo one > /f")
    taken = await task.snapshot()  # type: ignore[attr-defined]
    data = [chunk async for chunk in engine.export(taken)]
    assert sum(map(len, data)) < 10_000

    async def stream() -> AsyncIterator[bytes]:
        for chunk in data:
            yield chunk

    async with an_engine(store) as other:
        copy = await other.create(TaskSpec(image=await other.load(stream())))
        assert await sh(copy, "$b cat /f") == "one\n"
    async with an_engine(store.parent / "empty") as other:
        with pytest.raises(InvalidSpec, match="needs a layer"):
            await other.load(stream())


async def test_volumes_and_ports(engine: LocalEngine, make: Make) -> None:
    volume = VolumeMount("v", "/vol")
    one, two = await make(volumes=(volume,)), await make(volumes=(volume,))
    await sh(one, "echo shared > /vol/f")
    assert await sh(two, "$b cat /vol/f") == "shared\n"
    await engine.forget_volume("v")
    await one.exec(ProcessSpec(("/busybox", "nc", "-l", "-p", "80", "-e", "/busybox", "cat")))
    for _ in range(100):
        with contextlib.suppress(ConnectionRefusedError):
            connection = await one.connect(80)  # type: ignore[attr-defined]
            break
        await asyncio.sleep(0.01)
    await connection.close()


async def test_a_network(engine: LocalEngine, make: Make) -> None:
    if engine.factory.no_network:
        pytest.skip(f"the engine cannot do this here: network ({engine.factory.no_network})")
    task = await make(network=OPEN_NETWORK)
    assert (await sh(task, "$b cat /etc/resolv.conf")).startswith("nameserver 127.")


async def test_layers_are_merged(make: Make, tmp_path: Path) -> None:
    lower = blob(tmp_path, busybox(file("a/gone"), file("a/kept", b"1"), file("b/x"), file("c/y")))
    upper = blob(
        tmp_path,
        tar(
            *(removed("a/gone"), emptied("b"), file("b/new"), removed("c"), file("c/z")),
            hard_link("again", "a/kept"),
        ),
    )
    task = await make(image(lower, upper))
    assert (await sh(task, "$b find /a /b /c -type f")).split() == ["/a/kept", "/b/new", "/c/z"]
    assert await sh(task, "$b cat /again; $b stat -c %h /a/kept /again") == "1" + "2\n2\n"


async def test_a_layer_is_the_same_whichever_image_came_first(make: Make, tmp_path: Path) -> None:
    """It has files in directories that it does not have itself: they are those below."""
    lower = blob(tmp_path, tar(file("lower")))
    folders = blob(tmp_path, tar(folder("sec", 0o700), folder("tmp", 0o1777)))
    for order in ("alone lower folders", "folders lower alone"):
        layer = blob(tmp_path, busybox(file("sec/x", order.encode()), file("tmp/y")))
        images = {
            "alone": (image(layer), "755\n755\n"),
            "lower": (image(lower, layer), "755\n755\n"),
            "folders": (image(folders, layer), "700\n1777\n"),
        }
        for name in order.split():
            made, expected = images[name]
            assert await sh(await make(made), "$b stat -c %a /sec /tmp") == expected, (order, name)


async def test_a_layer_without_a_byte(make: Make, tmp_path: Path) -> None:
    """It is a tar without members."""
    for empty in (blob(tmp_path, b"", b""), blob(tmp_path, b"")):
        task = await make(image(empty, blob(tmp_path, busybox())))
        assert await sh(task, "echo fine") == "fine\n"


async def test_an_image_has_a_layer_twice(make: Make, tmp_path: Path) -> None:
    """Many images have the empty one more than once."""
    again = blob(tmp_path, tar(folder("d"), file("d/f", b"again"), removed("d/g")))
    between = blob(tmp_path, busybox(file("d/f", b"between"), file("d/g"), file("d/h")))
    task = await make(image(again, between, again, blob(tmp_path, tar()), blob(tmp_path, tar())))
    assert await sh(task, "$b ls /d; $b cat /d/f") == "f\nh\nagain"


async def test_a_layer_that_hides_all_below(make: Make, tmp_path: Path) -> None:
    lower = blob(tmp_path, tar(file("old")))
    task = await make(image(lower, blob(tmp_path, busybox(Entry(".wh..wh..opq")))))
    assert "old" not in (await sh(task, "$b ls /")).split()


async def test_what_the_image_has_where_the_kernel_shows_something(
    make: Make, tmp_path: Path
) -> None:
    """Names of hosts are the sandbox's; devices of an image are never there."""
    layer = busybox(
        link("etc/hosts", "/proc/self/environ"),
        link("etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf"),
        file("dev/null", b"not null"),
        Entry("dev/kmsg", kind=b"3", device=(1, 11), mode=0o666),
        file("proc/x"),
        folder("tmp", 0o700),
    )
    task = await make(image(blob(tmp_path, layer)))
    assert (await sh(task, "$b cat /etc/hosts")).startswith("127.0.0.1\tlocalhost")
    assert await sh(task, "$b cat /etc/resolv.conf; $b stat -c %a /tmp; $b cat /dev/null") == (
        "700\n"
    )
    assert await sh(task, "test -e /dev/kmsg || echo none; test -e /proc/x || echo none") == (
        "none\n" * 2
    )


@pytest.mark.parametrize("name", ["proc", "dev", "sys"])
async def test_a_link_in_place_of_a_mount_point(make: Make, tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidSpec, match=f"cannot be a root: '/{name}.*' of the image"):
        await make(image(blob(tmp_path, busybox(link(name, "/busybox")))))


async def test_files_of_other_owners(engine: LocalEngine, make: Make, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    capability = bytes([1, 0, 0, 2, 0, 4, 0, 0, *bytes(12)]).decode()
    layer = busybox(
        file("f", uid=1000, gid=65534),
        Entry("nc", BUSYBOX.read_bytes(), mode=0o755, records={_CAPABILITY: capability}),
    )
    task = await make(image(blob(tmp_path, layer)))
    assert await sh(task, "$b stat -c %u:%g /f /busybox") == "1000:65534\n0:0\n"
    assert await sh(task, "echo new > /f; $b stat -c %u:%g /f") == "1000:65534\n"


_CAPABILITY = "SCHILY.xattr.security.capability"


async def test_compressions(make: Make, tmp_path: Path) -> None:
    data = busybox(file("f", b"x" * 3_000_000))
    half = len(data) // 2
    halves = data[:half], data[half:]
    members = b"".join(map(_gzip, halves)) + bytes(512)
    skipped = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"note"
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    frames = skipped + b"".join(map(pytest.importorskip(name).compress, halves))
    for packed in (data, members, frames):
        task = await make(image(blob(tmp_path, data, packed), blob(tmp_path, tar(file("g")))))
        assert await sh(task, "$b wc -c < /f") == "3000000\n"


def _gzip(data: bytes) -> bytes:
    packer = zlib.compressobj(1, wbits=31)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("packed", "words"),
    [
        (b"", "its tar has the digest sha256:"),
        (b"x" * 100, "ends early, or is empty"),
        (b"\x1f\x8b" + bytes(100), "it is damaged"),
        (_gzip(tar(file("f", os.urandom(9000))))[:-900], "it ends early"),
        (b"BZh9" + bytes(100), "compressed with bzip2"),
        (b"\x1f\x8b\x08" + b"\xff" * 100, "it is damaged"),
        (_gzip(tar(file("other"))), "its tar has the digest sha256:"),
        (_gzip(tar(file("../x"))), "'../x' would not stay below"),
        (_gzip(tar(file("f", uid=70000))), "ids go up to 65535"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_layer_that_is_no_good(
    engine: LocalEngine,
    bare: OciImage,
    store: Path,
    tmp_path: Path,
    packed: bytes,
    words: str,
) -> None:
    """It is refused by name, and nothing of it stays."""
    if words.startswith("ids"):
        need_users(engine)
    before = sorted(os.listdir(store / "layers"))
    made = image(blob(tmp_path, tar(file("f")), packed))
    with pytest.raises(InvalidSpec, match=words) as caught:
        await engine.unpack(made)
    assert made.layers[0].diff_id in str(caught.value)
    assert os.listdir(store / "new") == []
    assert sorted(os.listdir(store / "layers")) == before
    with pytest.raises(UnknownImage):
        await engine.create(TaskSpec(image=made))


async def test_a_damaged_blob_of_the_store_goes(engine: LocalEngine) -> None:
    """The next build then downloads it again."""
    stored, plain = engine.image_store, tar(file("torn", b"x" * 99))
    name = digest(plain)
    stored.add_document(name, plain)
    stored.blob(name).write_bytes(bytes(len(plain)))
    made = image(LayerBlob(name, name, len(plain), "", stored.blob(name)))

    with pytest.raises(InvalidSpec, match="damaged, and is removed: the next try gets it again"):
        await engine.unpack(made)
    assert not stored.has_blob(name)


async def test_a_layer_larger_than_the_store(
    engine: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.image_store, "limit", 100_000)
    made = image(blob(tmp_path, tar(file("f", bytes(200_000)))))
    with pytest.raises(StoreFull, match="more than the 100000 bytes"):
        await engine.unpack(made)


async def test_an_unpacking_that_is_cancelled(
    engine: LocalEngine, store: Path, tmp_path: Path
) -> None:
    made = image(blob(tmp_path, tar(file("f", bytes(50_000_000)))))
    for _ in range(2):
        unpacking = asyncio.ensure_future(engine.unpack(made))
        await asyncio.sleep(0)
        unpacking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await unpacking
    await engine.unpack(made)
    assert os.listdir(store / "new") == []


async def test_two_at_a_time(
    engine: LocalEngine, bare: OciImage, store: Path, tmp_path: Path
) -> None:
    made = image(blob(tmp_path, busybox(file("two"))), blob(tmp_path, tar(file("three"))))
    before = len(os.listdir(store / "layers"))
    await asyncio.gather(*(engine.unpack(made) for _ in range(3)))
    assert len(os.listdir(store / "layers")) == before + 2


async def test_another_run_finds_the_layers(store: Path, bare: OciImage) -> None:
    """Without the blob, which may be removed."""
    missing = OciImage("x", "sha256:0", (_without_blob(bare),))
    async with an_engine(store) as other:
        await other.unpack(missing)
        task = await other.create(TaskSpec(image=missing))
        assert await sh(task, "echo fine") == "fine\n"


def _without_blob(made: OciImage):  # type: ignore[no-untyped-def]
    import dataclasses

    return dataclasses.replace(made.layers[0], path=Path("/none"))


async def test_what_is_used_is_not_evicted(store: Path, tmp_path: Path, bare: OciImage) -> None:
    async with an_engine(store) as other:
        await other.unpack(image(blob(tmp_path, tar(file("unused")))))
    # That engine has ended; the one of this module uses all the others.
    async with an_engine(store) as other:
        removed = await asyncio.to_thread(other.image_store.shrink, 0)
        assert [part.kind for part in removed] == ["layer"]
        assert other.image_store.has_layer(bare.layers[0].diff_id)


async def test_the_store_is_closed_to_others(engine: LocalEngine, store: Path) -> None:
    """Programs of an image that run as root in a sandbox would do so on the machine."""
    assert os.stat(store).st_mode & 0o077 == 0


async def test_capability(engine: LocalEngine) -> None:
    assert not engine.images.refused
    assert Capability.IMAGE.value == "image"


async def test_the_same_layer_with_other_owners(
    engine: LocalEngine, store: Path, tmp_path: Path
) -> None:
    """Another mode cannot use what belongs to other ids; both are stored."""
    made = image(blob(tmp_path, busybox(file("owned"))))
    await engine.unpack(made)
    async with an_engine(store, LocalOptions(mode=Mode.SINGLE)) as other:
        for _ in range(2):
            await other.unpack(made)
            task = await other.create(TaskSpec(image=made))
            assert await sh(task, "$b stat -c %u:%g /owned /busybox") == "0:0\n0:0\n"


async def test_the_project_shows_and_nothing_else(
    bare: OciImage, store: Path, tmp_path: Path
) -> None:
    """Its Python environment, and the sources of editable packages, do not: Python is not there."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "f").write_text("mine")
    options = LocalOptions(project=str(project), gpus="simulated")
    async with an_engine(store, options) as other:
        await other.unpack(bare)
        task = await other.create(TaskSpec(image=bare, project=True, workdir=str(project)))
        assert await sh(task, "$b cat f; echo new > f; $b pwd") == f"mine{project}\n"
        copy = TaskSpec(image=await task.snapshot(), project=True)
        assert await sh(await other.create(copy), f"$b cat {project}/f") == "new\n"
        names = set((await sh(task, "$b ls -A /")).split())
        assert names - {project.parts[1], "tmp"} == {
            *("busybox", "dev", "etc", "proc", "root", "sys")
        }
        # The files of a driver are mounted; a program that needs more than the image has fails.
        task = await other.create(TaskSpec(image=bare, gpus=Gpus("H100")))
        assert "nvidia-smi" in await sh(task, "$b ls /opt/simulated-gpus/bin")
        failed = await run(task, "sh", "-c", "nvidia-smi")
        assert failed.code == 127
        env = {"PATH": "/own", "LD_LIBRARY_PATH": "/libraries"}  # as images say
        task = await other.create(TaskSpec(image=bare, gpus=Gpus("H100"), env=env))
        seen = (await sh(task, "echo $PATH; echo $LD_LIBRARY_PATH")).split()
        assert seen[0] == "/opt/simulated-gpus/bin:/own"
        assert seen[1] in ("/libraries", "/libraries:/opt/simulated-gpus/lib")
    assert (project / "f").read_text() == "mine"


async def test_sandboxes_made_ahead(engine: LocalEngine, make: Make, bare: OciImage) -> None:
    await engine.prepare(TaskSpec(image=bare))
    (prepared,) = engine.factory.pool.tasks
    assert await make() is await prepared


async def test_processes_of_an_image_are_snapshotted(engine: LocalEngine, make: Make) -> None:
    try:
        counting = "i=0; while true; do i=$((i+1)); echo $i > /tmp/i; /busybox usleep 1000; done"
        task = await make(freezable=True, main=ProcessSpec(("/busybox", "sh", "-c", counting)))
    except Unsupported as refusal:
        pytest.skip(f"the engine cannot do this here: {refusal}")
    taken = await task.snapshot_memory()  # type: ignore[attr-defined]
    copy = await engine.create(TaskSpec(resume=taken))
    before = await sh(copy, "$b cat /tmp/i")
    assert await sh(copy, f"while test $($b cat /tmp/i) = {before.strip()}; do :; done; echo on")
    await copy.kill()


async def test_a_layer_that_may_be_incomplete_is_unpacked_again(
    store: Path, tmp_path: Path
) -> None:
    """The machine lost power before the kernel had written it to the disk."""
    made = image(blob(tmp_path, busybox(file("f", b"whole"))))
    async with an_engine(store) as first:
        await first.unpack(made)
        folder = first.image_store.layer(made.layers[0].diff_id).parent
    until((folder / "on-disk").exists, "the layer is on the disk")
    os.unlink(folder / "on-disk")
    os.truncate(folder / "files/f", 0)
    for boot, expected in ((None, ""), ("another", "whole"), ("another", "whole")):
        if boot is not None:
            (folder / "boot").write_text(boot)
        async with an_engine(store) as later:
            await later.unpack(made)
            task = await later.create(TaskSpec(image=made))
            assert await sh(task, "$b cat /f") == expected


async def test_what_a_killed_run_left_is_removed(
    engine: LocalEngine, store: Path, tmp_path: Path
) -> None:
    (store / "new/0123.layer/files/d").mkdir(parents=True)
    (store / "new/0123").touch()
    await engine.unpack(image(blob(tmp_path, tar(file("after")))))
    assert os.listdir(store / "new") == []


async def test_a_store_where_no_layer_can_be_mounted(
    bare: OciImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_SANDBOX_IMAGES", "/proc/sys")
    other = LocalEngine()
    info = await other.start()
    try:
        reason = info.details["no image"]
        assert "set PYTEST_SANDBOX_IMAGES to a folder" in reason
        assert Capability.IMAGE not in info.capabilities
        with pytest.raises(Unsupported, match="set PYTEST_SANDBOX_IMAGES to a folder"):
            await other.unpack(bare)
    finally:
        await other.close()


async def test_two_runs_unpack_the_same_layer(
    engine: LocalEngine, store: Path, tmp_path: Path
) -> None:
    made = image(blob(tmp_path, busybox(file("twice", b"x" * 1_000_000))))
    async with an_engine(store) as other:
        await asyncio.gather(engine.unpack(made), other.unpack(made))
        for each in (engine, other):
            task = await each.create(TaskSpec(image=made))
            assert await sh(task, "$b wc -c < /twice") == "1000000\n"
            await task.kill()
    assert os.listdir(store / "new") == []


async def test_all_files_are_copied_to_another_sandbox(make: Make) -> None:
    source, target = await make(), await make()
    await sh(source, "$b mkdir -p /etc/app; echo mine >/etc/app/name; $b ln -s app /etc/link")
    await target.files.unpack("/", source.files.pack("/"))
    assert await sh(target, "$b cat /etc/link/name; $b ls -d /proc/self /dev/null") == (
        "mine\n/dev/null\n/proc/self\n"
    )


async def test_the_pack_of_all_files_has_none_that_the_kernel_makes_up(make: Make) -> None:
    task = await make()
    data = b"".join([chunk async for chunk in task.files.pack("/")])
    with tarfile.open(fileobj=io.BytesIO(data)) as packed:
        names = packed.getnames()
    assert {"busybox", "proc", "sys", "dev"} <= set(names)
    assert not [name for name in names if name.startswith(("proc/", "sys/", "dev/"))]
