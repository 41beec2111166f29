"""The command line, about Modal's cloud."""

import json
import os
import signal
from collections.abc import Callable

import pytest

from pytest_sandbox._run import Run
from pytest_sandbox.cli import main
from pytest_sandbox.client import Client, Sandbox

from ..support.cloud import Cloud, CloudOptions, running

Enter = Callable[[Cloud], None]


def test_doctor(cloud_environment: Enter, capsys: pytest.CaptureFixture[str]) -> None:
    with running() as cloud:
        cloud_environment(cloud)

        assert main(["doctor", "--engine", "modal"]) == 0

        assert cloud.app.state.sandboxes.running() == []
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[-1].partition(":")[0].strip() for line in lines] == [
        *("credentials", "Modal's servers", "an image", "a sandbox", "a command", "files"),
        *("the main process", "its end", "clean-up"),
    ]
    assert all(line.startswith("ok ") for line in lines)


def test_doctor_says_at_which_step_it_fails(
    cloud_environment: Enter, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with running() as cloud:
        cloud_environment(cloud)
        monkeypatch.setenv("MODAL_TOKEN_SECRET", "as-wrong")

        assert main(["doctor", "--engine", "modal", "--json"]) == 1

    said = json.loads(capsys.readouterr().out)
    assert [(step["name"], step["ok"]) for step in said["steps"]] == [
        ("credentials", True),
        ("Modal's servers", False),
        ("clean-up", True),
    ]
    assert (
        "does not take the token 'ak-cloud', which is that of MODAL_TOKEN_ID"
        in (said["steps"][1]["result"])
    )
    assert said["steps"][1]["remedy"].startswith("Make a new one: modal token new")


def checked(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    """The steps of a checkup that fails."""
    assert main(["doctor", "--engine", "modal", "--json"]) == 1
    steps: list[dict[str, str]] = json.loads(capsys.readouterr().out)["steps"]
    return steps


def test_doctor_without_a_network(
    cloud_environment: Enter, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with running() as cloud:
        cloud_environment(cloud)
    monkeypatch.setenv("MODAL_SERVER_URL", "https://no-such-host.invalid")

    steps = checked(capsys)

    assert [step["name"] for step in steps] == ["credentials", "Modal's servers", "clean-up"]
    assert "Modal cannot be reached at https://no-such-host.invalid" in steps[1]["result"]
    assert steps[1]["remedy"].startswith("Check the network of this machine")


def test_doctor_without_a_token(
    cloud_environment: Enter, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with running() as cloud:
        cloud_environment(cloud)
    monkeypatch.delenv("MODAL_TOKEN_ID")
    monkeypatch.delenv("MODAL_TOKEN_SECRET")

    (step,) = checked(capsys)

    assert "there is no token for Modal" in step["result"]
    assert "modal token new" in step["remedy"]


def test_doctor_with_a_token_that_has_expired(
    cloud_environment: Enter, capsys: pytest.CaptureFixture[str]
) -> None:
    with running() as cloud:
        cloud_environment(cloud)
        cloud.rules.revoked = True

        steps = checked(capsys)

    assert (
        "does not take the token 'ak-cloud', which is that of MODAL_TOKEN_ID"
        in (steps[1]["result"])
    )
    assert "this token was deleted" in steps[1]["result"]


def test_doctor_with_a_token_that_expires_meanwhile(
    cloud_environment: Enter, capsys: pytest.CaptureFixture[str]
) -> None:
    with running() as cloud:
        cloud_environment(cloud)

        def revoke() -> None:
            cloud.rules.revoked = True

        cloud.hooks.at("SandboxCreateV2", 1, revoke)
        steps = checked(capsys)

    failed = [step for step in steps if not step["ok"]]
    assert [step["name"] for step in failed] == ["a sandbox"]
    assert "the credentials of 'ak-cloud' (MODAL_TOKEN_ID) any more" in failed[0]["result"]


def killed_run() -> list[str]:
    """The ids of the sandboxes of a run that is killed with its processes."""
    run = Run.create()
    process = run.start("modal")
    with Client(process.socket, engine="modal") as client:
        ids = [Sandbox.create("cat", client=client).object_id for _ in range(2)]
        os.kill(process.pid, signal.SIGKILL)
        run.close()
    return ids


def test_prune_ends_what_a_killed_run_has_left(
    cloud_environment: Enter, capsys: pytest.CaptureFixture[str]
) -> None:
    """The list of sandboxes does not know them yet, and Modal has no time at first."""
    with running(CloudOptions(list_delay=3)) as cloud:
        cloud_environment(cloud)
        ids = killed_run()
        running_before = len(cloud.app.state.sandboxes.running())

        assert main(["prune", "--engine", "modal"]) == 0
        told = capsys.readouterr().out
        assert main(["prune", "--engine", "modal"]) == 0

        assert running_before == 2
        assert cloud.app.state.sandboxes.running() == []
    assert [line.partition(" ")[0] for line in told.splitlines()] == sorted(ids)
    assert all(line.endswith(": ended") for line in told.splitlines())
