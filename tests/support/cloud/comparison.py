"""Two recordings side by side, call by call and field by field."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, TypeVar

from .recorder import Names, SentCall, fields

T = TypeVar("T")

#: Numbers of repeated fields, and keys: a difference in each element is one difference.
_INDEX = re.compile(r"\[[^]]*\]")
#: What a sandbox needs, and signs of life. Modal's client asks for all of it at a time.
_BEFORE_A_CREATION = {
    "AppHeartbeat",
    "AppPublish",
    "AuthTokenGet",
    "BlobCreate",
    "EnvironmentGetOrCreate",
    "ImageGetOrCreate",
    "ImageJoinStreaming",
    "MountBatchedCheckExistence",
    "MountGetOrCreate",
    "MountPutFile",
    "SecretGetOrCreate",
    "VolumeGetOrCreate",
    "VolumeHeartbeat",
}


@dataclass(frozen=True)
class Difference:
    """Something that one client sent and the other one did not.

    Attributes:
        rpc: the call.
        what: a field by its path, `metadata NAME`, or `call` for the call itself.
        theirs: what Modal's client sent; empty for nothing.
        ours: what our client sent; likewise.
    """

    rpc: str
    what: str
    theirs: str
    ours: str

    @property
    def key(self) -> str:
        """What it is about, whichever call and element it is."""
        return f"{self.rpc} {_INDEX.sub('[]', self.what)}"

    def __str__(self) -> str:
        return f"{self.rpc} {self.what}: modal {self.theirs or '-'}, ours {self.ours or '-'}"


def differences(theirs: Sequence[SentCall], ours: Sequence[SentCall]) -> Iterator[Difference]:
    """All differences between what two clients sent for one program."""
    # Only what both sent gives names: else one more id would make all that follow different.
    names, other_names = Names(), Names()
    for some, others in _matched(_together(theirs), _together(ours), _about):
        for one, other in _matched(
            [call for group in some for call in group],
            [call for group in others for call in group],
            _kind,
        ):
            if one and other and _kind(one[0]) == _kind(other[0]):
                said = _said(one[0], names), _said(other[0], other_names)
                yield from _between(one[0].rpc, *said)
                continue
            for call in one:
                yield Difference(_kind(call), "call", "made", "")
            for call in other:
                yield Difference(_kind(call), "call", "", "made")


def _matched(
    first: list[T], second: list[T], key: Callable[[T], str]
) -> Iterator[tuple[list[T], list[T]]]:
    """What is of one key in both, pair by pair, and what is in one of them alone."""
    matcher = SequenceMatcher(None, [*map(key, first)], [*map(key, second)], autojunk=False)
    for kind, begin, end, other_begin, other_end in matcher.get_opcodes():
        if kind == "equal":
            for one, other in zip(first[begin:end], second[other_begin:other_end], strict=True):
                yield [one], [other]
        else:
            yield first[begin:end], second[other_begin:other_end]


def _between(rpc: str, theirs: dict[str, str], ours: dict[str, str]) -> Iterator[Difference]:
    for what in {**theirs, **ours}:
        one, other = theirs.get(what, ""), ours.get(what, "")
        if one != other:
            yield Difference(rpc, what, one, other)


def _said(call: SentCall, names: Names) -> dict[str, str]:
    said = {f"metadata {name}": names.of(call.metadata[name]) for name in sorted(call.metadata)}
    for number, request in enumerate(call.requests):
        place = f"message {number + 1} " if number else ""
        said.update({place + path: value for path, value in fields(request, names).items()})
    return said


def _together(calls: Sequence[SentCall]) -> list[list[SentCall]]:
    """Calls that belong together, each group in an order of its own.

    These are calls about one command, which may end when the next one has begun, and those before a
    creation, which Modal's client makes several at a time. Others are alone.
    """
    groups: list[list[SentCall]] = []
    of_commands: dict[str, list[SentCall]] = {}
    before = False
    for call in calls:
        start = getattr(_first(call), "start", None)
        command = str(getattr(start or _first(call), "exec_id", ""))
        was_before, before = before, call.rpc in _BEFORE_A_CREATION
        if command in of_commands:
            of_commands[command].append(call)
        elif before and was_before:
            groups[-1].append(call)
        else:
            groups.append([call])
            if command:
                of_commands[command] = groups[-1]
    return [sorted(group, key=_kind) for group in groups]


def _about(group: list[SentCall]) -> str:
    """What a group is for: a command by its arguments, others by their name."""
    if group[0].rpc in _BEFORE_A_CREATION:
        return "before a creation"
    started = (call for call in group if call.rpc == "TaskExecStart")
    return next((" ".join(_first(call).command_args) for call in started), _kind(group[0]))


def _kind(call: SentCall) -> str:
    """The name of a call, and which stream it reads, or whether it only asks."""
    if call.rpc == "MountPutFile" and _first(call).WhichOneof("data_oneof") is None:
        return "MountPutFile that asks"
    descriptor = getattr(_first(call), "file_descriptor", None)
    if descriptor is None:
        return call.rpc
    return f"{call.rpc} of {'stderr' if descriptor else 'stdout'}"


def _first(call: SentCall) -> Any:
    return call.requests[0] if call.requests else None
