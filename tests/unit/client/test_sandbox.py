"""Sandboxes on a real engine: lifetime, names, tags and streams."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import trio

from pytest_sandbox.client import App, Client, Image, Sandbox, Secret, exceptions

Make = Callable[..., Sandbox]
Call = Callable[..., Any]


def test_a_sandbox_without_a_command_lives_until_it_is_terminated(
    client: Client, call: Call
) -> None:
    sandbox = call(Sandbox.create, client=client)
    assert call(sandbox.poll) is None
    assert sandbox.returncode is None

    call(sandbox.terminate)

    assert call(sandbox.poll) == sandbox.returncode == 137
    with pytest.raises(exceptions.SandboxTerminatedError, match=sandbox.object_id):
        call(sandbox.wait)
    assert call(sandbox.wait, raise_on_termination=False) is None


def test_terminating_twice_is_fine(sandboxes: Make) -> None:
    sandbox = sandboxes()

    sandbox.terminate()
    sandbox.terminate()


def test_a_sandbox_ends_with_its_main_process(sandboxes: Make, call: Call) -> None:
    sandbox = sandboxes("sh", "-c", "echo out; echo err >&2; exit 3")

    call(sandbox.wait)

    assert sandbox.returncode == 3
    assert call(sandbox.stdout.read) == "out\n"
    assert call(sandbox.stderr.read) == "err\n"


def test_a_sandbox_whose_time_is_up_says_so(sandboxes: Make) -> None:
    sandbox = sandboxes(timeout=1)

    with pytest.raises(exceptions.SandboxTimeoutError, match="timeout="):
        sandbox.wait()

    assert sandbox.returncode == 124


def test_the_main_process_reads_its_input_and_writes_lines(sandboxes: Make, call: Call) -> None:
    sandbox = sandboxes("sh", "-c", "while read line; do echo got $line; done")
    for word in ("one\n", b"two\n"):
        sandbox.stdin.write(word)
        call(sandbox.stdin.drain)
    sandbox.stdin.write_eof()
    call(sandbox.stdin.drain)

    assert list(sandbox.stdout) == ["got one\n", "got two\n"]
    sandbox.wait()


def test_output_can_be_awaited_line_by_line(sandboxes: Make) -> None:
    sandbox = sandboxes("printf", "one\\ntwo\\nthree")

    async def lines() -> list[str]:
        return [line async for line in sandbox.stdout]

    assert asyncio.run(lines()) == ["one\n", "two\n", "three"]


def test_the_environment_is_what_was_asked_for(sandboxes: Make) -> None:
    sandbox = sandboxes(
        env={"A": "from env", "B": "", "C": None},
        secrets=[Secret.from_dict({"A": "from secret", "D": "d"}), Secret.from_dict({"D": "last"})],
    )

    out = sandbox.run("sh", "-c", "echo $A, ${B-unset}, ${C-unset}, $D").stdout

    assert out == "from env, , unset, last\n"


def test_a_secret_of_this_process(sandboxes: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT_HERE", "value")

    sandbox = sandboxes(secrets=[Secret.from_local_environ(["KEPT_HERE"])])

    assert sandbox.run("sh", "-c", "echo $KEPT_HERE").stdout == "value\n"


def test_a_secret_without_a_name_is_not_found(client: Client, call: Call) -> None:
    with pytest.raises(exceptions.NotFoundError, match="nothing of that name"):
        call(Secret.from_name("nothing of that name").hydrate, client)


def test_a_secret_never_shows_its_values() -> None:
    assert repr(Secret.from_dict({"KEY": "value"})) == "Secret.from_dict([KEY])"


def test_the_working_directory_is_made(sandboxes: Make) -> None:
    assert sandboxes(workdir="/srv/new").run("pwd").stdout == "/srv/new\n"


@pytest.mark.parametrize("image", [Image.host(), Image.debian_slim(), None], ids=repr)
def test_images_that_are_this_machine(sandboxes: Make, image: Image | None) -> None:
    assert sandboxes(image=image).run("echo", "hi").stdout == "hi\n"


def test_an_image_that_is_not_there_is_not_found(client: Client) -> None:
    with pytest.raises(exceptions.NotFoundError, match="im-none"):
        Sandbox.create(image=Image.from_id("im-none"), client=client)


def test_a_command_that_is_not_there_cannot_be_the_main_process(client: Client) -> None:
    with pytest.raises(exceptions.InvalidError, match="no-such-command"):
        Sandbox.create("no-such-command", client=client)


# Finding


def test_a_sandbox_is_found_by_its_id(sandboxes: Make, client: Client, call: Call) -> None:
    sandbox = sandboxes()
    sandbox.filesystem.write_text("x", "/srv/found/here")

    found = call(Sandbox.from_id, sandbox.object_id, client)

    assert found.object_id == sandbox.object_id
    assert found.ls("/srv/found") == ["here"]


def test_a_finished_sandbox_is_found_with_its_code(sandboxes: Make, client: Client) -> None:
    sandbox = sandboxes("sh", "-c", "exit 7")
    sandbox.wait()

    assert Sandbox.from_id(sandbox.object_id, client).returncode == 7


def test_an_unknown_id_is_not_found(client: Client, call: Call) -> None:
    with pytest.raises(exceptions.NotFoundError, match="sb-unknown"):
        call(Sandbox.from_id, "sb-unknown", client)


def test_a_sandbox_is_found_by_its_name_while_it_runs(
    sandboxes: Make, client: Client, call: Call
) -> None:
    app = call(App.lookup, "named", create_if_missing=True, client=client)
    sandbox = sandboxes(app=app, name="one-of_them.1")

    found = call(Sandbox.from_name, "named", "one-of_them.1", client=client)
    assert found.object_id == sandbox.object_id
    with pytest.raises(exceptions.AlreadyExistsError, match=r"one-of_them\.1"):
        Sandbox.create(app=app, name="one-of_them.1", client=client)

    sandbox.terminate()
    with pytest.raises(exceptions.NotFoundError):
        call(Sandbox.from_name, "named", "one-of_them.1", client=client)


def test_an_app_that_is_not_there_is_not_found(client: Client, call: Call) -> None:
    with pytest.raises(exceptions.NotFoundError, match="not-there"):
        call(App.lookup, "not-there", client=client)


def test_an_app_that_was_not_looked_up_cannot_have_sandboxes() -> None:
    with pytest.raises(ValueError, match=r"App\.lookup\('mine', create_if_missing=True\)"):
        Sandbox.create(app=App("mine"))


def test_sandboxes_are_listed_by_app_and_tags(
    sandboxes: Make, client: Client, items: Callable[..., list[Sandbox]]
) -> None:
    app = App.lookup("listed", create_if_missing=True, client=client)
    one, two, three = (sandboxes(app=app) for _ in range(3))
    one.set_tags({"kind": "a", "size": "1"})
    two.set_tags({"kind": "a"})
    three.terminate()

    def listed(**by: Any) -> set[str]:
        found = items(Sandbox.list, app_id=app.app_id, client=client, **by)
        return {sandbox.object_id for sandbox in found}

    assert listed() == {one.object_id, two.object_id}
    assert listed(tags={"kind": "a"}) == {one.object_id, two.object_id}
    assert listed(tags={"kind": "a", "size": "1"}) == {one.object_id}
    assert listed(tags={"kind": "b"}) == set()


def test_tags_are_replaced_as_a_whole(sandboxes: Make, call: Call) -> None:
    sandbox = sandboxes()
    call(sandbox.set_tags, {"a": "1", "b": "2"})
    call(sandbox.set_tags, {"b": "3"})

    assert call(sandbox.get_tags) == {"b": "3"}


def test_a_tag_of_another_shape_is_refused(sandboxes: Make) -> None:
    with pytest.raises(exceptions.InvalidError, match="a tag"):
        sandboxes().set_tags({"a tag": "1"})


# Afterwards


@pytest.mark.parametrize(
    "use",
    [
        lambda sandbox: sandbox.exec("true"),
        lambda sandbox: sandbox.run("true"),
        lambda sandbox: sandbox.filesystem.read_text("/etc/hostname"),
        lambda sandbox: sandbox.filesystem.write_text("x", "/tmp/x"),
        lambda sandbox: sandbox.ls("/"),
        lambda sandbox: sandbox.open("/etc/hostname"),
        lambda sandbox: list(sandbox.watch("/tmp", timeout=1)),
        lambda sandbox: sandbox.download("/tmp", "copy"),
    ],
    ids=["exec", "run", "read", "write", "ls", "open", "watch", "download"],
)
def test_nothing_can_be_done_in_a_sandbox_that_is_gone(
    sandboxes: Make, use: Callable[[Sandbox], object], tmp_path: Any, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    sandbox = sandboxes()
    sandbox.terminate()

    with pytest.raises(exceptions.NotFoundError):
        use(sandbox)


def test_writing_to_a_sandbox_that_has_ended_is_an_error(sandboxes: Make) -> None:
    sandbox = sandboxes("true")
    sandbox.wait()
    sandbox.stdin.write("word")

    with pytest.raises(ValueError, match="has ended"):
        sandbox.stdin.drain()


# The client


def test_created_sandboxes_are_recorded(client: Client) -> None:
    with client.record() as outer:
        one = Sandbox.create(client=client)
        with client.record() as inner:
            two = Sandbox.create(client=client)
    three = Sandbox.create(client=client)
    for sandbox in (one, two, three):
        sandbox.terminate()

    assert outer == [one.object_id, two.object_id]
    assert inner == [two.object_id]


def test_the_default_client_is_the_one_that_was_set(client: Client) -> None:
    assert Client.default() is client
    assert Client.from_env() is client


def test_the_environment_names_the_default_client(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = client.channels.server.path  # type: ignore[attr-defined]
    monkeypatch.setattr("pytest_sandbox._run.default_client", None)
    monkeypatch.setenv("PYTEST_SANDBOX_SOCKET", socket)
    Client.set_default(None)

    sandbox = Sandbox.create()
    sandbox.terminate()

    assert Client.default() is Client.default() is not client
    Client.default().close()


def test_a_program_gets_an_engine_of_its_own() -> None:
    """Without a test run: it is started for the process, and ends with it."""
    code = (
        # In development mode, asyncio warns of callbacks that take 0.1 seconds; on a busy machine
        # any may.
        "import logging\n"
        "logging.getLogger('asyncio').setLevel(logging.ERROR)\n"
        "import pytest_sandbox as p\n"
        "sandbox = p.Sandbox.create()\n"
        "print(sandbox.run('echo', 'hi').stdout, end='')\n"
        "print(p.Client.default().channels.server.path)\n"
    )
    inherited = ("PYTEST_SANDBOX_SOCKET", "PYTEST_SANDBOX_RUN")
    environ = {key: value for key, value in os.environ.items() if key not in inherited}
    done = subprocess.run(
        (sys.executable, "-X", "dev", "-W", "error", "-c", code),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environ,
    )

    assert done.stderr == ""
    said, socket = done.stdout.splitlines()
    assert said == "hi"
    assert not os.path.exists(os.path.dirname(socket))


def test_many_at_the_same_time(client: Client) -> None:
    """More calls than one connection takes."""

    async def one(number: int) -> str:
        sandbox = await Sandbox.create.aio(client=client)
        waiting = [asyncio.ensure_future(sandbox.wait.aio(False)) for _ in range(10)]
        result = await sandbox.run.aio("echo", str(number))
        await sandbox.terminate.aio()
        await asyncio.gather(*waiting)
        return result.stdout

    async def main() -> list[str]:
        return await asyncio.gather(*map(one, range(20)))

    assert asyncio.run(main()) == [f"{number}\n" for number in range(20)]


def test_from_trio(client: Client) -> None:
    async def main() -> str:
        sandbox = await Sandbox.create.aio(client=client)
        try:
            process = await sandbox.exec.aio("printf", "one\\ntwo\\n", bufsize=1)
            return "".join([line async for line in process.stdout])
        finally:
            await sandbox.terminate.aio()

    assert trio.run(main) == "one\ntwo\n"


def test_a_fork_uses_sandboxes_too(sandboxes: Make) -> None:
    sandbox = sandboxes()
    read, write = os.pipe()

    child = os.fork()
    if child == 0:
        try:
            os.write(write, sandbox.run("echo", "from the fork").stdout.encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read) as answer:
        assert answer.read() == "from the fork\n"
    os.waitpid(child, 0)

    assert sandbox.run("echo", "still here").stdout == "still here\n"
