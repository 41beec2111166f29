"""Ways to break what a server does for clients of the second version of the API."""

from typing import Any

from .mutation import Mutation
from .tampering import Serve, StreamProxy, Tampering


def swap_main_streams(server: Tampering) -> None:
    def change(request: Any) -> None:
        request.file_descriptor = 1 - request.file_descriptor

    server.request("SandboxStdioReadV2", change)


def shift_main_offsets(server: Tampering) -> None:
    def change(request: Any) -> None:
        request.offset += bool(request.offset)

    server.request("SandboxStdioReadV2", change)


def forget_where_output_begins(server: Tampering) -> None:
    def change(_: Any, response: Any) -> None:
        response.starting_offset = 0

    server.response("SandboxStdioReadV2", change)


def write_repeated_main_input_again(server: Tampering) -> None:
    written: dict[str, int] = {}

    def change(request: Any) -> None:
        request.offset = written.get(request.task_id, 0)
        written[request.task_id] = request.offset + len(request.data)

    server.request("SandboxStdinWriteV2", change)


def lose_secrets_of_the_request(server: Tampering) -> None:
    server.request("SandboxCreateV2", lambda request: request.ClearField("secret_sources"))


def let_earlier_secrets_win(server: Tampering) -> None:
    def change(request: Any) -> None:
        sources = list(request.secret_sources)[::-1]
        request.ClearField("secret_sources")
        request.secret_sources.extend(sources)

    server.request("SandboxCreateV2", change)


def ignore_idempotency_keys_too(server: Tampering) -> None:
    async def around(stream: Any, serve: Serve) -> None:
        without_key = StreamProxy(stream)
        without_key.metadata = {}
        await serve(without_key)

    server.around("SandboxCreateV2", around)


def list_one_version(server: Tampering) -> None:
    def change(_: Any, response: Any) -> None:
        listed = [info for info in response.sandboxes if info.task_info.id.endswith("V")]
        response.ClearField("sandboxes")
        response.sandboxes.extend(listed)

    server.response("SandboxListV2", change)


MUTATIONS = (
    Mutation("swap the main streams, V2", swap_main_streams, ("main_streams_apart",)),
    Mutation(
        "offsets of main output off by one", shift_main_offsets, ("main_output_from_an_offset",)
    ),
    Mutation(
        "forget where main output begins",
        forget_where_output_begins,
        ("main_output_from_an_offset",),
    ),
    Mutation(
        "write repeated main input again",
        write_repeated_main_input_again,
        ("main_input_arrives_once",),
    ),
    Mutation(
        "lose secrets of the request",
        lose_secrets_of_the_request,
        ("secrets_come_with_the_request",),
    ),
    Mutation(
        "let earlier secrets win", let_earlier_secrets_win, ("secrets_come_with_the_request",)
    ),
    Mutation(
        "ignore idempotency keys, V2",
        ignore_idempotency_keys_too,
        ("creation_is_repeatable_too",),
    ),
    Mutation("list one version", list_one_version, ("both_versions_are_listed",)),
)
