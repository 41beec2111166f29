"""What is kept of sandboxes in memory, through the client."""

from collections.abc import Iterator

import pytest

from pytest_sandbox import Sandbox, exceptions
from pytest_sandbox.fakes import Call
from pytest_sandbox.inmemory import FakeSandboxes


@pytest.fixture
def fake() -> Iterator[FakeSandboxes]:
    with FakeSandboxes(seed="a test") as sandboxes:
        yield sandboxes


def test_a_sandbox_starts_from_an_image_and_goes_back_to_it(fake: FakeSandboxes) -> None:
    sandbox = Sandbox.create()
    sandbox.run("sh", "-c", "echo one > /srv/f", check=True)
    image = sandbox.snapshot_filesystem()
    sandbox.run("sh", "-c", "echo two > /srv/f", check=True)
    assert Sandbox.create(image=image).run("cat", "/srv/f").stdout == "one\n"
    sandbox.restore(image)
    assert sandbox.run("cat", "/srv/f").stdout == "one\n"
    assert fake.filesystem(sandbox).read_text("/srv/f") == "one\n"


def test_a_directory_is_mounted_in_another_sandbox(fake: FakeSandboxes) -> None:
    one, two = Sandbox.create(), Sandbox.create()
    fake.filesystem(one).write("/srv/d/f", "kept")
    image = one.snapshot_directory("/srv/d")
    two.run("mkdir", "/mnt/d", "-p", check=True)
    two.mount_image("/mnt/d", image)
    assert two.run("cat", "/mnt/d/f").stdout == "kept"
    two.unmount_image("/mnt/d")
    assert two.run("ls", "/mnt/d").stdout == ""


async def counter(call: Call) -> None:
    while line := await call.read():
        call.state["count"] = call.state.get("count", 0) + len(line.split())
        call.out(f"{call.state['count']}{' in a copy' * call.resumed}\n")


def test_a_running_server_is_kept_with_what_it_knows(fake: FakeSandboxes) -> None:
    fake.on_exec("counter").calls(counter)
    sandbox = Sandbox.create("counter", _experimental_enable_snapshot=True, timeout=3600)
    sandbox.stdin.write("one two\n")
    sandbox.stdin.drain()
    assert next(iter(sandbox.stdout)) == "2\n"
    snapshot = sandbox._experimental_snapshot()
    for _ in range(2):
        copy = Sandbox._experimental_from_snapshot(snapshot, name=None)
        copy.stdin.write("three\n")
        copy.stdin.drain()
        assert next(iter(copy.stdout)) == "3 in a copy\n"
        copy.terminate()
    assert sandbox.poll() is None


def test_what_has_no_snapshot_is_named(fake: FakeSandboxes) -> None:
    sandbox = Sandbox.create("sh", "-c", "read line; true", _experimental_enable_snapshot=True)
    with pytest.raises(exceptions.Error, match="sh -c 'read line; true': the engine in memory"):
        sandbox._experimental_snapshot()


def test_the_main_process_of_a_restored_sandbox_is_scripted_by_its_name(
    fake: FakeSandboxes,
) -> None:
    fake.on_exec("serve").hang()
    sandbox = Sandbox.create("serve", name="web")
    image = sandbox.snapshot_filesystem()
    fake.on_exec("serve", sandbox=sandbox).reply(code=3)
    sandbox.restore(image)
    assert sandbox.wait(raise_on_termination=False) is None
    assert sandbox.returncode == 3


def test_gpus_are_those_of_the_fixture() -> None:
    with FakeSandboxes(gpus=["H100", "H100"]) as fake:
        sandbox = Sandbox.create(gpu="H100:2")
        assert sandbox.run("nvidia-smi", "-L").stdout.count("H100") == 2
        with pytest.raises(exceptions.Error, match="other sandboxes have all but 0"):
            Sandbox.create(gpu="H100")
        sandbox.terminate()
        Sandbox.create(gpu="any").terminate()
        with pytest.raises(exceptions.Error, match="1 GPUs of kind 'T4': there are NVIDIA H100"):
            Sandbox.create(gpu="T4")
        fake.allow("unexpected-rpcs")
        assert fake.violations() == []
