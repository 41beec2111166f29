"""The methods of a sandbox for commands: `exec` and `run`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

from pytest_sandbox._shared.type_names import type_name

from ..exceptions import InvalidError
from ..process.command import Command
from ..process.communicate import CompletedCommand, communicate, completed
from ..process.container_process import ContainerProcess
from ..process.method_types import ExecMethod, RunMethod
from ..process.stream_type import StreamType
from ..secrets.secret import Secret, check_secrets
from ..transport.dual import overloaded
from ..transport.portal_call import undo_unless_taken
from ..transport.undoing import start_undo
from ..validation import check_command, check_environment, check_seconds, check_workdir, refuse

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ..base_client import BaseClient
    from ..process.task_calls import TaskCalls

__tracebackhide__ = True  # a failing test shows the caller's line, not these


class CommandMethods:
    """Starts commands in a sandbox, and runs them."""

    _client: BaseClient
    _task: TaskCalls

    async def _exec(
        self,
        *args: str,
        stdout: StreamType = StreamType.PIPE,
        stderr: StreamType = StreamType.PIPE,
        timeout: int | None = None,
        workdir: str | None = None,
        env: dict[str, str | None] | None = None,
        secrets: Collection[Secret] | None = None,
        text: bool = True,
        bufsize: Literal[-1, 1] = -1,
        pty: bool = False,
        _pty_info: object = None,
        pty_info: object = None,
    ) -> ContainerProcess[Any]:
        """Start a command, and return while it runs.

        There is no shell in between: for pipes and variables, start one, `"sh", "-c", "..."`. The
        command is killed when the sandbox ends.

        Args:
            *args: the command and its arguments; a name without a slash is looked up in `PATH`.
            stdout: `PIPE` to read it, `DEVNULL`, or `STDOUT` to have it printed here.
            stderr: `PIPE` to read it, `DEVNULL`, or `STDOUT` to have it in `stdout`.
            timeout: seconds after which it is killed with all that it started; its code is then
                -1. Without one, it may run as long as the sandbox.
            workdir: the working directory; that of the sandbox if not given.
            env: environment variables, on top of the sandbox's; those that are `None` are left out.
            secrets: more environment variables; `env` comes last and wins.
            text: give output as text, UTF-8, not as bytes.
            bufsize: -1 to give output in chunks as it comes, 1 to give it in lines.
            pty: run it on a terminal; all output is then in `stdout`.
            _pty_info: refused, as it is deprecated: use `pty`.
            pty_info: refused, as it is deprecated: use `pty`.

        Raises:
            InvalidError: an argument makes no sense, or the command cannot be started.
            NotFoundError: the sandbox is gone.
        """
        refuse(pty_info=pty_info, _pty_info=_pty_info)
        if bufsize not in (-1, 1):
            raise InvalidError(f"bufsize={bufsize!r} is neither -1, for chunks, nor 1, for lines")
        if bufsize == 1 and not text:
            raise ValueError("lines are given as text only: bufsize=1 needs text=True")
        command = self._command(
            args,
            stdout=StreamType.of(stdout, "stdout"),
            stderr=StreamType.of(stderr, "stderr"),
            timeout=timeout,
            workdir=workdir,
            env=env,
            secrets=secrets,
            pty=pty,
        )
        execution = await command.start(self._client, self._task)
        try:
            await execution.ready()
        except asyncio.CancelledError:
            start_undo(execution.give_up())
            raise
        undo_unless_taken(execution.kill)
        return ContainerProcess(
            execution,
            args=command.args,
            text=text,
            by_line=bufsize == 1,
            stdout=command.stdout,
            stderr=command.stderr,
        )

    exec = overloaded[ExecMethod](_exec)

    async def _run(
        self,
        *args: str,
        input: str | bytes | None = None,  # noqa: A002 - as in subprocess.run
        check: bool = False,
        timeout: int | None = None,
        text: bool = True,
        env: dict[str, str | None] | None = None,
        workdir: str | None = None,
        secrets: Collection[Secret] | None = None,
    ) -> CompletedCommand[Any]:
        """Run a command to its end, as `subprocess.run` does with captured output.

        If this is cancelled or interrupted, the command is killed.

        Args:
            *args: the command and its arguments.
            input: what it reads from standard input; nothing, if not given.
            check: raise an error unless its code is 0.
            timeout: seconds after which it is killed with all that it started, and an error raised.
            text: give output as text, UTF-8, not as bytes.
            env: environment variables, on top of the sandbox's.
            workdir: the working directory; that of the sandbox if not given.
            secrets: more environment variables; `env` comes last and wins.

        Raises:
            CommandFailedError: `check`, and its code is not 0; it shows the end of the output.
            CommandTimeoutError: its time was up; it has the output until then.
            UnicodeDecodeError: its output is to be text, and is not UTF-8.
            InvalidError: an argument makes no sense, or the command cannot be started.
            NotFoundError: the sandbox is gone.
        """
        given = input.encode() if isinstance(input, str) else input or b""
        if not isinstance(given, bytes | bytearray | memoryview):
            raise InvalidError(f"input is {input!r}, {type_name(input)}, not a str or bytes")
        command = self._command(args, timeout=timeout, workdir=workdir, env=env, secrets=secrets)
        given = bytes(given)
        execution = await command.start(self._client, self._task, given=given)
        try:
            outcome = await communicate(execution, given)
        except BaseException:  # cancelled, or interrupted
            start_undo(execution.kill())
            raise
        result = completed(command.args, outcome, text=text, timeout=timeout)
        if check:
            result.check()
        return result

    run = overloaded[RunMethod](_run)

    def _command(
        self,
        args: Sequence[str],
        *,
        stdout: StreamType = StreamType.PIPE,
        stderr: StreamType = StreamType.PIPE,
        timeout: int | None,
        workdir: str | None,
        env: dict[str, str | None] | None,
        secrets: Collection[Secret] | None,
        pty: bool = False,
    ) -> Command:
        check_command(args)
        check_workdir(workdir)
        check_seconds("timeout", timeout, least=0)
        check_environment(env or {})
        last = [Secret.from_dict(env)] if env else []
        given = [*check_secrets(secrets), *last]
        return Command(tuple(args), stdout, stderr, timeout, workdir, given, pty)
