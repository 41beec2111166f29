"""The input and output of the main process, by the command router."""

from collections.abc import AsyncIterator

from pytest_sandbox._proto import router_pb2 as pb
from pytest_sandbox.engine import OutputLog

from ..commands.main_stdin import write_main_stdin
from ..model.commanded import commanded
from ..model.sandbox import ServedSandbox
from ..model.state import State
from ..rpc.call import ServedCall
from ..rpc.errors import invalid
from ..v1.router import CHUNK


class MainStdioServicer:
    """The RPCs that read and write the standard streams of the main process."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def SandboxStdioReadV2(
        self, request: pb.SandboxStdioReadV2Request, call: ServedCall
    ) -> AsyncIterator[pb.SandboxStdioReadV2Response]:
        """Output from an offset to its end; no message is empty.

        Each message says where it begins: output that was dropped to make room is passed over.
        """
        sandbox = commanded(self._state, request.task_id, call)
        log = _log(sandbox, request.file_descriptor)
        offset = max(request.offset, log.first)
        while await log.ready(offset):
            room = await call.room(CHUNK)
            offset = max(offset, log.first)  # more may have been dropped meanwhile
            data = await log.read(offset, room)
            yield pb.SandboxStdioReadV2Response(data=data, starting_offset=offset)
            offset += len(data)

    async def SandboxStdinWriteV2(
        self, request: pb.SandboxStdinWriteV2Request, call: ServedCall
    ) -> pb.SandboxStdinWriteV2Response:
        """Write to the main process; bytes below the accepted offset are dropped."""
        await write_main_stdin(
            commanded(self._state, request.task_id, call),
            request.data,
            lambda stdin: stdin.write_at(request.offset, request.data, request.eof),
        )
        return pb.SandboxStdinWriteV2Response()


def _log(sandbox: ServedSandbox, descriptor: "pb.SandboxStdioFileDescriptor") -> OutputLog:
    stdout, stderr = sandbox.commands.main_logs
    if descriptor == pb.SANDBOX_STDIO_FILE_DESCRIPTOR_STDOUT:
        return stdout
    if descriptor == pb.SANDBOX_STDIO_FILE_DESCRIPTOR_STDERR:
        return stderr
    raise invalid(f"file_descriptor must be 0 (stdout) or 1 (stderr), not {descriptor}")
