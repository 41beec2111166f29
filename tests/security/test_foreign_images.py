"""A hostile image: files of others are all that its sandboxes have, and where they come from.

Whatever is in its layers, nothing of it acts outside of a sandbox: not while it is unpacked, not
while a sandbox is built of it, and not through what works on the files of such a sandbox.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from pytest_sandbox.engine import InvalidSpec, OciImage, ProcessSpec, TaskSpec
from pytest_sandbox.local import LocalEngine
from pytest_sandbox.local.engine.images.on_disk import existing_folder, image_store
from tests.local.conftest import content
from tests.local.layers import (
    BUSYBOX,
    Entry,
    blob,
    busybox,
    file,
    folder,
    hard_link,
    image,
    link,
    tar,
)

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not BUSYBOX.exists(), reason="busybox-static is not installed"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalEngine]:
    with pytest.MonkeyPatch.context() as patch:
        store = tmp_path_factory.mktemp("foreign") / "store"
        patch.setenv("PYTEST_SANDBOX_IMAGES", str(store))
        engine = LocalEngine()
        await engine.start()
    yield engine
    await engine.close()


async def sh(engine: LocalEngine, made: OciImage, script: str) -> str:
    """What a script prints in a new sandbox of an image."""
    await engine.unpack(made)
    task = await engine.create(TaskSpec(image=made))
    try:
        argv = ("/busybox", "sh", "-c", f"b=/busybox; {script}")
        process = await task.exec(ProcessSpec(argv))
        await process.close_stdin()
        return await content(process.stdout)
    finally:
        await task.kill()


async def test_no_module_comes_from_an_image(engine: LocalEngine, tmp_path: Path) -> None:
    """Agents, their jobs and helpers run Python; a sandbox's root is all that they can see."""
    code = "import os, sys; print(*sys.path, os.__file__.rpartition('/')[0], sep='\\n')"
    argv = (sys.executable, "-I", "-S", "-E", "-c", code)
    printed = await asyncio.to_thread(subprocess.check_output, argv, text=True)
    paths = set(printed.split())
    paths |= {os.path.dirname(path) for path in sys.path if path.startswith("/")}
    trap = b"open('/imported', 'a').write(__name__ + '\\n')\nraise SystemExit\n"
    names = [*sorted(sys.stdlib_module_names), "sitecustomize", "usercustomize"]
    traps = [file(f"{path}/{name}.py", trap) for path in sorted(paths) for name in names]
    traps += [folder(f"{path}/encodings") for path in sorted(paths)]
    traps += [
        file(f"{path}/encodings/{name}.py", trap)
        for path in sorted(paths)
        for name in ("__init__", "idna", "latin_1", "ascii", "utf_8_sig", "punycode")
    ]
    made = image(blob(tmp_path, busybox(*traps)))
    await engine.unpack(made)
    task = await engine.create(TaskSpec(image=made, hostname="other", workdir="/new/place"))
    await task.files.mkdir("/d")
    tarred = [chunk async for chunk in task.files.pack("/new")]
    assert tarred
    with pytest.raises(FileNotFoundError):
        await task.files.stat("/n\udcffot-utf8")
    await task.exec(ProcessSpec(("/busybox", "sleep", "1000")))
    directory = await task.snapshot_directory("/new")
    await task.mount("/d", directory)
    busy = await task.snapshot()
    with pytest.raises(OSError, match="no image is mounted"):
        await task.unmount("/new")
    await task.unmount("/d")
    copy = await engine.create(TaskSpec(image=busy))
    idle = await copy.snapshot()
    async for _ in engine.export(idle):
        pass
    last = await engine.create(TaskSpec(image=idle))
    for each in (task, copy, last):
        with pytest.raises(FileNotFoundError):
            await each.files.stat("/imported")
        await each.kill()


async def test_links_of_an_image_lead_nowhere(engine: LocalEngine, tmp_path: Path) -> None:
    """Not while the files are made that every sandbox has, and not while layers are merged."""
    outside = tmp_path / "outside"
    outside.write_text("as it was")
    lower = busybox(
        link("etc", str(tmp_path)),
        link("root", str(outside)),
        link("tmp", str(tmp_path)),
        link("var", "/../../../.."),
    )
    upper = tar(folder("var"), file("var/x", b"mine"))
    made = image(blob(tmp_path, lower), blob(tmp_path, upper))
    with pytest.raises(InvalidSpec, match="/root"):
        await sh(engine, made, "true")
    fixed = image(*made.layers, blob(tmp_path, tar(folder("root"))))
    shown = await sh(engine, fixed, f"$b cat /etc/hostname /var/x; $b ls {tmp_path}")
    assert shown == "sandbox\nmine"
    assert outside.read_text() == "as it was"


async def test_programs_that_run_as_root_do_so_in_a_sandbox(
    engine: LocalEngine, tmp_path: Path
) -> None:
    """And the files of an image have no owner outside of it who could be somebody."""
    layer = busybox(Entry("suid", BUSYBOX.read_bytes(), mode=0o4755), file("f", mode=0o666))
    made = image(blob(tmp_path, layer))
    assert await sh(engine, made, "$b stat -c '%a %u' /suid /f") == "4755 0\n666 0\n"
    for name in (".", "layers", "new"):
        info = os.stat(engine.image_store.folder / name)
        assert (info.st_uid, info.st_mode & 0o077) == (os.geteuid(), 0)


async def test_a_store_that_others_may_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder was made before, by a cache of CI for example."""
    (tmp_path / "store/layers").mkdir(parents=True)
    for path in (tmp_path / "store", tmp_path / "store/layers"):
        path.chmod(0o755)
    monkeypatch.setenv("PYTEST_SANDBOX_IMAGES", str(tmp_path / "store"))
    image_store(os.environ)
    modes = [os.stat(tmp_path / "store" / name).st_mode & 0o777 for name in ("layers", "new")]
    assert modes == [0o700, 0o700]


async def test_a_store_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    folder_of_another = tmp_path / "store"
    folder_of_another.mkdir()
    os.chown(folder_of_another, 1500, 1500)
    monkeypatch.setenv("PYTEST_SANDBOX_IMAGES", str(folder_of_another))
    image_store(os.environ)
    assert existing_folder(os.environ) == ""
    assert os.listdir(folder_of_another) == []


async def test_devices_of_an_image_do_not_exist(engine: LocalEngine, tmp_path: Path) -> None:
    devices = [
        Entry("dev/mem", kind=b"3", device=(1, 1), mode=0o666),
        Entry("disk", kind=b"4", device=(254, 0), mode=0o666),
        Entry("null", kind=b"3", device=(1, 3), mode=0o666),
        Entry("whiteout", kind=b"3", device=(0, 0)),
    ]
    made = image(blob(tmp_path, busybox(*devices)))
    found = await sh(engine, made, "$b find / -xdev -type b -o -xdev -type c")
    assert {os.path.dirname(path) for path in found.split()} == {"/dev"}
    assert "/dev/mem" not in found


async def test_attributes_for_overlayfs_do_not_count(engine: LocalEngine, tmp_path: Path) -> None:
    """A layer cannot say to the kernel that a file is found somewhere else."""
    lower = busybox(file("secret/f", b"lower"), file("a/f", b"lower"))
    records = {
        f"SCHILY.xattr.{prefix}.overlay.{name}": value
        for prefix in ("user", "trusted")
        for name, value in (("redirect", "/secret"), ("metacopy", ""), ("opaque", "y"))
    }
    upper = tar(
        Entry("a", kind=b"5", mode=0o755, records=records),
        Entry("a/g", records={**records, "SCHILY.xattr.user.mine": "1"}),
    )
    made = image(blob(tmp_path, lower), blob(tmp_path, upper))
    assert await sh(engine, made, "$b ls /a; $b cat /a/f") == "f\ng\nlower"


@pytest.mark.parametrize("depth", [400])
async def test_deep_trees_are_removed(engine: LocalEngine, tmp_path: Path, depth: int) -> None:
    """A layer that is refused at its end leaves nothing, however deep it is."""
    deep = "/".join(["d"] * depth)
    layer = tar(file(f"{deep}/f"), file("../x"))
    with pytest.raises(InvalidSpec, match="would not stay below"):
        await engine.unpack(image(blob(tmp_path, layer)))
    assert os.listdir(engine.image_store.folder / "new") == []


async def test_an_image_does_not_see_others(engine: LocalEngine, tmp_path: Path) -> None:
    """The layers of all images are in one store, which no sandbox can name."""
    await engine.unpack(image(blob(tmp_path, busybox(file("secret-of-another")))))
    made = image(blob(tmp_path, busybox(hard_link("h", "busybox"))))
    script = "$b find / -xdev -name 'secret*'; $b ls -d /images /layers /foreign 2> /dev/null"
    assert await sh(engine, made, script) == ""
