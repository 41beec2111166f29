"""What users read when Modal refuses something in the middle of a run."""

from dataclasses import replace
from typing import Any

import pytest
from grpclib import GRPCError, Status

from pytest_sandbox._proto.apps_pb2 import AppGetOrCreateRequest, EnvironmentGetOrCreateRequest
from pytest_sandbox._proto.common_pb2 import RPCRetryPolicy
from pytest_sandbox._proto.sandboxes_pb2 import SandboxTerminateRequest
from pytest_sandbox.client import App, Sandbox
from pytest_sandbox.client.exceptions import (
    AuthError,
    Error,
    NotFoundError,
    ResourceExhaustedError,
)
from pytest_sandbox.cloud.hints import explained
from pytest_sandbox.cloud.transport.oauth import OAuth
from pytest_sandbox.cloud.transport.settings import CloudSettings

from ..support.cloud import CloudOptions, RateLimit

SETTINGS = CloudSettings(
    ("https://a.test",), "ak-1", "as-1", "dev", "1.6.4", "the profile 'work' of /x"
)


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (Status.UNAUTHENTICATED, "credentials of 'ak-1' (the profile 'work' of /x) any more"),
        (Status.PERMISSION_DENIED, "does not let 'ak-1' (the profile 'work' of /x) do that"),
        (Status.RESOURCE_EXHAUSTED, "such as its budget"),
        (Status.UNIMPLEMENTED, "Modal's servers do not carry out AppGetOrCreate"),
        (Status.NOT_FOUND, "The environment is 'dev', by MODAL_ENVIRONMENT or the profile"),
    ],
)
def test_hints(status: Status, hint: str) -> None:
    request = AppGetOrCreateRequest(app_name="a", environment_name="dev")
    error = explained("AppGetOrCreate", request, GRPCError(status, "Modal's words."), SETTINGS)

    assert error.status is status
    assert str(error.message).startswith("Modal's words. ")
    assert hint in str(error.message)
    assert "as-1" not in str(error.message)


def test_who_has_no_token_is_not_told_to_make_one() -> None:
    oauth = replace(SETTINGS, oauth=OAuth("rt-1", "client", "cs-1", ""), token_id="")
    error = explained("X", None, GRPCError(Status.UNAUTHENTICATED, "no"), oauth)

    assert "credentials of 'client'" in str(error.message)
    assert "new ones from the service that has them" in str(error.message)
    assert "modal token new" not in str(error.message)


def test_a_server_of_commands_without_tls(run_in_cloud: Any) -> None:
    """It gets neither the commands nor the token for them."""
    run = run_in_cloud()
    sandbox = Sandbox.create("cat", client=run.client)
    (task,) = run.app.sandboxes.all()
    run.app._routes.know(task.task_id, "http://127.0.0.2:1", "t0ken", second=task.id)

    with pytest.raises(Error, match=r"names 'http://127\.0\.0\.2:1' as the server of") as caught:
        sandbox.run("echo", "hi")
    assert "t0ken" not in str(caught.value)


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (SandboxTerminateRequest(), GRPCError(Status.NOT_FOUND, "no such sandbox")),
        (AppGetOrCreateRequest(environment_name="own"), GRPCError(Status.NOT_FOUND, "no")),
        (
            SandboxTerminateRequest(),
            GRPCError(Status.RESOURCE_EXHAUSTED, "wait", [RPCRetryPolicy(retry_after_secs=1)]),
        ),
        (SandboxTerminateRequest(), GRPCError(Status.INVALID_ARGUMENT, "no")),
    ],
)
def test_others_are_as_they_are(request_: Any, error: GRPCError) -> None:
    assert explained("X", request_, error, SETTINGS) is error


def test_the_environment_of_a_request_for_one() -> None:
    request = EnvironmentGetOrCreateRequest(deployment_name="dev")
    error = explained("X", request, GRPCError(Status.NOT_FOUND, ""), SETTINGS)

    assert str(error.message).startswith("NOT_FOUND. The environment is 'dev'")


def test_the_environment_does_not_exist(run_in_cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_in_cloud(environment="nope")

    with pytest.raises(NotFoundError, match=r"'nope' not found.* The environment is 'nope', by"):
        App.lookup("a", create_if_missing=True, client=run.client)
    with pytest.raises(NotFoundError, match="The environment is 'nope', by"):
        Sandbox.create(client=run.client)


def test_a_budget_that_is_spent(run_in_cloud: Any) -> None:
    run = run_in_cloud(CloudOptions(rate_limits={"SandboxCreateV2": RateLimit(9, None)}))

    with pytest.raises(ResourceExhaustedError, match=r"too many calls\. That is a limit of your"):
        Sandbox.create(client=run.client)


def test_a_token_that_is_deleted_while_the_run_goes_on(run_in_cloud: Any) -> None:
    run = run_in_cloud()
    sandbox = Sandbox.create("cat", client=run.client)
    run.cloud.rules.revoked = True

    with pytest.raises(AuthError, match=r"credentials of 'ak-cloud' \(a test\) any more"):
        sandbox.poll()
    run.cloud.rules.revoked = False
