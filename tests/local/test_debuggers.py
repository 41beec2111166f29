"""Debuggers and sanitizers, as Debian has them."""

import shutil
from pathlib import Path

import pytest

from .conftest import Sh

pytestmark = pytest.mark.asyncio(loop_scope="module")

needs_gcc = pytest.mark.skipif(
    not shutil.which("gcc")
    or not any(Path("/usr/lib/gcc").glob("*/*/libasan.a"))
    or not Path("/usr/include/stdlib.h").exists(),
    reason="gcc with libasan and the headers of the C library is not installed",
)
needs_gdb = pytest.mark.skipif(not shutil.which("gdb"), reason="gdb is not installed")
needs_strace = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")

#: Starts a program that may be traced even where the machine lets only parents do that; see
#: prctl(2), PR_SET_PTRACER. It waits for a line, then reads a file.
TARGET = """
mkfifo /tmp/ready /tmp/go
python3 -c '
import ctypes
ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)
open("/tmp/ready", "w").close()
open("/tmp/go").read()
open("/etc/hostname").read()
' & pid=$!
read line < /tmp/ready
"""


@needs_gcc
async def test_a_clean_program_passes_the_address_sanitizer(sh: Sh) -> None:
    build = "echo 'int main(void) { return 0; }' > /tmp/a.c && gcc -fsanitize=address /tmp/a.c"
    done = await sh(f"cd /tmp && {build} && ./a.out")
    assert (done.code, done.out, done.err) == (0, "", "")


@needs_gcc
async def test_the_address_sanitizer_finds_a_leak(sh: Sh) -> None:
    source = "#include <stdlib.h>\nchar *p; int main(void) { p = malloc(7); p = 0; return 0; }"
    build = f"cat > /tmp/a.c <<'END'\n{source}\nEND\ngcc -fsanitize=address /tmp/a.c"
    done = await sh(f"cd /tmp && {build} && ./a.out")
    assert done.code == 1
    assert "Direct leak of 7 byte(s)" in done.err


@needs_gdb
async def test_gdb_attaches_to_a_program(sh: Sh) -> None:
    done = await sh(f"{TARGET} gdb -nx -batch -p $pid -ex 'info inferiors'; : > /tmp/go; wait $pid")
    assert (done.code, "ptrace" in done.err) == (0, False), done.err
    assert "process " in done.out


@needs_strace
async def test_strace_attaches_to_a_program(sh: Sh) -> None:
    trace = "strace -e trace=openat -o /tmp/trace -p $pid 2> /tmp/said & strace=$!"
    wait = "until grep -q attached /tmp/said; do kill -0 $strace || break; sleep 0.01; done"
    done = await sh(
        f"{TARGET} {trace}\n{wait}; : > /tmp/go; wait $strace; cat /tmp/said /tmp/trace"
    )
    assert "/etc/hostname" in done.out


@needs_gdb
@needs_strace
async def test_debuggers_cannot_attach_to_pid_1(sh: Sh) -> None:
    done = await sh("gdb -nx -batch -p 1; strace -p 1")
    assert done.err.count("Operation not permitted") >= 2
