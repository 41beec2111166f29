"""Looking through records, and what assertions about them say."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import ANY

import pytest

from pytest_sandbox import Rpcs
from pytest_sandbox._proto import inspector_pb2 as pb
from pytest_sandbox._proto.sandboxes_pb2 import (
    Sandbox,
    SandboxCreateRequest,
    SandboxCreateResponse,
    SandboxListRequest,
    SandboxTag,
)


class Record:
    """Records that a test makes."""

    def __init__(self) -> None:
        self.calls: list[pb.RpcRecord] = []
        self.dropped = 0
        self.readers = 0

    def record_start(self) -> int:
        self.readers += 1
        return 1

    def record_stop(self) -> None:
        self.readers -= 1

    def record(self, since: int) -> pb.InspectorRecordResponse:
        found = [each for each in self.calls if each.number >= since]
        return pb.InspectorRecordResponse(
            records=found, next=len(self.calls) + 1, dropped=max(0, self.dropped + 1 - since)
        )

    def add(self, rpc: str, request: Any, response: Any = None, **fields: Any) -> None:
        self.calls.append(
            pb.RpcRecord(
                number=len(self.calls) + 1,
                rpc=rpc,
                requests=[request.SerializeToString()],
                responses=[response.SerializeToString()] if response is not None else [],
                **{"status": "OK", **fields},
            )
        )

    def create(self, *argv: str, name: str | None = None, **fields: Any) -> None:
        definition = Sandbox(entrypoint_args=argv, name=name, **fields)
        tags = [SandboxTag(tag_name="kind", tag_value=argv[0])]
        self.add(
            "SandboxCreate",
            SandboxCreateRequest(app_id="ap-1", definition=definition, tags=tags),
            SandboxCreateResponse(sandbox_id=f"sb-{len(self.calls)}"),
        )


@pytest.fixture
def record() -> Record:
    return Record()


@pytest.fixture
def rpcs(record: Record) -> Rpcs:
    return Rpcs(record)


def test_the_only_call_gives_its_request_as_attributes(record: Record, rpcs: Rpcs) -> None:
    record.create("sleep", timeout_secs=300)
    call = rpcs.of("SandboxCreate").one()
    assert call.definition.timeout_secs == 300
    assert call.request.app_id == call.app_id == "ap-1"
    assert call.response.sandbox_id == "sb-0"
    assert repr(call) == "<#1 SandboxCreate OK>"


def test_first_last_count_and_iteration(record: Record, rpcs: Rpcs) -> None:
    for name in ("a", "b", "c"):
        record.create(name)
    calls = rpcs.of("SandboxCreate")
    assert (calls.first.number, calls.last.number, calls.count, len(calls)) == (1, 3, 3, 3)
    assert [call.number for call in calls] == [1, 2, 3]


def test_a_narrowing_is_always_up_to_date(record: Record, rpcs: Rpcs) -> None:
    creations = rpcs.of("SandboxCreate")
    creations.none()
    record.create("a")
    assert creations.count == 1


def test_a_call_under_way_is_seen_to_end(record: Record, rpcs: Rpcs) -> None:
    record.create("a")
    record.calls[0].status = ""
    assert rpcs.one().status == ""
    record.calls[0].status = "OK"
    assert rpcs.one().status == "OK"


@pytest.mark.parametrize(
    "fields",
    [
        {"app_id": "ap-1"},
        {"definition": {"timeout_secs": 60}},
        {"definition__timeout_secs": 60},
        {"definition__timeout_secs": lambda seconds: seconds > 10},
        {"definition__entrypoint_args": ["sleep", "5"]},
        {"definition__entrypoint_args": ["sleep", ANY]},
        {"definition__entrypoint_args__1": "5"},
        {"definition__entrypoint_args": ANY},
        {"definition__name": None},
        {"definition__pty_info": None},
        {"definition__pty_info__enabled": False},
        {"definition__pty_info__pty_type": "PTY_TYPE_UNSPECIFIED"},
        {"tags": [{"tag_name": "kind"}]},
        {"tags__0__tag_value": "sleep"},
    ],
)
def test_requests_that_are_like_that(record: Record, rpcs: Rpcs, fields: dict[str, Any]) -> None:
    record.create("sleep", "5", timeout_secs=60)
    assert rpcs.of("SandboxCreate").where(**fields).one().number == 1
    assert rpcs.where(**fields).one().number == 1


@pytest.mark.parametrize(
    ("fields", "difference"),
    [
        ({"app_id": "ap-2"}, "app_id: expected 'ap-2', was 'ap-1'"),
        (
            {"definition__timeout_secs": 300},
            "definition.timeout_secs: expected 300, was 60",
        ),
        (
            {"definition__entrypoint_args": ["sleep"]},
            "definition.entrypoint_args: expected ['sleep'], was ['sleep', '5']",
        ),
        (
            {"definition__entrypoint_args": ["sleep", "6"]},
            "definition.entrypoint_args[1]: expected '6', was '5'",
        ),
        (
            {"definition__entrypoint_args__2": "x"},
            "definition.entrypoint_args[2]: expected 'x', was None",
        ),
        ({"definition__name": ""}, "definition.name: expected '', was None"),
        (
            {"definition__pty_info__pty_type": "PTY_TYPE_SHELL"},
            "definition.pty_info.pty_type: expected 'PTY_TYPE_SHELL', was 'PTY_TYPE_UNSPECIFIED'",
        ),
        ({"tags__0__tag_name": "sort"}, "tags[0].tag_name: expected 'sort', was 'kind'"),
    ],
)
def test_the_closest_call_and_where_it_differs_are_told(
    record: Record, rpcs: Rpcs, fields: dict[str, Any], difference: str
) -> None:
    record.create("sleep", "5", timeout_secs=60)
    with pytest.raises(AssertionError) as caught:
        rpcs.of("SandboxCreate").where(**fields).one()
    assert difference in str(caught.value)
    assert "the closest of 1 is <#1 SandboxCreate OK>" in str(caught.value)


def test_the_closest_call_differs_least(record: Record, rpcs: Rpcs) -> None:
    record.create("sleep", "5", timeout_secs=60)
    record.create("cat", timeout_secs=60)
    record.create("sleep", "7", timeout_secs=10)
    with pytest.raises(AssertionError, match=r"the closest of 3 is <#2 ") as caught:
        rpcs.where(definition={"entrypoint_args": ["cat"], "timeout_secs": 61}).one()
    assert "timeout_secs: expected 61, was 60" in str(caught.value)
    assert "entrypoint_args" not in str(caught.value).partition("\n")[2]


def test_a_function_can_say_which(record: Record, rpcs: Rpcs) -> None:
    record.create("a")
    record.create("b")
    assert rpcs.where(lambda call: call.response.sandbox_id == "sb-1").one().number == 2
    with pytest.raises(AssertionError, match="there are:\n  <#1 SandboxCreate OK>"):
        rpcs.where(lambda call: False).one()


def test_a_misspelt_rpc_is_no_empty_result(rpcs: Rpcs) -> None:
    with pytest.raises(ValueError, match="no RPC 'SandboxCraete'; did you mean 'SandboxCreate'"):
        rpcs.of("SandboxCraete")
    with pytest.raises(ValueError, match="'sandboxcreate'; did you mean 'SandboxCreate'"):
        rpcs.in_order("sandboxcreate")


def test_a_misspelt_field_is_no_empty_result(record: Record, rpcs: Rpcs) -> None:
    with pytest.raises(ValueError, match="has no field 'definitoin'; did you mean 'definition'"):
        rpcs.of("SandboxCreate").where(definitoin={})
    with pytest.raises(ValueError, match="Sandbox has no field 'timeout'; did you mean 'timeout_"):
        rpcs.of("SandboxCreate").where(definition__timeout=5)
    with pytest.raises(ValueError, match="no request has a field 'definitoin'"):
        rpcs.where(definitoin__timeout_secs=5)
    record.create("a")
    with pytest.raises(AttributeError, match="'definitoin'; did you mean 'definition'"):
        _ = rpcs.one().definitoin


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"definition__timeout_secs": "60"}, "definition.timeout_secs can never be '60'"),
        ({"app_id": 5}, "app_id can never be 5"),
        ({"app_id__x": 5}, "app_id is no message, it has no 'x'"),
        ({"definition__pty_info__pty_type": "SHELL"}, "has no 'SHELL'"),
        (
            {"definition": ANY, "definition__name": "x"},
            "'definition__name' and 'definition' cannot both be given",
        ),
    ],
)
def test_what_can_never_be_is_refused(rpcs: Rpcs, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        rpcs.of("SandboxCreate").where(**fields)


def test_a_misspelt_status_is_refused(rpcs: Rpcs) -> None:
    with pytest.raises(ValueError, match="no status 'UNAVAILIBLE'; did you mean 'UNAVAILABLE'"):
        rpcs.with_status("UNAVAILIBLE")


def test_none_and_one_list_what_there_is(record: Record, rpcs: Rpcs) -> None:
    record.create("a")
    record.create("b")
    with pytest.raises(AssertionError, match="but there are:\n  <#1 SandboxCreate OK>\n  <#2"):
        rpcs.of("SandboxCreate").none()
    with pytest.raises(AssertionError, match=r"expected one call rpcs.of\('SandboxCreate'\), but"):
        rpcs.of("SandboxCreate").one()
    with pytest.raises(AssertionError, match=r"no call rpcs.of\('SandboxList'\)"):
        _ = rpcs.of("SandboxList").first


def test_a_long_list_is_cut(record: Record, rpcs: Rpcs) -> None:
    for _ in range(25):
        record.create("a")
    with pytest.raises(AssertionError, match="and 5 more"):
        rpcs.none()


def test_order_is_that_of_arrival_with_others_between(record: Record, rpcs: Rpcs) -> None:
    record.create("a")
    record.add("SandboxList", SandboxListRequest())
    record.create("b")
    rpcs.in_order("SandboxCreate", "SandboxCreate")
    rpcs.in_order("SandboxList", "SandboxCreate")
    with pytest.raises(AssertionError, match="no SandboxList after SandboxList:\n  <#1"):
        rpcs.in_order("SandboxCreate", "SandboxList", "SandboxList")


def test_what_was_seen_stays_when_it_is_dropped(record: Record, rpcs: Rpcs) -> None:
    record.create("a")
    record.calls[0].status = ""
    assert rpcs.count == 1
    record.create("b")
    del record.calls[0].requests[:]
    record.dropped = 1
    rpcs.of("SandboxList").none()
    assert rpcs.dropped == 0


def test_the_json_has_everything(record: Record, rpcs: Rpcs) -> None:
    record.create("a", timeout_secs=7)
    told = json.loads(rpcs.to_json())
    assert (told["schema"], told["dropped"], len(told["calls"])) == (1, 0, 1)
    call = told["calls"][0]
    assert call["requests"][0]["definition"] == {"entrypoint_args": ["a"], "timeout_secs": 7}
    assert call["responses"] == [{"sandbox_id": "sb-0"}]


def test_closing_ends_the_recording(record: Record, rpcs: Rpcs) -> None:
    assert record.readers == 1
    rpcs.close()
    assert record.readers == 0
