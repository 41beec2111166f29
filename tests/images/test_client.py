"""Our own client asks for images of registries and archives as Modal's does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox import Image, Sandbox, Secret, exceptions
from pytest_sandbox._proto import images_pb2 as pb

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_sandbox.inmemory import FakeSandboxes


def asked(fake: FakeSandboxes) -> pb.Image:
    definition = fake.rpcs.of("ImageGetOrCreate").last.image
    assert isinstance(definition, pb.Image)
    return definition


def test_an_image_of_a_registry(fake_sandboxes: FakeSandboxes) -> None:
    image = Image.from_registry("alpine:3.21", setup_dockerfile_commands=["ENV A=1"])

    assert Sandbox.create(image=image).run("sh", "-c", "echo $A").stdout == "1\n"
    assert list(asked(fake_sandboxes).dockerfile_commands) == ["FROM alpine:3.21", "ENV A=1"]
    assert repr(image) == "Image.from_registry('alpine:3.21')"
    Sandbox.create(image=image.run_commands("true"))


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (Image.from_registry, pb.REGISTRY_AUTH_TYPE_UNSPECIFIED),
        (Image.from_gcp_artifact_registry, pb.REGISTRY_AUTH_TYPE_GCP),
    ],
)
def test_a_secret_with_a_login(fake_sandboxes: FakeSandboxes, make: Any, kind: int) -> None:
    secret = Secret.from_dict({"REGISTRY_USERNAME": "me", "REGISTRY_PASSWORD": "pw"})
    if kind:
        secret = Secret.from_dict({"SERVICE_ACCOUNT_JSON": "pw"})

    Sandbox.create(image=make("ghcr.io/me/private", secret, force_build=True))

    config = asked(fake_sandboxes).image_registry_config
    assert config.secret_id.startswith("st-")
    assert config.registry_auth_type == kind
    assert fake_sandboxes.rpcs.of("ImageGetOrCreate").last.force_build
    assert "'pw'" not in repr(fake_sandboxes.rpcs.of("ImageGetOrCreate"))


def test_a_dockerfile_of_a_private_image(fake_sandboxes: FakeSandboxes, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM ghcr.io/me/private\nENV A=1\n")
    secret = Secret.from_dict({"REGISTRY_USERNAME": "me", "REGISTRY_PASSWORD": "pw"})

    Sandbox.create(image=Image.from_dockerfile(tmp_path / "Dockerfile", registry_secret=secret))

    assert asked(fake_sandboxes).image_registry_config.secret_id.startswith("st-")


def test_archives(fake_sandboxes: FakeSandboxes, tmp_path: Path) -> None:
    for image in (
        Image.from_oci_archive(tmp_path / "image.tar", tag="1"),
        Image.from_docker_archive(str(tmp_path / "saved.tar")).env({"A": "1"}),
    ):
        assert Sandbox.create(image=image).run("pwd").stdout
    archives = [
        (each.kind, each.path, each.tag)
        for each in (call.request for call in fake_sandboxes.rpcs.of("ImageFromArchive"))
    ]
    assert archives == [
        ("oci", f"{tmp_path}/image.tar", "1"),
        ("docker", f"{tmp_path}/saved.tar", ""),
    ]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Image.from_registry(""), "from_registry: '' is not the name"),
        (lambda: Image.from_registry("a b"), "not the name of an image"),
        (lambda: Image.from_registry("a\nRUN rm"), "not the name of an image"),
        (lambda: Image.from_registry(3), "from_registry: 3 is an int"),  # type: ignore[arg-type]
        (lambda: Image.from_registry("a", "pw"), "secret='pw' is a str"),  # type: ignore[arg-type]
        (lambda: Image.from_oci_archive(""), "the path of an archive is empty"),
        (lambda: Image.from_oci_archive("a", tag=3), "tag=3 is an int"),  # type: ignore[arg-type]
    ],
)
def test_what_makes_no_sense(make: Any, words: str) -> None:
    with pytest.raises(exceptions.InvalidError, match=words):
        make()


def test_a_name_that_the_server_refuses(fake_sandboxes: FakeSandboxes) -> None:
    with pytest.raises(exceptions.InvalidError, match="'Alpine' is not the name of an image"):
        Sandbox.create(image=Image.from_registry("Alpine"))
