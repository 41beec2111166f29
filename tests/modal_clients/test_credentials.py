"""Credentials by OAuth are shown to Modal's servers as Modal's client shows them."""

import subprocess

import pytest

from pytest_sandbox.cloud.transport.oauth import OAuth

from ..support.cloud import CloudOptions, OAuthUser, WireRecorder, running
from .environments import python_environment

pytestmark = pytest.mark.timeout(300)  # the first test may have to install the client

PROGRAM = "import modal; modal.App.lookup('some', create_if_missing=True)"
VARIABLES = {
    "MODAL_OAUTH_REFRESH_TOKEN": "rt-1",
    "MODAL_OAUTH_CLIENT_ID": "client",
    "MODAL_OAUTH_CLIENT_SECRET": "cs-1",
}


@pytest.mark.parametrize("version", ["1.6.4", ""], ids=["1.6.4", "newest"])
def test_they_are_shown_alike(pytestconfig: pytest.Config, version: str) -> None:
    assert pytestconfig.cache is not None
    python = python_environment(pytestconfig.cache, version)
    recorder = WireRecorder()
    options = CloudOptions(oauth=OAuthUser("rt-1", "client", "cs-1"))
    with running(options, hooks=recorder) as cloud:
        environment = {
            name: value
            for name, value in cloud.environment().items()
            if name not in ("MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET")
        }
        subprocess.run([str(python), "-c", PROGRAM], env={**environment, **VARIABLES}, check=True)

    (call,) = (each for each in recorder.calls if each.rpc == "AppGetOrCreate")
    shown = {
        name: value
        for name, value in call.metadata.items()
        if "oauth" in name or name in ("x-modal-refresh-token", "x-modal-token-id")
    }
    assert shown == OAuth("rt-1", "client", "cs-1", "").metadata()
