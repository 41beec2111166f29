"""Requests for GPUs, in Modal's grammar: `"H100"`, `"A100-80GB:2"`, `"any"`, and lists of these.

A list names what will do, the best first. On the wire, where there is room for one kind and one
count, those after the first are part of the kind: `H100,A100-80GB:2`.
"""

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

#: What stands for any kind, in any case.
ANY = "ANY"
#: How a request begins that names devices which the caller has leased already.
LEASE = "lease:"
_MOST = 2**32 - 1
# Modal has `H100!` for exactly that kind, and `B200+` for that or a newer one.
_KIND = r"[A-Za-z0-9][A-Za-z0-9 ._-]*[!+]?"


class GpuRequest:
    """One kind, and how many of it.

    Args:
        kind: as it was asked for; empty for any.
        count: how many.
    """

    def __init__(self, kind: str, count: int) -> None:
        self.kind = kind
        self.count = count

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GpuRequest) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((self.kind, self.count))

    def __str__(self) -> str:
        return f"{self.count} x {self.kind or 'GPU'}"

    def __repr__(self) -> str:
        return f"GpuRequest({self.kind!r}, {self.count})"


def parse_one(text: str) -> GpuRequest:
    """The request that a text stands for.

    Raises:
        ValueError: it stands for none; says why.
    """
    kind, colon, count = text.partition(":")
    if colon and not (count.isascii() and count.isdigit() and 0 < int(count) <= _MOST):
        raise ValueError(f"{count!r} is not a number of GPUs, as in 'H100:2'")
    if not kind:
        raise ValueError("it names no kind; use 'any' for any kind")
    if not re.fullmatch(_KIND, kind):
        kinds = [each.strip() for each in kind.split(",")]
        several = f"; for one of several, give the list {kinds}" if len(kinds) > 1 else ""
        raise ValueError(f"{kind!r} is not a kind of GPU, as in 'H100' or 'A100-80GB'{several}")
    kind = "" if kind.upper() == ANY else kind.upper()
    return GpuRequest(kind, int(count or 1))


def parse(gpu: object) -> "tuple[GpuRequest, ...]":
    """The requests that an argument `gpu=` stands for, the best first.

    Args:
        gpu: a text, or a list of texts.

    Raises:
        ValueError: it stands for none; says why.
    """
    if isinstance(gpu, str):
        return (parse_one(gpu),)
    if not isinstance(gpu, (list, tuple)) or not all(isinstance(each, str) for each in gpu):
        raise ValueError("it must be text such as 'H100' or 'H100:2', or a list of such")
    if not gpu:
        raise ValueError("the list is empty")
    return tuple(parse_one(each) for each in gpu)


def in_words(requests: "Sequence[GpuRequest]", memory: "int | None") -> str:
    """What is asked for, as people read it: `2 x H100 or 4 x A100`.

    Args:
        requests: what will do, the best first.
        memory: MiB of each.
    """
    text = " or ".join(map(str, requests))
    return text if memory is None else f"{text} with {memory} MiB"


def to_wire(requests: "Sequence[GpuRequest]") -> "tuple[str, int]":
    """The kind and the count that stand for requests on the wire."""
    first, *rest = requests
    texts = [first.kind or ANY, *(f"{each.kind or ANY}:{each.count}" for each in rest)]
    return ",".join(texts), first.count


def from_wire(kind: str, count: int) -> "tuple[GpuRequest, ...]":
    """The opposite of `to_wire`.

    Raises:
        ValueError: it stands for no requests.
    """
    first, *rest = kind.split(",")
    if ":" in first:
        raise ValueError(f"{first!r} is not a kind of GPU")
    return (GpuRequest(parse_one(first).kind, count), *(parse_one(each) for each in rest))
