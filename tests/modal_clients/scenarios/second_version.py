"""What only sandboxes of the second version of the API have; clients from 1.6 on make these."""

import subprocess
import sys
from datetime import timedelta

import modal
import pytest
from modal.exception import (
    AlreadyExistsError,
    ConflictError,
    InvalidError,
    NotFoundError,
    UnimplementedError,
)
from modal.exception import TimeoutError as ModalTimeout


def test_a_client_speaks_it_unless_told_otherwise(sandbox):
    assert sandbox.object_id.startswith("sb-01")


def test_handles_of_either_version_are_found_and_listed(create, app):
    second = create()
    first = create(pty_info=modal.sandbox._common.default_pty_info())
    assert not first.object_id.startswith("sb-01")

    listed = {each.object_id for each in modal.Sandbox.list(app_id=app.app_id)}

    assert {first.object_id, second.object_id} <= listed
    for each in (first, second):
        found = modal.Sandbox.from_id(each.object_id)
        assert found.exec("echo", "hi").stdout.read() == "hi\n"


def test_a_name_that_is_given_later(create, app):
    sandbox = create()
    sandbox._experimental_set_name("later")

    assert modal.Sandbox.from_name("scenarios", "later").object_id == sandbox.object_id
    with pytest.raises(ConflictError, match="later"):
        sandbox._experimental_set_name("other")
    with pytest.raises(AlreadyExistsError, match="later"):
        create(name="later")


def test_the_command_line_makes_environments(app):
    modal_itself = (sys.executable, "-m", "modal")
    subprocess.run([*modal_itself, "environment", "create", "staging"], check=True)

    other = modal.App.lookup("scenarios", environment_name="staging", create_if_missing=True)
    assert other.app_id != app.app_id
    with pytest.raises(NotFoundError):
        modal.App.lookup("scenarios", environment_name="production", create_if_missing=True)


def test_what_is_not_implemented_is_refused_by_name(sandbox):
    with pytest.raises(UnimplementedError, match="update_outbound_policy"):
        sandbox._experimental_update_outbound_policy(modal.experimental.OutboundPolicy())
    with pytest.raises(UnimplementedError, match=r"modal\.Queue"):
        modal.Queue.from_name("q", create_if_missing=True).put(1)


def test_an_exit_snapshot_however_it_ends(create):
    options = {"experimental_options": {"enable_exit_snapshot": True}}
    ended = create("sh", "-c", "echo one > /srv/state", **options)
    ended.wait()
    image = ended._experimental_get_exit_snapshot()
    second = create(image=image, **options)
    assert second.filesystem.read_text("/srv/state") == "one\n"
    with pytest.raises(ModalTimeout):
        second._experimental_get_exit_snapshot(timeout=0)
    second.filesystem.write_text("two", "/srv/state")
    second.terminate()
    found = modal.Sandbox.from_id(second.object_id)
    third = create(image=found._experimental_get_exit_snapshot())
    assert third.filesystem.read_text("/srv/state") == "two"
    with pytest.raises(InvalidError, match="enable_exit_snapshot"):
        third._experimental_get_exit_snapshot()


def test_figures_and_an_identity(create):
    sandbox = create(include_oidc_identity_token=True, cloud="aws", region="us-east-1")
    stats = sandbox._experimental_stats()
    assert stats.cost is None
    assert "CPU Usage (cores)" in stats.percentile_stats
    token = sandbox.exec("printenv", "MODAL_IDENTITY_TOKEN").stdout.read()
    assert token.count(".") == 2
    with pytest.raises(InvalidError, match="moon"):
        create(region="moon")
    with pytest.raises(NotFoundError, match="office"):
        create(proxy=modal.Proxy.from_name("office"))


def test_secrets_are_listed_changed_and_deleted(create):
    modal.Secret.objects.create("later", {"A": "a"})
    secret = modal.Secret.from_name("later")
    secret.update({"B": "b"})
    assert "later" in [each.name for each in modal.Secret.objects.list()]
    shown = create(secrets=[secret]).exec("sh", "-c", "echo $A$B").stdout.read()
    assert shown == "ab\n"
    modal.Secret.objects.delete("later")
    with pytest.raises(NotFoundError, match="later"):
        modal.Secret.from_name("later").hydrate()


def test_an_app_that_shows_its_output(capfd):
    app = modal.App("shown")
    with modal.enable_output(), app.run():
        image = modal.Image.debian_slim(python_version="3.11")
        modal.Sandbox.create("echo", "said by it", app=app, image=image).wait()
    assert "said by it" in capfd.readouterr().out


def test_logs_are_read_later(create):
    sandbox = create("sh", "-c", "echo one; echo two >&2; printf three")
    sandbox.wait()
    before = next(iter(sandbox.logs.tail(10))).timestamp - timedelta(seconds=1)

    assert sorted(entry.message for entry in sandbox.logs.tail(10)) == ["one\n", "three", "two\n"]
    assert [entry.message for entry in sandbox.logs.tail(5, source="stderr")] == ["two\n"]
    found = list(sandbox.logs.fetch(since=before, search_text="thr"))
    assert [(entry.message, entry.source) for entry in found] == [("three", "stdout")]
