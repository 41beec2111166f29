"""What holds for every input, found by trying many."""

import asyncio
import os
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_sandbox._proto import sandboxes_pb2
from pytest_sandbox.engine import ProcessSpec, TaskSpec
from pytest_sandbox.fakes import FakeEngine
from pytest_sandbox.fakes.files.disk import Disk
from pytest_sandbox.fakes.files.memory_files import MemoryFiles
from pytest_sandbox.fakes.files.vfs import Filesystem
from pytest_sandbox.server.commands.stdin import StdinWriter
from pytest_sandbox.server.files import handle as handle_module
from pytest_sandbox.server.files.handle import FileHandle, OpenMode

from .engines import GatedEngine
from .harness import STDOUT, serve

T = TypeVar("T")

# Nothing here waits for time, so how long an example takes says nothing.
calm = settings(deadline=None, max_examples=60)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


@calm
@given(
    content=st.binary(max_size=30),
    data=st.binary(max_size=30),
    start=st.integers(0, 30),
    length=st.integers(0, 30),
    chunk=st.integers(1, 8),
)
def test_replacing_bytes_is_slice_assignment(
    content: bytes, data: bytes, start: int, length: int, chunk: int
) -> None:
    start = min(start, len(content))
    end = start + length

    async def replaced() -> bytes:
        files = MemoryFiles(Filesystem(Disk(lambda: 0)))
        file = await files.open("/f", os.O_RDWR | os.O_CREAT)
        await file.pwrite(0, content)
        await FileHandle(file, OpenMode.parse("r+")).replace(data, start, end)
        return await file.pread(0, 1000)

    expected = bytearray(content)
    expected[start:end] = data
    usual = handle_module.CHUNK
    handle_module.CHUNK = chunk
    try:
        assert run(replaced()) == bytes(expected)
    finally:
        handle_module.CHUNK = usual


@calm
@given(
    data=st.binary(min_size=1, max_size=40),
    cuts=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=12),
)
def test_writes_that_overlap_arrive_once_and_in_order(
    data: bytes, cuts: list[tuple[int, int]]
) -> None:
    async def received() -> bytes:
        engine = FakeEngine()
        await engine.start()
        process = await (await engine.create(TaskSpec())).exec(ProcessSpec(("cat",)))
        stdin = StdinWriter(process, engine.clock)
        for start, size in cuts:
            if start <= stdin.accepted:
                await stdin.write_at(start, data[start : start + size], eof=False)
        await stdin.write_at(stdin.accepted, data[stdin.accepted :], eof=True)
        await process.wait()
        return b"".join([chunk async for chunk in process.stdout.follow()])

    assert run(received()) == data


@settings(calm, max_examples=25)
@given(
    pieces=st.lists(
        st.one_of(
            st.binary(max_size=6),
            st.text(max_size=4).map(lambda text: text.encode()),
            st.sampled_from([b"\xe2", b"\x98", b"\xba", b"\xf0\x9f", b"\x98\x80"]),
        ),
        max_size=8,
    )
)
def test_logs_read_in_any_number_of_calls_are_the_text_of_the_output(pieces: list[bytes]) -> None:
    async def read() -> str:
        async with serve(GatedEngine()) as server:
            sandbox = await server.create("cat")
            process = sandbox.task.processes[0]
            text, entry = "", ""
            for piece in [*pieces, None]:
                if piece is None:
                    await process.close_stdin()
                    await process.wait()
                else:
                    await process.stdout.append(piece)
                request = sandboxes_pb2.SandboxGetLogsRequest(
                    sandbox_id=sandbox.id,
                    file_descriptor=STDOUT,
                    timeout=0,
                    last_entry_id=entry,
                )
                for batch in await server.control.SandboxGetLogs(request):
                    text += "".join(item.data for item in batch.items)
                    entry = batch.entry_id
            return text

    assert run(read()) == b"".join(pieces).decode(errors="replace")
