"""Starts a command in a sandbox, for the command router and for the control plane."""

from collections.abc import Mapping
from dataclasses import field

from pytest_sandbox._shared.filesystem_tool import TOOL
from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import Output, Process, ProcessSpec, PtySize, SpawnFailed

from ..model.checks import check_command, check_workdir
from ..model.sandbox import ServedSandbox
from .command_hints import raise_with_hint


@dataclass(frozen=True)
class ExecRequest:
    """A command to start.

    Attributes:
        exec_id: its id.
        argv: the command and its arguments.
        env: variables besides those of the sandbox.
        workdir: an absolute path; `None` for that of the sandbox.
        timeout: seconds after which it is killed; `None` for never.
        stdout: where its standard output goes.
        stderr: where its standard error goes.
        pty: the size of its terminal; `None` for none.
        input_timeout: seconds without input after which it is killed; `None` for never.
    """

    exec_id: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str | None = None
    timeout: float | None = None
    stdout: Output = Output.PIPE
    stderr: Output = Output.PIPE
    pty: PtySize | None = None
    input_timeout: float | None = None


async def start(sandbox: ServedSandbox, request: ExecRequest) -> None:
    """Start a command; the same `exec_id` again changes nothing.

    Raises:
        GRPCError: INVALID_ARGUMENT.
        EngineError: whatever the engine raises.
    """
    check_command(request.argv)
    check_workdir(request.workdir)

    async def spawn() -> Process:
        if request.argv[0] == TOOL:
            from .filesystem_tool import run_tool
            from .virtual_process import VirtualProcess

            return VirtualProcess(
                lambda streams: run_tool(
                    streams, sandbox.task.files, sandbox.clock, request.argv[1:]
                ),
                stdout=request.stdout,
                stderr=request.stderr,
            )
        spec = ProcessSpec(
            request.argv,
            env=request.env,
            workdir=request.workdir,
            stdout=request.stdout,
            stderr=request.stderr,
            pty=request.pty,
        )
        try:
            return await sandbox.task.exec(spec)
        except SpawnFailed as error:
            raise_with_hint(error, request.argv)

    await sandbox.commands.run(
        request.exec_id,
        request.argv,
        spawn,
        timeout=request.timeout,
        input_timeout=request.input_timeout,
    )
