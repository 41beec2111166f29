"""The tags of sandboxes, as messages of the wire."""

from collections.abc import Iterable

from pytest_sandbox._proto import sandboxes_pb2 as pb

from .ids import check_tag
from .sandbox import ServedSandbox


def tags_of(messages: Iterable[pb.SandboxTag]) -> dict[str, str]:
    """Name to value.

    Raises:
        GRPCError: INVALID_ARGUMENT: Modal refuses such a tag.
    """
    tags = {tag.tag_name: tag.tag_value for tag in messages}
    for name, value in tags.items():
        check_tag(name, value)
    return tags


def tag_messages(sandbox: ServedSandbox) -> list[pb.SandboxTag]:
    """The tags of a sandbox."""
    return [pb.SandboxTag(tag_name=name, tag_value=value) for name, value in sandbox.tags.items()]
