"""What is recorded of one call, and how a reader gets it."""

from collections.abc import Callable, Mapping

from google.protobuf.message import Message

from pytest_sandbox._proto import inspector_pb2 as pb
from pytest_sandbox.rpcs import SIGNATURES

from .redaction import public_message, public_metadata


class RecordedCall:
    """One call; `held` says whether the recorder still has it."""

    __slots__ = (
        "caller",
        "faults",
        "held",
        "listener",
        "message",
        "metadata",
        "number",
        "requested",
        "requests",
        "responded",
        "responses",
        "rpc",
        "seconds",
        "since",
        "size",
        "started",
        "status",
        "task_id",
    )

    def __init__(self, number: int, rpc: str, listener: str) -> None:
        self.number = number
        self.rpc = rpc
        self.listener = listener
        self.caller = ""
        self.task_id = ""
        self.metadata: Mapping[str, str | bytes] = {}
        self.requests: list[bytes] = []
        self.responses: list[bytes] = []
        self.requested = [0, 0]  # messages, bytes
        self.responded = [0, 0]
        self.size = 0
        self.held = True
        self.status = ""
        self.message = ""
        self.started = self.since = self.seconds = 0.0
        self.faults: list[str] = []


def record_message(entry: RecordedCall, sandbox_of: Callable[[str], str]) -> pb.RpcRecord:
    """The record of a call as a message, without secrets.

    Args:
        entry: the call.
        sandbox_of: the id of the sandbox of a task; empty if there is none.
    """
    record = pb.RpcRecord(
        number=entry.number,
        rpc=entry.rpc,
        listener=entry.listener,
        caller=entry.caller,
        metadata=public_metadata(entry.metadata),
        requested=pb.MessageCount(messages=entry.requested[0], bytes=entry.requested[1]),
        responded=pb.MessageCount(messages=entry.responded[0], bytes=entry.responded[1]),
        status=entry.status,
        message=entry.message,
        started=entry.started,
        seconds=entry.seconds,
        faults=entry.faults,
    )
    signature = SIGNATURES.get(entry.rpc)
    if signature is not None:
        requests = [signature.request.FromString(each) for each in entry.requests]
        responses = [signature.response.FromString(each) for each in entry.responses]
        record.sandbox_ids.extend(_sandboxes_of(entry, requests, responses, sandbox_of))
        record.requests.extend(map(public_message, requests))
        record.responses.extend(map(public_message, responses))
    return record


def _sandboxes_of(
    entry: RecordedCall,
    requests: list[Message],
    responses: list[Message],
    sandbox_of: Callable[[str], str],
) -> list[str]:
    """The ids of the sandboxes that a call is about, each once."""
    found = [sandbox_of(entry.task_id)]
    for message in [*requests[:1], *responses[:1]]:
        found.append(getattr(message, "sandbox_id", ""))
        task_id = getattr(message, "task_id", "")
        # Ids that the server chose for commands begin with the id of the task.
        exec_id = str(getattr(message, "exec_id", "")).partition(".")[0]
        found += [sandbox_of(task_id), sandbox_of(exec_id)]
    return list(dict.fromkeys(filter(None, found)))
