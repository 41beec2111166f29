"""Programs in sandboxes made of images."""

from __future__ import annotations

import zlib

from pytest_sandbox.engine import (
    ProcessSpec,
    Task,
)

from ..conftest import Done, content


async def sh(task: Task, script: str) -> str:
    """What a script prints, whose commands are all of busybox."""
    done = await run(task, "sh", "-c", f"b=/busybox; {script}")
    assert (done.code, done.err) == (0, ""), done
    return done.out


async def run(task: Task, *argv: str) -> Done:
    process = await task.exec(ProcessSpec(("/busybox", *argv)))
    await process.close_stdin()
    out, err = await content(process.stdout), await content(process.stderr)
    return Done((await process.wait()).returncode, out, err)


def _gzip(data: bytes) -> bytes:
    packer = zlib.compressobj(1, wbits=31)
    return packer.compress(data) + packer.flush()
