"""The marker `gpu(kind=None, *, count=1, memory=None)`; the closest wins."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_sandbox._shared.gpus.requests import GpuRequest, in_words, parse
from pytest_sandbox._shared.suggestions import did_you_mean

from ..templates.pytest_internals import definitions

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

#: The fixture, which asks for a GPU without a marker too.
FIXTURE = "gpu"
_OURS = f"{__package__.rpartition('.')[0]}.fixtures"
_KEYS = ("kind", "count", "memory")


class GpusWanted(NamedTuple):
    """The GPUs that a test asks for.

    Attributes:
        requests: what will do, the best first.
        memory: MiB of each to share it by; `None` for GPUs for the test alone.
    """

    requests: tuple[GpuRequest, ...]
    memory: int | None = None

    def __str__(self) -> str:
        """As people read it: `2 x H100 or 4 x A100`."""
        return in_words(self.requests, self.memory)


#: What the fixture asks for without a marker.
ANY = GpusWanted((GpuRequest("", 1),))


def wanted_gpus(item: pytest.Item) -> GpusWanted | None:
    """The GPUs that a test asks for; `None` for none.

    Raises:
        ValueError: a marker is invalid.
    """
    parameters = getattr(getattr(item, "callspec", None), "marks", ())
    marks = sorted(item.iter_markers(FIXTURE), key=lambda mark: mark not in parameters)
    if marks:
        return _wanted(marks[0])
    return ANY if _takes_fixture(item) else None


def _takes_fixture(item: pytest.Item) -> bool:
    """Whether the name is our fixture, not an argument of `parametrize` or a fixture of a user."""
    found = definitions(item).get(FIXTURE, ())
    return bool(found) and found[-1].func.__module__ == _OURS


def _wanted(mark: pytest.Mark) -> GpusWanted:
    given = dict(mark.kwargs)
    if len(mark.args) == 1 and "kind" not in given:
        given["kind"] = mark.args[0]
    elif mark.args:
        raise ValueError(f"@pytest.mark.gpu takes one kind, not {mark.args!r}; {_meant(mark)}")
    for key in given:
        if key not in _KEYS:
            known = did_you_mean(key, _KEYS) or f"there are {', '.join(_KEYS)}"
            raise ValueError(f"@pytest.mark.gpu: there is no key {key!r}; {known}")
    kind, memory = given.get("kind"), given.get("memory")
    try:
        requests = parse("any" if kind is None else kind)
    except ValueError as error:
        raise ValueError(f"@pytest.mark.gpu({kind!r}): {error}") from error
    if memory is not None and not _is_number(memory):
        raise ValueError(
            f"@pytest.mark.gpu: memory must be a number of MiB above 0, not {memory!r}"
        )
    return GpusWanted(_counted(requests, kind, given.get("count", 1)), memory)


def _meant(mark: pytest.Mark) -> str:
    """What several arguments probably mean."""
    if len(mark.args) == 2 and isinstance(mark.args[1], int):
        return f"for {mark.args[1]} of a kind, give count={mark.args[1]}"
    return "for one of several kinds, give a list"


def _counted(
    requests: tuple[GpuRequest, ...], kind: object, count: object
) -> tuple[GpuRequest, ...]:
    if not _is_number(count):
        raise ValueError(f"@pytest.mark.gpu: count must be a number of at least 1, not {count!r}")
    assert isinstance(count, int)
    if count == 1:
        return requests
    if ":" in str(kind):
        raise ValueError(f"@pytest.mark.gpu({kind!r}, count={count}) gives the count twice")
    return tuple(GpuRequest(each.kind, count) for each in requests)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def misspelt_kinds(wanted: GpusWanted, there: Sequence[str]) -> list[str]:
    """Kinds that are probably misspelt, each with what is probably meant.

    Args:
        wanted: what a test asks for.
        there: names of devices of the machine.
    """
    from pytest_sandbox._shared.gpus.kinds import misspelt  # late: few runs need it

    pairs = [(each.kind, misspelt(each.kind, there)) for each in wanted.requests if each.kind]
    return [f"{kind!r} is no kind: did you mean {meant!r}?" for kind, meant in pairs if meant]
