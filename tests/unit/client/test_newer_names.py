"""Names of Modal's newer clients that ours has, on real sandboxes and in memory."""

from __future__ import annotations

import asyncio
import pickle
import sys
import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

import pytest_sandbox as modal
from pytest_sandbox.client import App, Client, Image, LogEntry, Proxy, Sandbox, Secret, Volume
from pytest_sandbox.client.exceptions import (
    AlreadyExistsError,
    ClientClosed,
    ConflictError,
    ExecutionError,
    ImageBuildError,
    InvalidError,
    LogsFetchError,
    NotFoundError,
    UnimplementedError,
)
from pytest_sandbox.client.exceptions import TimeoutError as NotInTime
from pytest_sandbox.inmemory import FakeSandboxes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: The option of `Sandbox.create` for a snapshot of the end.
AT_EXIT = {"enable_exit_snapshot": True}
KEY = bytes(range(32))


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
def create(engine: Client) -> Iterator[Callable[..., Sandbox]]:
    """`Sandbox.create`, whose sandboxes end with the test."""
    made: list[Sandbox] = []

    def sandbox(*args: str, **spec: Any) -> Sandbox:
        made.append(Sandbox.create(*args, **spec))
        return made[-1]

    yield sandbox
    for each in made:
        Sandbox.from_id(each.object_id).terminate()


def test_a_detached_sandbox_runs_on(create: Callable[..., Sandbox], call: Any) -> None:
    sandbox = create("sh", "-c", "echo hi; exec sleep 60")
    assert next(sandbox.stdout) == "hi\n"
    call(sandbox.detach)
    call(sandbox.detach)

    for use in (sandbox.poll, sandbox.terminate, sandbox.get_tags, sandbox.stdout.read):
        with pytest.raises(ClientClosed, match=rf"{sandbox.object_id} was detached; Sandbox.from_"):
            call(use)
    with pytest.raises(ClientClosed, match="was detached"):
        call(sandbox.exec, "true")
    assert [entry.message for entry in sandbox.logs.tail()] == ["hi\n"]
    again = Sandbox.from_id(sandbox.object_id)
    assert call(again.terminate, wait=True) == 137
    call(sandbox.wait, raise_on_termination=False)
    assert sandbox.returncode == 137


def test_the_end_is_waited_for_if_that_is_asked(create: Callable[..., Sandbox], call: Any) -> None:
    assert call(create().terminate) is None
    ended = create("sh", "-c", "exit 3")
    ended.wait()
    assert call(ended.terminate, wait=True) == 3


def test_tags_and_names_from_the_beginning(create: Callable[..., Sandbox], call: Any) -> None:
    app = App.lookup("newer-names", create_if_missing=True)
    sandbox = create(app=app, tags={"kind": "example"})
    assert sandbox.get_tags() == {"kind": "example"}
    assert [each.object_id for each in Sandbox.list(tags={"kind": "example"})] == [
        sandbox.object_id
    ]
    call(sandbox._experimental_set_name, "given-later")
    with pytest.raises(ConflictError):
        call(sandbox._experimental_set_name, "another")
    with pytest.raises(AlreadyExistsError):
        create(app=app)._experimental_set_name("given-later")

    sandbox.terminate()
    with pytest.raises(NotFoundError):
        Sandbox.from_name("newer-names", "given-later")
    found = call(Sandbox.from_name, "newer-names", "given-later", include_terminated=True)
    assert found.object_id == sandbox.object_id
    assert call(found.hydrate) is found
    with pytest.raises(InvalidError, match="tags="):
        call(Sandbox.create, tags=["a"])


def test_logs_have_times_and_are_read_again(
    create: Callable[..., Sandbox], engine: Client, items: Any
) -> None:
    app = App.lookup("logs-of-sandboxes", create_if_missing=True)
    before = datetime(2000, 1, 1, tzinfo=timezone.utc)  # time in memory begins in 2001
    sandbox = create("sh", "-c", "echo one; echo two >&2; echo three", app=app)
    sandbox.wait()

    found = items(sandbox.logs.fetch, since=before)
    assert sorted(str(entry) for entry in found) == ["one\n", "three\n", "two\n"]
    assert all(isinstance(entry, LogEntry) and before < entry.timestamp for entry in found)
    assert {entry.object_id for entry in found} == {sandbox.object_id}
    assert [len(entry.context_ids) for entry in found] == [1, 1, 1]
    assert [str(each) for each in items(sandbox.logs.fetch, since=before, source="stderr")] == [
        "two\n"
    ]
    assert [str(each) for each in items(sandbox.logs.tail, 1, source="stdout")] == ["three\n"]
    assert items(sandbox.logs.fetch, since=before, until=before) == []
    local = datetime(2000, 1, 2)
    assert [str(each) for each in items(sandbox.logs.fetch, since=local, search_text="hre")] == [
        "three\n"
    ]
    assert {entry.object_id for entry in items(app.logs.tail)} == {app.app_id}


def test_logs_that_make_no_sense(create: Callable[..., Sandbox], items: Any) -> None:
    logs = create().logs
    with pytest.raises(InvalidError, match="source='stdin'"):
        items(logs.tail, source="stdin")
    with pytest.raises(InvalidError, match="since='today' is a str, not a datetime"):
        items(logs.fetch, since="today")
    with pytest.raises(InvalidError, match="entries=0"):
        items(logs.tail, 0)
    with pytest.raises(LogsFetchError, match="entries=20001"):
        items(logs.tail, 20_001)
    with pytest.raises(InvalidError, match="was not looked up"):
        items(App("never").logs.tail)


def test_an_image_that_expires(create: Callable[..., Sandbox], call: Any) -> None:
    sandbox = create()
    image = call(sandbox.snapshot_filesystem, ttl=3600)
    forever = call(sandbox.snapshot_filesystem, ttl=None)
    assert call(Image.from_id(image.object_id).hydrate).object_id == image.object_id
    assert call(Image.from_id, forever.object_id).object_id == forever.object_id
    with pytest.raises(InvalidError, match="ttl=0"):
        call(sandbox.snapshot_filesystem, ttl=0)
    with pytest.raises(NotFoundError):
        call(Image.from_id("im-nothing").hydrate)


def test_an_image_knows_its_client(engine: Client, call: Any) -> None:
    assert call(Image.from_id, "im-1", engine).client is engine
    assert Image.from_id("im-1", engine).add_local_python_source().client is engine
    assert Image.host().client is None


def test_volumes_are_found_by_their_ids(create: Callable[..., Sandbox], call: Any) -> None:
    volume = Volume.from_name("found-by-id", create_if_missing=True).hydrate()
    with volume.batch_upload(force=True) as batch:
        batch.put_file(__file__, "/a")

    same = call(Volume.from_id, volume.object_id)
    assert (repr(same), same.name) == (f"Volume.from_id({volume.object_id!r})", None)
    assert [entry.path for entry in call(same.listdir, "/")] == ["a"]
    assert same.name == "found-by-id"
    assert call(same.info).name == "found-by-id"
    mounted = create(volumes={"/data": Volume.from_id(volume.object_id)})
    assert mounted.ls("/data") == ["a"]
    call(mounted.reload_volumes, timeout=5)
    with pytest.raises(InvalidError, match="begin with 'vo-'"):
        call(Volume.from_id, "found-by-id")
    with pytest.raises(NotFoundError):
        call(Volume.from_id("vo-nothing").hydrate)


def test_what_a_secret_tells(engine: Client, call: Any) -> None:
    secret = Secret.from_dict({"A": "b"})
    info = call(secret.info, refresh=True)
    assert (info.name, info.environment_name, info.created_by) == (None, "main", None)
    assert info.created_at > datetime(2000, 1, 1, tzinfo=timezone.utc)
    assert secret.object_id.startswith("st-")
    with pytest.raises(NotFoundError):
        call(Secret.from_name("nothing").info)


def test_secrets_that_a_server_holds(create: Callable[..., Sandbox], call: Any) -> None:
    name = f"held-{time.time_ns()}"
    call(Secret.objects.create, name, {"A": "1"})
    with pytest.raises(AlreadyExistsError):
        Secret.objects.create(name, {"A": "2"})
    Secret.objects.create(name, {"A": "2"}, allow_existing=True)
    newest = call(Secret.objects.list, max_objects=1)[0]
    assert (newest.name, call(newest.info).environment_name) == (name, "main")
    call(newest.update, {"B": "2"})
    sandbox = create("sh", "-c", 'echo "$A $B"', secrets=[Secret.from_name(name)])
    assert sandbox.stdout.read() == "1 2\n"
    assert call(newest.info, refresh=True).name == name
    with pytest.raises(InvalidError, match="not a dict of texts"):
        call(newest.update, {"A": None})
    with pytest.raises(InvalidError, match="max_objects=-1 is negative"):
        call(Secret.objects.list, max_objects=-1)
    call(Secret.objects.delete, name)
    with pytest.raises(NotFoundError):
        Secret.objects.delete(name)
    call(Secret.objects.delete, name, allow_missing=True)


def test_where_it_is_to_run_and_who_it_is(create: Callable[..., Sandbox]) -> None:
    sandbox = create(cloud="aws", region=["us-east", "eu-west"], include_oidc_identity_token=True)
    token = sandbox.run("printenv", "MODAL_IDENTITY_TOKEN").stdout
    assert len(token.split(".")) == 3
    with pytest.raises(InvalidError, match="cloud='mine' is not known"):
        create(cloud="mine")
    with pytest.raises(InvalidError, match="region='here'"):
        create(region="here")
    with pytest.raises(UnimplementedError, match=r"experimental_options=\{'x'"):
        create(experimental_options={"x": True})


def test_statistics(create: Callable[..., Sandbox], call: Any) -> None:
    sandbox = create()
    sandbox.run("true")
    stats = call(sandbox._experimental_stats)
    assert isinstance(stats, modal.types.SandboxStats)
    assert stats.since <= stats.until
    assert stats.duration >= timedelta(0)
    assert (stats.cost, stats.cost_by_resource) == (None, {})
    measured = {name: told.unit for name, told in stats.percentile_stats.items()}
    assert measured in ({}, {"CPU Usage (cores)": "cores", "Memory Usage (GiB)": "GiB"})
    for told in stats.percentile_stats.values():
        assert [each.percentile for each in told.percentiles] == [50, 90, 99]
    with pytest.raises(InvalidError, match="since must be before until"):
        call(sandbox._experimental_stats, since=stats.until, until=stats.until - timedelta(1))
    with pytest.raises(InvalidError, match="since='today'"):
        call(sandbox._experimental_stats, since="today")


def test_names_for_the_second_version(create: Callable[..., Sandbox], call: Any) -> None:
    sandbox = call(Sandbox._experimental_create, "sleep", "60", tags={"by": "the.second"})
    assert len(sandbox.object_id) == len("sb-") + 26
    assert len(create().object_id) == len("sb-") + 22
    (found,) = Sandbox._experimental_list(tags={"by": "the.second"})
    assert found.object_id == sandbox.object_id
    assert call(sandbox.terminate, wait=True) == 137
    with pytest.raises(NotFoundError):
        call(Sandbox._experimental_from_name, "no-such-app", "x")


def test_a_proxy_that_was_set_up(call: Any) -> None:
    with FakeSandboxes() as fake:
        proxy_id = fake._app.state.proxies.add("egress").id
        proxy = Proxy.from_name("egress")
        with pytest.raises(ExecutionError, match="not looked up yet"):
            assert proxy.object_id
        assert call(Sandbox.create, proxy=proxy).run("true").returncode == 0
        assert proxy.object_id == call(proxy.hydrate).object_id == proxy_id
        assert fake.rpcs.of("SandboxCreate").one().definition.proxy_id == proxy_id
        assert repr(pickle.loads(pickle.dumps(proxy))) == "Proxy.from_name('egress')"
        with pytest.raises(NotFoundError, match="egress-2"):
            call(Sandbox.create, proxy=Proxy.from_name("egress-2"))
        with pytest.raises(InvalidError, match="no Proxy"):
            call(Sandbox.create, proxy="egress")


def test_a_snapshot_of_the_end(create: Callable[..., Sandbox], call: Any) -> None:
    sandbox = create("sh", "-c", "read x; echo $x > /srv/end", experimental_options=AT_EXIT)
    with pytest.raises(NotInTime, match="has not ended in 0 seconds"):
        call(sandbox._experimental_get_exit_snapshot, timeout=0)
    sandbox.stdin.write("done\n")
    sandbox.stdin.drain()
    image = call(sandbox._experimental_get_exit_snapshot)
    assert create(image=image).filesystem.read_text("/srv/end") == "done\n"
    with pytest.raises(InvalidError, match="enable_exit_snapshot"):
        call(create()._experimental_get_exit_snapshot)
    with pytest.raises(InvalidError, match="timeout=-1 is negative"):
        call(sandbox._experimental_get_exit_snapshot, timeout=-1)


def test_an_encrypted_directory(create: Callable[..., Sandbox]) -> None:
    sandbox = create()
    sandbox.filesystem.write_text("x", "/srv/dir/a")
    image = sandbox.snapshot_directory("/srv/dir", _experimental_encryption_key=KEY)
    with pytest.raises(InvalidError):
        sandbox.mount_image("/mnt/dir", image)
    sandbox.mount_image("/mnt/dir", image, _experimental_encryption_key=KEY)
    assert sandbox.filesystem.read_text("/mnt/dir/a") == "x"


def test_variables_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, create: Callable[..., Sandbox]
) -> None:
    pytest.importorskip("dotenv")
    (tmp_path / ".env").write_text("# a comment\nA='b c'\nexport B=\nC\n")
    inner = tmp_path / "deep" / "er"
    inner.mkdir(parents=True)
    for secret in (Secret.from_dotenv(inner), Secret.from_dotenv(inner / "program.py")):
        assert repr(secret) == "Secret.from_dict([A, B, C])"
    monkeypatch.chdir(inner)
    sandbox = create("sh", "-c", 'echo "$A$B$C."', secrets=[Secret.from_dotenv()])
    assert sandbox.stdout.read() == "b c.\n"
    assert repr(Secret.from_dotenv(filename=".no-such-file")) == "Secret.from_dict([])"


def test_variables_of_a_file_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dotenv", None)
    with pytest.raises(ImportError, match="pip install python-dotenv"):
        Secret.from_dotenv()


def test_an_app_runs_for_a_with(create: Callable[..., Sandbox]) -> None:
    app = App("an-app")
    with app.run() as same:
        assert same is app
        assert app.app_id is not None
        sandbox = create("sleep", "60", app=app)
        with pytest.raises(InvalidError, match="runs already"), app.run():
            pass
        assert sandbox.poll() is None
    assert app.app_id is None
    assert sandbox.poll() == 137
    with pytest.raises(ValueError, match=r"with app\.run"):
        Sandbox.create(app=app)
    with app.run(detach=True):
        left = create("sleep", "60", app=app)
    assert left.poll() is None


def test_an_app_runs_for_an_async_with(engine: Client) -> None:
    async def run() -> int | None:
        async with App().run() as app:
            sandbox = await Sandbox.create.aio("sleep", "60", app=app)
        return await sandbox.poll.aio()

    assert asyncio.run(run()) == 137


def test_a_client_is_closed_by_a_with(run: Any, call: Any) -> None:
    with Client(run.socket()) as client:
        call(client.hello)
        assert not client.is_closed()
    assert client.is_closed()
    with pytest.raises(ClientClosed, match="this client was closed; make another"):
        call(client.hello)


def test_a_stream_is_closed_by_either_name(create: Callable[..., Sandbox], call: Any) -> None:
    sandbox = create("sh", "-c", "echo hi; exec sleep 60")
    assert next(sandbox.stdout) == "hi\n"
    call(sandbox.stdout.close)
    assert sandbox.stdout.read() == ""


def test_steps_from_files(tmp_path: Path, engine: Client) -> None:
    (tmp_path / "requirements.txt").write_text("six\n")
    image = Image.host().pip_install_from_requirements(tmp_path / "requirements.txt", pre=True)
    assert image.layer is not None
    assert image.layer.lines == (
        "COPY /.requirements.txt /.requirements.txt",
        "RUN python -m pip install -r /.requirements.txt --pre",
    )
    assert image.layer.context_files == {"/.requirements.txt": "six\n"}
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["flask"]\noptional-dependencies.dev = ["mypy"]\n'
    )
    image = Image.host().pip_install_from_pyproject(tmp_path / "pyproject.toml", ["dev"])
    assert image.layer is not None
    assert image.layer.lines == ("RUN python -m pip install flask mypy",)
    with pytest.raises(InvalidError, match="no optional dependencies 'docs'"):
        Image.host().pip_install_from_pyproject(tmp_path / "pyproject.toml", ["docs"])
    (tmp_path / "pyproject.toml").write_text("[project")
    with pytest.raises(InvalidError, match="is no TOML"):
        Image.host().pip_install_from_pyproject(tmp_path / "pyproject.toml")
    (tmp_path / "pyproject.toml").write_text("")
    with pytest.raises(InvalidError, match=r"has no project\.dependencies"):
        Image.host().pip_install_from_pyproject(tmp_path / "pyproject.toml")


def test_an_image_is_built_before_it_is_needed(
    engine: Client,
    call: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:

    def with_step(image: Image, words: str) -> Image:
        return image.run_commands(f"echo {words}", force_build=True)

    image = Image.debian_slim("3.12").pipe(with_step, "a step speaks")
    with modal.enable_output():
        assert call(image.build) is image
    assert "a step speaks\n" in capsys.readouterr().out
    call(image.run_commands("echo more").hydrate)
    assert capsys.readouterr().out == ""
    with pytest.raises(ImageBuildError, match="exit code 3"):
        call(image.run_commands("exit 3").build)


def test_modules_of_modals_client() -> None:
    assert modal.io_streams.StreamReader is modal.StreamReader
    assert modal.container_process.ContainerProcess is modal.ContainerProcess
    assert modal.exception.NotFoundError is modal.exceptions.NotFoundError
    assert modal.Error is modal.exception.Error
    assert modal.volume.FileEntryType is modal.FileEntryType
    assert modal.types.LogEntry is modal.LogEntry
    assert modal.image.Image is modal.Image
    assert not {"io_streams", "types"} & {*modal.__all__}


def test_what_needs_modal_says_so(call: Any) -> None:
    with pytest.raises(UnimplementedError, match=r"^App\.function\(\) .*runs sandboxes only"):
        modal.App("x").function(image=None)
    with pytest.raises(UnimplementedError, match=r"^Client\.from_credentials\(\) .* need none"):
        call(Client.from_credentials, "ak-1", "as-1")


def test_images_and_volumes_with_a_client_are_pickled(client: Client) -> None:
    image = pickle.loads(pickle.dumps(Image.from_id("im-1", client)))
    volume = pickle.loads(pickle.dumps(Volume.from_id("vo-1", client)))
    assert image.client.channels.server.address == client.channels.server.address
    assert volume.client is image.client
    assert repr(volume) == "Volume.from_id('vo-1')"
