"""The sections of the report of a test that failed: its sandboxes, and hints."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ..collected import is_concerned
from ..engine import session_of
from ..fakes import ENDED_IDS, FAKE, is_faked
from ..marker import merged_spec
from ..modal.marker import SERVER
from ..network_log import network_lines
from ..options import settings
from .hints import hints
from .import_hint import import_hint
from .network_hint import network_hint
from .report import BYTES_PER_LINE, describe, failed, hidden_values, title

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_sandbox._proto.inspector_pb2 import InspectorDescribeResponse
    from pytest_sandbox.client import Client

    from ..ownership import OwnedSandboxes

#: How many sandboxes of one test a report shows.
_SANDBOXES = 10


def failure_sections(
    item: pytest.Item, owned: OwnedSandboxes, excinfo: pytest.ExceptionInfo[BaseException] | None
) -> Iterator[tuple[str, str]]:
    """The names and contents of the sections.

    Args:
        item: the test.
        owned: its sandboxes.
        excinfo: why it failed.
    """
    session = session_of(item)
    ids = [*owned.ids, *_from_wider_fixtures(item, owned.ids)]
    lines = settings(item.config).report_lines
    if session.not_isolated and (ids or (is_concerned(item) and not is_faked(item))):
        yield "sandbox engine", session.not_isolated
    yield from hints(item, excinfo)
    yield from _sections(session.connected, ids, session.hidden, lines, item)
    yield from _fake_sections(item, lines)
    yield from _modal_sections(item, lines)


def _fake_sections(item: pytest.Item, lines: int) -> Iterator[tuple[str, str]]:
    """The sections of sandboxes in memory, and the problems that their engine noted."""
    fake = item.stash.get(FAKE, None)
    if fake is not None:
        if fake.problems:
            yield "fake sandboxes", "\n".join(fake.problems)
        hidden = hidden_values(fake.client.secret_values)
        yield from _sections(fake.client, fake.ids, hidden, lines)


def _modal_sections(item: pytest.Item, lines: int) -> Iterator[tuple[str, str]]:
    """The sections of sandboxes that Modal's clients made on the engine of the run."""
    server = item.stash.get(SERVER, None)
    if server is None or server.engine == "fake":
        return
    try:
        ids = server.sandbox_ids
        hidden = hidden_values(server.client.inspector.sandboxes().secret_values)
    except Exception as error:
        yield "modal_server", f"the engine could not list the sandboxes of the test: {error}"
    else:
        yield from _sections(server.client, ids, hidden, lines)


def _sections(
    client: Client | None,
    ids: list[str],
    hidden: list[str],
    lines: int,
    item: pytest.Item | None = None,
) -> Iterator[tuple[str, str]]:
    """The sections of sandboxes, and hints at what the test may have meant."""
    if not ids or client is None:
        return
    unknown: dict[str, list[str]] = {}
    shown = client.batch(_selected(client, ids)).describe(lines * BYTES_PER_LINE)
    for sandbox_id, description in shown.items():
        if isinstance(description, Exception):
            unknown.setdefault(str(description), []).append(sandbox_id)
        else:
            network = "\n".join(["", *network_lines(description, _marked(item))])
            yield title(description), describe(description, hidden, lines) + network.rstrip()
    for reason, unknown_ids in unknown.items():
        yield f"sandbox {', '.join(unknown_ids)}", f"the engine could not describe it: {reason}"
    if len(ids) > len(shown):
        yield "more sandboxes", f"({len(ids) - len(shown)} not shown)"
    described = [each for each in shown.values() if not isinstance(each, Exception)]
    yield from network_hint(described)
    if item is not None:
        yield from import_hint(described, item.config.rootpath)


def _marked(item: pytest.Item | None) -> Mapping[str, Any]:
    """The keywords of the marker of a test; none if it is invalid, which its failure says."""
    if item is not None:
        with contextlib.suppress(pytest.fail.Exception):
            return merged_spec(item)
    return {}


def _selected(client: Client, ids: list[str]) -> list[str]:
    """The sandboxes to show: the last one, those in which something failed, and further last ones.

    They are in the order of their creation.
    """
    if len(ids) <= _SANDBOXES:
        return ids
    descriptions = client.batch(ids).describe(0)
    with_failures = [each for each in reversed(ids) if _something_failed(descriptions.get(each))]
    by_relevance = dict.fromkeys([ids[-1], *with_failures, *reversed(ids)])
    chosen = set(list(by_relevance)[:_SANDBOXES])
    return [each for each in ids if each in chosen]


def _something_failed(description: InspectorDescribeResponse | Exception | None) -> bool:
    if description is None or isinstance(description, Exception):
        return False
    # A main process that was killed because its sandbox was terminated has not failed.
    return bool(description.lost) or any(
        failed(each) and each.ended_by != "terminated" for each in description.commands
    )


def _from_wider_fixtures(item: pytest.Item, shown: list[str]) -> list[str]:
    """The ids of sandboxes that the test got from fixtures of wider scope."""
    client = sys.modules.get("pytest_sandbox.client")
    arguments: dict[str, Any] = getattr(item, "funcargs", {})
    if client is None:
        return []
    ids = [each.object_id for each in arguments.values() if isinstance(each, client.Sandbox)]
    fake = item.stash.get(FAKE, None)
    in_memory = fake.ids if fake is not None else item.stash.get(ENDED_IDS, [])
    elsewhere = {*shown, *in_memory}
    return [each for each in ids if each not in elsewhere]
