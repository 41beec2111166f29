"""The calls that were made, to look through and to assert about."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from ._match import Difference, check, differences, nested
from ._names import SIGNATURES, nearest, signature
from ._record import Rpc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_sandbox._proto.inspector_pb2 import InspectorRecordResponse

#: Calls that an error lists.
_LISTED = 20
#: Version of what `Rpcs.to_json` gives.
_SCHEMA = 1


class Recording(Protocol):
    """Where records come from: the engine process of a client, or a server in this process."""

    def record_start(self) -> int:
        """Begin to record, if nobody else has; the number of the next call."""

    def record_stop(self) -> None:
        """End what `record_start` began."""

    def record(self, since: int) -> InspectorRecordResponse:
        """Records of the calls with that number and later ones, maybe not all."""


class _History:
    """All calls since the beginning, asked for as they are needed."""

    def __init__(self, source: Recording, caller: str) -> None:
        self._source = source
        self._caller = caller
        self._first = source.record_start()
        self._next = self._upcoming = self._first  # not known to be over; not known to be
        self._rpcs: dict[int, Rpc] = {}
        self._phases = [(self._first, "")]
        self.dropped = 0

    def mark(self, phase: str) -> None:
        self._phases.append((self._following(), phase))

    def _following(self) -> int:
        """The number of the next call; a server in this process is asked for no more than that."""
        upcoming: Callable[[], int] | None = getattr(self._source, "upcoming", None)
        if upcoming is not None:
            return upcoming()
        self.update()
        return self._upcoming

    def update(self) -> list[Rpc]:
        since = self._next
        while True:
            page = self._source.record(since)
            held = since + page.dropped
            self.dropped += sum(1 for number in range(since, held) if number not in self._rpcs)
            for record in page.records:
                self._rpcs[record.number] = Rpc(record, self._phase(record.number))
            if not page.more:
                break
            since = page.records[-1].number + 1
        # What is no longer held stays as it was last seen.
        under_way = [n for n, rpc in self._rpcs.items() if n >= held and not rpc.status]
        self._upcoming = page.next
        self._next = min(under_way, default=page.next)
        return [
            rpc
            for _, rpc in sorted(self._rpcs.items())
            if not self._caller or rpc.caller == self._caller
        ]

    def _phase(self, number: int) -> str:
        return next(phase for first, phase in reversed(self._phases) if number >= first)

    def close(self) -> None:
        self._source.record_stop()


class _Filter:
    """A narrowing, in words and as a function.

    Args:
        words: as the caller wrote it.
        fits: whether a call passes.
        misses: where the request of a call that does not pass differs.
    """

    def __init__(
        self,
        words: str,
        fits: Callable[[Rpc], bool],
        misses: Callable[[Rpc], list[Difference]] | None = None,
    ) -> None:
        self.words = words
        self.fits = fits
        self.misses = misses


class Rpcs:
    """The calls that an engine was asked since this object was made.

    It is always up to date, and so is whatever `of` and `where` make of it. Calls are in the
    order in which they arrived.

    Args:
        source: where the records come from: `Client.inspector`, or the recorder of a server.
        caller: only calls of this caller, as told by the environment variable
            `PYTEST_SANDBOX_CALLER` of the process that made them; empty for all.
    """

    def __init__(self, source: Recording, *, caller: str = "") -> None:
        self._see(_History(source, caller), None, ())

    def _see(self, history: _History, rpc: str | None, filters: tuple[_Filter, ...]) -> None:
        self._history = history
        self._rpc = rpc
        self._filters = filters

    def _narrowed(self, narrowing: _Filter, rpc: str | None = None) -> Rpcs:
        return _Narrowed(self._history, rpc or self._rpc, (*self._filters, narrowing))

    def of(self, rpc: str) -> Rpcs:
        """The calls of that name.

        Raises:
            ValueError: there is no such RPC; it names those spelt alike.
        """
        self._check_rpc(rpc)
        return self._narrowed(_Filter(f"of({rpc!r})", lambda call: call.rpc == rpc), rpc)

    def where(self, test: Callable[[Rpc], bool] | None = None, /, **fields: Any) -> Rpcs:
        """The calls whose request is like that.

        Args:
            test: a function that is asked about each call.
            **fields: of the request, nested as dicts or with two underscores:
                `where(definition__timeout_secs=60)`. A dict names some of the fields or
                entries, a list all of them. Values of enums are named. `None`: not set.

        Raises:
            ValueError: no request has such a field, or the field can never have that value.
        """
        expected = nested(fields)
        self._check(expected)
        words = [repr(test)] if test else []
        words += [f"{name}={value!r}" for name, value in fields.items()]

        def misses(call: Rpc) -> list[Difference]:
            return list(differences(call.request, expected)) if _has(call, expected) else []

        def fits(call: Rpc) -> bool:
            if test is not None and not test(call):
                return False
            return not expected or (_has(call, expected) and not misses(call))

        return self._narrowed(_Filter(f"where({', '.join(words)})", fits, misses))

    def with_status(self, status: str) -> Rpcs:
        """The calls that ended with the status of that name, `"OK"`, `"UNAVAILABLE"`, ...

        Raises:
            ValueError: there is no such status.
        """
        check_status(status)
        return self._narrowed(
            _Filter(f"with_status({status!r})", lambda call: call.status == status)
        )

    def in_phase(self, phase: str) -> Rpcs:
        """The calls during that phase of the test: `"setup"`, `"call"`, `"teardown"`."""
        return self._narrowed(_Filter(f"in_phase({phase!r})", lambda call: call.phase == phase))

    def of_sandbox(self, sandbox: Any) -> Rpcs:
        """The calls about a sandbox, given as such or by its id."""
        sandbox_id = str(getattr(sandbox, "object_id", sandbox))
        return self._narrowed(
            _Filter(f"of_sandbox({sandbox_id!r})", lambda call: sandbox_id in call.sandbox_ids)
        )

    # Looking

    def _calls(self) -> list[Rpc]:
        calls = self._history.update()
        return [call for call in calls if all(each.fits(call) for each in self._filters)]

    def __iter__(self) -> Iterator[Rpc]:
        return iter(self._calls())

    def __len__(self) -> int:
        return len(self._calls())

    def __repr__(self) -> str:
        return f"<{self._words()}: {len(self)} calls>"

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self)

    @property
    def dropped(self) -> int:
        """Calls that were made and are no longer held, whatever they were."""
        self._history.update()
        return self._history.dropped

    # Asserting

    def one(self) -> Rpc:
        """The only call.

        Raises:
            AssertionError: there is none, and how the closest one differs; or there are more.
        """
        __tracebackhide__ = True
        found = self._calls()
        if len(found) != 1:
            raise AssertionError(self._not_one(found))
        return found[0]

    @property
    def first(self) -> Rpc:
        """The first call.

        Raises:
            AssertionError: there is none.
        """
        __tracebackhide__ = True
        return self._some()[0]

    @property
    def last(self) -> Rpc:
        """The last call.

        Raises:
            AssertionError: there is none.
        """
        __tracebackhide__ = True
        return self._some()[-1]

    def none(self) -> None:
        """See that there is no such call.

        Raises:
            AssertionError: there is one, or calls were dropped, so that nobody knows.
        """
        __tracebackhide__ = True
        found = self._calls()
        if found:
            raise AssertionError(f"expected no calls {self._words()}, but there are:{_list(found)}")
        if self._history.dropped:
            raise AssertionError(f"no calls {self._words()} are held, but{self._gap()}")

    def in_order(self, *rpcs: str) -> None:
        """See that these calls were made in this order, others between them allowed.

        Raises:
            AssertionError: they were not.
            ValueError: there is no such RPC.
        """
        __tracebackhide__ = True
        calls = self._calls()
        for name in rpcs:
            self._check_rpc(name)
        rest = iter(calls)
        after = ""
        for name in rpcs:
            if not any(call.rpc == name for call in rest):
                raise AssertionError(
                    f"expected {' -> '.join(rpcs)}, but no {name}{after}:{_list(calls)}"
                )
            after = f" after {name}"

    def to_json(self) -> str:
        """All of them as JSON, whose schema is in `docs/recording.md`."""
        calls = [call.as_dict() for call in self._calls()]
        told = {"schema": _SCHEMA, "dropped": self._history.dropped, "calls": calls}
        return json.dumps(told, indent=2)

    # The test that it belongs to

    def begin_phase(self, phase: str) -> None:
        """Calls from now on are made in that phase."""
        self._history.mark(phase)

    def close(self) -> None:
        """Stop recording, for this reader; to be called once, on what is no narrowing."""
        self._history.close()

    # Telling

    def _some(self) -> list[Rpc]:
        __tracebackhide__ = True
        found = self._calls()
        if not found:
            raise AssertionError(self._not_one(found))
        return found

    def _not_one(self, found: list[Rpc]) -> str:
        if found:
            return f"expected one call {self._words()}, but there are {len(found)}:{_list(found)}"
        *before, last = self._filters or (_Filter("", lambda _: False),)
        calls = self._history.update()
        near = [call for call in calls if all(each.fits(call) for each in before)]
        return f"there is no call {self._words()}{_closest(near, last)}{self._gap()}"

    def _words(self) -> str:
        return ".".join(["rpcs", *(each.words for each in self._filters)])

    def _gap(self) -> str:
        dropped = self._history.dropped
        return f"\n{dropped} earlier calls are no longer held" if dropped else ""

    def _check_rpc(self, rpc: str) -> None:
        # Of calls that are not part of the protocol here, those that were made are known.
        if rpc not in SIGNATURES and rpc not in {call.rpc for call in self._history.update()}:
            signature(rpc)

    def _check(self, expected: dict[Any, Any]) -> None:
        known = SIGNATURES.get(self._rpc) if self._rpc else None
        if known is not None:
            check(known.request.DESCRIPTOR, expected)
        elif expected:
            _check_any(expected)


class _Narrowed(Rpcs):
    """Some of the calls of another `Rpcs`, which does the recording."""

    def __init__(self, history: _History, rpc: str | None, filters: tuple[_Filter, ...]) -> None:
        self._see(history, rpc, filters)


def _check_any(expected: dict[Any, Any]) -> None:
    """See that some request can be as expected."""
    names = {
        name for each in SIGNATURES.values() for name in each.request.DESCRIPTOR.fields_by_name
    }
    for name in expected:
        if name not in names:
            raise ValueError(f"no request has a field {name!r}{nearest(str(name), names)}")
    errors = [_wrong(each.request.DESCRIPTOR, expected) for each in SIGNATURES.values()]
    if None not in errors:
        # The most to the point comes from a message that has all the fields named first.
        raise max(filter(None, errors), key=lambda error: "has no field" not in str(error))


def _has(call: Rpc, expected: dict[Any, Any]) -> bool:
    """Whether the request of a call was kept and is of a type that can be as expected."""
    return call.request is not None and _wrong(call.request.DESCRIPTOR, expected) is None


def _wrong(descriptor: Any, expected: dict[Any, Any]) -> ValueError | None:
    try:
        check(descriptor, expected)
    except ValueError as error:
        return error
    return None


def _closest(near: list[Rpc], last: _Filter) -> str:
    """What is closest to a call that is not there."""
    if not near:
        return ""
    asked = [call for call in near if call.request is not None]
    if last.misses is None or not asked:
        return f"; there are:{_list(near)}"
    told = {call: misses for call in asked if (misses := last.misses(call))}
    if not told:
        return f"; there are:{_list(near)}"
    call = min(told, key=lambda each: len(told[each]))
    return f"; the closest of {len(near)} is {call!r}:\n  " + "\n  ".join(map(str, told[call]))


def _list(calls: list[Rpc]) -> str:
    lines = [f"\n  {call!r}" for call in calls[:_LISTED]]
    if len(calls) > _LISTED:
        lines.append(f"\n  and {len(calls) - _LISTED} more")
    return "".join(lines) or " none at all"


def check_status(name: str) -> None:
    """See that a status of that name exists.

    Raises:
        ValueError: it does not; it names those spelt alike.
    """
    from grpclib import Status

    if name not in Status.__members__:
        raise ValueError(f"there is no status {name!r}{nearest(name, Status.__members__)}")
