"""A terminal is no way to another process's input, nor to the machine's terminals."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

Inside = Callable[..., Awaitable[Any]]


async def test_typing_for_others_is_refused(inside: Inside) -> None:
    code = """
import errno, fcntl, json
results = []
for request, argument in ((0x5412, b"x"), (0x541C, b"\\x03")):  # TIOCSTI, TIOCLINUX
    try:
        fcntl.ioctl(0, request, argument); results.append("done")
    except OSError as error:
        results.append(errno.errorcode[error.errno])
print(json.dumps(results))
"""
    assert await inside(code, pty=True) == ["EPERM", "EPERM"]


async def test_only_its_own_terminals_exist(inside: Inside) -> None:
    code = """
import json, os
consoles = [path for path in ("/dev/console", "/dev/tty0", "/dev/tty1", "/dev/ttyS0", "/dev/vcs")
            if os.path.exists(path)]
print(json.dumps([sorted(os.listdir("/dev/pts")), os.ttyname(0), consoles]))
"""
    terminals, own, consoles = await inside(code, pty=True)
    assert {f"/dev/pts/{name}" for name in terminals} <= {own, "/dev/pts/ptmx"}
    assert consoles == []


async def test_the_other_end_of_a_terminal_is_out_of_reach(inside: Inside) -> None:
    code = """
import json, os
reached = []
for name in os.listdir("/proc"):
    for folder in (f"/proc/{name}/fd", f"/proc/{name}/task"):
        try:
            for fd in os.listdir(folder):
                link = os.readlink(f"{folder}/{fd}")
                if "ptmx" in link:
                    reached.append(link)
        except OSError:
            pass
print(json.dumps(reached))
"""
    assert await inside(code, pty=True) == []


async def test_without_a_terminal_there_is_none_to_take(inside: Inside) -> None:
    code = """
import errno, json, os
try:
    os.open("/dev/tty", os.O_RDWR); print(json.dumps("opened"))
except OSError as error:
    print(json.dumps(errno.errorcode[error.errno]))
"""
    assert await inside(code) == "ENXIO"
