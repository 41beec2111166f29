"""Two recordings side by side, call by call and field by field."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from typing import Any

from .recorder import Names, SentCall, fields

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
    first, second = _in_order(theirs), _in_order(ours)
    # Only what both sent gives names: else one more id would make all that follow different.
    names, other_names = Names(), Names()
    matcher = SequenceMatcher(None, [*map(_kind, first)], [*map(_kind, second)], autojunk=False)
    for kind, begin, end, other_begin, other_end in matcher.get_opcodes():
        if kind == "equal":
            pairs = zip(first[begin:end], second[other_begin:other_end], strict=True)
            for one, other in pairs:
                yield from _between(one.rpc, _said(one, names), _said(other, other_names))
            continue
        for call in first[begin:end]:
            yield Difference(_kind(call), "call", "made", "")
        for call in second[other_begin:other_end]:
            yield Difference(_kind(call), "call", "", "made")


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


def _in_order(calls: Sequence[SentCall]) -> list[SentCall]:
    """Calls in an order of their own where Modal's client makes several at a time."""
    ordered: list[SentCall] = []
    for together, group in groupby(calls, key=_together):
        some = [*group]
        ordered += sorted(some, key=_kind) if together else some
    return ordered


def _together(call: SentCall) -> str:
    """The same for calls that are made at a time: about one command, or before a creation."""
    if call.rpc in _BEFORE_A_CREATION:
        return "before"
    start = getattr(_first(call), "start", None)
    return str(getattr(start or _first(call), "exec_id", ""))


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
