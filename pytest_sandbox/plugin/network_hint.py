"""A hint for a command that failed since its sandbox has no network."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .report import failed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_sandbox._proto.inspector_pb2 import InspectorDescribeResponse

#: What programs print where no address is reached and no name is resolved. Without a network,
#: nothing sees their connections but they themselves.
_UNREACHED = re.compile(
    rb"network (is )?unreachable|ENETUNREACH"
    # The C library, by its messages and its codes.
    rb"|temporary failure (in name resolution|resolving)|name or service not known"
    rb"|\bgaierror\b|EAI_AGAIN|EAI_NONAME"
    # curl, git and ssh; wget; busybox.
    rb"|could not resolve host|unable to resolve host|bad address '"
    # Node, Go, Rust, Java.
    rb"|getaddrinfo ENOTFOUND|dial tcp: lookup |failed to lookup address|UnknownHostException",
    re.IGNORECASE,
)
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
        _UNREACHED.search(output)
        for command in description.commands
        if failed(command)
        for output in (command.stderr_tail, command.stdout_tail)
    )
