"""Ways to break what a server does with commands, sandboxes, files and volumes.

All of them alter messages between the handlers and the wire.
"""

import asyncio
import errno
import itertools
from typing import Any

from google.protobuf.empty_pb2 import Empty
from grpclib import GRPCError, Status

from pytest_sandbox._proto import common_pb2, containers_pb2, router_pb2

from .mutation import Mutation
from .tampering import ChangedResponses, ExtraCall, Serve, StreamProxy, Tampering

Result = common_pb2.GenericResult


def swap_streams(server: Tampering) -> None:
    def change(request: Any) -> None:
        request.file_descriptor = 1 - request.file_descriptor

    server.request("TaskExecStdioRead", change)


def shift_offsets(server: Tampering) -> None:
    def change(request: Any) -> None:
        request.offset += bool(request.offset)

    server.request("TaskExecStdioRead", change)


def lose_the_end(server: Tampering) -> None:
    async def around(stream: Any, serve: Serve) -> None:
        await serve(stream)
        await asyncio.Event().wait()

    server.around("TaskExecStdioRead", around)


class _Late(StreamProxy):
    """Sends each message when the next one comes, so never the last."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._held: list[Any] = []

    async def send_message(self, message: Any) -> None:
        for held in self._held:
            await super().send_message(held)
        self._held = [message]


class _Twice(StreamProxy):
    """Sends the first message twice."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._times = 2

    async def send_message(self, message: Any) -> None:
        for _ in range(self._times):
            await super().send_message(message)
        self._times = 1


def drop_the_last_message(server: Tampering) -> None:
    server.around("TaskExecStdioRead", lambda stream, serve: serve(_Late(stream)))


def send_the_first_message_twice(server: Tampering) -> None:
    server.around("TaskExecStdioRead", lambda stream, serve: serve(_Twice(stream)))


def forget_the_end_of_input(server: Tampering) -> None:
    def change(request: Any) -> None:
        request.eof = False

    server.request("TaskExecStdinWrite", change)


def write_repeated_input_again(server: Tampering) -> None:
    written: dict[str, int] = {}

    def change(request: Any) -> None:
        request.offset = written.get(request.exec_id, 0)
        written[request.exec_id] = request.offset + len(request.data)

    server.request("TaskExecStdinWrite", change)


def report_signals_as_codes(server: Tampering) -> None:
    def change(_: Any, response: Any) -> None:
        if response.HasField("signal"):
            response.code = response.signal

    server.response("TaskExecWait", change)
    server.response("TaskExecPoll", change)


def report_success(server: Tampering) -> None:
    def change(_: Any, response: Any) -> None:
        if response.HasField("code"):
            response.code = 0

    server.response("TaskExecWait", change)
    server.response("TaskExecPoll", change)


def swap_streams_that_are_followed(server: Tampering) -> None:
    def change(_: Any, response: Any) -> None:
        response.stdout, response.stderr = response.stderr, response.stdout
        ended = response.stderr_ended, response.stdout_ended
        response.stdout_ended, response.stderr_ended = ended

    server.response("ExecFollow", change)


def lose_what_is_followed(server: Tampering) -> None:
    server.response("ExecFollow", lambda _, response: response.ClearField("stdout"))


def lose_the_end_of_what_is_followed(server: Tampering) -> None:
    async def around(stream: Any, serve: Serve) -> None:
        await serve(ChangedResponses(stream, change))
        await asyncio.Event().wait()

    def change(_: Any, response: Any) -> None:
        response.ClearField("stdout_ended")

    server.around("ExecFollow", around)


def report_success_of_what_is_followed(server: Tampering) -> None:
    def change(_: Any, response: Any) -> None:
        if response.HasField("exit"):
            response.exit.code = 0

    server.response("ExecFollow", change)


def forget_the_input_of_what_is_followed(server: Tampering) -> None:
    server.request("ExecFollow", lambda request: request.start.ClearField("input"))


def forget_names(server: Tampering) -> None:
    server.request("SandboxCreate", lambda request: request.definition.ClearField("name"))


def keep_names_for_ever(server: Tampering) -> None:
    def change(request: Any) -> None:
        request.include_terminated = True

    server.request("SandboxGetFromName", change)


def ignore_idempotency_keys(server: Tampering) -> None:
    async def around(stream: Any, serve: Serve) -> None:
        without_key = StreamProxy(stream)
        without_key.metadata = {"x-sandbox-caller": stream.metadata.get("x-sandbox-caller", "")}
        await serve(without_key)

    server.around("SandboxCreate", around)


def start_commands_again(server: Tampering) -> None:
    newest: dict[str, str] = {}
    numbers = itertools.count()

    def start(request: Any) -> None:
        asked = request.exec_id
        request.exec_id = newest[asked] = f"{asked}-{next(numbers)}"

    def read(request: Any) -> None:
        request.exec_id = newest[request.exec_id]

    server.request("TaskExecStart", start)
    server.request("TaskExecStdioRead", read)


def ignore_timeouts_of_commands(server: Tampering) -> None:
    server.request("TaskExecStart", lambda request: request.ClearField("timeout_secs"))


def ignore_timeouts_of_sandboxes(server: Tampering) -> None:
    def change(request: Any) -> None:
        request.definition.timeout_secs += 3600

    server.request("SandboxCreate", change)


def forget_why_a_sandbox_ended(server: Tampering) -> None:
    def change(_: Any, response: Any) -> None:
        if response.result.status == Result.GENERIC_STATUS_TIMEOUT:
            response.result.status = Result.GENERIC_STATUS_TERMINATED
            response.result.exitcode = 137

    server.response("SandboxWait", change)


def mistake_missing_for_forbidden(server: Tampering) -> None:
    def change(_: Any, response: Any) -> None:
        response.data = response.data.replace(b'"NotFound"', b'"PermissionDenied"')

    server.response("TaskExecStdioRead", change)


def mistake_missing_for_forbidden_when_opening(server: Tampering) -> None:
    def change(_: Any, response: Any) -> None:
        if response.error.error_code == containers_pb2.SYSTEM_ERROR_CODE_NOENT:
            response.error.error_code = containers_pb2.SYSTEM_ERROR_CODE_ACCES
            response.error.errno = errno.EACCES

    server.response("ContainerFilesystemExecGetOutput", change)


def mix_up_tags(server: Tampering) -> None:
    created: list[str] = []

    def change(request: Any) -> None:
        request.sandbox_id = created[-1]

    server.response("SandboxCreate", lambda _, response: created.append(response.sandbox_id))
    server.request("SandboxTagsGet", change)


def list_the_oldest_first(server: Tampering) -> None:
    def change(_: Any, response: Any) -> None:
        listed = list(response.sandboxes)
        del response.sandboxes[:]
        response.sandboxes.extend(listed[::-1])

    server.response("SandboxList", change)


def repeat_the_last_of_a_page(server: Tampering) -> None:
    def change(request: Any) -> None:
        if request.before_timestamp:
            request.before_timestamp += 1e-6

    server.request("SandboxList", change)


def list_without_filter(server: Tampering) -> None:
    server.request("SandboxList", lambda request: request.ClearField("tags"))


def swap_streams_of_the_main_process(server: Tampering) -> None:
    other = {
        common_pb2.FILE_DESCRIPTOR_STDOUT: common_pb2.FILE_DESCRIPTOR_STDERR,
        common_pb2.FILE_DESCRIPTOR_STDERR: common_pb2.FILE_DESCRIPTOR_STDOUT,
    }

    def change(request: Any) -> None:
        request.file_descriptor = other[request.file_descriptor]

    server.request("SandboxGetLogs", change)


def swap_main_streams_that_are_followed(server: Tampering) -> None:
    def change(_: Any, response: Any) -> None:
        for output in response.output:
            output.file_descriptor = 3 - output.file_descriptor

    server.response("SandboxFollow", change)


def lose_main_output_that_is_followed(server: Tampering) -> None:
    def change(_: Any, response: Any) -> None:
        for output in response.output:
            del output.batch.items[:]

    server.response("SandboxFollow", change)


def lose_the_end_of_main_output_that_is_followed(server: Tampering) -> None:
    def change(_: Any, response: Any) -> None:
        kept = [output for output in response.output if not output.batch.eof]
        del response.output[:]
        response.output.extend(kept)

    server.response("SandboxFollow", change)


def lose_variables_of_commands(server: Tampering) -> None:
    def change(request: Any) -> None:
        for field in ("env", "secret_ids", "secret_sources"):
            request.ClearField(field)

    server.request("TaskExecStart", change)


def lose_variables_of_sandboxes(server: Tampering) -> None:
    def change(request: Any) -> None:
        request.definition.ClearField("environment_variables")

    server.request("SandboxCreate", change)


def read_from_the_beginning(server: Tampering) -> None:
    async def around(stream: Any, serve: Serve) -> None:
        request = await stream.recv_message()
        operation = request.WhichOneof("file_exec_request_oneof")
        if operation in ("file_read_request", "file_read_line_request"):
            descriptor = getattr(request, operation).file_descriptor
            seek = containers_pb2.ContainerFilesystemExecRequest(
                task_id=request.task_id,
                file_seek_request=containers_pb2.ContainerFileSeekRequest(
                    file_descriptor=descriptor, offset=0, whence=containers_pb2.SEEK_SET
                ),
            )
            await serve(ExtraCall(stream, seek))
        await serve(_Heard(stream, request))

    server.around("ContainerFilesystemExec", around)


class _Heard(StreamProxy):
    """A stream whose request was received before."""

    def __init__(self, stream: Any, request: Any) -> None:
        super().__init__(stream)
        self._request = request

    async def recv_message(self) -> Any:
        return self._request


def merge_error_output(server: Tampering) -> None:
    def change(request: Any) -> None:
        request.stderr_config = router_pb2.TASK_EXEC_STDERR_CONFIG_STDOUT

    server.request("TaskExecStart", change)


def blame_the_server(server: Tampering) -> None:
    async def around(stream: Any, serve: Serve) -> None:
        try:
            await serve(stream)
        except GRPCError as error:
            raise GRPCError(Status.NOT_FOUND, error.message) from None

    server.around("TaskExecStart", around)


def tunnel_to_the_first_port(server: Tampering) -> None:
    def change(_: Any, response: Any) -> None:
        for tunnel in response.tunnels:
            tunnel.unencrypted_port = response.tunnels[0].unencrypted_port

    server.response("SandboxGetTunnels", change)


def share_volumes_between_environments(server: Tampering) -> None:
    server.request("VolumeGetOrCreate", lambda request: request.ClearField("environment_name"))


def share_all_volumes(server: Tampering) -> None:
    seen: list[str] = []

    def change(request: Any) -> None:
        for mount in request.definition.volume_mounts:
            seen.append(mount.volume_id)
            mount.volume_id = seen[0]

    server.request("SandboxCreate", change)


def make_all_volumes_writable(server: Tampering) -> None:
    def change(request: Any) -> None:
        for mount in request.definition.volume_mounts:
            mount.read_only = False

    server.request("SandboxCreate", change)


def delete_no_volume(server: Tampering) -> None:
    server.skip("VolumeDelete", Empty)


_VOLUMES = "volumes_are_where_they_were_asked_for"

MUTATIONS = (
    Mutation("swap stdout and stderr", swap_streams, ("streams_apart",)),
    Mutation("merge stderr into stdout", merge_error_output, ("streams_apart",)),
    Mutation("offsets of output off by one", shift_offsets, ("output_from_an_offset",)),
    Mutation("lose the end of output", lose_the_end, ("output_ends",), hangs=True),
    Mutation("drop the last message of output", drop_the_last_message, ("output_is_whole",)),
    Mutation("send output twice", send_the_first_message_twice, ("output_is_whole", "output_ends")),
    Mutation("forget the end of input", forget_the_end_of_input, ("input_ends",), hangs=True),
    Mutation("write repeated input again", write_repeated_input_again, ("input_arrives_once",)),
    Mutation("report signals as codes", report_signals_as_codes, ("exit_codes_of_signals",)),
    Mutation("report success", report_success, ("exit_codes",)),
    Mutation("swap followed streams", swap_streams_that_are_followed, ("streams_apart",)),
    Mutation("lose followed output", lose_what_is_followed, ("output_is_whole", "output_ends")),
    Mutation(
        "lose the end of followed output",
        lose_the_end_of_what_is_followed,
        ("output_ends",),
        hangs=True,
    ),
    Mutation(
        "report success of what is followed",
        report_success_of_what_is_followed,
        ("exit_codes", "exit_codes_of_signals"),
    ),
    Mutation(
        "forget the input of what is followed",
        forget_the_input_of_what_is_followed,
        ("output_is_whole",),
    ),
    Mutation("forget names", forget_names, ("names_find_what_runs",)),
    Mutation("keep names for ever", keep_names_for_ever, ("names_are_free_again",)),
    Mutation("ignore idempotency keys", ignore_idempotency_keys, ("creation_is_repeatable",)),
    Mutation("start commands again", start_commands_again, ("commands_start_once",)),
    Mutation(
        "ignore timeouts of commands",
        ignore_timeouts_of_commands,
        ("commands_time_out",),
        hangs=True,
    ),
    Mutation(
        "ignore timeouts of sandboxes",
        ignore_timeouts_of_sandboxes,
        ("sandboxes_time_out",),
        hangs=True,
    ),
    Mutation("forget why it ended", forget_why_a_sandbox_ended, ("sandboxes_time_out",)),
    Mutation("wrong error of a file", mistake_missing_for_forbidden, ("files_fail_like_files",)),
    Mutation(
        "wrong error of an open",
        mistake_missing_for_forbidden_when_opening,
        ("files_fail_like_files",),
    ),
    Mutation("tags of another sandbox", mix_up_tags, ("tags_belong_to_one_sandbox",)),
    Mutation("list without filter", list_without_filter, ("tags_belong_to_one_sandbox",)),
    Mutation("list the oldest first", list_the_oldest_first, ("listings_are_paged",)),
    Mutation("repeat the last of a page", repeat_the_last_of_a_page, ("listings_are_paged",)),
    Mutation("swap the main streams", swap_streams_of_the_main_process, ("main_output_is_apart",)),
    Mutation(
        "swap followed main streams",
        swap_main_streams_that_are_followed,
        ("main_output_is_apart",),
    ),
    Mutation(
        "lose followed main output", lose_main_output_that_is_followed, ("main_output_is_apart",)
    ),
    Mutation(
        "lose the end of followed main output",
        lose_the_end_of_main_output_that_is_followed,
        ("main_output_is_apart",),
        hangs=True,
    ),
    Mutation("lose variables of commands", lose_variables_of_commands, ("variables_arrive",)),
    Mutation("lose variables of sandboxes", lose_variables_of_sandboxes, ("variables_arrive",)),
    Mutation("forget positions", read_from_the_beginning, ("open_files_have_a_position",)),
    Mutation("wrong status", blame_the_server, ("errors_name_the_command",)),
    Mutation(
        "tunnel to the first port", tunnel_to_the_first_port, ("tunnels_lead_to_their_ports",)
    ),
    Mutation(
        "share volumes between environments",
        share_volumes_between_environments,
        ("volumes_are_shared_by_name",),
    ),
    Mutation("share all volumes", share_all_volumes, (_VOLUMES,)),
    Mutation("make all volumes writable", make_all_volumes_writable, (_VOLUMES,)),
    Mutation("delete no volume", delete_no_volume, ("deleted_volumes_are_gone",)),
)
