"""The backend as it is, with Modal's client, and without Modal."""

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("modal", reason="the package modal is not installed")

import modal
from backend import ModalBackend, Result

if TYPE_CHECKING:
    from pytest_sandbox.plugin import ModalServer


def test_commands_run_on_a_machine_of_their_own(modal_server: "ModalServer") -> None:
    backend = ModalBackend()
    backend.write("check.py", "import os; print(os.getcwd(), os.environ['AGENT'])")

    assert backend.run("python3 check.py") == Result("/srv/repository 1\n", 0)
    assert backend.run("echo gone >&2; exit 3") == Result("gone\n", 3)
    backend.close()


def test_a_copy_shares_nothing_with_its_origin(modal_server: "ModalServer") -> None:
    backend = ModalBackend()
    backend.write("state", "first")
    copy = backend.fork()
    copy.run("echo second > state")

    assert backend.run("cat state").output == "first"
    assert modal_server.rpcs.of("TaskSnapshotFilesystem").count == 1


@pytest.mark.modal_server(engine="fake")
def test_a_command_that_hangs_is_given_up(modal_server: "ModalServer") -> None:
    modal_server.fake.on_exec("train").hang()

    assert ModalBackend().run("train", timeout=30).code != 0
    assert modal_server.fake.clock.monotonic() >= 30


@pytest.mark.modal_server(engine="fake")
def test_the_machine_of_a_task_that_takes_too_long_is_gone(modal_server: "ModalServer") -> None:
    backend = ModalBackend(lifetime=600)
    modal_server.fake.clock.advance(601)

    with pytest.raises((modal.exception.NotFoundError, modal.exception.ConflictError)):
        backend.run("true")


def test_a_busy_cloud_is_waited_for(modal_server: "ModalServer") -> None:
    modal_server.faults.on("SandboxCreateV2").rate_limit(retry_after=0.05).times(2)

    assert ModalBackend().run("true").code == 0
    statuses = [call.status for call in modal_server.rpcs.of("SandboxCreateV2")]
    assert statuses == ["RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED", "OK"]
