"""The marker `modal_server`, which chooses the engine of a test with real Modal clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox._shared.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .server import ModalServer

NAME = "modal_server"
#: The server of a test.
SERVER: pytest.StashKey[ModalServer] = pytest.StashKey()
_ENGINES = ("fake", "local")
#: The keys of its own; the others are those of `fake_sandboxes`.
OWN_KEYS = ("engine", "in_process", "preset")


def takes_modal_server(item: pytest.Item) -> bool:
    """Whether a test, or a fixture of it, names the fixture."""
    return NAME in getattr(item, "fixturenames", ())


def asks_for_fake(item: pytest.Item) -> bool:
    """Whether a test with the fixture asks for an engine in memory."""
    return takes_modal_server(item) and own_keys(item).get("engine") == "fake"


def own_keys(item: pytest.Item) -> dict[str, Any]:
    """The keys of its own of the markers of a test; the closest marker wins.

    Raises:
        pytest.fail.Exception: a marker is invalid.
    """
    found: dict[str, Any] = {}
    for mark in item.iter_markers(NAME):
        for problem in _problems(mark):
            pytest.fail(problem, pytrace=False)
        found = {**{key: mark.kwargs[key] for key in OWN_KEYS if key in mark.kwargs}, **found}
    return found


def check_keys(item: pytest.Item, keys_of_fakes: Iterable[str]) -> None:
    """Refuse keys that mean nothing.

    Args:
        item: a test with the fixture.
        keys_of_fakes: what `fake_sandboxes` knows.

    Raises:
        pytest.fail.Exception: there is such a key.
    """
    known = (*OWN_KEYS, *keys_of_fakes)
    for mark in item.iter_markers(NAME):
        for key in mark.kwargs:
            if key not in known:
                meant = did_you_mean(key, known) or f"there are {', '.join(known)}"
                pytest.fail(
                    f"@pytest.mark.{NAME}({key}=...): there is no key {key!r}; {meant}",
                    pytrace=False,
                )


def _problems(mark: pytest.Mark) -> Iterator[str]:
    if mark.args:
        yield f"@pytest.mark.{NAME} takes keywords only, not {mark.args!r}"
    engine = mark.kwargs.get("engine", "local")
    if engine not in _ENGINES:
        yield f"@pytest.mark.{NAME}(engine={engine!r}): there are 'fake' and 'local'"
    in_process = mark.kwargs.get("in_process", True)
    preset = mark.kwargs.get("preset", "")
    if not isinstance(preset, str):
        yield f"@pytest.mark.{NAME}(preset={preset!r}): it must be the path of a file"
    if not isinstance(in_process, bool):
        yield f"@pytest.mark.{NAME}(in_process={in_process!r}): it must be True or False"
