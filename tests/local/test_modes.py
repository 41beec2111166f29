"""Every mode that this machine allows isolates in the same way; none is chosen silently."""

import contextlib
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_sandbox.engine import EngineError, EngineUnavailable, ProcessSpec, PtySize, TaskSpec
from pytest_sandbox.local import LocalEngine, LocalOptions, Mode, probe

from .conftest import (
    as_somebody,
    content,
    exists,
    needs_root,
    python_of_everybody,
    shell,
    their_env,
)

ROOT_MODES = (Mode.ROOT_SHIFTED, Mode.ROOT_SHARED, Mode.ROOT_IDENTITY, Mode.ROOT_PLAIN)


@pytest.mark.asyncio
async def test_a_sandbox_is_a_machine_of_its_own(moded: LocalEngine) -> None:
    task = await moded.create(TaskSpec(hostname="inside"))
    done = await shell(
        task, "id -u; uname -n; echo $$; set -- /proc/[0-9]*; echo $#; ls /sys/class/net"
    )
    uid, hostname, pid, count, *networks = done.out.split()
    assert (uid, hostname, networks) == ("0", "inside", ["lo"])
    assert int(pid) < 10
    assert int(count) < 10
    own = await shell(
        task, "for n in user mnt pid net ipc uts cgroup; do readlink /proc/self/ns/$n; done"
    )
    ours = {os.readlink(f"/proc/self/ns/{name}") for name in os.listdir("/proc/self/ns")}
    shared = {name.partition(":")[0] for name in ours & set(own.out.split())}
    assert len(own.out.split()) == 7
    assert shared == ({"user"} if moded.factory.zygote.mode is Mode.ROOT_PLAIN else set())
    await task.kill()


@pytest.mark.asyncio
async def test_root_inside_has_few_rights(moded: LocalEngine) -> None:
    task = await moded.create(TaskSpec())
    done = await shell(task, "grep -E 'Cap|NoNewPrivs|Seccomp:' /proc/self/status")
    status = dict(line.split(":\t") for line in done.out.splitlines())
    kept = sum(1 << bit for bit in (0, 1, 3, 4, 5, 6, 7, 8, 10, 31))
    assert int(status["CapBnd"], 16) == int(status["CapEff"], 16) == kept
    assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    for forbidden in (
        "mount -t tmpfs x /mnt",
        "unshare -n true",
        "mknod /tmp/x b 8 0",
        "echo 1 > /proc/sys/kernel/panic",
        "echo b > /proc/sysrq-trigger",
        "hostname other",
        "chroot / true",
        "cat /proc/1/environ",
    ):
        assert (await shell(task, forbidden)).code != 0, forbidden
    await task.kill()


@pytest.mark.asyncio
async def test_kernel_files_are_hidden_or_read_only(moded: LocalEngine) -> None:
    task = await moded.create(TaskSpec())
    hidden = "/proc/kcore /proc/keys /proc/timer_list /proc/sched_debug /proc/latency_stats"
    done = await shell(
        task,
        f"cat {hidden} 2>/dev/null | wc -c; ls /proc/acpi /sys/firmware 2>/dev/null | grep -v :",
    )
    assert done.out.split() == ["0"]
    done = await shell(
        task,
        "for f in /proc/sys/kernel/panic /proc/irq /sys/kernel; do test -w $f && echo $f; done;"
        "awk '$2 ~ /^\\/(proc\\/sys|sys)$/ {print $4}' /proc/mounts",
    )
    assert len(done.out.split()) == 2
    assert all(options.startswith("ro,") for options in done.out.split())
    await task.kill()


def open_to_all(folder: Path) -> None:
    """Let everybody write to a folder, whose parents pytest made for us alone."""
    for parent in folder.parents:
        if not parent.stat().st_mode & 0o001:
            parent.chmod(0o711)
    folder.chmod(0o777)


@pytest.mark.asyncio
async def test_links_to_descriptors_lead_nowhere_while_a_sandbox_is_made(
    moded: LocalEngine, tmp_path: Path
) -> None:
    """What makes it has some of the machine's directories open, until it looks up its own."""
    open_to_all(tmp_path)
    numbers = range(3, 20)
    task = await moded.create(TaskSpec())
    for number in numbers:
        way = f"/proc/self/fd/{number}{8 * '/..'}{tmp_path}"
        await shell(task, f"mkdir -p /links; ln -s {way} /links/{number}")
    image = await task.snapshot()
    for number in numbers:
        with contextlib.suppress(EngineError):
            copy = await moded.create(TaskSpec(image=image, workdir=f"/links/{number}/made"))
            await copy.kill()
    assert os.listdir(tmp_path) == []


@pytest.mark.asyncio
async def test_terminals_work(moded: LocalEngine) -> None:
    """With a single id there is no group `tty`, which the mount of terminals must do without."""
    task = await moded.create(TaskSpec())
    process = await task.exec(
        ProcessSpec(("/bin/sh", "-c", "tty; stty size"), pty=PtySize(31, 101))
    )
    assert await content(process.stdout) == "/dev/pts/0\r\n31 101\r\n"
    await task.kill()


@pytest.mark.asyncio
async def test_the_system_can_be_written_to_where_the_mode_allows(moded: LocalEngine) -> None:
    task = await moded.create(TaskSpec())
    written = await shell(task, "touch /usr/bin/made-inside && rm /usr/bin/env && ls /usr/bin/env")
    if moded.factory.zygote.mode in ROOT_MODES:
        assert (written.code, written.err.count("No such file")) == (2, 1)
    else:
        assert "Read-only file system" in written.err
    assert exists("/usr/bin/env")
    assert not exists("/usr/bin/made-inside")
    await task.kill()


@pytest.mark.asyncio
async def test_other_users_exist_where_the_mode_has_more_ids(moded: LocalEngine) -> None:
    task = await moded.create(TaskSpec())
    done = await shell(
        task,
        "touch /tmp/f && chown 33:33 /tmp/f && stat -c %u:%g /tmp/f; "
        "su -s /bin/sh nobody -c 'id -u'",
    )
    if moded.factory.zygote.mode is Mode.SINGLE:
        assert done.out == ""
    else:
        assert done.out.split() == ["33:33", "65534"]
    await task.kill()


@needs_root
@pytest.mark.asyncio
async def test_root_uses_the_strongest_mode_and_says_so() -> None:
    engine = LocalEngine()
    info = await engine.start()
    await engine.close()
    weaker = [mode.value for mode in Mode if f"not used: {mode.value}" in info.details]
    assert info.mode == next(mode.value for mode in Mode if mode.value not in weaker)


@pytest.mark.asyncio
async def test_a_mode_that_cannot_work_is_refused_with_reason_and_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pytest_sandbox.local.engine.machine.ids.os.geteuid", lambda: 4_000_000)
    with pytest.raises(EngineUnavailable) as caught:
        await LocalEngine(LocalOptions(mode=Mode.SUBORDINATE)).start()
    assert "ids for 4000000" in caught.value.reason
    assert "usermod --add-subuids" in caught.value.remedy


SCRIPT = """
import asyncio, json, os
from pytest_sandbox.engine import Limits, ProcessSpec, TaskSpec, Unsupported
from pytest_sandbox.local import LocalEngine

async def main():
    engine = LocalEngine()
    info = await engine.start()
    task = await engine.create(TaskSpec())
    process = await task.exec(ProcessSpec(("/bin/sh", "-c", "id -u; echo $HOME; echo x > /etc/f")))
    out = b"".join([chunk async for chunk in process.stdout.follow()])
    code = (await process.wait()).code
    file = await task.files.open("/root/f", os.O_CREAT | os.O_RDWR)
    await file.pwrite(0, b"written")
    names = [entry.name for entry in await task.files.listdir("/root")]
    await task.kill()
    try:
        await engine.create(TaskSpec(limits=Limits(memory=2**28)))
        limited = "held"
    except Unsupported as refusal:
        limited = str(refusal)
    await engine.close()
    print(json.dumps([info.mode, out.decode(), code, names, limited]))

asyncio.run(main())
"""


def test_an_ordinary_user_gets_a_rootless_sandbox() -> None:
    python = python_of_everybody()
    done = subprocess.run(
        [*as_somebody(), python, "-c", SCRIPT],
        capture_output=True,
        text=True,
        env=their_env(),
        cwd="/",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    mode, out, code, names, limited = json.loads(done.stdout)
    assert mode.startswith("rootless")
    assert (out, code) == ("0\n/root\n", 0)
    assert "f" in names
    assert limited == "held" or limited.startswith("memory limit: ")


IN_FLIGHT = """
import asyncio, resource, sys
from pytest_sandbox.engine import ProcessSpec, TaskSpec
from pytest_sandbox.local import LocalEngine, LocalOptions, Mode

HOSTILE = '''
import array, resource, socket, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
ends = []
try:
    while True:
        ends += socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        fds = array.array("i", [0] * 100)
        ends[-1].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
except OSError as error:
    print(error.errno, flush=True)
sys.stdin.read()
'''

async def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
    mode = Mode[sys.argv[1]] if sys.argv[1:] else None
    engine = LocalEngine(LocalOptions(mode=mode))
    info = await engine.start()
    hostile = await engine.create(TaskSpec())
    process = await hostile.exec(ProcessSpec((sys.executable, "-I", "-S", "-c", HOSTILE)))
    async for data in process.stdout.follow():
        print(info.mode.split(",")[0], int(data))
        break
    neighbour = await asyncio.wait_for(engine.create(TaskSpec()), 20)
    process = await asyncio.wait_for(neighbour.exec(ProcessSpec(("true",))), 20)
    print((await process.wait()).code)
    try:
        await (await neighbour.files.open("/etc/hostname", 0)).close()
    except OSError as refusal:
        print(refusal.strerror)
    await engine.close()

asyncio.run(main())
"""


@pytest.mark.parametrize("mode", ["", pytest.param("ROOT_SHARED", marks=needs_root)])
def test_descriptors_that_programs_have_in_flight_leave_some_to_the_engine(mode: str) -> None:
    """The kernel counts them for the user outside, and compares with the limit of the sender."""
    user = [] if mode else as_somebody(1501)  # whom no other test uses
    done = subprocess.run(
        [*user, python_of_everybody(), "-c", IN_FLIGHT, *mode.split()],
        timeout=60,
        capture_output=True,
        text=True,
        env=their_env(),
        cwd="/",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"{'root' if mode else 'rootless'} {errno.ETOOMANYREFS}",
        "0",
        "programs of the sandbox have sent too many descriptors that were not received yet",
    ]


def test_the_probe_tells_the_mode_and_what_each_would_need() -> None:
    report = probe()
    assert report.usable
    tried = {finding.name: finding for finding in report.findings}
    assert [name for name in tried if name.startswith("mode: ")] == [f"mode: {report.mode}"]
    assert tried[f"mode: {report.mode}"].ok
    assert report.advice == ""
    for finding in report.findings:
        assert finding.detail, finding.name
        assert finding.ok or finding.consequence, finding.name
    assert {"machine", "kernel", "user namespaces", "overlayfs", "cgroups"} <= set(tried)


def test_the_probe_of_an_ordinary_user_says_what_is_missing() -> None:
    python = python_of_everybody()
    code = (
        "from pytest_sandbox.local import probe; import json, dataclasses;"
        "report = probe(); print(report.mode);"
        "print(json.dumps([dataclasses.asdict(finding) for finding in report.findings]))"
    )
    done = subprocess.run(
        [*as_somebody(), python, "-c", code],
        capture_output=True,
        text=True,
        env=their_env(),
        cwd="/",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    mode, findings = done.stdout.splitlines()
    (ids,) = [found for found in json.loads(findings) if found["name"] == "subordinate ids"]
    assert mode.startswith("rootless")
    assert ids["ok"] or ids["remedy"].startswith("sudo usermod --add-subuids")
    assert "user ids" in [found["name"] for found in json.loads(findings)]
    cgroups = [found for found in json.loads(findings) if found["name"] == "cgroups"]
    (limits,) = [found for found in cgroups if "memory" in found["detail"].partition(":")[0]]
    assert "can use all of the machine's memory" in limits["consequence"]


#: Runs a command as root of a user namespace, as a container has one in Kubernetes with
#: `hostUsers: false` and in Podman without root: without the right to mount outside of it.
IN_USER_NAMESPACE = """
import os, sys
from pytest_sandbox.local.kernel import caps, idmap, namespaces
namespaces.enter(idmap.namespace(100000, 65536), namespaces.CLONE_NEWUSER)
idmap.become_root()
caps.drop(caps.to_drop())
os.execv(sys.argv[1], sys.argv[1:])
"""


@needs_root
def test_root_of_a_container_with_ids_of_its_own_has_several_users_inside() -> None:
    python = python_of_everybody()
    code = "from pytest_sandbox.local import probe; print(probe().mode)"
    done = subprocess.run(
        [sys.executable, "-c", IN_USER_NAMESPACE, python, "-c", code],
        capture_output=True,
        text=True,
        env=their_env(),
        cwd="/",
        check=False,
    )
    assert done.stdout == f"{Mode.SUBORDINATE.value}\n", done
