"""What `Rpcs.to_json` gives is what its documented schema says."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from grpclib import Status

from pytest_sandbox import Rpcs
from pytest_sandbox._proto.sandboxes_pb2 import SandboxWaitRequest

from .harness import refused, serve

DOCUMENT = Path(__file__).parents[3] / "docs" / "recording.md"
SCHEMA, EXAMPLE = (
    json.loads(block)
    for block in re.findall(r"^```json\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
)


def validate(told: Any) -> None:
    jsonschema = importlib.import_module("jsonschema")
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(told)


@pytest.mark.asyncio
async def test_the_export_is_as_documented() -> None:
    async with serve() as server:
        rpcs = Rpcs(server.app.recorder)
        rpcs.begin_phase("call")
        sandbox = await server.create("hang")
        exec_id = await server.exec(sandbox, "echo", "hello")
        await server.output(sandbox, exec_id)
        with refused(Status.NOT_FOUND):
            await server.control.SandboxWait(SandboxWaitRequest(sandbox_id="sb-no"))
        told = json.loads(rpcs.to_json())
    assert len(told["calls"]) >= 4
    validate(told)


def test_the_example_is_as_documented() -> None:
    validate({"schema": 1, "dropped": 0, "calls": [EXAMPLE]})


def test_the_schema_forbids_something() -> None:
    with pytest.raises(Exception, match="'nonsense' was unexpected"):
        validate({"schema": 1, "dropped": 0, "calls": [{**EXAMPLE, "nonsense": 1}]})
