"""The calls that were made: to look through, and to assert about."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ._failures import closest, listed
from ._filter import Filter, check_any_request, request_filter
from ._history import CallHistory
from ._match import check, nested
from ._names import SIGNATURES, check_status, signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._history import Recording
    from ._record import Rpc

#: Version of what `Rpcs.to_json` gives.
_SCHEMA = 1


class Rpcs:
    """The calls that were made to an engine since this object was created.

    It is always up to date, and so are the narrowings that `of` and `where` return. Calls are
    in the order of their arrival.

    Args:
        source: the recorder: `Client.inspector`, or the recorder of a server in this process.
        caller: only calls of this caller, which the environment variable
            `PYTEST_SANDBOX_CALLER` of the process that made them names; empty for all.
    """

    def __init__(self, source: Recording, *, caller: str = "") -> None:
        self._share(CallHistory(source, caller), None, ())

    def _share(self, history: CallHistory, rpc: str | None, filters: tuple[Filter, ...]) -> None:
        self._history = history
        self._rpc = rpc
        self._filters = filters

    def _narrowed(self, narrowing: Filter, rpc: str | None = None) -> Rpcs:
        return _NarrowedRpcs(self._history, rpc or self._rpc, (*self._filters, narrowing))

    def of(self, rpc: str) -> Rpcs:
        """The calls of that name; one of the first version means that of the second, too.

        Args:
            rpc: `"SandboxCreate"` for calls of that name and of `SandboxCreateV2`;
                `"SandboxCreateV2"` for those alone.

        Raises:
            ValueError: there is no such RPC; the message names similar ones.
        """
        self._check_rpc(rpc)
        return self._narrowed(Filter(f"of({rpc!r})", lambda call: _is_of(call, rpc)), rpc)

    def where(self, test: Callable[[Rpc], bool] | None = None, /, **fields: Any) -> Rpcs:
        """The calls whose request has these values.

        Args:
            test: a function that accepts or rejects a call.
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

        return self._narrowed(request_filter(test, expected, f"where({', '.join(words)})"))

    def with_status(self, status: str) -> Rpcs:
        """The calls that ended with the status of that name, `"OK"`, `"UNAVAILABLE"`, ...

        Raises:
            ValueError: there is no such status.
        """
        check_status(status)
        return self._narrowed(
            Filter(f"with_status({status!r})", lambda call: call.status == status)
        )

    def in_phase(self, phase: str) -> Rpcs:
        """The calls during that phase of the test: `"setup"`, `"call"`, `"teardown"`."""
        return self._narrowed(Filter(f"in_phase({phase!r})", lambda call: call.phase == phase))

    def of_sandbox(self, sandbox: Any) -> Rpcs:
        """The calls about a sandbox, given as such or by its id."""
        sandbox_id = str(getattr(sandbox, "object_id", sandbox))
        return self._narrowed(
            Filter(f"of_sandbox({sandbox_id!r})", lambda call: sandbox_id in call.sandbox_ids)
        )

    # Reading

    def _calls(self) -> list[Rpc]:
        calls = self._history.update()
        return [call for call in calls if all(each.accepts(call) for each in self._filters)]

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
        """How many calls of any kind are no longer recorded."""
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
        """Assert that there is no such call.

        Raises:
            AssertionError: there is one, or calls were dropped, so that it is not known.
        """
        __tracebackhide__ = True
        found = self._calls()
        if found:
            raise AssertionError(
                f"expected no calls {self._words()}, but there are:{listed(found)}"
            )
        if self._history.dropped:
            raise AssertionError(f"no calls {self._words()} are recorded, but{self._gap()}")

    def in_order(self, *rpcs: str) -> None:
        """Assert that these calls were made in this order; others between them are fine.

        Args:
            *rpcs: their names, as for `of`.

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
            if not any(_is_of(call, name) for call in rest):
                raise AssertionError(
                    f"expected {' -> '.join(rpcs)}, but no {name}{after}:{listed(calls)}"
                )
            after = f" after {name}"

    def to_json(self) -> str:
        """All of them as JSON, whose schema is in `docs/recording.md`."""
        calls = [call.as_dict() for call in self._calls()]
        document = {"schema": _SCHEMA, "dropped": self._history.dropped, "calls": calls}
        return json.dumps(document, indent=2)

    # For the fixture of a test

    def begin_phase(self, phase: str) -> None:
        """Calls from now on are made in that phase."""
        self._history.begin_phase(phase)

    def close(self) -> None:
        """Stop recording, for this reader; to be called once, and not on a narrowing."""
        self._history.close()

    # Error messages

    def _some(self) -> list[Rpc]:
        __tracebackhide__ = True
        found = self._calls()
        if not found:
            raise AssertionError(self._not_one(found))
        return found

    def _not_one(self, found: list[Rpc]) -> str:
        if found:
            return f"expected one call {self._words()}, but there are {len(found)}:{listed(found)}"
        *before, last = self._filters or (Filter("", lambda _: False),)
        calls = self._history.update()
        near = [call for call in calls if all(each.accepts(call) for each in before)]
        return f"there is no call {self._words()}{closest(near, last)}{self._gap()}"

    def _words(self) -> str:
        return ".".join(["rpcs", *(each.words for each in self._filters)])

    def _gap(self) -> str:
        dropped = self._history.dropped
        return f"\n{dropped} earlier calls are no longer recorded" if dropped else ""

    def _check_rpc(self, rpc: str) -> None:
        # A client may call RPCs that this protocol lacks: those are known once they were made.
        if rpc not in SIGNATURES and rpc not in {call.rpc for call in self._history.update()}:
            signature(rpc)

    def _check(self, expected: dict[Any, Any]) -> None:
        known = SIGNATURES.get(self._rpc) if self._rpc else None
        if known is not None:
            check(known.request.DESCRIPTOR, expected)
        elif expected:
            check_any_request(expected)


class _NarrowedRpcs(Rpcs):
    """Some of the calls of another `Rpcs`, whose history it shares."""

    def __init__(self, history: CallHistory, rpc: str | None, filters: tuple[Filter, ...]) -> None:
        self._share(history, rpc, filters)


def _is_of(call: Rpc, rpc: str) -> bool:
    """Whether a call has that name, or the one that the second version has for it."""
    return call.rpc in (rpc, f"{rpc}V2")
