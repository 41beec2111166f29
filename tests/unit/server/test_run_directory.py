"""The lease of a run directory, and the engine process as a whole."""

import dataclasses
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.empty_pb2 import Empty
from grpclib.client import Channel

from pytest_sandbox._proto import inspector_pb2
from pytest_sandbox._proto.control_grpc import ModalClientStub
from pytest_sandbox._proto.inspector_grpc import InspectorStub
from pytest_sandbox._shared.run_directory import remove
from pytest_sandbox.engine import EngineUnavailable, check_options
from pytest_sandbox.engines import load_engine
from pytest_sandbox.local import LocalOptions, Mode
from pytest_sandbox.server import lease as lease_module

#: Holds the lease named by its argument until its standard input ends.
HOLDER = """
import fcntl, os, sys
fcntl.lockf(os.open(sys.argv[1], os.O_RDWR | os.O_CREAT), fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(lease: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that holds a lease: a record lock does not keep its own process out."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lease)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def run_directory(parent: Path, name: str = "pytest-sandbox-the_run1") -> Path:
    directory = parent / name
    directory.mkdir(mode=0o700)
    return directory


def test_a_lease_is_free_once_its_holder_is_killed(tmp_path: Path) -> None:
    directory = run_directory(tmp_path)
    freed = threading.Event()
    with holder(directory / "lease") as process:
        lease_module.watch(directory, freed.set)
        assert not freed.wait(0.05)
        process.kill()
        assert freed.wait(10)


def test_a_lease_that_does_not_exist_is_free(tmp_path: Path) -> None:
    freed = threading.Event()
    lease_module.watch(tmp_path, freed.set)
    assert freed.wait(10)


def test_a_directory_is_removed_with_all_that_is_in_it(tmp_path: Path) -> None:
    directory = run_directory(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    (directory / "templates" / "deeper").mkdir(parents=True)
    for name in ("lease", "server.log", "reported-0123", "templates/4567", "templates/deeper/x"):
        (directory / name).touch()
    (directory / "link").symlink_to(elsewhere)
    (directory / "templates" / "link").symlink_to(elsewhere)
    remove(directory)
    assert not directory.exists()
    assert (elsewhere / "file").exists()


def test_what_is_no_run_directory_is_not_removed(tmp_path: Path) -> None:
    """`--run-dir` may name anything."""
    link = tmp_path / "pytest-sandbox-thelink1"
    link.symlink_to(run_directory(tmp_path))
    shared = run_directory(tmp_path, "pytest-sandbox-shared_1")
    shared.chmod(0o755)
    named = [run_directory(tmp_path, f"pytest-sandbox-{name}") for name in ("mine", "EXAMPLES")]
    others = [link, shared, *named]
    for directory in others:
        (directory / "lease").touch()
        remove(directory)
        lease_module.sweep(directory.parent, tmp_path)
    assert all((directory / "lease").exists() for directory in others[1:])
    assert link.is_symlink()


def test_a_directory_whose_removal_was_cut_short_is_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each call of the kernel that it takes."""
    for cut in range(6):
        directory = run_directory(tmp_path)
        for name in ("lease", "server.log", "reported-0123", "socket"):
            (directory / name).touch()
        calls = iter(range(cut))
        with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
            for call in ("unlink", "rmdir"):
                patch.setattr(os, call, interrupted(getattr(os, call), calls))
            remove(directory)
        lease_module.sweep(tmp_path, tmp_path)
        assert not directory.exists(), cut


def interrupted(call: Callable[..., None], calls: Iterator[int]) -> Callable[..., None]:
    """The call, as long as there is one left."""

    def wrapper(*args: Any, **keywords: Any) -> None:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        call(*args, **keywords)

    return wrapper


def test_only_free_directories_are_swept(tmp_path: Path) -> None:
    mine = run_directory(tmp_path, "pytest-sandbox-this_run")
    (mine / "lease").touch()
    free = run_directory(tmp_path, "pytest-sandbox-free_one")
    for name in ("lease", "server.log"):
        (free / name).touch()
    elsewhere = run_directory(tmp_path, "elsewhere")
    (elsewhere / "lease").touch()
    (tmp_path / "pytest-sandbox-thelink1").symlink_to(elsewhere)
    held = run_directory(tmp_path, "pytest-sandbox-held_one")
    making = run_directory(tmp_path, "pytest-sandbox-making_1")
    with holder(held / "lease"), holder(making / "lease.new"):
        lease_module.sweep(tmp_path, mine)
    assert not free.exists()
    assert all(path.exists() for path in (mine, making, held, elsewhere / "lease"))


@pytest.mark.parametrize("files", [(), ("lease.new",)])
def test_a_directory_whose_owner_died_before_it_held_the_lease_is_swept(
    tmp_path: Path, files: tuple[str, ...]
) -> None:
    directory = run_directory(tmp_path, "pytest-sandbox-lostowne")
    for name in files:
        (directory / name).touch()
    lease_module.sweep(tmp_path, tmp_path / "mine")
    assert not directory.exists()


def test_a_directory_with_other_things_in_it_and_no_lease_is_not_swept(tmp_path: Path) -> None:
    directory = run_directory(tmp_path, "pytest-sandbox-mynotes1")
    (directory / "notes").touch()
    lease_module.sweep(tmp_path, tmp_path / "mine")
    assert (directory / "notes").exists()


def test_a_lease_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.touch()
    directory = run_directory(tmp_path)
    (directory / "lease").symlink_to(victim)
    lease_module.sweep(tmp_path, tmp_path / "mine")
    assert (directory / "lease").is_symlink()


def test_the_engine_process_refuses_an_option_without_a_value(tmp_path: Path) -> None:
    directory = run_directory(tmp_path)

    with engine_process(directory, "--engine", "local", "--engine-option", "disk") as process:
        told = answer(process)

    assert told["error"]["reason"] == "--engine-option: expected name=value, not 'disk'"


# Engines by name


def test_an_unknown_engine_names_those_that_are_known() -> None:
    with pytest.raises(EngineUnavailable, match="'warp'") as caught:
        load_engine("warp")
    assert "local" in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("disk", "x", "a whole number of at least 1, got 'x'"),
        ("processes", "0", "a whole number of at least 1, got '0'"),
        ("mode", "strong", "one of root-shifted, .*, single, got 'strong'"),
        ("criu", "", "a path, got ''"),
    ],
)
def test_an_option_whose_value_makes_no_sense_is_refused(
    name: str, value: str, expected: str
) -> None:
    with pytest.raises(EngineUnavailable, match=f"option '{name}' of the engine 'local'") as caught:
        load_engine("local", {name: value})
    assert re.search(expected, caught.value.reason)


def test_an_unknown_option_is_refused_with_what_there_is_and_the_nearest() -> None:
    with pytest.raises(
        EngineUnavailable, match="'local' has no option 'dsik', got dsik=7"
    ) as known:
        load_engine("local", {"dsik": "7"})
    options = ", ".join(sorted(field.name for field in dataclasses.fields(LocalOptions)))
    assert known.value.remedy == f"It has {options}; did you mean 'disk'?"

    with pytest.raises(EngineUnavailable, match="'fake' has no option 'disk'") as unlike:
        load_engine("fake", {"disk": "7"})
    assert unlike.value.remedy == "It has script."

    with pytest.raises(EngineUnavailable) as optionless:
        check_options("mine", {"disk": "7"}, ())
    assert optionless.value.remedy == "It takes no options."


def test_options_of_the_local_engine_are_parsed() -> None:
    options = LocalOptions.parse(
        {"mode": "root-plain", "disk": "1", "store": "2", "processes": "3", "criu": "/x"}
    )
    assert options == LocalOptions(Mode.ROOT_PLAIN, 1, 2, 3, "/x")


#: A package that provides the engine in memory under the name `stub`.
PROVIDER = """
import asyncio
from pytest_sandbox.engine import SystemClock
from pytest_sandbox.engines import hookimpl
from pytest_sandbox.fakes import FakeEngine

class Stuck(FakeEngine):
    async def close(self):
        await asyncio.Event().wait()

@hookimpl
def pytest_sandbox_engines():
    return {
        "stub": lambda options: FakeEngine(clock=SystemClock()),
        "stuck": lambda options: Stuck(clock=SystemClock()),
    }
"""


@pytest.fixture
def provider(tmp_path: Path) -> Path:
    """A folder for `PYTHONPATH` with an installed package that brings an engine."""
    folder = tmp_path / "site"
    info = folder / "provider-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "provider.py").write_text(PROVIDER)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: provider\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[pytest_sandbox]\nstub = provider\n")
    return folder


@contextmanager
def engine_process(
    directory: Path, *options: str, path: Path | None = None, code: str = ""
) -> Iterator["subprocess.Popen[str]"]:
    program = ("-c", code) if code else ("-m", "pytest_sandbox.server")
    with subprocess.Popen(
        [sys.executable, *program, "--run-dir", str(directory), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(path or "")},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def answer(process: "subprocess.Popen[str]") -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.stderr and process.stderr.read()
    return json.loads(line)


@asynccontextmanager
async def connected(socket: str) -> AsyncIterator[Channel]:
    channel = Channel(path=socket)
    await ModalClientStub(channel).ClientHello(Empty())
    yield channel
    channel.close()


@pytest.mark.asyncio
async def test_the_engine_process_serves_until_its_owner_dies(
    tmp_path: Path, provider: Path
) -> None:
    directory = run_directory(tmp_path)
    with (
        holder(directory / "lease") as owner,
        engine_process(directory, "--engine", "stub", path=provider) as process,
    ):
        ready = answer(process)
        assert ready["pid"] == process.pid
        assert ready["tcp"] is None
        assert ready["engine"]["name"] == "fake"
        assert (directory / "socket").stat().st_mode & 0o777 == 0o600
        async with connected(ready["socket"]) as channel:
            engine = await InspectorStub(channel).Engine(inspector_pb2.InspectorEngineRequest())
            assert engine.name == "fake"
            owner.kill()
            # Although a client is still connected.
            assert process.wait(10) == 0
    assert not directory.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_engine_process_ends_when_told(
    tmp_path: Path, provider: Path, number: signal.Signals
) -> None:
    directory = run_directory(tmp_path)
    with holder(directory / "lease"):
        with engine_process(directory, "--engine", "stub", path=provider) as process:
            answer(process)
            process.send_signal(number)
            assert process.wait(10) == 0
        assert not directory.exists()


#: The engine process, in less of a hurry to be ready than to end.
HASTY = """
import sys
from pytest_sandbox.server import __main__, run_process
run_process.CLOSE_TIMEOUT = 0.1
sys.exit(__main__.main())
"""


def test_an_engine_that_does_not_close_is_given_up(tmp_path: Path, provider: Path) -> None:
    directory = run_directory(tmp_path)
    with (
        holder(directory / "lease") as owner,
        engine_process(directory, "--engine", "stuck", path=provider, code=HASTY) as process,
    ):
        answer(process)
        owner.kill()
        assert process.wait(10) == 1
    assert not directory.exists()


def test_an_engine_that_cannot_start_says_why_and_what_to_do(tmp_path: Path) -> None:
    directory = run_directory(tmp_path)
    with holder(directory / "lease"), engine_process(directory, "--engine", "warp") as process:
        error = answer(process)["error"]
        assert "'warp'" in error["reason"]
        assert "local" in error["remedy"]
        assert process.wait(10) == 1
    # The folder is its owner's, who has still to tell why there is no engine.
    assert (directory / "lease").exists()


def test_an_address_that_is_taken_is_an_error(tmp_path: Path, provider: Path) -> None:
    directory = run_directory(tmp_path)
    options = ("--engine", "stub", "--tcp", "192.0.2.1:1")
    with (
        holder(directory / "lease"),
        engine_process(directory, *options, path=provider) as process,
    ):
        assert "cannot listen" in answer(process)["error"]["reason"]
        assert process.wait(10) == 1


def test_a_bad_address_is_a_usage_error(tmp_path: Path) -> None:
    with engine_process(tmp_path, "--engine", "stub", "--tcp", "nowhere") as process:
        assert process.wait(10) == 2


def test_tcp_is_served_with_tokens_plain_and_over_tls(tmp_path: Path, provider: Path) -> None:
    directory = run_directory(tmp_path)
    options = ("--engine", "stub", "--tcp", "127.0.0.1:0")
    with (
        holder(directory / "lease"),
        engine_process(directory, *options, path=provider) as process,
    ):
        tcp = answer(process)["tcp"]
        environment = {**os.environ, "TCP": json.dumps(tcp)}
        caller = [sys.executable, "-c", textwrap.dedent(CALLER)]
        subprocess.run(caller, env=environment, check=True)
        process.terminate()
        process.wait(10)
    assert not directory.exists()


#: Greets the server over plain TCP and over TLS, with the certificate it was given.
CALLER = """
    import asyncio, json, os, ssl
    from urllib.parse import urlsplit
    from google.protobuf.empty_pb2 import Empty
    from grpclib.client import Channel
    from pytest_sandbox._proto.control_grpc import ModalClientStub

    tcp = json.loads(os.environ["TCP"])
    tokens = {"x-modal-token-id": tcp["token_id"], "x-modal-token-secret": tcp["token_secret"]}

    async def greet(url, context):
        parts = urlsplit(url)
        channel = Channel(parts.hostname, parts.port, ssl=context)
        await ModalClientStub(channel).ClientHello(Empty(), metadata=tokens)
        channel.close()

    asyncio.run(greet(tcp["url"], None))
    context = ssl.create_default_context(cafile=tcp["ca_file"])
    asyncio.run(greet(tcp["router_tls_url"], context))
"""


def test_record_locks_are_what_the_lease_is_made_of(tmp_path: Path) -> None:
    with holder(tmp_path / "lease"):
        descriptor = os.open(tmp_path / "lease", os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)


def test_no_engine_serves_a_run_whose_owner_is_gone(tmp_path: Path, provider: Path) -> None:
    """A process that inherited the run may outlive the owner, and ask for an engine then."""
    directory = run_directory(tmp_path)
    (directory / "lease").touch()

    with engine_process(directory, "--engine", "stub", path=provider) as process:
        assert answer(process)["error"]["reason"] == f"the run in {directory} has ended"
        assert process.wait(10) == 1

    assert not directory.exists()
