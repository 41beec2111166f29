"""The life of a sandbox: create, its main process, names, tags, listing, how it ends."""

import modal
import pytest
from modal.exception import (
    AlreadyExistsError,
    AuthError,
    InvalidError,
    NotFoundError,
    SandboxTerminatedError,
    SandboxTimeoutError,
)


def test_output_and_exit_code_of_the_main_process(create):
    sandbox = create("sh", "-c", "echo out; echo err >&2; exit 3")
    sandbox.wait()

    assert sandbox.returncode == 3
    assert sandbox.stdout.read() == "out\n"
    assert sandbox.stderr.read() == "err\n"


def test_output_is_there_for_whoever_asks_later(create):
    sandbox = create("echo", "kept")
    sandbox.wait()

    assert modal.Sandbox.from_id(sandbox.object_id).stdout.read() == "kept\n"


def test_output_comes_by_line(create):
    assert list(create("printf", r"one\ntwo\nthree").stdout) == ["one\n", "two\n", "three"]


def test_output_in_any_language(create):
    assert create("printf", "grün 木 🌲").stdout.read() == "grün 木 🌲"


def test_stdin_reaches_the_main_process(create):
    sandbox = create("cat")
    sandbox.stdin.write("one\n")
    sandbox.stdin.drain()
    sandbox.stdin.write(b"two\n")
    sandbox.stdin.write_eof()
    sandbox.stdin.drain()
    sandbox.wait()

    assert sandbox.stdout.read() == "one\ntwo\n"


def test_poll_tells_running_from_ended(create):
    sandbox = create("cat")
    assert sandbox.poll() is None
    assert sandbox.returncode is None

    sandbox.stdin.write_eof()
    sandbox.stdin.drain()
    sandbox.wait()

    assert sandbox.poll() == 0


def test_environment_secrets_and_folder(create):
    sandbox = create(
        "sh",
        "-c",
        "echo $PLAIN $HIDDEN; pwd",
        env={"PLAIN": "a"},
        secrets=[modal.Secret.from_dict({"HIDDEN": "b"})],
        workdir="/srv/place",
    )

    assert sandbox.stdout.read() == "a b\n/srv/place\n"


def test_the_default_image_has_python(create):
    sandbox = create("python3", "-c", "print(6 * 7)")

    assert sandbox.stdout.read() == "42\n"


def test_an_image_of_debian_or_python_is_this_machine(create):
    image = modal.Image.debian_slim(python_version="3.12")

    assert create("echo", "hi", image=image).stdout.read() == "hi\n"


def test_a_sandbox_without_a_command_waits_to_be_used(create):
    assert create().poll() is None


def test_terminate_raises_where_somebody_waits(create):
    sandbox = create("sleep", "60")
    sandbox.terminate()

    with pytest.raises(SandboxTerminatedError):
        sandbox.wait()


def test_terminate_is_quiet_where_it_was_expected(create):
    sandbox = create("sleep", "60")
    sandbox.terminate()
    sandbox.wait(raise_on_termination=False)

    assert sandbox.returncode == 137


def test_terminate_twice_is_once(create):
    sandbox = create("sleep", "60")
    sandbox.terminate()
    sandbox.wait(raise_on_termination=False)
    sandbox.terminate()

    assert sandbox.poll() == 137


def test_a_lifetime_ends_a_sandbox(create):
    sandbox = create("sleep", "60", timeout=1)

    with pytest.raises(SandboxTimeoutError):
        sandbox.wait()
    assert sandbox.returncode == 124


def test_too_much_memory_ends_a_sandbox(create):
    sandbox = create("python3", "-c", "held = bytearray(400 << 20)", memory=(64, 128))
    sandbox.wait()
    assert sandbox.returncode == 137


def test_idleness_ends_a_sandbox(create):
    sandbox = create(idle_timeout=1)
    sandbox.wait()

    assert sandbox.poll() is not None


def test_a_name_finds_its_sandbox(create, app):
    sandbox = create(name="worker")

    assert modal.Sandbox.from_name("scenarios", "worker").object_id == sandbox.object_id


def test_a_name_is_taken_while_its_sandbox_runs(create):
    create(name="single")

    with pytest.raises(AlreadyExistsError, match="single"):
        create(name="single")


def test_a_name_is_free_once_its_sandbox_ended(create):
    first = create(name="again")
    first.terminate()
    first.wait(raise_on_termination=False)
    with pytest.raises(NotFoundError):
        modal.Sandbox.from_name("scenarios", "again")

    assert create(name="again").object_id != first.object_id


def test_tags_are_kept(sandbox):
    sandbox.set_tags({"stage": "test", "owner": "me"})
    assert sandbox.get_tags() == {"stage": "test", "owner": "me"}

    sandbox.set_tags({"stage": "live"})
    assert sandbox.get_tags() == {"stage": "live"}


def test_a_list_shows_what_runs(create, app):
    running, ended = create(), create("true")
    ended.wait()
    listed = {sandbox.object_id for sandbox in modal.Sandbox.list(app_id=app.app_id)}

    assert running.object_id in listed
    assert ended.object_id not in listed


def test_a_list_is_narrowed_by_tags(create):
    red, blue = create(), create()
    red.set_tags({"colour": "red", "size": "small"})
    blue.set_tags({"colour": "blue"})

    assert [s.object_id for s in modal.Sandbox.list(tags={"colour": "red"})] == [red.object_id]


def test_an_id_finds_its_sandbox(create):
    sandbox = create("sh", "-c", "exit 5")
    sandbox.wait()

    assert modal.Sandbox.from_id(sandbox.object_id).returncode == 5


def test_an_unknown_id_is_not_found():
    with pytest.raises(NotFoundError):
        modal.Sandbox.from_id("sb-" + "x" * 22)


def test_an_unknown_name_is_not_found():
    with pytest.raises(NotFoundError):
        modal.Sandbox.from_name("scenarios", "nobody")


def test_an_unknown_app_is_not_found():
    with pytest.raises(NotFoundError):
        modal.App.lookup("no-such-app")


def test_an_app_is_the_same_for_everybody(app):
    assert modal.App.lookup("scenarios").app_id == app.app_id


def test_a_bad_name_is_refused(create):
    with pytest.raises(InvalidError, match="not a name"):
        create(name="not a name")


def test_wrong_credentials_are_refused():
    client = modal.Client.from_credentials("ak-nobody", "as-nothing")

    with pytest.raises(AuthError):
        modal.App.lookup("scenarios", client=client)


@pytest.mark.parametrize(
    ("option", "value"),
    [("gpu", "H100"), ("region", "nowhere"), ("cloud", "nobody")],
)
def test_what_is_not_there_is_refused_by_name(create, option, value):
    with pytest.raises(Exception, match=option.split("_")[-1].removesuffix("s")):
        create("true", **{option: value})


@pytest.mark.filterwarnings("ignore")  # newer clients have another name for the argument
def test_a_list_allows_nothing_else(create):
    script = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5).recv(1)"
    sandbox = create("python3", "-c", script, cidr_allowlist=["10.0.0.0/8"])
    sandbox.wait()

    assert sandbox.returncode == 1
    assert "Connection reset by peer" in sandbox.stderr.read()


def test_a_blocked_network_is_blocked(create):
    script = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)"
    sandbox = create("python3", "-c", script, block_network=True)
    sandbox.wait()

    assert sandbox.returncode == 1
    assert "Network is unreachable" in sandbox.stderr.read()
