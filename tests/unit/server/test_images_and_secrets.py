"""Images map to the host image or are refused by name; secrets hold variables."""

import os
from typing import Any

import pytest
from grpclib import Status

from pytest_sandbox._proto import common_pb2, images_pb2, secrets_pb2
from pytest_sandbox.engine import Host

from .harness import Harness, refused

DEBIAN_SLIM = [
    "FROM python:3.11.12-slim-bookworm",
    "RUN apt-get update",
    "RUN apt-get install -y gcc gfortran build-essential",
    "RUN pip install --upgrade pip wheel uv",
    "RUN echo 'debconf debconf/frontend select Noninteractive' | debconf-set-selections",
    'CMD ["sleep", "172800"]',
]


OTHER_MACHINE = "ARCH_AARCH64" if os.uname().machine == "x86_64" else "ARCH_X86_64"


async def build(server: Harness, *lines: str, **fields: Any) -> str:
    image = images_pb2.Image(dockerfile_commands=lines, **fields)
    response = await server.control.ImageGetOrCreate(
        images_pb2.ImageGetOrCreateRequest(image=image)
    )
    assert response.result.status == common_pb2.GenericResult.GENERIC_STATUS_SUCCESS
    return response.image_id


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "lines",
    [
        DEBIAN_SLIM,
        ["FROM debian"],
        ["FROM docker.io/library/debian:12-slim"],
        ["FROM python:3.12"],
        ["FROM debian:bookworm", "ENV A=b", "WORKDIR /srv", "ENTRYPOINT []"],
    ],
)
async def test_a_debian_or_python_base_is_the_host_image(server: Harness, lines: list[str]) -> None:
    image_id = await build(server, *lines)
    assert image_id.startswith("im-")
    assert await build(server, *lines) == image_id
    await server.create(image_id=image_id)
    assert server.engine.tasks[-1].spec.image == Host()
    assert server.engine.tasks[-1].spec.main is None


@pytest.mark.asyncio
@pytest.mark.parametrize("tag", ["alpine:3.21", "python:3.12-alpine", "ghcr.io/a/b:c"])
async def test_an_engine_whose_images_are_all_the_same_takes_any_name(
    server: Harness, tag: str
) -> None:
    await server.create(image_id=await build(server, f"FROM {tag}"))
    assert server.engine.tasks[-1].spec.image == Host()
    with refused(Status.INVALID_ARGUMENT, "not the name of an image"):
        await build(server, f"FROM {tag}:!")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("FROM --platform=linux/s390x debian", "--platform=linux/s390x is not that of this"),
        ("FROM --x debian", "no --x, but --platform"),
        ("ADD https://example.com/a /a", "nothing here fetches 'https://example.com/a'"),
        ("ADD git@example.com:a/b.git /a", "nothing here fetches 'git@example.com:a/b.git'"),
        ("COPY --parents a /a", "COPY with --parents"),
        ("COPY --chmod=u+x a /a", "COPY with --chmod=u+x"),
        ("RUN --mount=type=ssh true", "type=ssh of a mount must be one of bind, cache"),
        ("RUN --mount=type=cache,target=/a,source=/b true", "type=cache has no 'source', but gid"),
        ("RUN --network=host true", "--network=host must be none"),
        ("RUN --security=insecure true", "--security=insecure must be sandbox"),
        ("RUN --foo=bar true", "RUN has no --foo, but --mount"),
        ("ENV --x A=b", "ENV has no flags"),
    ],
)
async def test_what_no_step_can_do_is_refused_by_its_line_with_the_cause(
    server: Harness, line: str, why: str
) -> None:
    lines = [line] if line.startswith("FROM") else ["FROM debian", line]
    with refused(Status.UNIMPLEMENTED, line, why):
        await build(server, *lines)


@pytest.mark.asyncio
async def test_a_mount_of_files_that_are_not_there_is_named(server: Harness) -> None:
    with refused(Status.INVALID_ARGUMENT, "RUN --mount=type=bind: 'nosuch' is not among the 0"):
        await build(server, "FROM debian", "RUN --mount=source=nosuch,target=/a true")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"gpu_config": images_pb2.GPUConfig(count=1)}, "gpu"),
        ({"build_function": images_pb2.BuildFunction(definition="x")}, "run_function"),
        ({"volume_mounts": [common_pb2.VolumeMount(volume_id="vo-1")]}, "volumes"),
        ({"arch": OTHER_MACHINE}, "arch"),
    ],
)
async def test_what_no_build_can_do_is_refused_by_name(
    server: Harness, fields: dict[str, Any], word: str
) -> None:
    with refused(Status.UNIMPLEMENTED, word):
        await build(server, "FROM debian", **fields)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["ENV A=b"],
        ["FROM debian", "ENV A"],
        ["FROM debian", "ENV A='b"],
        ["FROM debian", "CMD"],
        ["FROM debian", "RUN"],
        ["FROM debian", "RUN []"],
        ["FROM debian", "SHELL sh"],
        ["FROM debian", "SHELL " + "[" * 100_000],
        ["FROM debian", "WORKDIR"],
        ["FROM debian", "USER"],
        ["FROM debian", "FROB x"],
        ["FROM debian", "ONBUILD"],
        ["FROM debian", "ONBUILD FROM debian"],
        ["FROM debian AS"],
        ["FROM ${A:?no}"],
        ["ARG A=${B:?no}", "FROM debian"],
        ["FROM debian", "COPY a"],
        ["FROM debian", "COPY a /b"],
        ["FROM debian", "COPY ../a /b"],
        ["FROM debian", "COPY --from=0 /a /b"],
        ["FROM debian", "COPY a b /c"],
        ["FROM debian", "ARG"],
        ["FROM debian", "ARG =a"],
        ["FROM debian", "RUN <<E"],
        ["FROM debian", "RUN --mount=type=cache true"],
        ["FROM debian", "RUN --mount=type=cache,target=/a,sharing=x true"],
        ["FROM debian", "RUN --mount=type=secret true"],
        ["FROM debian", "RUN --mount=type=secret,id=NOT_THERE,required=true true"],
        ["FROM debian", 'RUN --mount=type=cache,"target=/a true'],
        ["FROM debian"] * 101,
        ["# escape=x", "FROM debian"],
        ["# pytest-sandbox.target=nosuch", "FROM debian"],
    ],
)
async def test_a_definition_that_makes_no_sense_is_invalid(
    server: Harness, lines: list[str]
) -> None:
    with refused(Status.INVALID_ARGUMENT):
        await build(server, *lines)


@pytest.mark.asyncio
async def test_layers_describe_what_a_sandbox_gets_by_default(server: Harness) -> None:
    base = await build(server, *DEBIAN_SLIM)
    layer = await build(
        server,
        "FROM base",
        "ENV A='b c' D=e",
        "WORKDIR '/srv/my app'",
        'ENTRYPOINT ["echo"]',
        'CMD ["one", "two"]',
        base_images=[images_pb2.BaseImage(docker_tag="base", image_id=base)],
    )
    await server.create(image_id=layer)
    spec = server.engine.tasks[-1].spec
    assert spec.main is not None
    assert spec.main.argv == ("echo", "one", "two")
    assert [
        box.commands.main.argv for box in server.app.state.sandboxes.all() if box.commands.main
    ] == [("echo", "one", "two")]
    assert (spec.workdir, spec.env) == ("/srv/my app", {"A": "b c", "D": "e"})

    await server.create("x", image_id=layer, workdir="/other")
    spec = server.engine.tasks[-1].spec
    assert spec.main is not None
    assert (spec.main.argv, spec.workdir) == (("echo", "x"), "/other")


@pytest.mark.asyncio
async def test_an_image_is_found_by_id_and_its_build_is_over(server: Harness) -> None:
    image_id = await build(server, "FROM debian")
    found = await server.control.ImageFromId(images_pb2.ImageFromIdRequest(image_id=image_id))
    assert found.image_id == image_id
    (message,) = await server.control.ImageJoinStreaming(
        images_pb2.ImageJoinStreamingRequest(image_id=image_id)
    )
    assert message.result.status == common_pb2.GenericResult.GENERIC_STATUS_SUCCESS
    assert message.eof
    with refused(Status.NOT_FOUND, "im-nope"):
        await server.control.ImageFromId(images_pb2.ImageFromIdRequest(image_id="im-nope"))
    with refused(Status.NOT_FOUND, "im-nope"):
        await server.create(image_id="im-nope")


# Secrets


async def secret(server: Harness, env: dict[str, str], name: str = "", **fields: Any) -> str:
    creation = fields.pop("creation", common_pb2.OBJECT_CREATION_TYPE_EPHEMERAL)
    request = secrets_pb2.SecretGetOrCreateRequest(
        env_dict=env, deployment_name=name, object_creation_type=creation, **fields
    )
    return (await server.control.SecretGetOrCreate(request)).secret_id


@pytest.mark.asyncio
async def test_secrets_are_environment_variables_and_a_later_one_wins(server: Harness) -> None:
    first = await secret(server, {"A": "1", "B": "1"})
    second = await secret(server, {"B": "2"})
    await server.create("env", secret_ids=[first, second])
    assert server.engine.tasks[-1].spec.env == {"A": "1", "B": "2"}


@pytest.mark.asyncio
async def test_the_same_definition_again_has_what_secrets_and_tags_are_by_then(
    server: Harness,
) -> None:
    made = await secret(server, {"A": "1"})
    await server.create("env", secret_ids=[made])
    await server.create("env", secret_ids=[made], tags={"part": "second"})
    update = secrets_pb2.SecretUpdateRequest.Update(key="A", value="2")
    await server.control.SecretUpdate(
        secrets_pb2.SecretUpdateRequest(secret_id=made, updates=[update])
    )
    await server.create("env", secret_ids=[made], tags={"part": "second"})
    await server.create("env", secret_ids=[made], tags={"part": "second"})
    specs = [task.spec for task in server.engine.tasks]
    assert [spec.env["A"] for spec in specs] == ["1", "1", "2", "2"]
    assert [spec.tags for spec in specs] == [{}, *[{"part": "second"}] * 3]


@pytest.mark.asyncio
async def test_a_secret_is_found_by_name_if_it_has_the_keys(server: Harness) -> None:
    lookup = common_pb2.OBJECT_CREATION_TYPE_UNSPECIFIED
    create = common_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING
    with refused(Status.NOT_FOUND, "Secret 's' not found"):
        await secret(server, {}, "s", creation=lookup)
    made = await secret(server, {"A": "1"}, "s", creation=create)
    assert made.startswith("st-")
    assert await secret(server, {}, "s", creation=lookup, required_keys=["A"]) == made
    with refused(Status.FAILED_PRECONDITION, "Secret is missing key(s): B, C"):
        await secret(server, {}, "s", creation=lookup, required_keys=["A", "B", "C"])
    with refused(Status.ALREADY_EXISTS, "'s'"):
        await secret(
            server, {}, "s", creation=common_pb2.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS
        )
    overwrite = common_pb2.OBJECT_CREATION_TYPE_CREATE_OVERWRITE_IF_EXISTS
    assert await secret(server, {"A": "2"}, "s", creation=overwrite) != made


@pytest.mark.asyncio
@pytest.mark.parametrize("env", [{"": "x"}, {"A=B": "x"}, {"A\0": "x"}, {"A": "x\0"}])
async def test_variables_that_no_process_could_have_are_invalid(
    server: Harness, env: dict[str, str]
) -> None:
    with refused(Status.INVALID_ARGUMENT, "environment variable"):
        await secret(server, env)


@pytest.mark.asyncio
async def test_secrets_of_single_commands_are_forgotten_when_there_are_many(
    server: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_sandbox.server.model.secrets.EPHEMERAL_SECRETS", 2)
    anonymous = common_pb2.OBJECT_CREATION_TYPE_ANONYMOUS_OWNED_BY_APP
    kept = await secret(server, {"A": "1"}, creation=anonymous)
    first, second = [await secret(server, {"A": str(number)}) for number in range(2)]
    await server.create(secret_ids=[first])
    await secret(server, {"A": "3"})
    await server.create(secret_ids=[kept, first])
    with refused(Status.NOT_FOUND, second):
        await server.create(secret_ids=[second])


@pytest.mark.asyncio
async def test_an_unknown_secret_is_not_found(server: Harness) -> None:
    with refused(Status.NOT_FOUND, "st-nope"):
        await server.create(secret_ids=["st-nope"])
