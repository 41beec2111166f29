"""What a server has to do with snapshots of files, as its clients see it."""

import tempfile

import pytest

from pytest_sandbox._proto import images_pb2
from pytest_sandbox.client import App, Image, Sandbox, exceptions

from .wire import Wire

MONTH = 31 * 24 * 3600


async def show(wire: Wire, image: Image, script: str = "cat /srv/f") -> str:
    """What a script prints in a new sandbox of an image."""
    async with wire.sandbox(image=image) as sandbox:
        return (await sandbox.run.aio("sh", "-c", script)).stdout


async def put(sandbox: Sandbox, text: str, path: str = "/srv/f") -> None:
    """Write a file."""
    await sandbox.filesystem.write_text.aio(text, path)


async def images_have_the_files(wire: Wire) -> None:
    """A sandbox of a snapshot has its files, and the sandbox that it was taken of continues."""
    async with wire.sandbox() as sandbox:
        await put(sandbox, "one")
        image = await sandbox.snapshot_filesystem.aio()
        await put(sandbox, "two")
        assert await show(wire, image) == "one"
        assert await sandbox.filesystem.read_text.aio("/srv/f") == "two"


async def images_have_the_environment_of_theirs(wire: Wire) -> None:
    """An image has the environment and the directory of the one that it was made from."""
    definition = images_pb2.Image(dockerfile_commands=["FROM debian:12", "ENV A=1", "WORKDIR /w"])
    request = images_pb2.ImageGetOrCreateRequest(image=definition)
    below = Image.from_id((await wire.control.ImageGetOrCreate(request)).image_id)
    async with wire.sandbox(image=below) as sandbox:
        image = await sandbox.snapshot_filesystem.aio()
    assert await show(wire, image, "echo $A; pwd") == "1\n/w\n"


async def snapshots_are_repeatable(wire: Wire) -> None:
    """A snapshot that is taken again under its id is the same; another sandbox has its own ids."""
    async with wire.raw() as one, wire.raw() as other:
        for sandbox, word in ((one, "one"), (other, "other")):
            await wire.run(sandbox, "sh", "-c", f"printf {word} > /srv/f")
        images = [await wire.snapshot(one, "same") for _ in range(2)]
        assert images[0].object_id == images[1].object_id
        assert (await wire.snapshot(one, "different")).object_id != images[0].object_id
        assert await show(wire, images[0]) == "one"
        assert await show(wire, await wire.snapshot(other, "same")) == "other"


async def images_have_their_time(wire: Wire) -> None:
    """An image is good until its time is up, and says so then; without one it stays."""
    async with wire.raw() as sandbox:
        await wire.run(sandbox, "sh", "-c", "printf one > /srv/f")
        brief = await wire.snapshot(sandbox, "brief", ttl=60)
        ever = await wire.snapshot(sandbox, "ever", ttl=-1)
        await wire.engine.clock.advance(59)
        assert await show(wire, brief) == "one"
        await wire.engine.clock.advance(2)
        with pytest.raises(exceptions.NotFoundError, match="its time to live has ended"):
            await show(wire, brief)
        await wire.engine.clock.advance(MONTH)
        assert await show(wire, ever) == "one"


async def forgotten_images_are_gone(wire: Wire) -> None:
    """A forgotten image is not found; sandboxes that were made from it go on."""
    async with wire.sandbox() as source:
        await put(source, "one")
        image = await source.snapshot_filesystem.aio()
    async with wire.sandbox(image=image) as sandbox:
        await wire.client.extensions.forget_image.aio(image)
        assert await sandbox.filesystem.read_text.aio("/srv/f") == "one"
        assert wire.engine.snapshots == []
        with pytest.raises(exceptions.NotFoundError, match="it was forgotten"):
            await show(wire, image)


async def unused_snapshots_are_evicted_first(wire: Wire) -> None:
    """Without room, the least recently used snapshot is evicted, and no other."""
    wire.engine.room = 3
    async with wire.sandbox() as source:
        used, kept, unused = [await source.snapshot_filesystem.aio() for _ in range(3)]
        async with wire.sandbox(image=used):
            await show(wire, kept, "true")
            newest = await source.snapshot_filesystem.aio()
            for image in (used, kept, newest):
                await show(wire, image, "true")
            with pytest.raises(exceptions.NotFoundError, match="needed its room"):
                await show(wire, unused, "true")


async def snapshots_in_use_are_not_evicted(wire: Wire) -> None:
    """Where every snapshot is in use, there is no room for another, and the error says so."""
    wire.engine.room = 2
    async with wire.sandbox() as source:
        files = await source.snapshot_filesystem.aio()
        directory = await source.snapshot_directory.aio("/srv")
        async with wire.sandbox(image=files) as sandbox:
            await sandbox.mount_image.aio("/mnt/m", directory)
            with pytest.raises(exceptions.ResourceExhaustedError, match="in use"):
                await source.snapshot_filesystem.aio()
            await sandbox.unmount_image.aio("/mnt/m")
            await source.snapshot_filesystem.aio()
        await show(wire, files, "true")


async def what_others_depend_on_is_not_evicted(wire: Wire) -> None:
    """A snapshot that another one depends on is not evicted."""
    wire.engine.room = 3
    async with wire.sandbox() as source:
        below = await source.snapshot_filesystem.aio()
        async with wire.sandbox(image=below) as middle:
            above = await middle.snapshot_filesystem.aio()
        unused = await source.snapshot_filesystem.aio()
        await show(wire, above, "true")
        await source.snapshot_filesystem.aio()
        await show(wire, below, "true")
        with pytest.raises(exceptions.NotFoundError, match="needed its room"):
            await show(wire, unused, "true")


async def restoring_keeps_what_a_sandbox_is(wire: Wire) -> None:
    """A restored sandbox keeps its id, name and tags, and has other files."""
    app = await App.lookup.aio("wire-restore", create_if_missing=True, client=wire.client)
    async with wire.sandbox(app=app, name="same", env={"A": "1"}) as sandbox:
        await sandbox.set_tags.aio({"tag": "same"})
        await put(sandbox, "one")
        image = await sandbox.snapshot_filesystem.aio()
        await put(sandbox, "two")
        await put(sandbox, "new", "/srv/new")
        await sandbox.restore.aio(image)
        done = await sandbox.run.aio("sh", "-c", "cd /srv; echo *; cat f; echo $A")
        assert done.stdout == "f\none1\n"
        found = await Sandbox.from_name.aio("wire-restore", "same", client=wire.client)
        assert found.object_id == sandbox.object_id
        assert await found.get_tags.aio() == {"tag": "same"}
        with pytest.raises(exceptions.AlreadyExistsError):
            await Sandbox.create.aio(app=app, name="same", client=wire.client)


async def restoring_ends_what_runs(wire: Wire) -> None:
    """What runs in a sandbox is killed when it is restored, and nothing of it is left."""
    async with wire.sandbox() as sandbox:
        image = await sandbox.snapshot_filesystem.aio()
        process = await sandbox.exec.aio("sh", "-c", "echo ready; cat")
        await anext(aiter(process.stdout))
        task = wire.engine.tasks[-1]
        await sandbox.restore.aio(image)
        assert await process.wait.aio() == 137
        assert task.poll() is not None
        assert (await sandbox.run.aio("echo", "fine")).stdout == "fine\n"


async def restoring_starts_the_main_process_anew(wire: Wire) -> None:
    """The main process of a restored sandbox begins again, with streams of its own."""
    script = "cat /srv/f 2>/dev/null || echo none; cat"
    async with wire.sandbox("sh", "-c", script) as sandbox:
        await put(sandbox, "one\n")
        image = await sandbox.snapshot_filesystem.aio()
        await sandbox.restore.aio(image)
        sandbox.stdin.write("more")
        sandbox.stdin.write_eof()
        await sandbox.stdin.drain.aio()
        assert await sandbox.stdout.read.aio() == "one\nmore"
        await sandbox.wait.aio()
        assert sandbox.returncode == 0


async def snapshots_can_end_a_sandbox(wire: Wire) -> None:
    """A sandbox can be ended with a snapshot of its files: then it is terminated."""
    async with wire.sandbox("sleep", "60") as sandbox:
        await put(sandbox, "one")
        image = await wire.client.extensions.snapshot_and_end.aio(sandbox)
        with pytest.raises(exceptions.SandboxTerminatedError):
            await sandbox.wait.aio()
        assert await show(wire, image) == "one"


async def directories_show_where_they_are_mounted(wire: Wire) -> None:
    """A snapshot of a directory shows where it is mounted, until it is unmounted."""
    async with wire.sandbox() as source, wire.sandbox() as sandbox:
        images = []
        for word in ("one", "two"):
            await put(source, word, f"/srv/{word}/f")
            images.append(await source.snapshot_directory.aio(f"/srv/{word}"))
        for path, image in zip(("/mnt/a", "/mnt/b"), images, strict=True):
            await sandbox.mount_image.aio(path, image)
        show = ("sh", "-c", "cat /mnt/a/f /mnt/b/f 2>/dev/null; true")
        assert (await sandbox.run.aio(*show)).stdout == "onetwo"
        await sandbox.unmount_image.aio("/mnt/a")
        assert (await sandbox.run.aio(*show)).stdout == "two"
        await sandbox.mount_image.aio("/mnt/b", None)
        assert (await sandbox.run.aio(*show)).stdout == ""


async def images_are_stored_under_their_key(wire: Wire) -> None:
    """An image that was stored is found under its key, with its files; no other key finds it."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", folder)
        extensions = wire.client.extensions
        async with wire.sandbox() as sandbox:
            for word in ("one", "two"):
                await put(sandbox, word)
                await extensions.keep_image.aio(await sandbox.snapshot_filesystem.aio(), word)
        for word in ("one", "two"):
            image = await extensions.recall_image.aio(word)
            assert image is not None
            assert await show(wire, image) == word
            await extensions.forget_image.aio(image)
        assert await extensions.recall_image.aio("three") is None


CHECKS = (
    images_have_the_files,
    images_have_the_environment_of_theirs,
    snapshots_are_repeatable,
    images_have_their_time,
    forgotten_images_are_gone,
    unused_snapshots_are_evicted_first,
    snapshots_in_use_are_not_evicted,
    what_others_depend_on_is_not_evicted,
    restoring_keeps_what_a_sandbox_is,
    restoring_ends_what_runs,
    restoring_starts_the_main_process_anew,
    snapshots_can_end_a_sandbox,
    directories_show_where_they_are_mounted,
    images_are_stored_under_their_key,
)

#: Those that need an engine whose images outlive it.
BEYOND_A_RUN = frozenset({images_are_stored_under_their_key.__name__})
