"""What can be passed to another process, and what says that it cannot."""

from __future__ import annotations

import inspect
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox._run import EngineStartError
from pytest_sandbox.client import (
    App,
    Client,
    Image,
    Sandbox,
    SandboxNetwork,
    Secret,
    Volume,
    exceptions,
)
from pytest_sandbox.inmemory import FakeSandboxes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: The arguments of errors that are not made from a message.
ARGUMENTS: dict[type[exceptions.Error], tuple[Any, ...]] = {
    exceptions.CommandFailedError: (("false",), 1, "out", "err"),
    exceptions.CommandTimeoutError: (("sleep", "9"), 5, b"out", b"err"),
    exceptions.EngineDiedError: ("/run/socket", "the end of the log"),
    exceptions.FilesystemOSError: (5, "Input/output error", "/f"),
}
ERRORS = [kind for _, kind in inspect.getmembers(exceptions, inspect.isclass)]


def arguments_of(kind: type[exceptions.Error]) -> tuple[Any, ...]:
    if issubclass(kind, exceptions.SandboxFilesystemError):
        return 2, "No such file or directory", "/f"
    return ARGUMENTS.get(kind, ("a text",))


def copied(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))


def test_a_network_of_sandboxes() -> None:
    network = SandboxNetwork()
    assert copied(network) == network != SandboxNetwork()


@pytest.mark.parametrize("kind", [kind for kind in ERRORS if issubclass(kind, exceptions.Error)])
def test_an_error_survives_the_way_back_from_a_child(kind: type[exceptions.Error]) -> None:
    """An exception that cannot be unpickled breaks a whole pool."""
    error = kind(*arguments_of(kind))
    error.mark = "kept"  # type: ignore[attr-defined]

    again = copied(error)

    assert type(again) is kind
    assert str(again) == str(error)
    assert vars(again) == vars(error)
    assert getattr(again, "errno", None) == getattr(error, "errno", None)
    assert getattr(again, "filename", None) == getattr(error, "filename", None)


def test_so_does_the_error_of_an_engine_that_did_not_start() -> None:
    again = copied(EngineStartError("a reason", "a remedy", "a log"))

    assert (again.reason, again.remedy, again.log) == ("a reason", "a remedy", "a log")


@pytest.fixture(params=["fork", "forkserver", "spawn"], scope="module")
def pool(request: pytest.FixtureRequest) -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, get_context(request.param)) as pool:
        yield pool


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_sandbox_works_in_another_process(
    pool: ProcessPoolExecutor, sandboxes: Callable[..., Sandbox]
) -> None:
    sandbox = sandboxes("cat")
    sandbox.filesystem.write_text("hello", "/f")

    run: Callable[..., Any] = sandbox.run
    assert pool.submit(run, "cat", "/f").result().stdout == "hello"
    assert pool.submit(sandbox.filesystem.read_text, "/f").result() == "hello"
    assert repr(pool.submit(sandbox.get_tags).result()) == "{}"
    with pytest.raises(exceptions.SandboxFilesystemNotFoundError) as missing:
        pool.submit(sandbox.filesystem.read_text, "/missing").result()
    assert missing.value.filename == "/missing"
    with pytest.raises(exceptions.CommandFailedError) as failed:
        pool.submit(run, "sh", "-c", "echo why >&2; exit 3", check=True).result()
    assert (failed.value.returncode, failed.value.stderr) == (3, "why\n")


def test_a_copy_has_the_client_of_its_engine_and_its_streams_from_the_beginning(
    client: Client, sandboxes: Callable[..., Sandbox]
) -> None:
    sandbox = sandboxes("sh", "-c", "echo said; sleep 1000")
    assert next(sandbox.stdout) == "said\n"

    again = copied(sandbox)

    assert repr(again) == repr(sandbox)
    assert again._client is client
    assert next(again.stdout) == "said\n"


def test_what_a_pickle_has_is_no_secret(sandboxes: Callable[..., Sandbox]) -> None:
    """The socket can be opened by this user only; the token of the command router stays here."""
    sandbox = sandboxes()
    assert sandbox.run("true").returncode == 0

    data = pickle.dumps(sandbox)

    assert sandbox.object_id.encode() in data
    assert sandbox._task._token
    assert sandbox._task._token.encode() not in data


def test_images_volumes_secrets_snapshots_and_apps_work_in_copies(
    client: Client, sandboxes: Callable[..., Sandbox]
) -> None:
    sandbox = sandboxes()
    volume = Volume.from_name("pickled", create_if_missing=True, client=client).hydrate()
    app = App.lookup("pickled", create_if_missing=True, client=client)

    assert copied(Image.host()).is_host
    assert copied(sandbox.snapshot_filesystem()).object_id.startswith("im-")
    assert copied(volume).object_id == volume.object_id
    assert copied(Volume.from_name("other")).name == "other"
    assert copied(volume.read_only()).reference.read_only
    assert copied(app).app_id == app.app_id
    assert copied(app).client is client
    secret = copied(Secret.from_dict({"A": "secret"}))
    assert sandbox.run("printenv", "A", secrets=[secret]).stdout == "secret\n"
    assert repr(copied(Secret.from_name("name"))) == "Secret.from_name('name')"


def test_what_works_in_one_process_only_says_what_to_do(
    client: Client, sandboxes: Callable[..., Sandbox]
) -> None:
    sandbox = sandboxes()
    process = sandbox.exec("echo", "hi")
    refused = {
        client: "Client.default() is a client of the same run",
        process: "call exec() there",
        process.stdout: "pass the data",
        process.stdin: "write here",
        sandbox.open("/etc/passwd"): "open it there",
        Volume.ephemeral(client): "pass the volume",
        Sandbox.list(client=client): "pass the items",
        client.inspector: "it is part of a client",
    }
    assert process.wait() == 0

    for thing, remedy in refused.items():
        with pytest.raises(TypeError, match="cannot be passed to another process") as error:
            pickle.dumps(thing)
        assert remedy in str(error.value)


def test_what_is_in_memory_is_refused_where_it_is_pickled() -> None:
    """Not where it is unpickled: that would break a pool."""
    with FakeSandboxes() as fake:
        sandbox = Sandbox.create()
        for thing in (sandbox, sandbox.run, sandbox.filesystem, fake):
            with pytest.raises(TypeError, match=r"in the memory of this one.*local engine"):
                pickle.dumps(thing)
