"""The start of a run in the cloud: what it needs, and whose fault it is if that is missing."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_sandbox._run import EngineStartError, Run
from pytest_sandbox.client import Client, Sandbox
from pytest_sandbox.cloud.transport.settings import read_settings
from pytest_sandbox.engine import EngineUnavailable

from ..support.cloud import Cloud, CloudOptions, running
from .conftest import installed_modal
from .test_commands import killed_run

Enter = Callable[[Cloud], None]
TOKEN = {"MODAL_TOKEN_ID": "ak-1", "MODAL_TOKEN_SECRET": "as-1", "MODAL_CONFIG_PATH": "/no/file"}


@pytest.fixture
def modal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(installed_modal(tmp_path, "1.6.4"))


def configured(tmp_path: Path, text: str) -> dict[str, str]:
    path = tmp_path / "modal.toml"
    path.write_text(text)
    return {"MODAL_CONFIG_PATH": str(path)}


def test_credentials_of_the_environment(modal: None) -> None:
    found = read_settings({**TOKEN, "MODAL_ENVIRONMENT": "dev"})

    assert (found.token_id, found.token_secret, found.environment) == ("ak-1", "as-1", "dev")
    assert found.server_urls == ("https://api.modal.com", "https://api.modal2.com")
    assert "as-1" not in repr(found)


@pytest.mark.parametrize("name", ["token_secret", "oauth_client_secret"])
def test_credentials_with_the_line_end_of_another_system(
    modal: None, tmp_path: Path, name: str
) -> None:
    """They cannot be sent, and what cannot be sent is not shown."""
    with pytest.raises(EngineUnavailable) as caught:
        read_settings({**TOKEN, f"MODAL_{name.upper()}": "as-s3cret\r"})
    assert f"MODAL_{name.upper()} has '\\r' as character 10 of 10" in caught.value.reason
    assert "s3cret" not in str(caught.value)
    environ = configured(tmp_path, f'[default]\n{name} = "as-s3cr\u00e9t"\n')
    with pytest.raises(EngineUnavailable, match=f"{name} of the profile 'default' of .* 8 of 9"):
        read_settings(environ)


def test_credentials_of_a_profile(modal: None, tmp_path: Path) -> None:
    text = """
        [default]
        token_id = "ak-default"
        token_secret = "as-default"
        [work]
        token_id = "ak-work"
        token_secret = "as-work"
        server_url = "https://one.example, https://two.example"
        active = true
    """
    environ = configured(tmp_path, text)

    assert read_settings(environ).token_id == "ak-work"
    assert read_settings(environ).server_urls == ("https://one.example", "https://two.example")
    assert read_settings({**environ, "MODAL_PROFILE": "default"}).token_id == "ak-default"
    assert read_settings({**environ, "MODAL_TOKEN_ID": "ak-2"}).token_id == "ak-2"


@pytest.mark.parametrize(
    ("environ", "reason", "remedy"),
    [
        ({"MODAL_CONFIG_PATH": "/no/file"}, "there is no token for Modal", "modal token new"),
        ({**TOKEN, "MODAL_TOKEN_SECRET": ""}, "has no secret", "Set MODAL_TOKEN_SECRET too"),
        (
            {"MODAL_CONFIG_PATH": "/no/file", "MODAL_PROFILE": "work"},
            "MODAL_PROFILE='work': there is no such profile in /no/file; it has none",
            "modal token new --profile work",
        ),
        ({**TOKEN, "MODAL_SERVER_URL": "api.modal.com"}, "is not a URL", "Unset it"),
        ({**TOKEN, "MODAL_SERVER_URL": "http://api.modal.com"}, "would show the token", "https://"),
    ],
)
def test_settings_that_make_no_sense(
    modal: None, environ: dict[str, str], reason: str, remedy: str
) -> None:
    with pytest.raises(EngineUnavailable) as caught:
        read_settings(environ)

    assert reason in caught.value.reason
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("token_id = 3", "must have a table for each profile; 'token_id' is none"),
        ("[a", "cannot be read"),
        ("[a]\nactive = true\n[b]\nactive = true", "more than one profile"),
        ("[a]\n[default]", "no profile of .* is active: it has a, default"),
    ],
)
def test_files_that_make_no_sense(modal: None, tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(EngineUnavailable, match=reason):
        read_settings(configured(tmp_path, text))


def test_a_package_that_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(installed_modal(tmp_path, "1.2.3"))

    with pytest.raises(
        EngineUnavailable, match=r"package 'modal' is 1\.2\.3, which does not speak"
    ):
        read_settings(TOKEN)


def start_error() -> EngineStartError:
    run = Run.create()
    try:
        with pytest.raises(EngineStartError) as caught:
            run.start("modal")
    finally:
        run.close()
    return caught.value


def test_modal_cannot_be_reached(cloud_environment: Enter, monkeypatch: pytest.MonkeyPatch) -> None:
    with running() as cloud:
        cloud_environment(cloud)
    monkeypatch.setenv("MODAL_SERVER_URL", "https://127.0.0.2:1")

    error = start_error()

    assert "Modal cannot be reached at https://127.0.0.2:1: cannot connect" in error.reason
    assert "status.modal.com" in error.remedy


def test_modal_refuses_the_version(cloud_environment: Enter) -> None:
    with running(CloudOptions(oldest_client=(9, 0))) as cloud:
        cloud_environment(cloud)
        error = start_error()

    assert "refuses the package 'modal' 1.6.4" in error.reason
    assert "pip install -U modal" in error.remedy


def test_the_next_run_ends_what_a_killed_one_has_left(cloud_environment: Enter) -> None:
    with running() as cloud:
        cloud_environment(cloud)
        left = killed_run()
        run = Run.create()
        process = run.start("modal")
        with Client(process.socket, engine="modal") as client:
            own = Sandbox.create("cat", client=client)
            for sandbox_id in left:
                cloud_sandbox = Sandbox.from_id(sandbox_id, client=client)
                cloud_sandbox.wait(raise_on_termination=False)
            assert own.poll() is None
        run.close()
        assert cloud.app.state.sandboxes.running() == []
    assert os.listdir(Path(os.environ["XDG_STATE_HOME"]) / "pytest-sandbox" / "cloud") == []
