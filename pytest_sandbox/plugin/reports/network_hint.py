"""A hint for a command that failed since its sandbox has no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._shared.network.unreached import UNREACHED

from .report import failed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_sandbox._proto.inspector_pb2 import InspectorDescribeResponse

_TEXTS = {
    "default": (
        'this sandbox has no network; what gives it one: @pytest.mark.sandbox(network="open"), '
        'outbound_domain_allowlist=["..."] for single servers, or --sandbox-network=open for all '
        "tests"
    ),
    "none": 'this sandbox has no network, as network="none" or an empty list says',
    "block_network": "this sandbox has no network, as block_network=True says",
}


def network_hint(
    descriptions: Iterable[InspectorDescribeResponse],
) -> Iterator[tuple[str, str]]:
    """A section if a failed command missed a network that its sandbox has not.

    Args:
        descriptions: of the sandboxes of a test.
    """
    lacks = {
        description.no_network
        for description in descriptions
        if description.no_network and _missed_it(description)
    }
    if told := [text for lack, text in _TEXTS.items() if lack in lacks]:
        yield "hint for the network", "\n".join(told)


def _missed_it(description: InspectorDescribeResponse) -> bool:
    return any(
        UNREACHED.search(output)
        for command in description.commands
        if failed(command)
        for output in (command.stderr_tail, command.stdout_tail)
    )
