"""The id by which a server knows an image, which it builds first if need be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_sandbox._proto import images_pb2 as pb

from .building import build, debian_image, host_image

if TYPE_CHECKING:
    from ..base_client import BaseClient
    from .image_layer import ImageLayer


async def resolved(image: Any, client: BaseClient, app_id: str) -> str:
    """The id of an image.

    Args:
        image: an `Image`, whose module needs this one.
        client: of the server.
        app_id: of the app that it is for; empty if there is none.
    """
    if image.is_host:
        if image.python and await client.calls.in_cloud():
            return await debian_image(client, image.python, app_id)
        return await host_image(client, project=image.has_project)
    if image.layer is not None:
        return await _of_layer(image.layer, client, app_id)
    object_id: str = image.object_id
    return object_id


async def _of_layer(layer: ImageLayer[Any], client: BaseClient, app_id: str) -> str:
    """The id of an image with steps, which is there when this returns.

    Steps that need nothing but their lines are asked for together, in one call; but one by one of
    Modal, which stores what each call asks for, and so has the steps that its own clients made.
    """
    in_cloud = await client.calls.in_cloud()
    if in_cloud and layer in client.built:
        return client.built[layer]
    base, lines = layer.base, list(layer.lines)
    together = layer.plain and not in_cloud
    while together and base is not None and (below := base.layer) is not None:
        if not below.plain or below.base is None:
            break
        base, lines = below.base, [*below.lines, *lines]
    named = []
    if base is not None:
        below_id = await resolved(base, client, app_id)
        named.append(pb.BaseImage(docker_tag="base", image_id=below_id))
        lines.insert(0, "FROM base")
    if layer.archive is not None:
        archived = await layer.archive.image_id(client)
        named.append(pb.BaseImage(docker_tag="base", image_id=archived))
    login = pb.ImageRegistryConfig(registry_auth_type=layer.registry_kind)
    if layer.registry_secret is not None:
        login.secret_id = await layer.registry_secret.reference.id(client)
    files = await layer.files.upload(client, app_id) if layer.files is not None else ""
    definition = pb.Image(
        dockerfile_commands=lines,
        base_images=named,
        secret_ids=[await secret.reference.id(client) for secret in layer.secrets],
        context_mount_id=files,
        context_files=[
            pb.ImageContextFile(filename=name, data=text.encode())
            for name, text in layer.context_files.items()
        ],
        build_args=layer.build_args,
        image_registry_config=login,
    )
    client.built[layer] = await build(client, definition, force=layer.force_build, app_id=app_id)
    return client.built[layer]
