"""The fixture `modal_server`, with the real client in the same process."""

import asyncio
import os
import subprocess
import sys
import time

import modal
import pytest
from modal.exception import NotFoundError

#: As programs have them in their modules; the ids that servers give them must not outlive those.
IMAGE = modal.Image.debian_slim()
CREATE = "SandboxCreateV2" if modal.__version__ >= "1.6" else "SandboxCreate"


def program(*command, **options):
    """What a program does that knows nothing of tests."""
    app = modal.App.lookup("program", create_if_missing=True)
    sandbox = modal.Sandbox.create(app=app, image=IMAGE, timeout=600, **options)
    process = sandbox.exec(*command)
    return sandbox, process.stdout.read(), process.wait()


def test_the_client_runs_on_the_engine_of_the_run(modal_server):
    sandbox, output, code = program("echo", "hello")

    assert (output, code) == ("hello\n", 0)
    assert modal_server.sandbox_ids == [sandbox.object_id]
    assert modal_server.rpcs.of(CREATE).one().definition.timeout_secs == 600
    assert modal_server.rpcs.in_phase("call").of(CREATE).count == 1


LOOKED_UP = []


@pytest.mark.parametrize("turn", [1, 2])
def test_what_a_program_remembers_is_valid_in_the_next_test(modal_server, turn):
    if not LOOKED_UP:
        LOOKED_UP.append(modal.App.lookup("remembered", create_if_missing=True))

    sandbox = modal.Sandbox.create(app=LOOKED_UP[0], image=IMAGE)

    assert modal_server.sandbox_ids == [sandbox.object_id]


ENDED = []


@pytest.mark.parametrize("turn", [1, 2])
def test_sandboxes_end_with_their_test(modal_server, turn):
    if ENDED:
        assert modal.Sandbox.from_id(ENDED[0]).poll() is not None
    ENDED.append(program("true")[0].object_id)


@pytest.mark.modal_server(engine="fake", files={"/srv/data": "seed"})
@pytest.mark.parametrize("turn", [1, 2])
def test_commands_are_scripted_in_memory(modal_server, turn):
    modal_server.fake.on_exec("make", "test").reply(stdout="1 failed\n", code=2)

    sandbox, output, code = program("make", "test")

    assert (output, code) == ("1 failed\n", 2)
    assert modal_server.fake.filesystem(sandbox.object_id).read_text("/srv/data") == "seed"


def test_both_engines_have_their_own_sandboxes(modal_server, fake_sandboxes):
    assert modal_server.fake is fake_sandboxes
    assert program("echo", "hello")[1] == "hello\n"


@pytest.mark.modal_server(engine="fake")
def test_time_passes_while_the_program_waits_and_not_while_it_works(modal_server):
    before = time.monotonic()
    sandbox, _, code = program("sleep", "300")
    assert code == 0
    assert modal_server.fake.clock.monotonic() >= 300
    assert time.monotonic() - before < 30

    process = sandbox.exec("cat")
    until = time.monotonic() + 0.1
    while time.monotonic() < until:
        pass
    assert sandbox.poll() is None
    process.stdin.write_eof()
    process.stdin.drain()
    assert process.wait() == 0

    modal_server.fake.clock.advance(301)
    assert sandbox.poll() is not None


def test_faults(modal_server):
    modal_server.faults.on(CREATE).status("UNAVAILABLE").times(2)

    assert program("echo", "hello")[1] == "hello\n"
    statuses = [call.status for call in modal_server.rpcs.of(CREATE)]
    assert statuses == ["UNAVAILABLE", "UNAVAILABLE", "OK"]


CHILD = """
import modal
app = modal.App.lookup("child", create_if_missing=True)
modal.Sandbox.create("sleep", "60", app=app)
"""


def test_child_processes_connect_to_the_server_too(modal_server):
    subprocess.run([sys.executable, "-c", CHILD], check=True)

    assert len(modal_server.sandbox_ids) == 1


@pytest.mark.modal_server(engine="fake")
def test_loops_of_their_own_can_be_used(modal_server):
    async def one(number):
        app = await modal.App.lookup.aio("program", create_if_missing=True)
        sandbox = await modal.Sandbox.create.aio(app=app, image=IMAGE)
        process = await sandbox.exec.aio("sh", "-c", f"sleep 10; echo {number}")
        return await process.stdout.read.aio()

    async def together():
        return await asyncio.gather(*map(one, range(3)))

    assert asyncio.run(together()) == ["0\n", "1\n", "2\n"]


@pytest.mark.asyncio
async def test_async_tests(modal_server):
    app = await modal.App.lookup.aio("program", create_if_missing=True)
    sandbox = await modal.Sandbox.create.aio(app=app)
    process = await sandbox.exec.aio("echo", "hi")

    assert await process.stdout.read.aio() == "hi\n"


@pytest.mark.modal_server(engine="fake")
def test_volumes_and_secrets_by_name_are_those_of_the_server(modal_server):
    with pytest.raises(NotFoundError):
        modal.Secret.from_name("credentials").hydrate()
    modal_server.fake.volume("models").write("/weights", "1 2 3")
    volume = modal.Volume.from_name("models")

    assert program("cat", "/models/weights", volumes={"/models": volume})[1] == "1 2 3"


@pytest.mark.modal_server(preset="presets.toml")
@pytest.mark.parametrize("engine", ["fake", "local"])
def test_presets_are_found_by_name(request, engine):
    request.applymarker(pytest.mark.modal_server(engine=engine))
    request.getfixturevalue("modal_server")
    secret = modal.Secret.from_name("credentials", environment_name="staging")
    proxy = modal.Proxy.from_name("egress")

    assert program("printenv", "TOKEN", secrets=[secret], proxy=proxy)[1] == "of-staging\n"


def test_the_environment_is_as_before(request):
    assert os.environ.get("MODAL_SERVER_URL") is None
    assert modal.config.config["token_id"] == "of-the-user"


def test_sandboxes_can_be_looked_at_from_outside(modal_server):
    from pytest_sandbox import Sandbox

    sandbox = program("touch", "/srv/made")[0]

    same = Sandbox.from_id(sandbox.object_id, client=modal_server.client)
    assert same.filesystem.read_bytes("/srv/made") == b""
