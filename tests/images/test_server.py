"""The server gets images of registries for an engine that can run them."""

import asyncio
import errno
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from grpclib import GRPCError, Status
from grpclib.testing import ChannelFor

from pytest_sandbox._proto import images_pb2 as pb
from pytest_sandbox._proto import secrets_pb2
from pytest_sandbox._proto.common_pb2 import OBJECT_CREATION_TYPE_EPHEMERAL
from pytest_sandbox._proto.control_grpc import ModalClientStub
from pytest_sandbox.engine import (
    DEFAULT_PATH,
    Capability,
    EngineInfo,
    InvalidSpec,
    OciImage,
    SupportsImages,
    TaskSpec,
)
from pytest_sandbox.fakes import FakeEngine, MemoryTask
from pytest_sandbox.images import ImageStore
from pytest_sandbox.rpcs import StatusDetails
from pytest_sandbox.server.application import Application
from pytest_sandbox.server.registries.aliases import Aliases
from pytest_sandbox.server.registries.lock_file import LockFile
from pytest_sandbox.server.rpc.auth import ListenerConfig

from .made import image
from .registry import Registry, always, times


class ImageEngine(FakeEngine, SupportsImages):
    """Takes images of registries, and shows its own files."""

    def __init__(self, store: ImageStore) -> None:
        super().__init__()
        self._store = store
        self.unpacked: list[OciImage] = []
        self.created: list[TaskSpec] = []
        self.broken = False

    async def start(self) -> EngineInfo:
        info = await super().start()
        return replace(info, capabilities=info.capabilities | {Capability.IMAGE}, one_image=False)

    @property
    def image_store(self) -> ImageStore:
        return self._store

    async def unpack(self, image: OciImage) -> None:
        if self.broken:
            raise InvalidSpec("a layer is damaged")
        self.unpacked.append(image)

    async def create(self, spec: TaskSpec) -> MemoryTask:
        self.created.append(spec)
        return await super().create(spec)


class BuildFailed(Exception):
    """With the reason that clients get."""


@dataclass
class Server:
    app: Application
    engine: ImageEngine
    control: ModalClientStub

    async def built(self, *lines: str, **fields: Any) -> str:
        force = fields.pop("force_build", False)
        definition = pb.Image(dockerfile_commands=lines, **fields)
        request = pb.ImageGetOrCreateRequest(image=definition, force_build=force)
        response = await self.control.ImageGetOrCreate(request)
        while not response.result.status:
            join = pb.ImageJoinStreamingRequest(image_id=response.image_id, timeout=55)
            messages = await self.control.ImageJoinStreaming(join)
            response.result.CopyFrom(messages[-1].result)
        if response.result.exception:
            raise BuildFailed(response.result.exception)
        return response.image_id

    async def secret(self, variables: dict[str, str]) -> str:
        request = secrets_pb2.SecretGetOrCreateRequest(
            env_dict=variables, object_creation_type=OBJECT_CREATION_TYPE_EPHEMERAL
        )
        return (await self.control.SecretGetOrCreate(request)).secret_id


@pytest.fixture(autouse=True)
def without_logins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "none"))


@pytest_asyncio.fixture
async def server(store: ImageStore) -> AsyncIterator[Server]:
    engine = ImageEngine(store)
    app = Application(engine, await engine.start())
    services = [app.services(ListenerConfig("unix", inspector=True, local=True))]
    async with ChannelFor(services, status_details_codec=StatusDetails()) as channel:
        yield Server(app, engine, ModalClientStub(channel))
    await app.close()


def refused(status: Status, words: str) -> Any:
    return pytest.raises(GRPCError, match=f"{status.name}.*{words}")


@pytest.mark.asyncio
async def test_an_image_of_a_registry(server: Server, registry: Registry) -> None:
    made = image({"a": b"1"}, config={"Env": ["A=1"], "WorkingDir": "/srv", "Cmd": ["true"]})
    name = registry.add("x:1", made)

    image_id = await server.built(f"FROM {name}", "ENV PATH=/$A:$PATH")

    (unpacked,) = server.engine.unpacked
    assert (str(unpacked), unpacked.digest) == (name, made.digest)
    assert [each.diff_id for each in unpacked.layers] == made.diff_ids
    record = server.app.state.images.get(image_id)
    assert record.engine_image == unpacked
    assert record.env == {"A": "1", "PATH": f"/1:{DEFAULT_PATH}"}
    assert (record.workdir, record.cmd) == ("/srv", ("true",))


@pytest.mark.asyncio
async def test_steps_begin_with_it(server: Server, registry: Registry) -> None:
    name = registry.add("x:1", image())

    await server.built(f"FROM {name}", "RUN true")

    assert server.engine.created[-1].image == server.engine.unpacked[-1]


@pytest.mark.asyncio
@pytest.mark.parametrize(("user", "kept"), [("app:app", "app:app"), ("0:0", ""), ("root", "")])
async def test_what_steps_get_of_it(
    server: Server, registry: Registry, user: str, kept: str
) -> None:
    name = registry.add("x:1", image(config={"User": user, "OnBuild": ["ENV A=1"]}))

    record = server.app.state.images.get(await server.built(f"FROM {name}"))

    assert (record.user, record.env) == (kept, {"A": "1", "PATH": DEFAULT_PATH})


@pytest.mark.asyncio
async def test_many_at_once_download_it_once(server: Server, registry: Registry) -> None:
    made = image()
    name = registry.add("x:1", made)

    await asyncio.gather(*(server.built(f"FROM {name}", f"ENV A={n}") for n in range(5)))

    assert len(registry.paths(made.layers[0])) == 1


@pytest.mark.asyncio
async def test_a_tag_is_looked_up_again_when_the_build_is_forced(
    server: Server, registry: Registry
) -> None:
    name = registry.add("x:1", image({"a": b"1"}))
    first = await server.built(f"FROM {name}")
    registry.add("x:1", image({"a": b"2"}))

    assert await server.built(f"FROM {name}") == first
    assert await server.built(f"FROM {name}", force_build=True) != first


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("variables", "kind"),
    [
        ({"REGISTRY_USERNAME": "me", "REGISTRY_PASSWORD": "pw"}, "STATIC_CREDS"),
        ({"REGISTRY_USERNAME": "me", "REGISTRY_PASSWORD": "pw"}, "UNSPECIFIED"),
        ({"SERVICE_ACCOUNT_JSON": "pw"}, "GCP"),
        ({"SERVICE_ACCOUNT_JSON": "pw"}, "UNSPECIFIED"),
    ],
)
async def test_a_secret_has_the_login(
    server: Server, registry: Registry, variables: dict[str, str], kind: str
) -> None:
    registry.login = f"{variables.get('REGISTRY_USERNAME', '_json_key')}:pw"
    name = registry.add("x:1", image())
    secret_id = await server.secret(variables)
    with pytest.raises(BuildFailed, match="without a login"):
        await server.built(f"FROM {name}")

    config = pb.ImageRegistryConfig(
        registry_auth_type=f"REGISTRY_AUTH_TYPE_{kind}",
        secret_id=secret_id,
    )
    await server.built(f"FROM {name}", image_registry_config=config)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("variables", "kind", "status", "words"),
    [
        ({"REGISTRY_USERNAME": "me"}, 4, Status.INVALID_ARGUMENT, "needs REGISTRY_PASSWORD"),
        ({}, 0, Status.INVALID_ARGUMENT, "needs REGISTRY_USERNAME and REGISTRY_PASSWORD"),
        ({}, 2, Status.INVALID_ARGUMENT, "needs SERVICE_ACCOUNT_JSON"),
        ({"AWS_ROLE_ARN": "x"}, 0, Status.UNIMPLEMENTED, "from_aws_ecr"),
        ({}, 1, Status.UNIMPLEMENTED, "from_aws_ecr"),
    ],
)
async def test_secrets_without_a_login(
    server: Server, variables: dict[str, str], kind: pb.RegistryAuthType, status: Status, words: str
) -> None:
    secret_id = await server.secret(variables)
    config = pb.ImageRegistryConfig(registry_auth_type=kind, secret_id=secret_id)

    with refused(status, words):
        await server.built("FROM localhost:1/x", image_registry_config=config)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (always(404), "has none"),
        (always(403), "without a login"),
        (always(418), "status 418"),
        (always(200, b"{}"), "neither"),
        (always(200, b" " * (5 << 20)), "without an end"),
    ],
)
async def test_registries_that_do_not_give_it(
    server: Server, registry: Registry, answer: Any, words: str
) -> None:
    """To clients, it is a build that failed."""
    registry.answers["/v2"] = answer

    with pytest.raises(BuildFailed, match=words):
        await server.built(f"FROM {registry.add('x:1', image())}")


@pytest.mark.asyncio
async def test_an_engine_that_cannot_unpack_it(server: Server, registry: Registry) -> None:
    server.engine.broken = True

    with pytest.raises(BuildFailed, match=r"FROM .*:1\na layer is damaged"):
        await server.built(f"FROM {registry.add('x:1', image())}")


@pytest.mark.asyncio
async def test_a_build_that_is_interrupted_stops_the_download(
    server: Server, registry: Registry
) -> None:
    made = image({"a": b"1" * 100_000}, compress=lambda data: data)
    name = registry.add("x:1", made)
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(handler: Any) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(made.blobs[made.layers[0]])))
        handler.end_headers()
        handler.wfile.write(b"x")
        loop.call_soon_threadsafe(begun.set)
        while True:
            handler.wfile.write(b"y")
            handler.wfile.flush()

    registry.answers[f"/v2/x/blobs/{made.layers[0]}"] = times(1, slow)
    call = asyncio.ensure_future(server.built(f"FROM {name}"))
    await begun.wait()
    await server.app.builder.close()
    with pytest.raises(BuildFailed, match="interrupted"):
        await call

    await server.built(f"FROM {name}")


@pytest.mark.asyncio
async def test_aliases(server: Server, registry: Registry) -> None:
    table = f"internal/*=host, alpine:3={registry.add('x:1', image())}, debian:12={registry.host}/y"
    server.app.state.registry_images.aliases = Aliases.parse(table)

    for name in ("internal/a:1", "debian:11", "python"):
        await server.built(f"FROM {name}")
        assert server.engine.unpacked == []
    await server.built("FROM alpine:3")
    assert str(server.engine.unpacked[0]) == f"{registry.host}/x:1"
    with pytest.raises(BuildFailed, match="/y:latest"):
        await server.built("FROM debian:12")


@pytest.mark.parametrize("table", ["a", "a=", "=host", "a=b c", "a=host, b"])
def test_tables_that_make_no_sense(table: str) -> None:
    with pytest.raises(ValueError, match=r"expected NAME|not the name"):
        Aliases.parse(table)


@pytest.mark.asyncio
async def test_a_lock_file(server: Server, registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "sandbox-image.lock"
    images = server.app.state.registry_images
    old, new = image({"a": b"old"}), image({"a": b"new"})
    name = registry.add("x:1", old)

    images._lock_file = LockFile(path, update=False)
    with pytest.raises(BuildFailed, match="--sandbox-image-lock=update"):
        await server.built(f"FROM {name}")

    images._lock_file = LockFile(path, update=True)
    await server.built(f"FROM {name}")
    assert json.loads(path.read_text())["images"] == {name: old.digest}
    registry.images["y:1"] = registry.images["x:1"] = new
    registry.images["old:1"] = old

    def by_digest(handler: Any) -> bool:
        return bool(handler.reply(200, old.top)) if old.digest in handler.path else False

    registry.answers["/v2/x/manifests"] = by_digest
    images._lock_file = LockFile(path, update=False)
    server.engine.unpacked.clear()
    await server.built(f"FROM {name}", "ENV A=1")
    assert server.engine.unpacked[0].digest == old.digest

    images._lock_file = LockFile(path, update=True)
    await server.built(f"FROM {name}", "ENV A=2")
    assert json.loads(path.read_text())["images"] == {name: new.digest}

    path.write_text("<<<<<<<")
    images._lock_file = LockFile(path, update=False)
    with pytest.raises(BuildFailed, match="cannot be read"):
        await server.built(f"FROM {name}", "ENV A=3")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("number", "status"),
    [(errno.ENOSPC, Status.RESOURCE_EXHAUSTED), (errno.EROFS, Status.FAILED_PRECONDITION)],
)
async def test_a_store_that_cannot_be_written_is_named(
    server: Server, monkeypatch: pytest.MonkeyPatch, number: int, status: Status
) -> None:
    def fail(*args: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(ImageStore, "add_document", fail)
    folder = server.engine.image_store.folder
    words = rf"an image cannot be stored in {folder}: .*{os.strerror(number)}.*SANDBOX_IMAGES"

    with pytest.raises(BuildFailed, match=words):
        await server.built("FROM scratch", "ENV A=1")
    with pytest.raises(GRPCError) as caught:
        await server.app.state.registry_images.empty()
    assert caught.value.status is status
