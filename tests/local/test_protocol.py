"""Messages: every one survives the way, and what does not fit is an error that names the key."""

from __future__ import annotations

import contextlib
import functools
import json
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_sandbox.engine import WatchKind
from pytest_sandbox.local.protocol import agent, criu, forker, helpers, jobs, setup, wire, zygote
from pytest_sandbox.local.protocol.common import Failed, KernelError
from pytest_sandbox.local.protocol.message import BadMessage, Message

FAMILIES = [
    *(agent.ENGINE_TO_AGENT, agent.AGENT_TO_ENGINE, jobs.JOB_TO_ENGINE),
    *(setup.ENGINE_TO_NEW_ZYGOTE, zygote.ENGINE_TO_ZYGOTE, zygote.ZYGOTE_TO_ENGINE),
    *(forker.ZYGOTE_TO_FORKER, forker.FORKER_TO_ZYGOTE),
    *(helpers.AGENT_TO_ZYGOTE, helpers.HELPER_TO_ZYGOTE, criu.CRIU_HELPER_TO_ENGINE),
]
EVERY = {name: kind for family in FAMILIES for name, kind in family.items()}
PARTS = wire.family(
    *(agent.TerminalSize, agent.UserIds, jobs.FileStatus, jobs.DirectoryEntry),
    *(criu.ProcessTree, criu.ExternalTerminal, criu.DumpedState, criu.GivenPipe, KernelError),
    *(setup.SharedTree, setup.CriuFiles, setup.GpuSource, zygote.MountedVolume),
    *(zygote.LayerAtEnd, zygote.Figures, forker.LayerParts),
)
TEXT = st.text(max_size=5) | st.binary(max_size=5).map(os.fsdecode)  # names need not be text
INTEGERS = st.integers(-(2**63), 2**64 - 1)
PLAIN = {
    "str": TEXT,
    "bool": st.booleans(),
    "int": INTEGERS,
    "Unbounded": st.integers(),
    "float": st.floats(allow_nan=False, allow_infinity=False) | INTEGERS,
}
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@functools.cache
def values(annotation: str) -> st.SearchStrategy[Any]:
    """Values that a field of this type may have."""
    if annotation.endswith(" | None"):
        return st.none() | values(annotation.removesuffix(" | None"))
    if annotation in PLAIN:
        return PLAIN[annotation]
    if annotation in PARTS:
        return messages(annotation)
    head, _, inner = annotation.removesuffix("]").partition("[")
    if head == "Literal":
        return st.sampled_from([word.strip(" '") for word in inner.split(",")])
    if head == "list":
        return st.lists(values(inner), max_size=3)
    assert head == "dict"
    return st.dictionaries(TEXT, values(inner.removeprefix("str, ")), max_size=3)


@functools.cache  # for each example, Hypothesis would look into a new strategy again
def messages(name: str) -> st.SearchStrategy[Message]:
    kind = {**EVERY, **PARTS}[name]
    fields = {name: values(text) for name, text in kind.__annotations__.items()}
    return st.builds(lambda **given: kind(**given), **fields)


kinds = pytest.mark.parametrize("kind", EVERY.values(), ids=EVERY)


@kinds
@settings(max_examples=30)
@given(data=st.data())
def test_every_message_survives_the_way(kind: type[Message], data: st.DataObject) -> None:
    message = data.draw(messages(kind.__name__))
    number = data.draw(st.integers(0, 1000))
    assert wire.decode(wire.encode(message, number), EVERY) == (message, number)


def fields_of(kind: type[Message]) -> dict[str, Any]:
    """Those of a message, as they travel."""
    return {name: some(annotation) for name, annotation in kind.__annotations__.items()}


def some(annotation: str) -> Any:
    """A value of a type, as it travels."""
    if annotation in PARTS:
        return fields_of(PARTS[annotation])
    head, _, inner = annotation.partition("[")
    plain = {"str": "x", "bool": True, "int": 1, "Unbounded": 1, "list": [], "dict": {}}
    return inner.split("'")[1] if head == "Literal" else plain.get(head)


def decoded(kind: type[Message], fields: dict[str, Any]) -> Message:
    return wire.decode(json.dumps([kind.__name__, 0, fields]).encode(), EVERY)[0]


@kinds
def test_a_missing_key_is_named(kind: type[Message]) -> None:
    for name in kind.__annotations__:
        fields = fields_of(kind)
        del fields[name]
        with pytest.raises(BadMessage, match=f"{kind.__name__}: key '{name}' is missing"):
            decoded(kind, fields)


@kinds
def test_a_key_that_does_not_exist_is_named(kind: type[Message]) -> None:
    with pytest.raises(BadMessage, match=f"{kind.__name__}: there is no key 'more', which is 5"):
        decoded(kind, {**fields_of(kind), "more": 5})


@kinds
def test_a_key_of_another_type_is_named_with_its_value(kind: type[Message]) -> None:
    for name, annotation in kind.__annotations__.items():
        wrong = "no" if annotation == "bool" else True
        with pytest.raises(BadMessage, match=f"{kind.__name__}: key '{name}' is {wrong!r}, not "):
            decoded(kind, {**fields_of(kind), name: wrong})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"processes": 2**64}, "key 'processes': 18446744073709551616 is too large"),
        ({"cpus": float("inf")}, "key 'cpus': inf is not a number"),
        ({"layers": [1, "x"]}, "key 'layers': item 1 is 'x', not int"),
        (
            {"volumes": [{"number": 1, "path": 2, "read_only": False, "sub_path": ""}]},
            "CreateRequest: key 'volumes': MountedVolume: key 'path' is 2, not str",
        ),
    ],
)
def test_what_is_wrong_inside_of_a_key_is_named(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(BadMessage, match=words):
        decoded(zygote.CreateRequest, {**fields_of(zygote.CreateRequest), **fields})


def test_a_word_that_is_none_of_the_possible_ones_is_shown() -> None:
    with pytest.raises(BadMessage, match="key 'kind': 'Explode' is none of Access, Create"):
        decoded(jobs.FileChanged, {"kind": "Explode", "paths": []})


def test_a_long_value_is_shortened() -> None:
    with pytest.raises(BadMessage) as caught:
        decoded(agent.SpawnAnswer, {"pid": "x" * 10_000})
    assert len(str(caught.value)) < 120


@given(st.binary(max_size=50) | st.binary(max_size=50).map(lambda data: b'["AgentReady",' + data))
def test_nothing_but_a_bad_message_comes_of_any_bytes(data: bytes) -> None:
    with contextlib.suppress(BadMessage):
        wire.decode(data, EVERY)


@given(st.data())
def test_nothing_but_a_bad_message_comes_of_any_fields(data: st.DataObject) -> None:
    """Of those that a message has, some are what they should be."""
    kind = data.draw(st.sampled_from(list(EVERY.values())))
    fields = {
        name: data.draw(JSON | values(text).map(lambda value: json.loads(wire_json(value))))
        for name, text in kind.__annotations__.items()
    }
    fields.update(data.draw(st.dictionaries(TEXT, JSON, max_size=1)))
    packet = json.dumps([kind.__name__, data.draw(JSON), fields]).encode()
    try:
        message, number = wire.decode(packet, EVERY)
    except BadMessage:
        return
    assert type(message) is kind
    assert type(number) is int


def wire_json(value: Any) -> str:
    return json.dumps(value, default=lambda part: part.__dict__)


def test_only_types_of_json_can_be_in_a_message() -> None:
    with pytest.raises(TypeError, match="no message can have a field of type bytes"):

        class Wrong(Message):
            data: bytes


def test_messages_are_equal_if_their_fields_are() -> None:
    assert agent.SpawnAnswer(pid=1) == agent.SpawnAnswer(pid=1)
    assert agent.SpawnAnswer(pid=1) != agent.SpawnAnswer(pid=2)
    assert criu.OperationRefused(reason="x") != agent.SpawnAnswer(pid=1)
    assert repr(agent.ProcessExited(process=1, status=0)) == "ProcessExited(process=1, status=0)"


def test_an_error_of_the_kernel_keeps_its_class_and_what_it_was_about() -> None:
    sent = Failed.of(FileNotFoundError(2, "no such file", b"/x\xff"))
    message, _ = wire.decode(wire.encode(sent), EVERY)
    assert isinstance(message, Failed)
    error = message.error.error()
    assert type(error) is FileNotFoundError
    assert (error.errno, error.strerror, error.filename) == (2, "no such file", "/x\udcff")


def test_each_kind_of_change_can_be_told() -> None:
    for kind in WatchKind:
        decoded(jobs.FileChanged, {"kind": kind.value, "paths": ["/x"]})
