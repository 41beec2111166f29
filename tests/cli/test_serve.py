"""`pytest-sandbox serve`."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from grpclib import GRPCError, Status
from grpclib.client import Channel

from pytest_sandbox._proto.apps_pb2 import AppGetOrCreateRequest
from pytest_sandbox._proto.common_pb2 import OBJECT_CREATION_TYPE_CREATE_IF_MISSING
from pytest_sandbox._proto.control_grpc import ModalClientStub
from pytest_sandbox._run import Run
from pytest_sandbox.cli import main
from pytest_sandbox.cli.serve import _tell_what_to_trust
from pytest_sandbox.server.preset_file import read_presets

SERVE = (sys.executable, "-m", "pytest_sandbox.cli", "serve")
TIMEOUT = 30.0

Serve = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def temporary(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(short_path))
    return short_path


@pytest.fixture
def serve(temporary: Path) -> Iterator[Serve]:
    """Starts the command in a session of its own; kills what is left of it."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [*SERVE, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def run(*arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*SERVE, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **env},
        check=False,
    )


def runs(temporary: Path) -> list[Path]:
    return list(temporary.glob("pytest-sandbox-*"))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def look_up_app(env: dict[str, str], *, secret: str | None = None) -> str:
    """Do what a Modal client does first, with its environment."""
    url = urlsplit(env["MODAL_SERVER_URL"])
    channel = Channel(url.hostname, url.port)
    try:
        response = await ModalClientStub(channel).AppGetOrCreate(
            AppGetOrCreateRequest(
                app_name="demo", object_creation_type=OBJECT_CREATION_TYPE_CREATE_IF_MISSING
            ),
            metadata={
                "x-modal-token-id": env["MODAL_TOKEN_ID"],
                "x-modal-token-secret": secret or env["MODAL_TOKEN_SECRET"],
            },
        )
        return response.app_id
    finally:
        channel.close()


def exports(process: "subprocess.Popen[str]") -> dict[str, str]:
    """The environment that the command prints for a shell to take over."""
    assert process.stdout is not None
    assert process.stderr is not None
    assert "until Ctrl-C" in process.stderr.readline()
    env = {}
    for _ in range(6):
        export, assignment = shlex.split(process.stdout.readline())
        assert export == "export"
        name, _, value = assignment.partition("=")
        env[name] = value
    return env


def test_a_command_runs_with_the_environment_of_a_modal_client() -> None:
    done = run("--", "env", MODAL_TOKEN_ID="mine", MODAL_CONFIG_PATH="/home/me/.modal.toml")

    env = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert env["MODAL_SERVER_URL"].startswith("http://127.0.0.1:")
    assert env["MODAL_TOKEN_ID"].startswith("ak-")
    assert env["MODAL_TOKEN_SECRET"].startswith("as-")
    assert env["MODAL_CONFIG_PATH"] == os.devnull
    assert env["SSL_CERT_FILE"].endswith("/ca.pem")


def test_the_certificates_that_a_command_trusts_are_still_among_them(tmp_path: Path) -> None:
    mine = tmp_path / "mine.pem"
    mine.write_text("my authority\n")

    done = run("--", "sh", "-c", 'cat "$SSL_CERT_FILE"', SSL_CERT_FILE=str(mine))

    assert done.stdout.endswith("my authority\n")
    assert done.stdout.startswith("-----BEGIN CERTIFICATE-----")


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("exit 0", 0),
        ("exit 7", 7),
        ("kill -TERM $$", 128 + signal.SIGTERM),
        ("kill -KILL $$", 128 + signal.SIGKILL),
    ],
)
def test_it_exits_with_the_status_of_the_command(command: str, status: int) -> None:
    assert run("--", "sh", "-c", command).returncode == status


def test_dashes_after_the_first_belong_to_the_command() -> None:
    assert run("--", "echo", "--", "--help").stdout == "-- --help\n"


def test_a_command_that_does_not_exist_is_127_and_one_that_may_not_run_126(
    tmp_path: Path,
) -> None:
    (tmp_path / "text").touch()
    missing, forbidden = run("--", "/no/such/command"), run("--", str(tmp_path / "text"))

    assert (missing.returncode, forbidden.returncode) == (127, 126)
    assert "cannot run '/no/such/command': No such file or directory" in missing.stderr


def test_dashes_without_a_command_are_refused() -> None:
    done = run("--")

    assert done.returncode == 2
    assert "-- needs a command" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_are_passed_on_to_the_command(
    serve: Serve, temporary: Path, number: signal.Signals
) -> None:
    process = serve(
        "--",
        "bash",
        "-c",
        f"trap 'echo got it; exit 5' {number.name}; echo ready; while :; do sleep 0.01; done",
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"

    process.send_signal(number)

    assert process.communicate(timeout=TIMEOUT)[0] == "got it\n"
    assert process.returncode == 5
    assert not runs(temporary)


@pytest.mark.asyncio
async def test_without_a_command_it_prints_exports_and_serves_until_interrupted(
    serve: Serve, temporary: Path
) -> None:
    process = serve()
    env = exports(process)
    assert (await look_up_app(env)).startswith("ap-")

    process.send_signal(signal.SIGINT)

    assert process.wait(TIMEOUT) == 0
    assert not runs(temporary)


@pytest.mark.asyncio
async def test_only_who_has_the_secret_is_served(serve: Serve) -> None:
    env = exports(serve())

    with pytest.raises(GRPCError) as caught:
        await look_up_app(env, secret="as-guessed")

    assert caught.value.status is Status.UNAUTHENTICATED


def test_it_ends_when_the_engine_dies(serve: Serve, temporary: Path) -> None:
    process = serve()
    exports(process)
    (start_lock,) = temporary.glob("pytest-sandbox-*/start.lock")
    engine = json.loads(start_lock.read_text())["ready"]["pid"]

    os.kill(engine, signal.SIGKILL)

    assert process.wait(TIMEOUT) == 1
    assert process.stderr is not None
    assert f"the engine process {engine} died" in process.stderr.read()


def test_killing_it_ends_the_engine(serve: Serve, temporary: Path) -> None:
    process = serve()
    exports(process)

    process.kill()

    until(lambda: not runs(temporary))


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "[2001:db8::1]", "example.org"])
def test_an_address_that_others_can_reach_is_refused_with_the_reason(
    host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--host", host]) == 2
    message = capsys.readouterr().err
    assert host in message
    assert "TLS" in message
    assert "--allow-remote" in message


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "[::]"])
def test_all_addresses_at_once_are_refused_as_clients_must_be_told_one(
    host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--host", host, "--allow-remote"]) == 2
    assert f"--host {host} is not an address" in capsys.readouterr().err


def test_another_address_is_tried_when_that_is_allowed() -> None:
    done = run("--host", "192.0.2.1", "--allow-remote", "--", "true")

    assert done.returncode == 1
    assert "cannot listen" in done.stderr


@pytest.mark.parametrize(
    ("url", "ca_file", "told"),
    [
        ("https://192.0.2.1:1", "/run/ca.pem", True),
        ("https://192.0.2.1:1", None, False),
        ("http://127.0.0.1:1", "/run/ca.pem", False),
    ],
)
def test_what_clients_elsewhere_have_to_trust_is_told(
    capsys: pytest.CaptureFixture[str], url: str, ca_file: str | None, told: bool
) -> None:
    _tell_what_to_trust({"url": url, "ca_file": ca_file})

    assert ('cat /run/ca.pem >> "$(python -m certifi)"' in capsys.readouterr().err) is told


def test_the_address_is_the_one_that_was_asked_for() -> None:
    for host, shown in (("127.0.0.2", "127.0.0.2"), ("::1", "[::1]"), ("[::1]", "[::1]")):
        done = run("--host", host, "--", "printenv", "MODAL_SERVER_URL")
        assert done.stdout.startswith(f"http://{shown}:"), done.stderr


def test_the_port_can_be_chosen_and_a_taken_one_is_an_error(serve: Serve) -> None:
    port = urlsplit(exports(serve())["MODAL_SERVER_URL"]).port

    done = run("--port", str(port), "--", "true")

    assert done.returncode == 1
    assert "cannot listen" in done.stderr


def test_options_of_the_engine_are_checked() -> None:
    bad = run("--engine-option", "disk", "--", "true")
    assert bad.returncode == 2
    assert bad.stderr == (
        "pytest-sandbox serve: --engine-option: expected name=value, not 'disk'\n"
    )

    unknown = run("--engine-option", "dsik=1", "--", "true")
    assert unknown.returncode == 1
    assert "did you mean 'disk'?" in unknown.stderr


def test_an_engine_that_does_not_exist_is_an_error() -> None:
    done = run("--engine", "docker", "--", "true")

    assert done.returncode == 1
    assert "there is no engine 'docker'" in done.stderr
    assert "Traceback" not in done.stderr


PRESET = """
[secrets.openai]
OPENAI_API_KEY = "sk-test"

[volumes.models]
folder = "models"

[proxies.egress]
addresses = ["192.0.2.1"]

[environments.staging.secrets.openai]
OPENAI_API_KEY = "sk-staging"
"""

#: What finds presets, as a program does.
FINDS = """
from pytest_sandbox import Sandbox, Secret, Volume

for environment, key in ((None, "sk-test"), ("staging", "sk-staging")):
    secret = Secret.from_name("openai", environment_name=environment)
    sandbox = Sandbox.create(secrets=[secret], volumes={"/models": Volume.from_name("models")})
    assert sandbox.run("printenv", "OPENAI_API_KEY").stdout == key + "\\n"
    assert sandbox.run("cat", "/models/small/weights").stdout == "1 2 3"
"""


@pytest.mark.parametrize("engine", ["local", "fake"])
def test_presets_are_found_by_name(engine: str, tmp_path: Path) -> None:
    (tmp_path / "models" / "small").mkdir(parents=True)
    (tmp_path / "models" / "small" / "weights").write_text("1 2 3")
    (tmp_path / "preset.toml").write_text(PRESET)
    run_of_all = Run.create()
    try:
        further = ("--preset", str(tmp_path / "preset.toml"))
        server = run_of_all.start(engine, further=further)
        env = {**os.environ, "PYTEST_SANDBOX_SOCKET": server.socket}
        subprocess.run([sys.executable, "-c", FINDS], env=env, check=True)
    finally:
        run_of_all.close()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[secret.x]", "secret: there is no such table; did you mean 'secrets'?"),
        ("[secrets.x]\nA = 1", "secrets.x.A must be a string, not int"),
        (
            "[environments.staging.volumes.v]\nfolder = 'no'",
            "environments.staging.volumes.v.folder",
        ),
        ("[volumes.v]\nfile = 'no'", "volumes.v.file: there is only 'folder'"),
        ("[proxies.p]\naddresses = ['x']", "proxies.p.addresses: 'x' is no address"),
        ("secrets = 3", "secrets must be a table, not 3"),
        ("[secrets", "preset.toml': Expected"),
    ],
)
def test_a_preset_that_says_something_else_is_refused(
    content: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / "preset.toml").write_text(content)

    with pytest.raises(ValueError, match=re.escape(words)):
        read_presets(tmp_path / "preset.toml")


def test_a_preset_with_a_name_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "preset.toml").write_text('[secrets."a b"]')

    done = run("--engine", "fake", "--preset", str(tmp_path / "preset.toml"), "--", "true")

    assert done.returncode == 1
    assert "--preset: invalid secret name 'a b'" in done.stderr


SCRIPT = """
def script(fake):
    fake.on_exec("make", "test").reply(stdout="1 failed\\n", code=2)
    fake.on_exec("make", "test", tags={"stage": "green"}).reply(stdout="passed\\n")
"""

#: What runs scripted commands, as a program does.
MAKES = """
from pytest_sandbox import Sandbox

for tags, output in (({}, "1 failed\\n"), ({"stage": "green"}, "passed\\n")):
    assert Sandbox.create(tags=tags).run("make", "test").stdout == output
"""


def test_commands_are_scripted_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "scripts.py").write_text(SCRIPT)
    run_of_all = Run.create()
    try:
        server = run_of_all.start("fake", {"script": str(tmp_path / "scripts.py")})
        env = {**os.environ, "PYTEST_SANDBOX_SOCKET": server.socket}
        subprocess.run([sys.executable, "-c", MAKES], env=env, check=True)
    finally:
        run_of_all.close()


def test_a_file_of_scripts_that_fails_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "none.py").write_text("")
    (tmp_path / "bad.py").write_text("def script(fake): fake.on_exec()")

    none = run("--engine", "fake", "--script", str(tmp_path / "none.py"), "--", "true")
    bad = run("--engine", "fake", "--script", str(tmp_path / "bad.py"), "--", "true")

    assert none.returncode == bad.returncode == 1
    assert "has no function 'script'" in none.stderr
    assert "bad.py' failed in line 1, 'def script(fake): fake.on_exec()': " in bad.stderr
    assert "Traceback" not in bad.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--script", "x.py"], "--script is for --engine fake"),
        (["--certificate", "x.pem"], "--certificate and --key need each other"),
        (["--certificate", "x.pem", "--key", "y.pem"], "--certificate is for --allow-remote"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *arguments, "--", "true"]) == 2
    assert words in capsys.readouterr().err
