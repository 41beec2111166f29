"""Snapshots, however interrupted or mistimed: the right files, a clear error, nothing left."""

import asyncio
import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox import Client, Image, Sandbox, exceptions
from pytest_sandbox._run import Run

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds after which a call is given up.
MOMENTS = [milliseconds / 1000 for milliseconds in range(0, 30, 2)]


def keep_on_keeping(sandbox: Sandbox) -> None:
    while True:
        sandbox.snapshot_filesystem()


def end(*sandboxes: Sandbox) -> None:
    for sandbox in sandboxes:
        sandbox.terminate()
        sandbox.wait(raise_on_termination=False)


@pytest.mark.usefixtures("nothing_is_left")
def test_snapshots_of_every_use_leave_nothing(client: Client) -> None:
    extensions = client.extensions
    sandbox = Sandbox.create("cat", client=client)
    sandbox.run("sh", "-c", "mkdir /work; seq 10000 > /work/a", check=True)
    image, folder = sandbox.snapshot_filesystem(), sandbox.snapshot_directory("/work")
    for _ in range(3):
        copy = Sandbox.create(image=image, client=client)
        copy.mount_image("/mnt", folder)
        copy.mount_image("/mnt", None)
        copy.run("sh", "-c", "echo x > /mnt/x; echo y > /work/y", check=True)
        copy.unmount_image("/mnt")
        copy.exec("sleep", "1000")
        copy.restore(image)
        later = copy.snapshot_filesystem()
        sandbox.restore(later)
        last = extensions.snapshot_and_end(copy)
        for each in (later, last):
            extensions.forget_image(each)
    end(sandbox)
    for each in (image, folder):
        extensions.forget_image(each)


@pytest.mark.asyncio
@pytest.mark.usefixtures("nothing_is_left")
async def test_snapshots_that_were_given_up_leave_nothing(client: Client) -> None:
    """Cancelled at moments spread over their length."""
    sandbox = await Sandbox.create.aio(client=client)
    await sandbox.run.aio("sh", "-c", "mkdir /work; seq 10000 > /work/a")
    for moment in MOMENTS:
        kept = asyncio.ensure_future(sandbox.snapshot_filesystem.aio())
        folder = asyncio.ensure_future(sandbox.snapshot_directory.aio("/work"))
        await asyncio.wait([kept, folder], timeout=moment)
        for call in (kept, folder):
            if not call.cancel():
                await client.extensions.forget_image.aio(call.result())
    assert (await sandbox.run.aio("tail", "-n1", "/work/a")).stdout == "10000\n"
    await sandbox.terminate.aio()


@pytest.mark.asyncio
@pytest.mark.usefixtures("nothing_is_left")
async def test_sandboxes_whose_restoring_was_given_up_can_be_used_and_ended(
    client: Client,
) -> None:
    """Cancelled at moments spread over its length."""
    sandbox = await Sandbox.create.aio(client=client)
    await sandbox.run.aio("sh", "-c", "echo kept > /srv/a")
    image = await sandbox.snapshot_filesystem.aio()
    for moment in MOMENTS:
        restoring = asyncio.ensure_future(sandbox.restore.aio(image))
        await asyncio.wait([restoring], timeout=moment)
        restoring.cancel()
    await sandbox.restore.aio(image)
    assert (await sandbox.run.aio("cat", "/srv/a")).stdout == "kept\n"
    await sandbox.terminate.aio()
    await client.extensions.forget_image.aio(image)


def test_a_snapshot_while_files_are_written_is_one_moment_or_a_later_one(client: Client) -> None:
    """A program renames whole files into place, so every copy has only whole ones."""
    sandbox = Sandbox.create(client=client)
    writing = "i=0; while :; do i=$((i+1)); seq 5000 > /srv/new; mv /srv/new /srv/f$((i%20)); done"
    program = sandbox.exec("sh", "-c", writing)
    images = [sandbox.snapshot_filesystem() for _ in range(5)]

    for image in images:
        copy = Sandbox.create(image=image, client=client)
        counts = copy.run("sh", "-c", "for f in /srv/f*; do [ ! -e $f ] || tail -n1 $f; done")
        assert set(counts.stdout.split()) <= {"5000"}
        end(copy)
    assert program.poll() is None
    end(sandbox)


def test_snapshots_at_once_are_all_taken(client: Client) -> None:
    sandbox = Sandbox.create(client=client)
    sandbox.run("sh", "-c", "echo kept > /srv/a", check=True)
    images: list[Image] = []
    threads = [
        threading.Thread(target=lambda: images.append(sandbox.snapshot_filesystem()))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    copies = [Sandbox.create(image=image, client=client) for image in images]
    assert [copy.run("cat", "/srv/a").stdout for copy in copies] == ["kept\n"] * 4
    end(sandbox, *copies)


def test_a_snapshot_of_a_full_disk_is_as_full() -> None:
    run = Run.create()
    try:
        client = Client(run.start("local", {"disk": str(2**24)}).socket)
        sandbox = Sandbox.create(client=client)
        assert sandbox.run("sh", "-c", "head -c 100M /dev/zero > /srv/a").returncode != 0
        copy = Sandbox.create(image=sandbox.snapshot_filesystem(), client=client)
        size = copy.filesystem.stat("/srv/a").size
        assert size == sandbox.filesystem.stat("/srv/a").size > 2**23
        client.close()
    finally:
        run.close()


def test_an_engine_that_is_killed_while_it_keeps_files_is_told_of() -> None:
    run = Run.create()
    try:
        server = run.start("local", {})
        client = Client(server.socket)
        sandbox = Sandbox.create(client=client)
        sandbox.run("sh", "-c", "for i in $(seq 2000); do echo > /srv/$i; done", check=True)
        sandbox.exec("sleep", "1000")  # so that files are copied one by one
        killer = threading.Timer(0.01, os.kill, (server.pid, signal.SIGKILL))
        killer.start()
        with pytest.raises(exceptions.ConnectionError):
            keep_on_keeping(sandbox)
        killer.join()
        client.close()
    finally:
        run.close()


def test_images_that_are_not_there(client: Client) -> None:
    sandbox = Sandbox.create(client=client)
    unknown = Image.from_id("im-" + "0" * 22)
    calls: list[Callable[[], object]] = [
        lambda: Sandbox.create(image=unknown, client=client),
        lambda: sandbox.restore(unknown),
        lambda: sandbox.mount_image("/mnt", unknown),
        lambda: client.extensions.keep_image(unknown, "key"),
    ]
    for call in calls:
        with pytest.raises(exceptions.NotFoundError, match="im-0000"):
            call()
    client.extensions.forget_image(unknown)
    assert sandbox.run("echo", "fine").stdout == "fine\n"
    end(sandbox)
