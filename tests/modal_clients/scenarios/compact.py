"""What most programs do, in few steps: for releases between those that run everything."""

import asyncio

import modal
import pytest
from modal.exception import AlreadyExistsError, NotFoundError


@pytest.fixture(scope="module")
def sandbox(app):
    plain = modal.Secret.from_dict({"PLAIN": "a"})
    made = modal.Sandbox.create(app=app, timeout=60, secrets=[plain])
    yield made
    made.terminate()


def test_a_command_has_input_output_variables_and_a_code(sandbox):
    hidden = modal.Secret.from_dict({"HIDDEN": "b"})
    process = sandbox.exec("sh", "-c", "echo $PLAIN $HIDDEN; cat; exit 3", secrets=[hidden])
    process.stdin.write("in\n")
    process.stdin.write_eof()
    process.stdin.drain()

    assert process.stdout.read() == "a b\nin\n"
    assert process.wait() == 3


def test_the_main_process_has_input_and_output(create):
    sandbox = create("cat")
    sandbox.stdin.write("hello")
    sandbox.stdin.write_eof()
    sandbox.stdin.drain()
    sandbox.wait()

    assert sandbox.returncode == 0
    assert sandbox.stdout.read() == "hello"


def test_files_are_written_read_and_listed(sandbox):
    if hasattr(sandbox, "filesystem"):
        sandbox.filesystem.write_text("content", "/tmp/folder/file")
        assert sandbox.filesystem.read_text("/tmp/folder/file") == "content"
        assert [each.name for each in sandbox.filesystem.list_files("/tmp/folder")] == ["file"]
        return
    sandbox.mkdir("/tmp/other", parents=True)
    with sandbox.open("/tmp/other/file", "w") as file:
        file.write("more")
    with sandbox.open("/tmp/other/file", "r") as file:
        assert file.read() == "more"
    assert sandbox.ls("/tmp/other") == ["file"]
    sandbox.rm("/tmp/other", recursive=True)


def test_an_image_has_steps_and_a_snapshot_is_one(create):
    image = modal.Image.debian_slim().run_commands("echo built > /srv/step").env({"BUILT": "yes"})
    first = create("sh", "-c", "echo $BUILT >> /srv/step; sleep 60", image=image)
    assert first.exec("sh", "-c", "until grep -q yes /srv/step; do :; done").wait() == 0
    again = create("cat", "/srv/step", image=first.snapshot_filesystem())

    assert again.stdout.read() == "built\nyes\n"


def test_a_volume_is_shared(create):
    with modal.Volume.ephemeral() as volume:
        volumes = {"/data": volume}
        assert create("sh", "-c", "echo kept > /data/file", volumes=volumes).wait() is None
        assert create("cat", "/data/file", volumes=volumes).stdout.read() == "kept\n"


def test_names_tags_and_errors(app, create):
    sandbox = create(name="compact")
    sandbox.set_tags({"stage": "compact"})

    assert modal.Sandbox.from_name("scenarios", "compact").object_id == sandbox.object_id
    found = modal.Sandbox.list(app_id=app.app_id, tags={"stage": "compact"})
    assert [each.object_id for each in found] == [sandbox.object_id]
    with pytest.raises(AlreadyExistsError):
        create(name="compact")
    with pytest.raises(NotFoundError):
        modal.Sandbox.from_id("sb-" + "0" * 22)
    sandbox.terminate()
    sandbox.wait(raise_on_termination=False)
    assert sandbox.poll() == 137


def test_many_at_once_from_one_loop(app):
    async def one(number):
        sandbox = await modal.Sandbox.create.aio(app=app, timeout=60)
        process = await sandbox.exec.aio("echo", str(number))
        text = await process.stdout.read.aio()
        await sandbox.terminate.aio()
        return text

    async def all_of_them():
        return await asyncio.gather(*map(one, range(5)))

    assert asyncio.run(all_of_them()) == [f"{number}\n" for number in range(5)]
