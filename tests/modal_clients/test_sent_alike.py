"""Our client sends Modal's cloud what Modal's client sends it, but for a few differences."""

import subprocess

import pytest

import pytest_sandbox
from pytest_sandbox.client import Client
from pytest_sandbox.client.transport import portal

from ..support.cloud import WireRecorder, differences, running
from ..support.cloud import program as shared
from .environments import python_environment

pytestmark = pytest.mark.timeout(300)  # the first test may have to install the client

_CREDENTIALS = "sent by the engine that connects to a cloud"
_EMPTY = "an empty message says the same as none"
_FEWER = "standard error of the tool is read when it failed"

#: What differs, and why that does no harm; documented in docs/cloud.md.
EXPECTED = {
    "AuthTokenGet call": _CREDENTIALS,
    "EnvironmentGetOrCreate call": "sent by the engine",
    "ImageGetOrCreate builder_version": "sent by the engine",
    "ImageGetOrCreate image.gpu_config": _EMPTY,
    "VolumeGetOrCreate create_options": _EMPTY,
    "SandboxCreateV2 definition.resources.gpu_config": _EMPTY,
    "SandboxCreateV2 definition.open_ports": _EMPTY,
    "MountGetOrCreate files[].size": "what a file has besides its digest",
    "ExecFollow call": "asked for once, and UNIMPLEMENTED; the engine knows that a cloud lacks it",
    "TaskExecStdioRead of stderr call": _FEWER,
    "TaskExecStdioRead of stdout call": "what Remove prints is read like that of other operations",
    "TaskExecStdinWriteStream call": "files are written by TaskExecStdinWrite, like other input",
    "TaskExecStdinWrite call": "likewise",
}


@pytest.fixture(scope="module")
def theirs(pytestconfig: pytest.Config) -> WireRecorder:
    """What Modal's client sends."""
    assert pytestconfig.cache is not None
    python = python_environment(pytestconfig.cache, "1.6.4")
    recorder = WireRecorder()
    script = f"import modal, runpy; runpy.run_path({shared.__file__!r})['program'](modal)"
    with running(hooks=recorder) as cloud:
        done = subprocess.run(
            [str(python), "-c", script],
            env=cloud.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return recorder


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> WireRecorder:
    """What our client sends."""
    monkeypatch.setenv("MODAL_SANDBOX_V2", "1")
    recorder = WireRecorder()
    with running(hooks=recorder) as cloud, Client(portal().run(cloud.listen_here)) as client:
        before = Client.set_default(client)
        shared.program(pytest_sandbox)
        Client.set_default(before)
    return recorder


def test_the_messages_are_the_same(theirs: WireRecorder, ours: WireRecorder) -> None:
    found = [
        each
        for each in differences(theirs.calls, ours.calls)
        if not each.what.startswith("metadata ")
    ]

    surprising = [str(each) for each in found if each.key not in EXPECTED]
    assert surprising == []
    assert {each.key for each in found} == EXPECTED.keys(), "some of them are gone"
