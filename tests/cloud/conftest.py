"""The server of a run in Modal's cloud, in this process, in front of a server that plays Modal."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox.client import Client
from pytest_sandbox.client.transport import portal
from pytest_sandbox.cloud.application import CloudApplication
from pytest_sandbox.cloud.live import LiveFile, account
from pytest_sandbox.cloud.transport.settings import CloudSettings

from ..support.cloud import Cloud, CloudOptions, is_of_client, running

if TYPE_CHECKING:
    from pytest_sandbox.server import RpcServer

# `pytester` forgets what a run inside a test has imported, and a second import of cryptography in
# one process makes classes that its compiled part does not know.
with suppress(ImportError):
    import trustme as trustme

#: For runs inside the tests: without the plugins that take most of the start of pytest.
FEW_PLUGINS = " ".join(
    f"-p no:{name}"
    for name in (
        "hypothesispytest",
        "anyio",
        "asyncio",
        "fakefs",
        "time_machine",
        "socket",
        "rerunfailures",
    )
)


@pytest.fixture(autouse=True)
def nothing_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the proxy, and the credentials for Modal, of the person who runs these tests away."""
    for name in [*filter(is_of_client, os.environ)]:
        monkeypatch.delenv(name)


@dataclass
class Proxied:
    """A cloud, and the server of a run before it.

    Attributes:
        cloud: plays Modal.
        app: the server of the run.
        client: of that.
        state: where the files of runs are.
    """

    cloud: Cloud
    app: CloudApplication
    client: Client
    state: Path


Open = Callable[..., AbstractContextManager[Proxied]]


def settings_of(cloud: Cloud, environment: str = "", version: str = "1.6.4") -> CloudSettings:
    options = cloud.options
    return CloudSettings(
        (cloud.url,), options.token_id, options.token_secret, environment, version, "a test"
    )


@contextmanager
def proxied(
    cloud: Cloud,
    folder: Path,
    lifetime: int = 3600,
    version: str = "1.6.4",
    environment: str = "",
) -> Iterator[Proxied]:
    """The server of a run before a cloud that runs."""
    settings = settings_of(cloud, environment, version)
    state = folder / "state"
    made: list[CloudApplication] = []
    servers: list[RpcServer] = []

    async def start() -> None:
        app = CloudApplication(settings, LiveFile(state, account(settings)), lifetime)
        made.append(app)
        servers.append(app.server())
        await servers[0].start(path=str(folder / "socket"))

    async def end() -> None:
        await made[0].close()
        servers[0].close()
        await servers[0].wait_closed()

    (folder / "socket").unlink(missing_ok=True)
    portal().run(start)
    with Client(folder / "socket", engine="modal") as client:
        yield Proxied(cloud, made[0], client, state)
    portal().run(end)


@pytest.fixture
def run_in_cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens a cloud that behaves as options say, and a run in it."""
    with ExitStack() as stack:

        def open_(
            options: CloudOptions | None = None, lifetime: int = 3600, environment: str = ""
        ) -> Proxied:
            cloud = stack.enter_context(running(options))
            monkeypatch.setenv("SSL_CERT_FILE", str(cloud.ca_file))
            return stack.enter_context(proxied(cloud, tmp_path, lifetime, environment=environment))

        yield open_  # type: ignore[misc]


@pytest.fixture
def few_plugins(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """For runs inside the tests, once `pytester` has cleared the variable."""
    monkeypatch.setenv("PYTEST_ADDOPTS", FEW_PLUGINS)


@pytest.fixture
def cloud_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Cloud], None]:
    """Sets the environment of a user of a cloud: a token, and the package `modal` installed."""

    def enter(cloud: Cloud) -> None:
        for name, value in cloud.environment().items():
            if name.startswith(("MODAL_", "SSL_")):
                monkeypatch.setenv(name, value)
        packages = installed_modal(tmp_path, "1.6.4")
        monkeypatch.setenv("PYTHONPATH", str(packages))  # of the process of the run
        monkeypatch.syspath_prepend(packages)
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        monkeypatch.delenv("CI", raising=False)

    return enter


def installed_modal(folder: Path, version: str) -> Path:
    """A folder with what says that the package is installed, and nothing of it."""
    packages = folder / "packages"
    about = packages / f"modal-{version}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: modal\nVersion: {version}\n")
    return packages
