"""What a caller of `watch` may ask for."""

import pytest

from pytest_sandbox.client import FileWatchEventType as Kind
from pytest_sandbox.client import exceptions
from pytest_sandbox.client.files.watch_events import kinds, wire_kinds


def test_lost_events_are_always_wanted() -> None:
    assert kinds([Kind.Create]) == {Kind.Create, Kind.Unknown}
    assert kinds([]) == {Kind.Unknown}
    assert wire_kinds(kinds(["Remove"])) == ["Remove", "Unknown"]


def test_what_is_no_kind_is_refused() -> None:
    with pytest.raises(exceptions.InvalidError, match="FileWatchEventType"):
        kinds(["Explode"])
