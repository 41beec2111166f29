"""Any message is like itself, and unlike one that differs in what is asked about."""

from typing import Any

from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from pytest_sandbox._proto.sandboxes_pb2 import Sandbox, SandboxCreateRequest, SandboxTag
from pytest_sandbox.rpcs import check, differences

TEXT = st.text(max_size=5)
TAGS = st.builds(SandboxTag, tag_name=TEXT, tag_value=TEXT)
SANDBOXES = st.builds(
    Sandbox,
    entrypoint_args=st.lists(TEXT, max_size=3),
    timeout_secs=st.integers(0, 2**32 - 1),
    idle_timeout_secs=st.none() | st.integers(0, 2**32 - 1),
    name=st.none() | TEXT,
)
REQUESTS = st.builds(
    SandboxCreateRequest,
    app_id=TEXT,
    definition=st.none() | SANDBOXES,
    tags=st.lists(TAGS, max_size=3),
)


def everything(message: Message) -> dict[str, Any]:
    """All that there is to say about a message."""
    return {field.name: _value(value) for field, value in message.ListFields()}


def _value(value: Any) -> Any:
    if isinstance(value, Message):
        return everything(value)
    return value if isinstance(value, str | int) else [_value(each) for each in value]


@given(REQUESTS)
def test_a_message_is_like_itself(request: SandboxCreateRequest) -> None:
    expected = everything(request)
    check(request.DESCRIPTOR, expected)
    assert list(differences(request, expected)) == []


@given(REQUESTS, REQUESTS)
def test_messages_are_alike_when_they_hold_what_is_asked(
    one: SandboxCreateRequest, other: SandboxCreateRequest
) -> None:
    merged = SandboxCreateRequest.FromString(other.SerializeToString())
    merged.ClearField("tags")
    merged.definition.ClearField("entrypoint_args")
    merged.MergeFrom(one)
    assert list(differences(merged, everything(one))) == []


@given(REQUESTS, st.integers(0, 2**32 - 1))
def test_a_difference_is_told_with_both_sides(request: SandboxCreateRequest, seconds: int) -> None:
    found = list(differences(request, {"definition": {"timeout_secs": seconds}}))
    actual = request.definition.timeout_secs
    assert [(each.path, each.expected, each.actual) for each in found] == [
        ("definition.timeout_secs", seconds, actual)
    ] * (actual != seconds)
