"""Ways to break the server, one function each, and the checks that have to notice."""

import asyncio
import errno
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from grpclib import Status

from pytest_sandbox._proto import router_pb2, sandboxes_pb2
from pytest_sandbox.engine import Output, ProcessSpec, SpawnFailed
from pytest_sandbox.server.commands import commands, filesystem_tool, start
from pytest_sandbox.server.commands import execution as execution_module
from pytest_sandbox.server.commands.stdin import StdinWriter
from pytest_sandbox.server.files.handle import FileHandle
from pytest_sandbox.server.model import creation, lifetimes, sandbox
from pytest_sandbox.server.model.definition import task_spec
from pytest_sandbox.server.model.result import result_of
from pytest_sandbox.server.model.sandboxes import SandboxRegistry
from pytest_sandbox.server.rpc import errors
from pytest_sandbox.server.rpc.idempotency import Outcomes
from pytest_sandbox.server.v1 import container_files, logs, router, sandboxes

Read = AsyncIterator[router_pb2.TaskExecStdioReadResponse]


@dataclass(frozen=True)
class Break:
    """Something that is wrong with a server.

    Attributes:
        what: in a few words.
        apply: makes it so, until the monkeypatch is undone.
        noticed_by: the checks that have to fail.
        hangs: whether they do so by waiting in vain.
    """

    what: str
    apply: Callable[[pytest.MonkeyPatch], None]
    noticed_by: tuple[str, ...]
    hangs: bool = False

    def __str__(self) -> str:
        return self.what.replace(" ", "-")


def swap_streams(patch: pytest.MonkeyPatch) -> None:
    right = router._log
    patch.setattr(router, "_log", lambda execution, which: right(execution, 1 - which))


def shift_offsets(patch: pytest.MonkeyPatch) -> None:
    right = router.CommandRouterServicer.TaskExecStdioRead

    def wrong(self: Any, request: Any, call: Any) -> Read:
        request.offset += bool(request.offset)
        return right(self, request, call)

    patch.setattr(router.CommandRouterServicer, "TaskExecStdioRead", wrong)


def lose_the_end(patch: pytest.MonkeyPatch) -> None:
    right = router.CommandRouterServicer.TaskExecStdioRead

    async def wrong(self: Any, request: Any, call: Any) -> Read:
        async for message in right(self, request, call):
            yield message
        await asyncio.Event().wait()

    patch.setattr(router.CommandRouterServicer, "TaskExecStdioRead", wrong)


def drop_the_last_message(patch: pytest.MonkeyPatch) -> None:
    right = router.CommandRouterServicer.TaskExecStdioRead

    async def wrong(self: Any, request: Any, call: Any) -> Read:
        held = None
        async for message in right(self, request, call):
            if held is not None:
                yield held
            held = message

    patch.setattr(router.CommandRouterServicer, "TaskExecStdioRead", wrong)


def send_the_first_message_twice(patch: pytest.MonkeyPatch) -> None:
    right = router.CommandRouterServicer.TaskExecStdioRead

    async def wrong(self: Any, request: Any, call: Any) -> Read:
        first = True
        async for message in right(self, request, call):
            if first:
                yield message
            first = False
            yield message

    patch.setattr(router.CommandRouterServicer, "TaskExecStdioRead", wrong)


def forget_the_end_of_input(patch: pytest.MonkeyPatch) -> None:
    right = StdinWriter.write_at

    async def wrong(self: StdinWriter, offset: int, data: bytes, eof: bool) -> None:
        await right(self, offset, data, False)

    patch.setattr(StdinWriter, "write_at", wrong)


def write_input_again(patch: pytest.MonkeyPatch) -> None:
    async def wrong(self: StdinWriter, offset: int, data: bytes, eof: bool) -> None:
        await self._write(lambda: data, eof)

    patch.setattr(StdinWriter, "write_at", wrong)


def tell_signals_as_codes(patch: pytest.MonkeyPatch) -> None:
    right = router._status

    def wrong(status: Any) -> dict[str, int]:
        fields = right(status)
        return {"code": fields["signal"]} if "signal" in fields else fields

    patch.setattr(router, "_status", wrong)


def tell_all_went_well(patch: pytest.MonkeyPatch) -> None:
    right = router._status

    def wrong(status: Any) -> dict[str, int]:
        fields = right(status)
        return {"code": 0} if "code" in fields else fields

    patch.setattr(router, "_status", wrong)


def forget_names(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SandboxRegistry, "named", lambda self, app_id, name: None)


def keep_names_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SandboxRegistry, "_ended", lambda self, box: None)


def ignore_idempotency_keys(patch: pytest.MonkeyPatch) -> None:
    async def wrong(self: Any, rpc: str, key: str, run: Callable[[], Awaitable[Any]]) -> Any:
        return await run()

    patch.setattr(Outcomes, "once", wrong)


def start_commands_again(patch: pytest.MonkeyPatch) -> None:
    right = commands.Commands.run

    async def wrong(self: commands.Commands, exec_id: str, *args: Any) -> None:
        self._by_id.pop(exec_id, None)
        await right(self, exec_id, *args)

    patch.setattr(commands.Commands, "run", wrong)


def give_commands_all_time(patch: pytest.MonkeyPatch) -> None:
    right = execution_module.CommandExecution.__init__

    def wrong(self: Any, *args: Any, timeout: float | None = None, **kwargs: Any) -> None:
        right(self, *args, timeout=None, **kwargs)

    patch.setattr(execution_module.CommandExecution, "__init__", wrong)


def give_sandboxes_all_time(patch: pytest.MonkeyPatch) -> None:
    right = lifetimes.Lifetime.__init__

    def wrong(self: Any, clock: Any, timeout: float, *args: Any) -> None:
        right(self, clock, timeout + 3600, *args)

    patch.setattr(lifetimes.Lifetime, "__init__", wrong)


def forget_why_a_sandbox_ended(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sandbox, "result_of", lambda end, reason: result_of(end, None))


def mistake_missing_for_forbidden(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(filesystem_tool._KINDS, errno.ENOENT, "PermissionDenied")


def mistake_missing_for_forbidden_when_opening(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(container_files._CODES, errno.ENOENT, errno.EACCES)


def mix_up_tags(patch: pytest.MonkeyPatch) -> None:
    right = sandboxes.SandboxServicer.SandboxTagsGet

    async def wrong(self: Any, request: Any, call: Any) -> Any:
        request.sandbox_id = self._state.boxes.all()[-1].id
        return await right(self, request, call)

    patch.setattr(sandboxes.SandboxServicer, "SandboxTagsGet", wrong)


def list_the_oldest_first(patch: pytest.MonkeyPatch) -> None:
    right = sandboxes.SandboxServicer.SandboxList

    async def wrong(self: Any, request: Any, call: Any) -> sandboxes_pb2.SandboxListResponse:
        response = await right(self, request, call)
        return sandboxes_pb2.SandboxListResponse(sandboxes=list(response.sandboxes)[::-1])

    patch.setattr(sandboxes.SandboxServicer, "SandboxList", wrong)


def repeat_the_last_of_a_page(patch: pytest.MonkeyPatch) -> None:
    right = sandboxes.SandboxServicer.SandboxList

    async def wrong(self: Any, request: Any, call: Any) -> sandboxes_pb2.SandboxListResponse:
        if request.before_timestamp:
            request.before_timestamp += 1e-6
        return await right(self, request, call)

    patch.setattr(sandboxes.SandboxServicer, "SandboxList", wrong)


def forget_to_filter(patch: pytest.MonkeyPatch) -> None:
    right = sandboxes.SandboxServicer.SandboxList

    async def wrong(self: Any, request: Any, call: Any) -> sandboxes_pb2.SandboxListResponse:
        del request.tags[:]
        return await right(self, request, call)

    patch.setattr(sandboxes.SandboxServicer, "SandboxList", wrong)


def swap_streams_of_the_main_process(patch: pytest.MonkeyPatch) -> None:
    right = logs.output
    patch.setattr(logs, "output", lambda both, which: right(both[::-1], which))


def lose_variables_of_commands(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(router.CommandRouterServicer, "_env", lambda self, request: {})


def create_without_variables(patch: pytest.MonkeyPatch) -> None:
    def wrong(definition: Any, *args: Any) -> Any:
        definition.ClearField("environment_variables")
        return task_spec(definition, *args)

    patch.setattr(creation, "task_spec", wrong)


def read_from_the_beginning(patch: pytest.MonkeyPatch) -> None:
    right = FileHandle._take

    def wrong(self: FileHandle, end: int) -> Any:
        self._position = 0
        return right(self, end)

    patch.setattr(FileHandle, "_take", wrong)


def merge_error_output(patch: pytest.MonkeyPatch) -> None:
    def wrong(*args: Any, **kwargs: Any) -> ProcessSpec:
        return ProcessSpec(*args, **{**kwargs, "stderr": Output.STDOUT})

    patch.setattr(start, "ProcessSpec", wrong)


def blame_the_server(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(errors._ENGINE, SpawnFailed, Status.NOT_FOUND)


BREAKS = (
    Break("swap stdout and stderr", swap_streams, ("streams_apart",)),
    Break("merge stderr into stdout", merge_error_output, ("streams_apart",)),
    Break("offsets of output off by one", shift_offsets, ("output_from_an_offset",)),
    Break("lose the end of output", lose_the_end, ("output_ends",), hangs=True),
    Break("drop the last message of output", drop_the_last_message, ("output_is_whole",)),
    Break("send output twice", send_the_first_message_twice, ("output_is_whole", "output_ends")),
    Break("forget the end of input", forget_the_end_of_input, ("input_ends",), hangs=True),
    Break("write repeated input again", write_input_again, ("input_arrives_once",)),
    Break("tell signals as codes", tell_signals_as_codes, ("exit_codes_of_signals",)),
    Break("tell that all went well", tell_all_went_well, ("exit_codes",)),
    Break("forget names", forget_names, ("names_find_what_runs",)),
    Break("keep names for ever", keep_names_for_ever, ("names_are_free_again",)),
    Break("ignore idempotency keys", ignore_idempotency_keys, ("creation_is_repeatable",)),
    Break("start commands again", start_commands_again, ("commands_start_once",)),
    Break(
        "ignore timeouts of commands", give_commands_all_time, ("commands_time_out",), hangs=True
    ),
    Break(
        "ignore timeouts of sandboxes", give_sandboxes_all_time, ("sandboxes_time_out",), hangs=True
    ),
    Break("forget why it ended", forget_why_a_sandbox_ended, ("sandboxes_time_out",)),
    Break("wrong error of a file", mistake_missing_for_forbidden, ("files_fail_like_files",)),
    Break(
        "wrong error of an open",
        mistake_missing_for_forbidden_when_opening,
        ("files_fail_like_files",),
    ),
    Break("tags of another sandbox", mix_up_tags, ("tags_are_ones_own",)),
    Break("list without filter", forget_to_filter, ("tags_are_ones_own",)),
    Break("list the oldest first", list_the_oldest_first, ("listings_are_paged",)),
    Break("repeat the last of a page", repeat_the_last_of_a_page, ("listings_are_paged",)),
    Break("swap the main streams", swap_streams_of_the_main_process, ("main_output_is_apart",)),
    Break("lose variables of commands", lose_variables_of_commands, ("variables_arrive",)),
    Break("lose variables of sandboxes", create_without_variables, ("variables_arrive",)),
    Break("forget positions", read_from_the_beginning, ("open_files_have_a_position",)),
    Break("wrong status", blame_the_server, ("errors_name_the_command",)),
)
