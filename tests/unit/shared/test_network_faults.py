"""Which connections planned faults disturb, and how several of them add up."""

import pytest

from pytest_sandbox._shared.network.connection_log import Destination
from pytest_sandbox._shared.network.faults import FaultTable, host_matches
from pytest_sandbox.engine import ConnectionFault

TARGET = Destination("8.8.8.8", 443, "www.example.com")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", True),
        ("www.example.com", True),
        ("WWW.example.com.", True),
        ("*.example.com", True),
        ("example.com", False),
        ("8.8.8.8", True),
        ("8.8.0.0/16", True),
        ("8.8.8.9", False),
        ("2001:db8::/32", False),
    ],
)
def test_hosts(pattern: str, expected: bool) -> None:
    assert host_matches(pattern, TARGET.host, TARGET.name) == expected
    assert not host_matches(pattern, "", "") or pattern == "*"


def test_the_nth_and_so_many_from_there() -> None:
    table = FaultTable()
    table.set(ConnectionFault("f", "*", nth=2, times=2, effect="refuse"))
    hit = [table.on_connection((), TARGET) is not None for _ in range(5)]
    assert hit == [False, True, True, False, False]
    assert table.counts(["f", "g"]) == {"f": (5, 2)}


def test_delays_add_up_and_the_first_other_effect_counts() -> None:
    table = FaultTable()
    table.set(ConnectionFault("a", "*", delay=1.0))
    table.set(ConnectionFault("b", "*", delay=2.0, effect="reset", after_bytes=5))
    table.set(ConnectionFault("c", "*", delay=4.0, effect="refuse"))
    found = table.on_connection((), TARGET)
    assert found is not None
    assert (found.delay, found.limit, found.effect, found.ids) == (3.0, 5, "none", {"a", "b"})
    assert table.counts("abc") == {"a": (1, 1), "b": (1, 1), "c": (1, 0)}


def test_a_change_goes_on_counting() -> None:
    table = FaultTable()
    table.set(ConnectionFault("f", "*", delay=1.0))
    table.on_connection((), TARGET)
    table.set(ConnectionFault("f", "*", delay=1.0, times=1))
    assert table.on_connection((), TARGET) is None
    table.clear(["f"])
    assert table.counts(["f"]) == {}


def test_connections_whose_programs_have_ended_are_not_counted() -> None:
    table = FaultTable()
    table.set(ConnectionFault("all", "*", delay=1.0))
    table.set(ConnectionFault("some", "*", effect="reset", times=1))
    table.set(ConnectionFault("later", "*", effect="reset", nth=2))
    found = table.on_connection((), TARGET, ended=True)
    assert found is not None
    assert found.ids == {"all"}
    ids = ("all", "some", "later")
    assert table.counts(ids) == dict.fromkeys(ids, (0, 0))


def test_questions_and_connections_are_told_apart() -> None:
    table = FaultTable()
    table.set(ConnectionFault("q", "*.example.com", effect="no answer"))
    table.set(ConnectionFault("c", "*", effect="refuse", group="g"))
    assert table.on_question((), "example.com") is None
    question = table.on_question((), "www.example.com")
    assert question is not None and question.id == "q"  # noqa: PT018
    assert table.on_connection(("h",), TARGET) is None
    assert table.on_connection(("g",), TARGET) is not None
    assert table.counts("qc") == {"q": (1, 1), "c": (1, 1)}
