"""System calls that reach too much of the kernel are refused before it looks at them."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("x86_64")]

Inside = Callable[..., Awaitable[Any]]

REFUSED = {"EPERM", "ENOSYS"}
NO_SUCH_SOCKET = {*REFUSED, "EAFNOSUPPORT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT"}


async def test_what_no_program_needs_is_refused(
    inside: Inside, program: Callable[[str], str]
) -> None:
    results: dict[str, str] = await inside(program("syscalls.py"))

    assert len(results) > 80
    reached = {
        name: result
        for name, result in results.items()
        if result not in (NO_SUCH_SOCKET if name.startswith("socket ") else REFUSED)
    }
    assert reached == {}


async def test_what_programs_need_is_allowed(inside: Inside) -> None:
    code = """
import json, os, socket, ctypes, signal, threading
pid = os.fork() or os._exit(7)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
left, right = socket.socketpair()
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
six = socket.create_server(("::1", 0), family=socket.AF_INET6) if socket.has_ipv6 else None
thread = threading.Thread(target=lambda: left.send(b"x")); thread.start(); thread.join()
os.memfd_create("m"); os.eventfd(0) if hasattr(os, "eventfd") else None; os.pidfd_open(os.getpid())
os.setsid() if os.getsid(0) != os.getpid() else None
traced = os.fork() or (ctypes.CDLL(None).ptrace(0, 0, 0, 0), os.kill(os.getpid(), 19), os._exit(0))
stopped = os.WIFSTOPPED(os.waitpid(traced, os.WUNTRACED)[1]); os.kill(traced, 9)
print(json.dumps([status, right.recv(1).decode(), stopped]))
"""
    assert await inside(code) == [7, "x", True]
