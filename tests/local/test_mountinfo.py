"""What is mounted, as the kernel writes it."""

import os
import subprocess

import pytest

from pytest_sandbox.local.kernel.mountinfo import read_mounts


def test_a_process_that_has_ended_has_no_mounts() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        proc = os.open(f"/proc/{child.pid}", os.O_RDONLY)
        assert any(mount.path == "/proc" for mount in read_mounts(proc))
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it is there, but has ended
        with pytest.raises(ProcessLookupError):
            read_mounts(proc)
        os.close(proc)
