"""Memory snapshots of sandboxes, and the sandboxes that are restored from them."""

import modal
import pytest
from modal.exception import AlreadyExistsError

COUNTER = "i=0; while read line; do i=$((i+1)); echo $i $line; done"


@pytest.fixture
def snapshots(create):
    """Creates sandboxes of which memory snapshots can be taken, if the engine can take them."""

    def freezable(*args, **options):
        try:
            return create(*args, _experimental_enable_snapshot=True, **options)
        except Exception as error:
            if "enable_snapshot" in str(error):
                pytest.skip(f"the engine cannot do this here: {error}")
            raise

    return freezable


@pytest.fixture
def restore():
    """Restores sandboxes, which end with the scenario."""
    made = []

    def restore(snapshot, **options):
        made.append(modal.Sandbox._experimental_from_snapshot(snapshot, **options))
        return made[-1]

    yield restore
    for sandbox in made:
        sandbox.terminate()


def count(sandbox, text):
    sandbox.stdin.write(f"{text}\n")
    sandbox.stdin.drain()


def test_processes_go_on_where_they_were(snapshots, restore):
    sandbox = snapshots("sh", "-c", COUNTER)
    count(sandbox, "before")
    assert next(iter(sandbox.stdout)) == "1 before\n"
    snapshot = sandbox._experimental_snapshot()

    copies = [restore(snapshot), restore(snapshot)]

    for copy in copies:
        count(copy, "after")
        assert next(iter(copy.stdout)) == "2 after\n"
    count(sandbox, "too")
    assert sandbox.poll() is None


def test_a_snapshot_is_found_by_its_id_and_has_the_files(snapshots, restore):
    sandbox = snapshots()
    assert sandbox.exec("sh", "-c", "echo kept > /srv/a").wait() == 0
    snapshot_id = sandbox._experimental_snapshot().object_id
    sandbox.terminate()

    copy = restore(modal.SandboxSnapshot.from_id(snapshot_id))

    assert copy.exec("cat", "/srv/a").stdout.read() == "kept\n"


def test_names_are_kept_left_out_or_given(snapshots, restore):
    sandbox = snapshots(name="kept")
    snapshot = sandbox._experimental_snapshot()
    with pytest.raises(AlreadyExistsError):
        restore(snapshot)
    restore(snapshot, name=None)
    other = restore(snapshot, name="given")
    assert modal.Sandbox.from_name("scenarios", "given").object_id == other.object_id
    sandbox.terminate()
    sandbox.wait(raise_on_termination=False)

    again = restore(snapshot)

    assert modal.Sandbox.from_name("scenarios", "kept").object_id == again.object_id
