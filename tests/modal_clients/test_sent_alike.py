"""Our engine sends Modal's cloud what Modal's client sends it, but for a few differences."""

import subprocess
from pathlib import Path

import grpclib.client
import pytest

import pytest_sandbox
from pytest_sandbox.client import Client
from pytest_sandbox.cloud.transport.identity import user_agent

from ..cloud.conftest import proxied, settings_of
from ..support.cloud import WireRecorder, differences, program, running
from .environments import python_environment

pytestmark = pytest.mark.timeout(300)  # the first test may have to install the client

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
    "SandboxTagsSetV2 tags[]": _RUN,
    "SandboxTagsSetV2 tags[].tag_name": _RUN,
    "SandboxTagsSetV2 tags[].tag_value": _RUN,
    "TaskExecStdinWriteStream call": _FILES,
    "TaskExecStdinWrite call": _FILES,
    "TaskExecStdioRead of stderr call": _FAILED,
    "MountPutFile that asks call": "theirs asks first whether a file for a volume is there",
    "VolumeGetFile2 client_pads_blocks": "ours takes blocks with the zeros that they end with",
    "TaskExecStdioRead of stdout call": "what Remove prints is read like that of other operations",
}
#: What differs in the metadata of calls.
EXPECTED_METADATA = {
    "grpc-timeout": _TIMES,
    "x-modal-sandbox-token": "a token is sent for a sandbox found by its id or name too",
}


@pytest.fixture(scope="module")
def theirs(pytestconfig: pytest.Config) -> WireRecorder:
    """What Modal's client sends."""
    assert pytestconfig.cache is not None
    python = python_environment(pytestconfig.cache, "1.6.4")
    recorder = WireRecorder()
    script = f"import modal, runpy; runpy.run_path({program.__file__!r})['program'](modal)"
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


def ours(folder: Path) -> WireRecorder:
    """What our client sends, by the engine that makes its calls at Modal."""
    recorder = WireRecorder()
    with running(hooks=recorder) as cloud, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(cloud.ca_file))
        # As the process of the engine does.
        patch.setattr(grpclib.client, "USER_AGENT", user_agent(settings_of(cloud)))
        with proxied(cloud, folder) as run:
            before = Client.set_default(run.client)
            program.program(pytest_sandbox)
            Client.set_default(before)
    return recorder


def test_the_calls_are_the_same(theirs: WireRecorder, tmp_path: Path) -> None:
    metadata, messages = set[str](), set[str]()
    surprising = []
    for each in differences(theirs.calls, ours(tmp_path).calls):
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
    assert messages == set(EXPECTED), "some are gone"
