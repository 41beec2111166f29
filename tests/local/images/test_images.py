"""Sandboxes made of layers of images, which share nothing with the machine but its kernel."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox.engine import (
    OPEN_NETWORK,
    InvalidSpec,
    ProcessSpec,
    ProcessUser,
    PtySize,
    TaskSpec,
    Unsupported,
    VolumeMount,
)

from ..conftest import content, need_users
from ..layers import (
    BUSYBOX,
    blob,
    busybox,
    file,
    folder,
    image,
    tar,
)
from .conftest import Make, an_engine
from .programs import run, sh

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from pytest_sandbox.local import LocalEngine

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not BUSYBOX.exists(), reason="busybox-static is not installed"),
]


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
