"""Credentials by OAuth, as services give them to programs of their users."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pytest_sandbox._run import Run
from pytest_sandbox.client import Client, Sandbox
from pytest_sandbox.cloud.transport.settings import read_settings
from pytest_sandbox.engine import EngineUnavailable

from ..support.cloud import Cloud, CloudOptions, OAuthUser, WireRecorder, running
from .conftest import installed_modal
from .test_starts import start_error

Enter = Callable[[Cloud], None]
SECRET = {
    "MODAL_OAUTH_REFRESH_TOKEN": "rt-1",
    "MODAL_OAUTH_CLIENT_ID": "client",
    "MODAL_OAUTH_CLIENT_SECRET": "cs-1",
}


def pem_of(key: Any) -> str:
    """A private key, as variables have it: in one line."""
    encoded: bytes = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return encoded.decode().replace("\n", "\\n")


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def public(key: rsa.RSAPrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


@pytest.fixture
def modal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(installed_modal(tmp_path, "1.6.4"))


@pytest.mark.parametrize("kind", ["secret", "key"])
def test_a_run(
    kind: str, key: rsa.RSAPrivateKey, cloud_environment: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = dict(SECRET)
    user = OAuthUser("rt-1", "client", "cs-1")
    if kind == "key":
        del environ["MODAL_OAUTH_CLIENT_SECRET"]
        environ["MODAL_OAUTH_JWT_KEY"] = pem_of(key)
        user = OAuthUser("rt-1", "client", public_key=public(key))
    recorder = WireRecorder()
    with running(CloudOptions(oauth=user), hooks=recorder) as cloud:
        cloud_environment(cloud)
        for name in ("MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET"):
            monkeypatch.delenv(name)
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        run = Run.create()
        process = run.start("modal")
        with Client(process.socket, engine="modal") as client:
            assert process.engine["details"]["token"] == "client (MODAL_OAUTH_CLIENT_ID)"
            assert Sandbox.create("cat", client=client).run("echo", "hi").stdout == "hi\n"
        run.close()
        assert cloud.app.state.sandboxes.running() == []

    own = [call.metadata for call in recorder.calls if "x-modal-client-version" in call.metadata]
    assert not any("x-modal-token-id" in metadata for metadata in own)
    if kind == "key":  # each call has an assertion of its own
        assertions = [metadata["x-modal-oauth-client-assertion"] for metadata in own]
        assert len({*assertions}) == len(own) >= 4


def test_credentials_that_modal_does_not_take(
    cloud_environment: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(CloudOptions(oauth=OAuthUser("rt-1", "client", "other"))) as cloud:
        cloud_environment(cloud)
        for name in ("MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET"):
            monkeypatch.delenv(name)
        for name, value in SECRET.items():
            monkeypatch.setenv(name, value)
        error = start_error()

    assert "does not take the credentials of the OAuth client 'client', which is" in error.reason
    assert "that of MODAL_OAUTH_CLIENT_ID: these credentials do not open anything" in error.reason
    assert "rt-1" not in str(error)
    assert "from the service" in error.remedy


def test_they_are_settings_like_others(modal: None, tmp_path: Path) -> None:
    path = tmp_path / "modal.toml"
    path.write_text(
        '[default]\noauth_refresh_token = "rt"\noauth_client_id = "c"\noauth_client_secret = "s"\n'
    )
    found = read_settings({"MODAL_CONFIG_PATH": str(path)})

    assert found.oauth is not None
    assert found.source == f"the profile 'default' of {path}"
    assert found.oauth.metadata() == {
        "x-modal-refresh-token": "rt",
        "x-modal-oauth-client-id": "c",
        "x-modal-oauth-client-secret": "s",
    }
    assert "'rt'" not in repr(found)
    assert "'s'" not in repr(found)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"MODAL_OAUTH_CLIENT_ID": ""}, "MODAL_OAUTH_CLIENT_ID is not set"),
        ({"MODAL_OAUTH_CLIENT_SECRET": ""}, "neither is set"),
        ({"MODAL_OAUTH_JWT_KEY": "x"}, "both are set"),
        ({"MODAL_TOKEN_ID": "ak-1"}, "there is a token for Modal (MODAL_TOKEN_ID, or of the"),
        ({"MODAL_OAUTH_CLIENT_SECRET": "", "MODAL_OAUTH_JWT_KEY": "x"}, "cannot be read: "),
    ],
)
def test_credentials_that_make_no_sense(modal: None, changes: dict[str, str], reason: str) -> None:
    with pytest.raises(EngineUnavailable) as caught:
        read_settings({**SECRET, "MODAL_CONFIG_PATH": "/no/file", **changes})

    assert reason in caught.value.reason


def test_a_key_of_a_kind_that_nothing_reads(modal: None) -> None:
    pem = pem_of(ec.generate_private_key(ec.SECP256R1())).split("\\n")
    content = base64.b64decode("".join(pem[1:-2]))
    curve = bytes.fromhex("2a8648ce3d0301")
    other = content.replace(curve + b"\x07", curve + b"\x7f")
    pem[1:-2] = [base64.b64encode(other).decode()]
    environ = {**SECRET, "MODAL_OAUTH_CLIENT_SECRET": "", "MODAL_OAUTH_JWT_KEY": "\\n".join(pem)}

    with pytest.raises(EngineUnavailable, match="MODAL_OAUTH_JWT_KEY cannot be read: "):
        read_settings({**environ, "MODAL_CONFIG_PATH": "/no/file"})


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (rsa.generate_private_key(65537, 1024), "has 1024 bits, and Modal wants 2048 or more"),
        (ec.generate_private_key(ec.SECP256R1()), "is no key of RSA"),
    ],
    ids=["short", "other"],
)
def test_a_key_that_cannot_sign(modal: None, key: Any, reason: str) -> None:
    environ = {**SECRET, "MODAL_OAUTH_CLIENT_SECRET": "", "MODAL_OAUTH_JWT_KEY": pem_of(key)}
    with pytest.raises(EngineUnavailable) as caught:
        read_settings({**environ, "MODAL_CONFIG_PATH": "/no/file"})

    assert reason in caught.value.reason
    assert "BEGIN" not in str(caught.value)
