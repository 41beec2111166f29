"""What only sandboxes of the second version of the API have; clients from 1.6 on make these."""

from datetime import timedelta

import modal
import pytest
from modal.exception import AlreadyExistsError, ConflictError, UnimplementedError


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


def test_what_is_not_implemented_is_refused_by_name(sandbox):
    with pytest.raises(UnimplementedError, match="get_exit_snapshot"):
        sandbox._experimental_get_exit_snapshot(timeout=0)
    with pytest.raises(UnimplementedError, match=r"modal\.Queue"):
        modal.Queue.from_name("q", create_if_missing=True).put(1)


def test_logs_are_read_later(create):
    sandbox = create("sh", "-c", "echo one; echo two >&2; printf three")
    sandbox.wait()
    before = next(iter(sandbox.logs.tail(10))).timestamp - timedelta(seconds=1)

    assert sorted(entry.message for entry in sandbox.logs.tail(10)) == ["one\n", "three", "two\n"]
    assert [entry.message for entry in sandbox.logs.tail(5, source="stderr")] == ["two\n"]
    found = list(sandbox.logs.fetch(since=before, search_text="thr"))
    assert [(entry.message, entry.source) for entry in found] == [("three", "stdout")]
