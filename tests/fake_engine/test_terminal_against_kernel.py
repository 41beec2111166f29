"""A terminal in memory shows, and passes on, what one of the kernel does, key by key."""

import asyncio
import os
import subprocess

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_sandbox.engine import ProcessSpec, PtySize, TaskSpec
from pytest_sandbox.fakes import FakeEngine

from .conftest import content

END = b"\x04"


def really(keys: bytes) -> bytes:
    """All that a terminal with a `cat` on it shows."""
    screen, terminal = os.openpty()
    cat = subprocess.Popen(["cat"], stdin=terminal, stdout=terminal, start_new_session=True)
    os.write(screen, keys)  # echoed before `cat` can answer: it is one write
    cat.wait(20)
    os.close(terminal)
    shown = b""
    try:
        while data := os.read(screen, 65536):
            shown += data
    except OSError:  # EIO: nothing is left, and nobody has the terminal open
        pass
    finally:
        os.close(screen)
    return shown


def in_memory(keys: bytes) -> bytes:
    async def main() -> bytes:
        engine = FakeEngine()
        await engine.start()
        task = await engine.create(TaskSpec())
        process = await task.exec(ProcessSpec(("cat",), pty=PtySize()))
        await process.write_stdin(keys)
        shown = await content(process.stdout)
        await engine.close()
        return shown

    return asyncio.run(main())


pressed = st.lists(
    st.sampled_from(
        [
            b"a",
            b"b",
            b" ",
            b"cd",
            b"_",
            b"\t",
            b"\x01",
            b"\xc3\xa9",
            b"\x7f",
            b"\x17",
            b"\x15",
            b"\x16\x03",
            b"\x16\x7f",
            b"-",
        ]
    ),
    max_size=8,
).map(b"".join)


@settings(max_examples=50, deadline=None, derandomize=True)
@example(line=b"wrong\x15right", end=b"\n")
@example(line=b"a\tb\t\x7f\x7f", end=b"\n")
@given(line=pressed, end=st.sampled_from([b"\n", b"\r"]))
def test_a_line_is_edited_and_echoed_as_on_a_real_terminal(line: bytes, end: bytes) -> None:
    keys = line + end + END
    assert in_memory(keys) == really(keys)
