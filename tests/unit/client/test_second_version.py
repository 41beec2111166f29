"""Sandboxes by the second version of Modal's API, which `MODAL_SANDBOX_V2=1` asks for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox import Faults, Rpcs
from pytest_sandbox.client import Client, Image, Sandbox, SandboxSnapshot, Secret, Volume
from pytest_sandbox.client.exceptions import NotFoundError, StdinClosedError
from pytest_sandbox.inmemory import FakeSandboxes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECOND = re.compile(r"sb-01[0-9A-Z]{24}")


@pytest.fixture(params=["local", "fake"])
def engine(request: pytest.FixtureRequest) -> Iterator[Client]:
    """The client of an engine, which is the default one meanwhile."""
    if request.param == "local":
        client = request.getfixturevalue("client")
        before = Client.set_default(client)
        yield client
        Client.set_default(before)
    else:
        with FakeSandboxes() as fake:
            yield fake.client


@pytest.fixture
def rpcs(engine: Client) -> Iterator[Rpcs]:
    rpcs = Rpcs(engine.inspector)
    yield rpcs
    rpcs.close()


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch, engine: Client) -> Iterator[Callable[..., Sandbox]]:
    """`Sandbox.create` by the second version."""
    monkeypatch.setenv("MODAL_SANDBOX_V2", "1")
    with engine.record() as ids:
        yield Sandbox.create
    for sandbox_id in ids:
        Sandbox.from_id(sandbox_id).terminate()


def names(rpcs: Rpcs) -> list[str]:
    """The calls, but for one that is needed only where a command outlives its output a moment."""
    return [call.rpc for call in rpcs if call.rpc != "TaskExecWait"]


def use(create: Callable[..., Sandbox]) -> None:
    """What a test usually does with a sandbox."""
    sandbox = create("sh", "-c", "echo main; exec sleep 60", tags={"a": "b"})
    process = sandbox.exec("echo", "hi")
    assert (process.stdout.read(), process.wait()) == ("hi\n", 0)
    assert next(sandbox.stdout) == "main\n"
    sandbox.filesystem.write_text("x", "/tmp/x")
    assert sandbox.get_tags() == {"a": "b"}
    sandbox.terminate(wait=True)
    assert sandbox.returncode == 137


def test_it_takes_no_more_round_trips(
    engine: Client, rpcs: Rpcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(Sandbox.create)  # which asks for the app and the image, too
    made = Rpcs(engine.inspector)
    use(Sandbox.create)
    first = names(made)
    monkeypatch.setenv("MODAL_SANDBOX_V2", "1")
    made = Rpcs(engine.inspector)
    use(Sandbox.create)

    assert sorted(names(made)) == sorted(
        {"SandboxGetLogs": "SandboxStdioReadV2"}.get(name, name + "V2")
        if name.startswith("Sandbox")
        else name
        for name in first
    )


@pytest.mark.parametrize(("value", "shape"), [("0", False), ("false", False), ("true", True)])
def test_the_id_tells_the_version(
    engine: Client, monkeypatch: pytest.MonkeyPatch, value: str, shape: bool
) -> None:
    monkeypatch.setenv("MODAL_SANDBOX_V2", value)
    sandbox = Sandbox.create()
    monkeypatch.delenv("MODAL_SANDBOX_V2")

    assert bool(SECOND.fullmatch(sandbox.object_id)) is shape
    again = Sandbox.from_id(sandbox.object_id)
    assert again.run("echo", "hi").stdout == "hi\n"
    assert again.terminate(wait=True) == 137


def test_secrets_come_with_the_call(second: Callable[..., Sandbox], rpcs: Rpcs) -> None:
    sandbox = second(
        "sh",
        "-c",
        'echo "$A $B $C"',
        secrets=[Secret.from_dict({"A": "1", "B": "1"}), Secret.from_dict({"B": "2", "C": "2"})],
        env={"C": "3"},
    )
    assert sandbox.stdout.read() == "1 2 3\n"
    rpcs.of("SecretGetOrCreate").none()
    assert len(rpcs.of("SandboxCreateV2").one().request.secret_sources) == 3  # the last is env
    with pytest.raises(NotFoundError):
        second(secrets=[Secret.from_name("no-such-secret")])


def test_streams_of_the_main_process(
    second: Callable[..., Sandbox], engine: Client, call: Any
) -> None:
    sandbox = second("sh", "-c", "cat; echo é >&2")
    faults = Faults(engine.inspector)
    faults.on("SandboxStdioReadV2").cut_stream(after_bytes=3)
    faults.on("SandboxStdinWriteV2").drop_response()
    sandbox.stdin.write("one\n")
    call(sandbox.stdin.drain)
    sandbox.stdin.write("two\n")
    sandbox.stdin.write_eof()
    call(sandbox.stdin.drain)
    assert call(sandbox.stdout.read) == "one\ntwo\n"
    assert call(sandbox.stderr.read) == "é\n"
    assert faults.unfired() == []
    assert call(Sandbox.from_id(sandbox.object_id).stdout.read) == "one\ntwo\n"
    sandbox.wait()
    with pytest.raises(ValueError, match="write_eof"):
        sandbox.stdin.write("three")
    other = second("true")
    other.wait()
    other.stdin.write("nobody reads it")
    with pytest.raises(StdinClosedError):
        call(other.stdin.drain)


def test_a_name_means_both_versions(
    second: Callable[..., Sandbox], engine: Client, rpcs: Rpcs
) -> None:
    faults = Faults(engine.inspector)
    faults.on("SandboxCreate", "SandboxCreateV2", nth=2).status("UNAVAILABLE").times(2)
    faults.on("SandboxTagsSet").where(tags=[{"tag_name": "a"}]).drop_response()
    faults.on("SandboxCreate").where(environment_name="x").status("ABORTED").optional()
    second()
    sandbox = second(timeout=77)
    sandbox.set_tags({"b": "c"})
    sandbox.set_tags({"a": "b"})
    assert faults.unfired() == []
    faults.clear()

    found = rpcs.of("SandboxCreate")
    assert [(call.rpc, call.status) for call in found] == [
        ("SandboxCreateV2", status) for status in ("OK", "UNAVAILABLE", "UNAVAILABLE", "OK")
    ]
    assert found.where(definition={"timeout_secs": 77}).count == 3
    assert found.where(environment_name="x").count == 0
    rpcs.in_order("SandboxCreate", "SandboxCreateV2", "SandboxTagsSet")


def test_the_rest_of_a_sandbox(second: Callable[..., Sandbox], call: Any) -> None:
    volume = Volume.from_name("second-version", create_if_missing=True)
    sandbox = second(name="by-the-second", volumes={"/data": volume}, unencrypted_ports=[8000])
    sandbox.set_tags({"version": "second"})
    assert [each.object_id for each in Sandbox.list(tags={"version": "second"})] == [
        sandbox.object_id
    ]
    call(sandbox.reload_volumes)
    assert 8000 in call(sandbox.tunnels)
    image = call(sandbox.snapshot_filesystem)
    assert Sandbox.create(image=image).run("true").returncode == 0
    assert isinstance(image, Image)
    call(sandbox.detach)


def test_a_snapshot_with_processes() -> None:
    with FakeSandboxes() as fake, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODAL_SANDBOX_V2", "1")
        sandbox = Sandbox.create("sleep", "60", _experimental_enable_snapshot=True)
        snapshot = sandbox._experimental_snapshot()
        same = SandboxSnapshot.from_id(snapshot.object_id)
        sandbox.terminate()
        for each in (snapshot, same):
            restored = Sandbox._experimental_from_snapshot(each, name=None)
            assert SECOND.fullmatch(restored.object_id)
            assert restored.run("echo", "hi").stdout == "hi\n"
        assert fake.rpcs.of("TaskSnapshotMemory").count == 1
        assert fake.rpcs.of("SandboxRestoreV2").count == 2
