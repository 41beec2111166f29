"""A program that Modal's client and ours run alike, for what they send to be compared."""

import io
import tempfile
from typing import Any


def program(modal: Any) -> None:
    """Do with sandboxes what programs do with them.

    Args:
        modal: the client.
    """
    app = modal.App.lookup("wire", create_if_missing=True)
    with tempfile.NamedTemporaryFile() as large:
        large.write(b"l" * 5_000_000)  # more than fits into a message
        large.flush()
        sandbox = create(modal, app, large.name)
    commands(sandbox)
    files(sandbox)
    found_again(modal, app, sandbox)
    snapshots(modal, app, sandbox)
    main_process(sandbox)
    volumes(modal)
    others(modal)


def create(modal: Any, app: Any, large: str) -> Any:
    """A sandbox that has much to say about itself."""
    image = modal.Image.from_registry("debian:12").run_commands("echo built > /srv/step")
    image = image.env({"STEP": "1"}).dockerfile_commands("RUN echo again >> /srv/step")
    sandbox = modal.Sandbox.create(
        "cat",
        app=app,
        image=image.add_local_file(large, "/srv/large"),
        name="wired",
        tags={"stage": "one"},
        secrets=[modal.Secret.from_dict({"HIDDEN": "a"})],
        env={"PLAIN": "b"},
        timeout=77,
        idle_timeout=50,
        workdir="/srv",
        cpu=0.5,
        memory=256,
        volumes={"/data": modal.Volume.from_name("wire", create_if_missing=True)},
        encrypted_ports=[8000],
        unencrypted_ports=[9000],
        readiness_probe=modal.Probe.with_exec("true"),
    )
    sandbox.wait_until_ready(timeout=20)
    return sandbox


def commands(sandbox: Any) -> None:
    """Run commands, with output, input and exit codes."""
    process = sandbox.exec(
        *("sh", "-c", "echo $HIDDEN $PLAIN $MORE; exit 3"),
        timeout=20,
        workdir="/tmp",
        env={"MORE": "c"},
    )
    assert process.stdout.read() == "a b c\n"
    assert process.wait() == 3
    reader = sandbox.exec("cat")
    reader.stdin.write("in")
    reader.stdin.write_eof()
    reader.stdin.drain()
    assert reader.stdout.read() == "in"
    assert (reader.wait(), reader.poll()) == (0, 0)


def files(sandbox: Any) -> None:
    """Write, read, list and remove files."""
    filesystem = sandbox.filesystem
    filesystem.write_text("content", "/tmp/folder/file")
    assert filesystem.read_text("/tmp/folder/file") == "content"
    assert [each.name for each in filesystem.list_files("/tmp/folder")] == ["file"]
    filesystem.remove("/tmp/folder", recursive=True)


def found_again(modal: Any, app: Any, sandbox: Any) -> None:
    """Find it by tags, id and name, and ask for what others need to reach it."""
    assert sandbox.get_tags() == {"stage": "one"}
    sandbox.set_tags({"stage": "two"})
    listed = modal.Sandbox.list(app_id=app.app_id, tags={"stage": "two"})
    assert [each.object_id for each in listed] == [sandbox.object_id]
    assert modal.Sandbox.from_id(sandbox.object_id).exec("true").wait() == 0
    assert modal.Sandbox.from_name("wire", "wired").object_id == sandbox.object_id
    assert sorted(sandbox.tunnels()) == [8000, 9000]
    sandbox.create_connect_token(user_metadata={"a": "b"})
    sandbox.reload_volumes()


def snapshots(modal: Any, app: Any, sandbox: Any) -> None:
    """Store a directory and all files, and use them."""
    sandbox.mount_image("/mnt/tmp", sandbox.snapshot_directory("/tmp"))
    sandbox.unmount_image("/mnt/tmp")
    image = sandbox.snapshot_filesystem()
    other = modal.Sandbox.create("sh", "-c", "sleep 60", app=app, image=image)
    assert other.poll() is None
    other.terminate()
    other.wait(raise_on_termination=False)
    assert other.returncode == 137


def main_process(sandbox: Any) -> None:
    """Write to the main process, read from it, and wait for its end."""
    sandbox.stdin.write("main")
    sandbox.stdin.write_eof()
    sandbox.stdin.drain()
    assert sandbox.stdout.read() == "main"
    sandbox.wait()
    assert sandbox.returncode == 0


def volumes(modal: Any) -> None:
    """Work on files of volumes of both versions."""
    large = bytes(9_000_000)  # more than a block of Modal's
    for version, content in ((1, b"small"), (2, large)):
        volume = modal.Volume.from_name(f"v{version}", create_if_missing=True, version=version)
        with volume.batch_upload() as batch:
            batch.put_file(io.BytesIO(content), "/folder/file")
        assert b"".join(volume.read_file("folder/file")) == content
        volume.copy_files(["folder/file"], "copy")
        paths = [each.path for each in volume.listdir("/", recursive=True)]
        assert sorted(paths) == ["copy", "folder", "folder/file"]
        volume.remove_file("copy")


def others(modal: Any) -> None:
    """Use a secret with a name, an app that runs and a volume that has no name."""
    modal.Secret.objects.create("named", {"NAMED": "a"})
    image = modal.Image.from_registry("debian:12")
    app = modal.App("running")
    with app.run(), modal.Volume.ephemeral() as volume:
        sandbox = modal.Sandbox.create(
            *("sh", "-c", "echo $NAMED > /data/file"),
            app=app,
            image=image,
            secrets=[modal.Secret.from_name("named")],
            volumes={"/data": volume},
        )
        sandbox.wait()
        assert b"".join(volume.read_file("file")) == b"a\n"
        other = modal.Sandbox.create("false", app=app, image=image)
        other.wait()
        assert other.returncode == 1
