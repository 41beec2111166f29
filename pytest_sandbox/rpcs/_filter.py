"""Narrowings of the calls that were made, each in words and as a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_sandbox._shared.lazy_dataclass import dataclass

from ._match import check, differences
from ._names import SIGNATURES, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._match import Difference
    from ._record import Rpc


@dataclass(frozen=True)
class Filter:
    """One narrowing of the calls: a method of `Rpcs` with its arguments.

    Attributes:
        words: as the caller wrote it.
        accepts: whether a call passes.
        differences: where the request of a call that does not pass differs; `None` if the filter
            is not about requests.
    """

    words: str
    accepts: Callable[[Rpc], bool]
    differences: Callable[[Rpc], list[Difference]] | None = None


def request_filter(
    test: Callable[[Rpc], bool] | None, expected: dict[Any, Any], words: str
) -> Filter:
    """A filter by requests: `Rpcs.where`.

    Args:
        test: asked about each call.
        expected: values of the request, nested.
        words: as the caller wrote it.
    """

    def found(call: Rpc) -> list[Difference]:
        return list(differences(call.request, expected)) if _can_be(call, expected) else []

    def accepts(call: Rpc) -> bool:
        if test is not None and not test(call):
            return False
        return not expected or (_can_be(call, expected) and not found(call))

    return Filter(words, accepts, found)


def check_any_request(expected: dict[Any, Any]) -> None:
    """Check that the request of some RPC can have the expected values.

    Raises:
        ValueError: none can; the message is about the RPC that comes closest.
    """
    names = {
        name for each in SIGNATURES.values() for name in each.request.DESCRIPTOR.fields_by_name
    }
    for name in expected:
        if name not in names:
            raise ValueError(f"no request has a field {name!r}{nearest(str(name), names)}")
    errors = [_wrong(each.request.DESCRIPTOR, expected) for each in SIGNATURES.values()]
    if None not in errors:
        # The best explanation is of a message that has the field, but not with that value.
        raise max(filter(None, errors), key=lambda error: "has no field" not in str(error))


def _can_be(call: Rpc, expected: dict[Any, Any]) -> bool:
    """Whether a call has a recorded request, of a type that can have the expected values."""
    return call.request is not None and _wrong(call.request.DESCRIPTOR, expected) is None


def _wrong(descriptor: Any, expected: dict[Any, Any]) -> ValueError | None:
    try:
        check(descriptor, expected)
    except ValueError as error:
        return error
    return None
