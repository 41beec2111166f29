"""What the client does when calls go wrong, with a real engine and faults set there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_sandbox import Faults, Rpcs, Sandbox, exceptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_sandbox.client import Client


@pytest.fixture
def rpcs(client: Client) -> Iterator[Rpcs]:
    rpcs = Rpcs(client.inspector)
    yield rpcs
    rpcs.close()


@pytest.fixture
def faults(client: Client) -> Iterator[Faults]:
    faults = Faults(client.inspector)
    yield faults
    unfired = faults.unfired()
    faults.clear()
    assert unfired == []


def statuses(rpcs: Rpcs, name: str) -> list[str]:
    return [call.status for call in rpcs.of(name)]


def test_a_call_is_repeated_while_the_server_is_unavailable(
    sandbox: Sandbox, rpcs: Rpcs, faults: Faults
) -> None:
    faults.on("TaskExecStart").status("UNAVAILABLE").times(2)
    assert sandbox.run("echo", "hello").stdout == "hello\n"
    assert statuses(rpcs, "TaskExecStart") == ["UNAVAILABLE", "UNAVAILABLE", "OK"]


def test_the_second_command_is_hit(sandbox: Sandbox, rpcs: Rpcs, faults: Faults) -> None:
    faults.on("TaskExecStart", nth=2).status("UNAVAILABLE")
    sandbox.run("true")
    sandbox.run("true")
    assert statuses(rpcs, "TaskExecStart") == ["OK", "UNAVAILABLE", "OK"]
    assert rpcs.of_sandbox(sandbox).of("TaskExecStart").count == 3


def test_patience_ends(client: Client, rpcs: Rpcs, faults: Faults) -> None:
    faults.on("SandboxCreate").status("UNAVAILABLE", message="gone").always()
    with pytest.raises(exceptions.ServiceError, match="gone"):
        Sandbox.create(client=client)
    assert statuses(rpcs, "SandboxCreate") == ["UNAVAILABLE"] * 4


def test_what_is_wrong_for_good_is_not_repeated(
    sandbox: Sandbox, rpcs: Rpcs, faults: Faults
) -> None:
    faults.on("TaskExecStart").status("PERMISSION_DENIED")
    with pytest.raises(exceptions.PermissionDeniedError):
        sandbox.run("true")
    assert rpcs.of("TaskExecStart").count == 1


def test_a_sandbox_is_created_once_though_the_answer_was_lost(
    sandboxes: Callable[..., Sandbox], rpcs: Rpcs, faults: Faults
) -> None:
    faults.on("SandboxCreate").drop_response()
    sandbox = sandboxes("sleep", "60")
    lost, heard = rpcs.of("SandboxCreate")
    assert (lost.status, heard.status) == ("CANCELLED", "OK")
    assert lost.response.sandbox_id == heard.response.sandbox_id == sandbox.object_id
    assert lost.faults == ("drop response",)


def test_a_command_is_started_once_though_the_answer_was_lost(
    sandbox: Sandbox, rpcs: Rpcs, faults: Faults
) -> None:
    faults.on("TaskExecStart").drop_response()
    # Not `run`, which can be through before the second answer has come.
    process = sandbox.exec("sh", "-c", "echo x >> /tmp/count; cat /tmp/count")
    assert statuses(rpcs, "TaskExecStart") == ["CANCELLED", "OK"]
    assert process.stdout.read() == "x\n"


def test_input_is_written_once_though_the_answer_was_lost(sandbox: Sandbox, faults: Faults) -> None:
    faults.on("TaskExecStdinWrite").drop_response()
    assert sandbox.run("cat", input="once").stdout == "once"


def test_a_stream_goes_on_where_it_was_cut(sandbox: Sandbox, rpcs: Rpcs, faults: Faults) -> None:
    for after in (0, 1, 4, 1):
        faults.on("TaskExecStdioRead").where(file_descriptor=0).cut_stream(after_bytes=after)
    assert sandbox.run("echo", "hello").stdout == "hello\n"
    reads = rpcs.of("TaskExecStdioRead").where(file_descriptor=0)
    cut = reads.with_status("UNAVAILABLE")
    # A read that overtakes the start of its command finds nothing yet, and is no cut.
    assert [call.offset for call in cut] == [0, 0, 1, 5]
    assert (reads.last.offset, reads.last.status) == (6, "OK")


def test_a_file_has_its_bytes_once_though_the_answer_was_cut(
    sandbox: Sandbox, rpcs: Rpcs, faults: Faults
) -> None:
    """A fetch of an outcome cannot go on where it was cut, so it begins anew."""
    content = bytes(range(256)) * 4 * 1024 * 3  # it comes in messages of 1 MiB
    sandbox.filesystem.write_bytes(content, "/tmp/f")
    faults.on("ContainerFilesystemExecGetOutput", nth=2).cut_stream(after_bytes=2 * 1024 * 1024)

    with sandbox.open("/tmp/f", "rb") as file:
        assert file.read() == content
        assert file.read() == b""

    assert "UNAVAILABLE" in statuses(rpcs, "ContainerFilesystemExecGetOutput")


def test_a_watch_goes_on_where_it_was_cut(sandbox: Sandbox, faults: Faults) -> None:
    """In the middle of an event and between two, each event comes, and once."""
    size = len('{"event_type": "Create", "paths": ["/tmp/w/100"]}') + 2
    for after in (size // 2, size, 2 * size + 1, 0):
        faults.on("ContainerFilesystemExecGetOutput").cut_stream(after_bytes=after)
    sandbox.mkdir("/tmp/w")
    loop = "i=100; while mkdir /tmp/w/$i; do i=$((i + 1)); sleep 0.01; done"
    sandbox.exec("sh", "-c", loop)
    events = sandbox.watch("/tmp/w", timeout=60)
    names = [next(events).paths for _ in range(20)]
    events.close()
    first = int(names[0][0].removeprefix("/tmp/w/"))
    assert names == [[f"/tmp/w/{first + number}"] for number in range(20)]


def test_a_rate_limit_is_waited_for(sandbox: Sandbox, rpcs: Rpcs, faults: Faults) -> None:
    """More often than failures are forgiven: being told to wait is none."""
    faults.on("TaskExecStart").rate_limit(retry_after=0.01).times(15)
    assert sandbox.run("true").returncode == 0
    assert statuses(rpcs, "TaskExecStart") == ["RESOURCE_EXHAUSTED"] * 15 + ["OK"]


def test_a_rate_limit_is_not_waited_for_endlessly(
    sandbox: Sandbox, rpcs: Rpcs, faults: Faults
) -> None:
    faults.on("TaskExecStart").rate_limit(retry_after=3600)
    with pytest.raises(exceptions.ResourceExhaustedError, match="retry after 3600 s"):
        sandbox.run("true")
    assert rpcs.of("TaskExecStart").count == 1


def test_a_call_can_take_longer(sandbox: Sandbox, rpcs: Rpcs, faults: Faults) -> None:
    faults.on("TaskExecStart").delay(0.2)
    sandbox.run("true")
    assert rpcs.of("TaskExecStart").one().seconds >= 0.2


def test_a_lost_worker_is_told(sandbox: Sandbox, faults: Faults) -> None:
    process = sandbox.exec("sleep", "60")
    faults.vanish(sandbox)
    assert process.wait() == 137
    with pytest.raises(exceptions.Error):
        sandbox.exec("true").wait()


def test_a_sandbox_out_of_memory_is_told(sandboxes: Callable[..., Sandbox], faults: Faults) -> None:
    sandbox = sandboxes("sleep", "60")
    faults.oom(sandbox)
    assert sandbox.poll() == 137


def test_random_faults_do_not_show(sandbox: Sandbox, rpcs: Rpcs, faults: Faults) -> None:
    faults.random(7, rate=0.3, among=["TaskExecStart", "TaskExecWait", "TaskExecStdioRead"])
    outputs = [sandbox.run("echo", str(number)).stdout for number in range(10)]
    assert outputs == [f"{number}\n" for number in range(10)]
    assert rpcs.with_status("UNAVAILABLE").count > 0


def test_faults_of_others_are_left_alone(client: Client, sandbox: Sandbox) -> None:
    others = Faults(client.inspector, caller="someone else")
    fault = others.on("TaskExecStart").status("ABORTED")
    sandbox.run("true")
    assert others.unfired() == [fault]
    others.clear()
