"""What a server has to do for clients of the second version of the API, by bare messages."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from pytest_sandbox._proto import router_pb2, sandboxes_pb2, sandboxes_v2_pb2, secrets_pb2

from .wire import Raw, Wire

OUT = router_pb2.SANDBOX_STDIO_FILE_DESCRIPTOR_STDOUT
ERR = router_pb2.SANDBOX_STDIO_FILE_DESCRIPTOR_STDERR


async def creation(
    wire: Wire, *argv: str, **fields: Any
) -> sandboxes_v2_pb2.SandboxCreateV2Request:
    """A request that creates a sandbox."""
    first = await wire.creation()
    first.definition.entrypoint_args.extend(argv)
    return sandboxes_v2_pb2.SandboxCreateV2Request(
        app_id=first.app_id, definition=first.definition, **fields
    )


async def terminate(wire: Wire, sandbox_id: str) -> None:
    """End a sandbox."""
    request = sandboxes_pb2.SandboxTerminateRequest(sandbox_id=sandbox_id)
    await wire.control.SandboxTerminateV2(request)


@asynccontextmanager
async def created(wire: Wire, *argv: str, **fields: Any) -> AsyncIterator[Raw]:
    """A sandbox for the length of a `with`."""
    made = await wire.control.SandboxCreateV2(await creation(wire, *argv, **fields))
    auth = {"authorization": f"Bearer {made.command_router_access.jwt}"}
    try:
        yield Raw(made.sandbox_id, made.task_id, auth)
    finally:
        await terminate(wire, made.sandbox_id)


async def read(
    wire: Wire,
    sandbox: Raw,
    descriptor: router_pb2.SandboxStdioFileDescriptor = OUT,
    offset: int = 0,
) -> tuple[int, bytes]:
    """What the main process writes from an offset on, and where that begins."""
    request = router_pb2.SandboxStdioReadV2Request(
        task_id=sandbox.task_id, offset=offset, file_descriptor=descriptor
    )
    messages = await wire.router.SandboxStdioReadV2(request, metadata=sandbox.auth)
    start = messages[0].starting_offset if messages else offset
    return start, b"".join(message.data for message in messages)


async def main_output_from_an_offset(wire: Wire) -> None:
    """Output of the main process can be read again, from any byte on, which is named."""
    async with created(wire, "printf", "0123456789") as sandbox:
        for offset in (0, 4, 9):
            assert await read(wire, sandbox, offset=offset) == (offset, b"0123456789"[offset:])


async def main_streams_apart(wire: Wire) -> None:
    """Standard output and standard error of the main process are two streams."""
    async with created(wire, "sh", "-c", "printf out; printf err >&2") as sandbox:
        assert await read(wire, sandbox) == (0, b"out")
        assert await read(wire, sandbox, ERR) == (0, b"err")


async def main_input_arrives_once(wire: Wire) -> None:
    """Input of the main process that is repeated is written once."""
    async with created(wire, "cat") as sandbox:
        for offset, data, eof in ((0, b"abc", False), (1, b"bcd", False), (4, b"", True)):
            request = router_pb2.SandboxStdinWriteV2Request(
                task_id=sandbox.task_id, offset=offset, data=data, eof=eof
            )
            await wire.router.SandboxStdinWriteV2(request, metadata=sandbox.auth)
        assert await read(wire, sandbox) == (0, b"abcd")


async def secrets_come_with_the_request(wire: Wire) -> None:
    """Variables of secrets that are in the request are in the environment; a later one wins."""
    sources = [
        secrets_pb2.SecretSource(env=sandboxes_pb2.StringMap(contents={"A": value}))
        for value in ("one", "two")
    ]
    async with created(wire, "sh", "-c", "printf $A", secret_sources=sources) as sandbox:
        assert await read(wire, sandbox) == (0, b"two")


async def creation_is_repeatable_too(wire: Wire) -> None:
    """A sandbox is created once for one idempotency key."""
    request, key = await creation(wire), {"x-idempotency-key": "one-and-the-same"}
    made = [await wire.control.SandboxCreateV2(request, metadata=key) for _ in range(2)]
    assert made[0].sandbox_id == made[1].sandbox_id
    await terminate(wire, made[0].sandbox_id)


async def both_versions_are_listed(wire: Wire) -> None:
    """A list has the sandboxes that were made by either version."""
    async with created(wire) as second, wire.raw() as first:
        request = sandboxes_pb2.SandboxListRequest()
        listed = {info.id for info in (await wire.control.SandboxListV2(request)).sandboxes}
        assert {first.id, second.id} <= listed


CHECKS: tuple[Callable[[Wire], Awaitable[None]], ...] = (
    main_output_from_an_offset,
    main_streams_apart,
    main_input_arrives_once,
    secrets_come_with_the_request,
    creation_is_repeatable_too,
    both_versions_are_listed,
)
