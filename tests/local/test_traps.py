"""Mistakes that are easily made in an engine like this; each was made once."""

import io
import re
import signal
import tarfile
from collections.abc import AsyncIterator

import pytest

from pytest_sandbox.engine import (
    EndCause,
    Output,
    ProcessSpec,
    PtySize,
    SpawnFailed,
    Task,
    TaskSpec,
)
from pytest_sandbox.local import LocalEngine

from .conftest import Sh, content, need_users, processes, shell, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def chunks(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_the_agent_needs_no_python_in_the_image(task: Task, sh: Sh) -> None:
    """Whatever it needs later was imported before it entered the sandbox."""
    hidden = "for d in /usr/lib/python* /usr/local/lib/python*; do mv $d $d.away; done 2>&1;"
    await sh(hidden + " mkdir -p /t/d; ln -s x /t/l; echo y > /t/d/f")
    packed = b"".join([chunk async for chunk in task.files.pack("/t")])
    await task.files.unpack("/u", chunks(packed))
    assert [entry.name for entry in await task.files.listdir("/u")] == ["d", "l"]
    await task.files.remove("/u", recursive=True)
    with pytest.raises(FileNotFoundError):
        await task.files.stat("/u")
    with pytest.raises(OSError, match="tar"):
        await task.files.unpack("/u", chunks(b"nonsense" * 1000))
    with pytest.raises(SpawnFailed):
        await task.exec(ProcessSpec(("no-such-command",)))
    watch = task.files.watch("/t", recursive=True)
    await watch.aclose()  # type: ignore[attr-defined]
    process = await task.exec(ProcessSpec(("tty",), pty=PtySize()))
    assert (await process.wait()).code == 0
    assert (await sh("kill -9 $$")).code == 128 + signal.SIGKILL


async def test_a_program_inherits_its_three_streams_and_nothing_else(sh: Sh) -> None:
    done = await sh("ls /proc/$$/fd")
    assert done.out.split() == ["0", "1", "2"]


async def test_what_is_null_is_the_sandboxs_own_null(task: Task) -> None:
    """Not the machine's, which would be a mount that does not exist inside."""
    script = "grep mnt_id /proc/$$/fdinfo/2; cat /proc/self/mountinfo"
    process = await task.exec(ProcessSpec(("/bin/sh", "-c", script), stderr=Output.DEVNULL))
    first, *mounts = (await content(process.stdout)).splitlines()
    number = re.sub(r"\D", "", first)
    mine = [line for line in mounts if line.split()[0] == number]
    assert len(mine) == 1
    assert mine[0].split()[4] == "/dev/null"


async def test_shared_memory_is_a_mount_with_room(sh: Sh) -> None:
    done = await sh(
        "grep -c ' /dev/shm tmpfs ' /proc/mounts; stat -c %a /dev/shm;"
        "dd if=/dev/zero of=/dev/shm/x bs=1M count=64 2>/dev/null && echo fits"
    )
    assert done.out.split() == ["1", "1777", "fits"]


async def test_output_ends_with_the_process_though_a_daemon_holds_it(task: Task) -> None:
    process = await task.exec(
        ProcessSpec(("/bin/sh", "-c", "setsid sh -c 'sleep 100000' & echo started"))
    )
    assert await content(process.stdout) == "started\n"
    assert (await process.wait()).code == 0


async def test_packing_devices_does_not_read_them(task: Task) -> None:
    packed = b"".join([chunk async for chunk in task.files.pack("/dev")])
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        kinds = {member.name: member.type for member in archive}
    assert kinds["full"] == kinds["zero"] == tarfile.CHRTYPE


async def test_removing_a_mount_point_fails_and_leaves_it_mounted(task: Task, sh: Sh) -> None:
    with pytest.raises(OSError, match="proc"):
        await task.files.remove("/proc", recursive=True)
    assert (await sh("test -r /proc/self/status")).code == 0


async def test_the_command_lines_of_our_own_processes_name_no_file_of_the_machine(sh: Sh) -> None:
    done = await sh("tr '\\0' ' ' < /proc/1/cmdline; cat /proc/1/comm")
    assert done.out.split() == ["pytest-sandbox", "agent", "pytest-sandbox"]


async def test_standard_streams_can_be_opened_by_name_as_any_user(
    engine: LocalEngine, sh: Sh
) -> None:
    done = await sh("echo a > /dev/stdout; echo b > /dev/stderr; cat < /dev/stdin")
    assert (done.code, done.out, done.err) == (0, "a\n", "b\n")
    need_users(engine)
    done = await sh("su -s /bin/sh nobody -c 'echo c > /dev/stdout'")
    assert (done.code, done.out) == (0, "c\n")


async def test_signals_have_their_defaults_whatever_python_ignores(sh: Sh) -> None:
    done = await sh("grep -E 'Sig(Ign|Blk)' /proc/self/status")
    of_libc = 1 << 31 | 1 << 32  # posix_spawn(3) of glibc ignores 32 and 33, its own
    assert {int(line.split()[1], 16) | of_libc for line in done.out.splitlines()} == {of_libc}


async def test_a_program_that_ignores_sigterm_can_be_killed(task: Task) -> None:
    process = await task.exec(
        ProcessSpec(("/bin/sh", "-c", "trap '' TERM; echo on; while :; do sleep 1000; done"))
    )
    assert await process.stdout.read(0) == b"on\n"
    await process.signal(signal.SIGTERM)
    # Every process of its session gets it: the sleep ends, the shell starts another one.
    assert process.poll() is None
    await process.signal(signal.SIGKILL)
    assert (await process.wait()).signal == signal.SIGKILL


async def test_a_signal_reaches_children_that_left_the_process_group(task: Task, sh: Sh) -> None:
    process = await task.exec(
        ProcessSpec(("/bin/bash", "-mc", "sleep 54321 & echo $!; wait"))  # job control: own group
    )
    child = int(await process.stdout.read(0))
    await process.signal(signal.SIGKILL)
    await process.wait()
    # It has the signal by now, but may not have had a processor to end on.
    await sh(f"while grep -qs 54321 /proc/{child}/cmdline; do sleep 0.01; done")


async def test_the_end_of_the_main_process_is_the_end_of_all(engine: LocalEngine) -> None:
    mark = "98765.4321"
    script = f"setsid sh -c 'trap \"\" TERM HUP INT; sleep {mark}' & echo up; read x"
    task = await engine.create(TaskSpec(main=ProcessSpec(("/bin/sh", "-c", script))))
    assert task.main is not None
    assert await task.main.stdout.read(0) == b"up\n"
    until(lambda: bool(processes("sleep", mark)), "the daemon")
    await task.main.write_stdin(b"\n")
    assert (await task.wait()).cause is EndCause.EXITED
    assert processes("sleep", mark) == []


async def test_a_directory_of_the_image_can_be_replaced(sh: Sh) -> None:
    """Overlayfs notes that in an attribute, which needs `userxattr` here."""
    done = await sh("rm -r /etc/security && mkdir /etc/security && ls -A /etc/security && echo ok")
    assert (done.code, done.out) == (0, "ok\n")


async def test_sandboxes_do_not_see_each_others_writes(engine: LocalEngine) -> None:
    one, two = await engine.create(TaskSpec()), await engine.create(TaskSpec())
    await shell(one, "echo one > /etc/motd.here; echo one > /tmp/f; echo one > /usr/f 2>/dev/null")
    assert (await shell(two, "ls /etc/motd.here /tmp/f /usr/f")).code != 0
    await one.kill()
    await two.kill()


async def test_the_working_directory_is_made_and_the_hostname_set(engine: LocalEngine) -> None:
    task = await engine.create(TaskSpec(workdir="/srv/a/b", hostname="box-7.example"))
    done = await shell(task, "pwd; uname -n; cat /etc/hostname; grep -c box-7.example /etc/hosts")
    assert done.out.split() == ["/srv/a/b", "box-7.example", "box-7.example", "1"]
    await task.kill()
