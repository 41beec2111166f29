"""Images of registries and archives: tasks whose files are layers, and nothing of the machine.

No program need be in them, so the checks use the calls about files alone.
"""

import gzip
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_IMODE
from tarfile import DIRTYPE, LNKTYPE, SYMTYPE, TarInfo

from pytest_sandbox.images import LayerBlob

from ... import (
    Capability,
    Engine,
    EntryKind,
    InvalidSpec,
    OciImage,
    SupportsImages,
    Task,
    TaskSpec,
    UnknownImage,
)
from ..check import requires
from ..files.open_files import read
from ..files.trees import member, tar
from ..lab import a_lab
from ..support import equal, raises, soon

NEEDS = frozenset({Capability.IMAGE})

Members = tuple[tuple[TarInfo, bytes], ...]

LOWEST: Members = (
    (member("etc", DIRTYPE, mode=0o755), b""),
    (member("etc/name", mode=0o640, mtime=1000), b"lowest"),
    (member("data", DIRTYPE, mode=0o711), b""),
    (member("data/gone"), b"gone"),
    (member("data/kept", mode=0o600), b"kept"),
    (member("old", DIRTYPE, mode=0o755), b""),
    (member("old/file"), b"old"),
    (member("link", SYMTYPE, linkname="data/kept"), b""),
)
UPPER: Members = (
    (member("etc/name", mode=0o644, mtime=2000), b"upper"),
    (member("data/.wh.gone"), b""),
    (member("data/again", LNKTYPE, linkname="data/kept"), b""),
    (member("old/.wh..wh..opq"), b""),
    (member("old/new"), b"new"),
)


@contextmanager
def an_image(*layers: Members, damaged: bool = False) -> Iterator[OciImage]:
    """An image whose layers are files for the length of a `with`."""
    with tempfile.TemporaryDirectory() as folder:
        blobs = []
        for number, members in enumerate(layers):
            plain = tar(*members)
            packed = gzip.compress(plain)
            path = Path(folder, str(number))
            path.write_bytes(packed[:-20] if damaged else packed)
            blobs.append(LayerBlob(_digest(packed), _digest(plain), len(packed), "", path))
        named = "".join(blob.diff_id for blob in blobs)
        yield OciImage("an image", _digest(named.encode()), tuple(blobs))


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


async def unpack(engine: Engine, image: OciImage) -> None:
    """Make an image ready."""
    await soon(SupportsImages.of(engine).unpack(image), "unpack()")


async def names(task: Task, path: str) -> list[str]:
    """The names in a directory."""
    return [entry.name for entry in await soon(task.files.listdir(path), f"listdir({path!r})")]


async def check_layers_are_merged(engine: Engine) -> None:
    """A layer changes what those below have: it replaces, removes, and empties directories."""
    async with a_lab(engine) as lab:
        with an_image(LOWEST, UPPER) as image:
            await unpack(engine, image)
        task = await lab.task(TaskSpec(image=image))
        equal(await read(task, "/etc/name"), b"upper", "a file of both layers")
        equal(await names(task, "/data"), ["again", "kept"], "names in a directory of both")
        equal(await read(task, "/data/again"), b"kept", "a hard link to a file of the lower one")
        equal(await names(task, "/old"), ["new"], "a directory that was emptied")
        entry = await soon(task.files.stat("/etc/name"), "stat()")
        attributes = S_IMODE(entry.mode), entry.uid, entry.mtime_ns
        equal(attributes, (0o644, 0, 2000 * 10**9), "its attributes")
        entry = await soon(task.files.stat("/link"), "stat()")
        equal((entry.kind, entry.symlink_target), (EntryKind.SYMLINK, "data/kept"), "a link")


async def check_tasks_of_an_image_are_apart(engine: Engine) -> None:
    """What one task changes does not show in others that start from the same image."""
    async with a_lab(engine) as lab:
        with an_image(LOWEST) as image:
            await unpack(engine, image)
        one, other = [await lab.task(TaskSpec(image=image)) for _ in range(2)]
        await soon(one.files.remove("/data", recursive=True), "remove()")
        await soon(one.files.mkdir("/mine"), "mkdir()")
        equal(await names(other, "/data"), ["gone", "kept"], "the other one")
        assert "mine" not in await names(other, "/"), "a directory of one task shows in another"
        again = await lab.task(TaskSpec(image=image))
        equal(await names(again, "/data"), ["gone", "kept"], "a later one")


async def check_an_image_needs_no_blob_again(engine: Engine) -> None:
    """An image that is ready is ready again at once, without the files that it came in."""
    async with a_lab(engine) as lab:
        with an_image(LOWEST, UPPER) as image:
            await unpack(engine, image)
        await unpack(engine, image)
        assert "etc" in await names(await lab.task(TaskSpec(image=image)), "/")


async def check_the_working_directory_is_made(engine: Engine) -> None:
    """A working directory that the image does not have is made, also without one in the call."""
    async with a_lab(engine) as lab:
        with an_image(LOWEST) as image:
            await unpack(engine, image)
        task = await lab.task(TaskSpec(image=image, workdir="/a/b"))
        equal(await names(task, "/a"), ["b"], "the directory above it")
        await names(await lab.task(TaskSpec(image=image)), "/root")


@requires(Capability.SNAPSHOT)
async def check_snapshots_of_an_image(engine: Engine) -> None:
    """A snapshot of a task that started from an image has the changes, on top of the image."""
    async with a_lab(engine) as lab:
        with an_image(LOWEST, UPPER) as image:
            await unpack(engine, image)
        task = await lab.task(TaskSpec(image=image))
        await soon(task.files.remove("/data/kept"), "remove()")
        await soon(task.files.mkdir("/data/made"), "mkdir()")
        for end in (False, True):
            copy = await lab.copy(await lab.snapshot(task, end=end))
            equal(await names(copy, "/data"), ["again", "made"], f"a copy, {end=}")
            equal(await read(copy, "/etc/name"), b"upper", f"a file of the image, {end=}")
            task = copy


async def check_an_image_that_is_not_ready(engine: Engine) -> None:
    """A task cannot start from an image that nothing made ready: `UnknownImage`."""
    with an_image(((member("never"), b"unpacked"),)) as image:
        await raises(UnknownImage, engine.create(TaskSpec(image=image)), "create()")


async def check_layers_that_are_no_good(engine: Engine) -> None:
    """A layer that is damaged, or that leads out of its directory, is refused: `InvalidSpec`."""
    bad: tuple[tuple[str, Members, bool], ...] = (
        ("half of it is missing", ((member("damaged"), b"x" * 9000),), True),
        ("a name with ..", ((member("../above"), b""),), False),
        (
            "a link on the way",
            ((member("l", SYMTYPE, linkname="/"), b""), (member("l/f"), b"")),
            False,
        ),
        ("a hard link to nothing", ((member("h", LNKTYPE, linkname="none"), b""),), False),
    )
    for what, members, damaged in bad:
        with an_image(members, damaged=damaged) as image:
            await raises(InvalidSpec, SupportsImages.of(engine).unpack(image), f"unpack(): {what}")
            await raises(UnknownImage, engine.create(TaskSpec(image=image)), f"create(): {what}")
    with an_image() as image:
        await raises(InvalidSpec, SupportsImages.of(engine).unpack(image), "unpack() of no layers")
