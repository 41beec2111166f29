"""Our engine sends Modal's cloud what Modal's client sends it, but for a few differences."""

import re
import subprocess
from pathlib import Path
from types import ModuleType

import grpclib.client
import pytest

import pytest_sandbox
from pytest_sandbox.client import Client
from pytest_sandbox.cloud.methods import control_methods, router_methods
from pytest_sandbox.cloud.transport.identity import user_agent

from ..cloud.conftest import proxied, settings_of
from ..support.cloud import (
    CloudOptions,
    WireRecorder,
    differences,
    further_program,
    program,
    running,
)
from .environments import python_environment

pytestmark = pytest.mark.timeout(300)  # the first test may have to install the client

#: Large contents have to come in parts.
OPTIONS = CloudOptions(part_size=2 * 1024**2)

_FIRST = "of the first version, which has GPUs only and no server that plays it"
_MEMORY = "snapshots of programs, which are experimental there and refused here"
_EMPTY = "a message without content says the same as none"
_RUN = "the tag of the run, by which the next one finds what this one has left behind"
_FILES = "files are written like any input, by a call that clients have for commands"
_FAILED = "standard error of the tool is read when it failed"
_TIMES = "ours gives up a call that is never answered, theirs what it knows to be short"

#: What differs, and why that does no harm: see docs/cloud.md.
EXPECTED = {
    "ImageGetOrCreate image.gpu_config": _EMPTY,
    "VolumeGetOrCreate create_options": _EMPTY,
    "SandboxCreateV2 definition.resources.gpu_config": _EMPTY,
    "SandboxCreateV2 definition.open_ports": _EMPTY,
    "SandboxCreateV2 tags[]": _RUN,
    "SandboxCreateV2 tags[].tag_name": _RUN,
    "SandboxCreateV2 tags[].tag_value": _RUN,
    "SandboxCreate definition.open_ports": _EMPTY,
    "SandboxCreate tags[]": _RUN,
    "SandboxCreate tags[].tag_name": _RUN,
    "SandboxCreate tags[].tag_value": _RUN,
    "SandboxTagsSetV2 tags[]": _RUN,
    "SandboxTagsSetV2 tags[].tag_name": _RUN,
    "SandboxTagsSetV2 tags[].tag_value": _RUN,
    "TaskExecStdinWriteStream call": _FILES,
    "TaskExecStdinWrite call": _FILES,
    "TaskExecStdioRead of stderr call": _FAILED,
    "MountPutFile that asks call": "theirs asks first whether a file for a volume is there",
    "VolumeGetFile2 client_pads_blocks": "ours takes blocks with the zeros that they end with",
    "TaskExecStdioRead of stdout call": "what Remove prints is read like that of other operations",
    **dict.fromkeys(
        (
            f"AppFetchLogs {end}.{part}"
            for end in ("since", "until")
            for part in ("seconds", "nanos")
        ),
        "the time of the call",
    ),
    "SandboxTerminateV2 call": "the end of the run ends all that it has left",
}
#: What differs in the metadata of calls.
EXPECTED_METADATA = {
    "grpc-timeout": _TIMES,
    "x-modal-sandbox-token": "a token is sent for a sandbox found by its id or name too",
}
#: What Modal's client says of itself where an AI agent runs it, and ours does not.
AGENT = "metadata x-modal-agent-harness"
#: Calls that our client can make in the cloud, and that are not compared.
NOT_COMPARED = {
    "ClientHello": "it says nothing but its metadata, and the start of a run makes it",
    "VolumeGetFile": "for servers of this machine",
    "ContainerExec": _FIRST,
    "ContainerExecGetOutput": _FIRST,
    "ContainerExecPutInput": _FIRST,
    "ContainerExecWait": _FIRST,
    "ContainerFilesystemExec": _FIRST,
    "ContainerFilesystemExecGetOutput": _FIRST,
    "ContainerReloadVolumes": _FIRST,
    "SandboxCreateConnectToken": _FIRST,
    "SandboxGetExitSnapshot": _FIRST,
    "SandboxGetLogs": _FIRST,
    "SandboxGetTaskId": _FIRST,
    "SandboxGetTunnels": _FIRST,
    "SandboxList": _FIRST,
    "SandboxRestore": _MEMORY,
    "SandboxRestoreV2": _MEMORY,
    "SandboxSnapshot": _MEMORY,
    "SandboxSnapshotFs": _FIRST,
    "SandboxSnapshotGet": _MEMORY,
    "SandboxSnapshotWait": _MEMORY,
    "SandboxStdinWrite": _FIRST,
    "SandboxTagsGet": _FIRST,
    "SandboxTagsSet": _FIRST,
    "SandboxTerminate": _FIRST,
    "SandboxWait": _FIRST,
    "TaskGetCommandRouterAccess": _FIRST,
    "TaskSnapshotMemory": _MEMORY,
}
PROGRAMS = {"program": program, "further": further_program}


def recorded(python: Path, module: ModuleType) -> WireRecorder:
    """What Modal's client sends."""
    recorder = WireRecorder()
    script = (
        "import modal, modal.stream_type, runpy, sys; "
        f"runpy.run_path({module.__file__!r})['program'](modal)"
    )
    with running(OPTIONS, hooks=recorder) as cloud:
        done = subprocess.run(
            [str(python), "-c", script],
            env=cloud.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        recorder.requests = [*cloud.parts.requests]
    assert done.returncode == 0, done.stderr
    return recorder


def ours(folder: Path, module: ModuleType, version: str) -> WireRecorder:
    """What our client sends, by the engine that makes its calls at Modal."""
    recorder = WireRecorder()
    with running(OPTIONS, hooks=recorder) as cloud, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(cloud.ca_file))
        # As the process of the engine does.
        agent = user_agent(settings_of(cloud, version=version))
        patch.setattr(grpclib.client, "USER_AGENT", agent)
        with proxied(cloud, folder, version=version) as run:
            before = Client.set_default(run.client)
            module.program(pytest_sandbox)
            Client.set_default(before)
        recorder.requests = [*cloud.parts.requests]
    return recorder


@pytest.fixture(scope="module", params=["1.6.4", ""], ids=["1.6.4", "newest"])
def pairs(
    request: pytest.FixtureRequest,
    pytestconfig: pytest.Config,
    tmp_path_factory: pytest.TempPathFactory,
) -> list[tuple[WireRecorder, WireRecorder]]:
    """What both clients sent for each program."""
    assert pytestconfig.cache is not None
    python = python_environment(pytestconfig.cache, request.param)
    found = []
    for name, module in PROGRAMS.items():
        theirs = recorded(python, module)
        version = theirs.calls[0].metadata["x-modal-client-version"]
        found.append((theirs, ours(tmp_path_factory.mktemp(name), module, version)))
    return found


def test_the_calls_are_the_same(pairs: list[tuple[WireRecorder, WireRecorder]]) -> None:
    metadata, messages = set[str](), set[str]()
    surprising = []
    for each in (
        each
        for theirs, ours in pairs
        for each in differences(theirs.calls, ours.calls)
        if each.what != AGENT
    ):
        if each.what.startswith("metadata "):
            name = each.what.partition(" ")[2]
            metadata.add(name)
            expected = name in EXPECTED_METADATA
        else:
            messages.add(each.key)
            expected = each.key in EXPECTED
        if not expected:
            surprising.append(str(each))

    assert surprising == []
    assert metadata == set(EXPECTED_METADATA), "some are gone"
    by_chance = {key for key in EXPECTED if key.startswith("AppFetchLogs ")}  # within a second
    assert set(EXPECTED) - messages <= by_chance, "some are gone"


def test_contents_go_over_http_alike(pairs: list[tuple[WireRecorder, WireRecorder]]) -> None:
    """Modal's client sends parts at the same time, ours one after another."""
    for theirs, ours in pairs:
        assert sorted(theirs.requests) == sorted(ours.requests) != []


def test_all_calls_of_our_client_are_compared(
    pairs: list[tuple[WireRecorder, WireRecorder]],
) -> None:
    """All that it can make, by its text."""
    root = Path(pytest_sandbox.__file__).with_name("client")
    text = "".join(path.read_text() for path in root.rglob("*.py"))
    known = [*control_methods(), *router_methods()]
    made = {rpc for rpc in known if re.search(rf"\b{rpc}\b(?!Request|Response)", text)}
    compared = {call.rpc for theirs, ours in pairs for call in ours.calls} & {
        call.rpc for theirs, ours in pairs for call in theirs.calls
    }

    assert made - compared == set(NOT_COMPARED)
