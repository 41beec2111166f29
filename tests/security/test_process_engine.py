"""The engine of processes keeps what it promises, and no more is claimed of it."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from pytest_sandbox.engine import EngineInfo, ProcessSpec, SupportsPorts, Task, TaskSpec
from pytest_sandbox.local.kernel import landlock
from pytest_sandbox.processes import ProcessEngine, ProcessOptions
from pytest_sandbox.server.rpc import peers

VERSION = landlock.version()
ROOT = os.geteuid() == 0

needs_landlock = pytest.mark.skipif(not VERSION, reason="this kernel has no Landlock")
needs_ports = pytest.mark.skipif(
    landlock.PORTS_SINCE > VERSION, reason="this kernel has no Landlock for ports"
)
needs_scopes = pytest.mark.skipif(
    landlock.SCOPES_SINCE > VERSION and not ROOT, reason="this kernel has no Landlock for signals"
)
needs_root = pytest.mark.skipif(not ROOT, reason="needs root")


class Started:
    """An engine, and what it says of itself."""

    def __init__(self, engine: ProcessEngine, info: EngineInfo) -> None:
        self.engine = engine
        self.info = info


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started() -> AsyncIterator[Started]:
    engine = ProcessEngine()
    yield Started(engine, await engine.start())
    await engine.close()


@pytest_asyncio.fixture(loop_scope="module")
async def task(started: Started) -> AsyncIterator[Task]:
    task = await started.engine.create(TaskSpec())
    yield task
    await task.kill()


async def output(task: Task, *argv: str, **env: str) -> str:
    """All that a program prints, errors too."""
    process = await task.exec(ProcessSpec(argv, env=env))
    await process.close_stdin()
    data = b""
    for log in (process.stdout, process.stderr):
        data += b"".join([chunk async for chunk in log.follow()])
    await process.wait()
    return data.decode()


async def python(task: Task, code: str) -> str:
    return await output(task, "/usr/bin/python3", "-c", textwrap.dedent(code))


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file of the machine that everybody may reach and write to."""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(folder.stat().st_mode | 0o711)
    file = tmp_path / "file"
    file.write_text("before")
    file.chmod(0o666)
    return file


def assert_unchanged(outside: Path) -> None:
    assert (outside.read_text(), os.listdir(outside.parent)) == ("before", ["file"])


@pytest.mark.asyncio(loop_scope="module")
@needs_landlock
async def test_programs_write_to_nothing_but_their_folder(task: Task, outside: Path) -> None:
    script = """
    import os, sys
    path = os.environ["OUTSIDE"]
    folder = os.path.dirname(path)
    for what, call in {
        "open": lambda: open(path, "w"),
        "truncate": lambda: os.truncate(path, 0),
        "unlink": lambda: os.unlink(path),
        "rename": lambda: os.rename(path, path + "2"),
        "link": lambda: os.link(path, "linked"),
        "out": lambda: os.link("own", folder + "/linked"),
        "mkdir": lambda: os.mkdir(folder + "/made"),
        "device": lambda: open("/dev/shm/made", "w"),
        "tmp": lambda: open("/tmp/made", "w"),
    }.items():
        open("own", "w").close()
        try:
            call()
            print(what, "worked")
        except OSError as error:
            if type(error) is not PermissionError and error.errno != 18:
                print(what, error)
    """
    env = {"OUTSIDE": str(outside)}
    assert await output(task, "/usr/bin/python3", "-c", textwrap.dedent(script), **env) == ""
    assert_unchanged(outside)


@pytest.mark.asyncio(loop_scope="module")
async def test_file_operations_stay_below_the_folder_by_name(task: Task, outside: Path) -> None:
    for path in (str(outside), f"{task.folder}/../../../{outside}", f"{task.folder}2", "/"):
        for call in (
            task.files.open(path, os.O_WRONLY | os.O_TRUNC),
            task.files.stat(path),
            task.files.listdir(path),
            task.files.mkdir(f"{path}/made", parents=True),
            task.files.remove(path, recursive=True),
            task.files.replace(f"{task.default_workdir}/f", path),
            task.files.replace(path, f"{task.default_workdir}/f"),
            anext(task.files.watch(path)),
            anext(task.files.pack(path)),
        ):
            with pytest.raises(PermissionError, match="not below the sandbox's folder"):
                await call
    with pytest.raises(OSError, match="busy"):
        await task.files.remove(f"{task.folder}/home/..", recursive=True)
    assert_unchanged(outside)


@pytest.mark.asyncio(loop_scope="module")
@needs_landlock
async def test_file_operations_follow_no_link_to_where_programs_cannot_write(
    task: Task, outside: Path
) -> None:
    await output(task, "ln", "-s", str(outside.parent), "link")
    link = f"{task.default_workdir}/link"
    for call in (
        task.files.open(f"{link}/file", os.O_WRONLY | os.O_TRUNC),
        task.files.mkdir(f"{link}/made"),
        task.files.remove(f"{link}/file"),
        task.files.remove(f"{link}/", recursive=True),
    ):
        with pytest.raises(OSError, match=r"denied|directory"):
            await call
    assert_unchanged(outside)


@pytest.mark.asyncio(loop_scope="module")
@needs_root
async def test_as_root_other_sandboxes_and_secrets_are_out_of_reach(
    task: Task, started: Started, tmp_path: Path
) -> None:
    other = await started.engine.create(TaskSpec())
    await output(other, "sh", "-c", "echo canary > f; chmod 666 f")
    mine, theirs = [(await one.files.stat(one.folder)).uid for one in (task, other)]
    secret = tmp_path / "secret"
    secret.write_text("canary")
    secret.chmod(0o600)

    for path in (f"{other.default_workdir}/f", f"{other.folder}", str(secret), "/etc/shadow"):
        assert "ermission denied" in await output(task, "cat", path)
    assert "ermission denied" in await output(task, "ls", os.path.dirname(other.folder))
    assert "ermission denied" in await output(task, "ls", other.folder)
    assert len({0, mine, theirs}) == 3
    assert (await output(task, "id", "-u")).strip() == str(mine)
    assert "CapPrm:\t0000000000000000" in await output(task, "cat", "/proc/self/status")
    await other.kill()


@pytest.mark.asyncio(loop_scope="module")
@needs_scopes
async def test_programs_signal_no_process_of_others(task: Task) -> None:
    for number in (0, signal.SIGWINCH):  # which would do no harm
        code = f"import os; os.kill({os.getpid()}, {number:d})"
        assert "PermissionError" in await python(task, code)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_sandbox_gains_no_rights(task: Task) -> None:
    status = dict(
        line.split(":\t", 1)
        for line in (await output(task, "cat", "/proc/self/status")).splitlines()
    )
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert "ermitted" in await output(task, "unshare", "--user", "true")


@pytest.mark.asyncio(loop_scope="module")
@needs_ports
async def test_programs_connect_to_no_port_but_those_of_the_option() -> None:
    code = "import socket; socket.create_connection(('127.0.0.1', {})); print('connected')"
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("", 0)) as two:
        open_port, closed_port = one.getsockname()[1], two.getsockname()[1]
        engine = ProcessEngine(ProcessOptions(connect=(open_port,)))
        await engine.start()
        task = await engine.create(TaskSpec())
        assert await python(task, code.format(open_port)) == "connected\n"
        assert "PermissionError" in await python(task, code.format(closed_port))
        script = """
        import socket
        for family in (socket.AF_INET, socket.AF_INET6):
            for kind, protocol in ((2, 0), (1, 262), (1, 132), (5, 132), (2, 1), (1, 6), (1, 0)):
                for flags in (0, socket.SOCK_NONBLOCK):
                    try:
                        socket.socket(family, kind | flags, protocol)
                        print(kind, protocol)
                    except OSError:
                        pass
        """
        assert sorted(set((await python(task, script)).splitlines())) == ["1 0", "1 6"]
        assert await python(task, "import socket; print(len(socket.socketpair()))") == "2\n"
        fast = (
            "s.sendto(b'', socket.MSG_FASTOPEN, a)",
            "s.sendmsg([b''], [], socket.MSG_FASTOPEN, a)",
        )
        for call in fast:
            code = f"import socket; s = socket.socket(); a = '127.0.0.1', {closed_port}; {call}"
            assert "not supported" in await python(task, code)
        await engine.close()


@pytest.mark.asyncio(loop_scope="module")
async def test_only_its_own_listeners_are_connected_to(task: Task, started: Started) -> None:
    other = await started.engine.create(TaskSpec())
    serve = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1],"
        "flush=True); s.accept()[0].sendall(b'theirs')"
    )
    process = await other.exec(ProcessSpec(("/usr/bin/python3", "-c", serve)))
    port = int(await process.stdout.read(0))
    with socket.create_server(("127.0.0.1", 0)) as mine:
        for taken in (port, mine.getsockname()[1]):
            with pytest.raises(ConnectionRefusedError, match="no process of this sandbox"):
                await SupportsPorts.of(task).connect(taken)
    connection = await SupportsPorts.of(other).connect(port)
    assert await connection.read(100) == b"theirs"
    await connection.close()
    await other.kill()


@pytest.mark.asyncio(loop_scope="module")
async def test_without_landlock_it_says_so_and_works() -> None:
    engine = ProcessEngine(ProcessOptions(landlock=False))
    info = await engine.start()
    task = await engine.create(TaskSpec())
    assert "no Landlock" in info.mode
    assert "that of this machine" in info.details["network"]
    assert (
        "such as /tmp" in info.details["writing"] if ROOT else "you may" in info.details["writing"]
    )
    assert await output(task, "sh", "-c", "echo x > f; cat f") == "x\n"
    await engine.close()


@pytest.mark.asyncio(loop_scope="module")
async def test_it_says_what_it_is(started: Started) -> None:
    assert started.info.mode.startswith("NO ISOLATION, ")
    assert started.info.details["isolation"].startswith("NO ISOLATION of files")
    assert ("own user id" in started.info.mode) is ROOT or "your own" in started.info.mode


START = """
import asyncio
from pytest_sandbox.engine import TaskSpec
from pytest_sandbox.processes import ProcessEngine

async def main():
    engine = ProcessEngine()
    await engine.start()
    task = await engine.create(TaskSpec())
    print((await task.files.stat(task.folder)).uid)
    await engine.close()

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("prefix", "reason"),
    [
        (["unshare", "--user", "--map-root-user"], "root is in has too few user ids"),
        (
            ["setpriv", "--bounding-set=-kill", "--inh-caps=-kill"],
            "root lacks the capabilities KILL",
        ),
    ],
    ids=["namespace", "capability"],
)
def test_root_that_cannot_be_other_users_is_refused(prefix: list[str], reason: str) -> None:
    if prefix[0] == "setpriv" and not ROOT:
        pytest.skip("needs root")
    done = subprocess.run(
        [*prefix, sys.executable, "-c", START], capture_output=True, text=True, check=False
    )
    assert reason in done.stderr
    assert "Run pytest as an ordinary user." in done.stderr


@needs_root
def test_root_of_a_container_with_few_user_ids_gives_those() -> None:
    shell = 'read line; exec "$0" -c "$1"'
    command = ["unshare", "--user", "sh", "-c", shell, sys.executable, START]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as run:  # type: ignore[call-overload]
        until_in_another_namespace(run.pid)
        for kind in ("uid", "gid"):
            Path(f"/proc/{run.pid}/{kind}_map").write_text("0 0 65536")
        output, _ = run.communicate("\n")
    assert 57952 <= int(output) < 60000


def until_in_another_namespace(pid: int) -> None:
    deadline = time.monotonic() + 20
    while os.readlink(f"/proc/{pid}/ns/user") == os.readlink("/proc/self/ns/user"):
        assert time.monotonic() < deadline, "unshare did nothing"
        time.sleep(0.005)


@pytest.mark.asyncio(loop_scope="module")
async def test_programs_set_limits_of_no_other_process(task: Task) -> None:
    code = """
        import os, resource
        try:
            resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (0, 0))
        except PermissionError:
            resource.prlimit(0, resource.RLIMIT_NOFILE, (64, 64))
            print("its own alone")
    """
    assert await python(task, code) == "its own alone\n"


def test_a_program_whose_calls_are_filtered_is_no_client() -> None:
    code = """
        import ctypes, socket, sys
        from pytest_sandbox.local.kernel import seccomp, syscalls
        if sys.argv[2]:
            ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)  # no new rights, as in a sandbox
            seccomp.install(seccomp.program(syscalls.MACHINE))
        client = socket.socket(socket.AF_UNIX)
        client.connect(sys.argv[1].replace("@", chr(0)))
        client.recv(1)
    """
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("\0" + os.urandom(8).hex())
        listening.listen()
        said = []
        for filtered in ("", "yes"):
            name = listening.getsockname().decode()
            command = [sys.executable, "-c", textwrap.dedent(code), name, filtered]
            with subprocess.Popen([each.replace("\0", "@") for each in command]):
                accepted, _ = listening.accept()
                with accepted:
                    said.append(peers.refusal(accepted))
    assert said[0] == ""
    assert "is a program of a sandbox: its system calls are filtered" in said[1]
