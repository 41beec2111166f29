"""What type checkers infer for the public names. Never run, only checked.

An argument that must be refused carries `type: ignore`; mypy complains if it is not needed.
"""

from collections.abc import AsyncGenerator, Generator, Sequence

from typing_extensions import assert_type

from pytest_sandbox import (
    PIPE,
    App,
    Client,
    CompletedCommand,
    ContainerProcess,
    FileInfo,
    FileIO,
    FileWatchEvent,
    Image,
    LogEntry,
    Sandbox,
    SandboxSnapshot,
    Secret,
    SecretInfo,
    SidecarContainer,
    Volume,
    VolumeInfo,
    delete_bytes,
    enable_output,
    replace_bytes,
)


def blocking(sandbox: Sandbox, client: Client) -> None:
    app = App.lookup("name", create_if_missing=True)
    assert_type(app, App)
    assert_type(Sandbox.create("a", app=app, image=Image.host(), timeout=1), Sandbox)
    assert_type(Sandbox.from_id("sb-1", client), Sandbox)
    assert_type(Sandbox.from_name("app", "name"), Sandbox)
    assert_type(Sandbox.list(tags={"a": "b"}), Generator[Sandbox, None, None])
    assert_type(Secret.from_name("name").hydrate(), Secret)
    assert_type(Client.from_env(), Client)

    assert_type(Sandbox._experimental_create("a"), Sandbox)
    assert_type(sandbox.terminate(wait=True), int | None)
    assert_type(sandbox.logs.tail(5), Generator[LogEntry, None, None])
    assert_type(sandbox._experimental_sidecars.list(), list[SidecarContainer])
    assert_type(Image.from_id("im-1", client), Image)
    assert_type(Image.debian_slim("3.12").build(app), Image)
    assert_type(Secret.objects.list(), list[Secret])
    assert_type(Secret.from_dotenv().info(), SecretInfo)
    assert_type(Volume.from_id("vo-1").info(), VolumeInfo)
    with App("name").run() as running:
        assert_type(running, App)
    with client as same, enable_output():
        assert_type(same, Client)

    image = sandbox.snapshot_filesystem(timeout=5)
    assert_type(image, Image)
    assert_type(sandbox.snapshot_directory("/srv", ttl=None), Image)
    sandbox.mount_image("/srv", image)
    sandbox.unmount_image("/srv")
    sandbox.restore(image)
    snapshot = sandbox._experimental_snapshot()
    assert_type(snapshot, SandboxSnapshot)
    assert_type(Sandbox._experimental_from_snapshot(snapshot, name=None), Sandbox)
    assert_type(SandboxSnapshot.from_id("sn-1"), SandboxSnapshot)
    assert_type(client.extensions.snapshot_and_end(sandbox), Image)
    assert_type(client.extensions.recall_image("key"), Image | None)
    client.extensions.prepare("cat", image=image)
    assert_type(client.extensions.create(image=image), Sandbox)

    assert_type(sandbox.poll(), int | None)
    assert_type(sandbox.returncode, int | None)
    assert_type(sandbox.get_tags(), dict[str, str])
    assert_type(sandbox.stdout.read(), str)
    assert_type(next(sandbox.stdout), str)

    process = sandbox.exec("a", stdout=PIPE)
    assert_type(process, ContainerProcess[str])
    assert_type(sandbox.exec("a", text=True, bufsize=1), ContainerProcess[str])
    assert_type(sandbox.exec("a", text=False), ContainerProcess[bytes])
    assert_type(process.wait(), int)
    assert_type(process.poll(), int | None)
    assert_type(process.stdout.read(), str)
    assert_type(list(sandbox.exec("a", text=False).stderr), list[bytes])

    assert_type(sandbox.run("a"), CompletedCommand[str])
    assert_type(sandbox.run("a", text=False).stdout, bytes)

    assert_type(sandbox.open("/f"), FileIO[str])
    assert_type(sandbox.open("/f", "w"), FileIO[str])
    assert_type(sandbox.open("/f", "rb"), FileIO[bytes])
    with sandbox.open("/f", "r+b") as file:
        assert_type(file, FileIO[bytes])
        assert_type(file.read(1), bytes)
        assert_type(file.readlines(), Sequence[bytes])
        delete_bytes(file, 1, 2)
        replace_bytes(file, b"", start=1)
    assert_type(sandbox.ls("/"), list[str])
    assert_type(sandbox.watch("/"), Generator[FileWatchEvent, None, None])
    assert_type(sandbox.filesystem.read_text("/f"), str)
    assert_type(sandbox.filesystem.list_files("/"), list[FileInfo])
    sandbox.upload("here", "/there")

    Sandbox.create(1)  # type: ignore[arg-type]
    Sandbox.create(nothing=1)  # type: ignore[call-arg]
    sandbox.terminate(1)  # type: ignore[call-arg, arg-type]
    sandbox.exec("a", text=None)  # type: ignore[call-overload]
    sandbox.open("/f", "z")  # type: ignore[call-overload]
    sandbox.filesystem.write_text(b"", "/f")  # type: ignore[arg-type]


async def awaited(sandbox: Sandbox, client: Client) -> None:
    assert_type(await App.lookup.aio("name"), App)
    assert_type(await Sandbox.create.aio("a", timeout=1), Sandbox)
    assert_type(await Sandbox.from_id.aio("sb-1", client), Sandbox)
    assert_type(Sandbox.list.aio(), AsyncGenerator[Sandbox, None])

    assert_type(await sandbox.poll.aio(), int | None)
    assert_type(await sandbox.get_tags.aio(), dict[str, str])
    assert_type(await sandbox.stdout.read.aio(), str)

    assert_type(await sandbox.exec.aio("a"), ContainerProcess[str])
    process = await sandbox.exec.aio("a", text=False)
    assert_type(process, ContainerProcess[bytes])
    assert_type(await process.wait.aio(), int)
    assert_type(await process.stdout.read.aio(), bytes)
    assert_type([chunk async for chunk in process.stdout], list[bytes])
    await process.stdin.drain.aio()

    assert_type(await sandbox.run.aio("a"), CompletedCommand[str])
    assert_type(await sandbox.run.aio("a", text=False), CompletedCommand[bytes])

    async with await sandbox.open.aio("/f", "rb") as file:
        assert_type(await file.read.aio(), bytes)
        await delete_bytes.aio(file, 1)
    assert_type(await sandbox.open.aio("/f"), FileIO[str])
    assert_type(sandbox.watch.aio("/"), AsyncGenerator[FileWatchEvent, None])
    assert_type(await sandbox.filesystem.stat.aio("/"), FileInfo)

    assert_type(await Image.from_id.aio("im-1"), Image)
    assert_type(await Secret.from_dict({}).info.aio(), SecretInfo)
    async with App("name").run() as running:
        assert_type(running, App)

    await Sandbox.create.aio(1)  # type: ignore[arg-type]
    await sandbox.terminate.aio(1)  # type: ignore[call-arg, arg-type]
    await sandbox.exec.aio("a", text=None)  # type: ignore[call-overload]
