"""The arguments of `Sandbox.create`, checked and as a message."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pytest_sandbox._proto.sandboxes_pb2 import Sandbox as Definition
from pytest_sandbox._proto.sandboxes_pb2 import SandboxTag, SchedulerPlacement, StringMap
from pytest_sandbox._proto.secrets_pb2 import SecretSource
from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox._shared.type_names import type_name

from ..base_client import own_app_id
from ..default_client import default_client
from ..exceptions import InvalidError
from ..image import Image, image_id, mount_ids
from ..probe import Probe, probe_message
from ..process.api_version import second_is_wanted
from ..process.terminal import terminal
from ..proxy import Proxy, check_proxy, proxy_id
from ..secrets.secret import check_secrets
from ..tunnel import open_ports
from ..validation import (
    check_command,
    check_environment,
    check_list,
    check_name,
    check_seconds,
    check_workdir,
    refuse,
)
from .gpu import gpu_config
from .resources import inbound_networks, network_access, resources
from .sandbox_network import SandboxNetwork, membership
from .volume_mounts import check_volumes, volume_mounts

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Sequence

    from pytest_sandbox._proto.extensions_pb2 import SandboxMembership

    from ..apps.app import App
    from ..base_client import BaseClient
    from ..secrets.secret import Secret
    from ..volume import Volume

__tracebackhide__ = True  # a failing test shows the caller's line, not these


@dataclass(frozen=True)
class Specification:
    """A sandbox to create: its client, app, definition, tags, and network of sandboxes.

    Attributes:
        secret_sources: its secrets, for the second version of the API; `None` for the first, where
            they are in the definition.
    """

    client: BaseClient
    app_id: str
    definition: Definition
    tags: Sequence[SandboxTag]
    membership: SandboxMembership | None = None
    secret_sources: Sequence[SecretSource] | None = None


async def define(
    *args: str,
    app: App | None = None,
    name: str | None = None,
    tags: dict[str, str] | None = None,
    image: Image | None = None,
    env: dict[str, str | None] | None = None,
    secrets: Collection[Secret] | None = None,
    network_file_systems: object = None,
    timeout: int = 300,
    idle_timeout: int | None = None,
    workdir: str | None = None,
    gpu: str | list[str] | None = None,
    cloud: str | None = None,
    region: str | Sequence[str] | None = None,
    cpu: float | tuple[float, float] | None = None,
    memory: int | tuple[int, int] | None = None,
    runtime: str | None = None,
    block_network: bool = False,
    outbound_cidr_allowlist: Sequence[str] | None = None,
    outbound_domain_allowlist: Sequence[str] | None = None,
    _experimental_outbound_policy: object = None,
    inbound_cidr_allowlist: Sequence[str] | None = None,
    network: str | SandboxNetwork | None = None,
    alias: str | Sequence[str] | None = None,
    volumes: dict[str | os.PathLike[str], Volume] | None = None,
    pty: bool = False,
    encrypted_ports: Sequence[int] = (),
    h2_ports: Sequence[int] = (),
    unencrypted_ports: Sequence[int] = (),
    custom_domain: str | None = None,
    proxy: Proxy | None = None,
    include_oidc_identity_token: bool = False,
    readiness_probe: Probe | None = None,
    verbose: bool = False,
    experimental_options: dict[str, Any] | None = None,
    _experimental_enable_snapshot: bool = False,
    _experimental_persistent: bool = False,
    client: BaseClient | None = None,
    environment_name: str | None = None,
    pty_info: object = None,
    cidr_allowlist: Sequence[str] | None = None,
) -> Specification:
    """Create a sandbox; it runs when this returns.

    Args:
        *args: the main process, with which the sandbox ends. Without one it runs until it
            is terminated or reaches its timeout.
        app: the app it belongs to; the client's own if not given.
        name: a name for it, not in use by a running sandbox of the app.
        tags: names and values by which `list` finds it; see `set_tags`.
        image: the files that it starts with; `Image.host()` if not given, or in Modal's cloud
            `Image.debian_slim()`.
        env: environment variables; those that are `None` are left out.
        secrets: more environment variables; `env` comes last and wins.
        network_file_systems: refused.
        timeout: seconds after which it ends, counted from its creation.
        idle_timeout: seconds without activity after which it ends; none by default. Commands of
            `exec` and `run`, writes to standard input, work on files, watches, and connections
            through tunnels are activity.
        workdir: the working directory, created if it does not exist; `/root` if not given.
        gpu: the GPUs that it gets for itself: `"H100"`, `"A100-80GB:2"` for two, `"any"`; or a
            list of such, of which it gets the first that can be had.
        cloud: has no effect, but must be one that Modal has: `"aws"`, `"gcp"`, ...
        region: likewise, or several: `"us-east"`.
        cpu: processors to request, or (request, limit); without a limit, all of the machine's.
            A cluster has the sandbox where there is what it requests.
        memory: MiB to request, or (request, limit); likewise.
        runtime: has no effect, but must be one that Modal has: `"gvisor"`, `"vm"`.
        block_network: no network but the loopback interface, and no ports.
        outbound_cidr_allowlist: networks that connections out of it may lead to, `"192.0.2.0/24"`.
        outbound_domain_allowlist: names of servers that it may talk to by TLS, on port 443:
            `"example.com"`, `"*.example.com"` for those below it, `"*"`.
        _experimental_outbound_policy: refused.
        inbound_cidr_allowlist: networks that connections to its tunnels, and requests with a
            connect token, may come from; all if not given. They come from the loopback network of
            this machine, `127.0.0.0/8`.
        network: `"none"` for the loopback interface alone, which is the default unless the settings
            of the engine say otherwise; `"open"` for all public addresses. Private ones have to be
            named by `outbound_cidr_allowlist`. Or a `SandboxNetwork`, whose sandboxes it sees, and
            they it; where else its connections may lead, the other arguments say.
        alias: a name by which the other sandboxes of the network reach it, or several.
        volumes: the volumes to mount, by absolute path.
        pty: run the main process on a terminal.
        encrypted_ports: ports that `tunnels` leads to over TLS.
        h2_ports: ports that it leads to over TLS, for programs that speak HTTP/2.
        unencrypted_ports: ports that it leads to as they are.
        custom_domain: refused.
        proxy: one that the server was set up with, without effect.
        include_oidc_identity_token: have a `MODAL_IDENTITY_TOKEN` in its environment, a JWT with
            the claims of Modal's, signed by a key of this run.
        readiness_probe: what `wait_until_ready` waits for: `Probe.with_tcp(8000)`,
            `Probe.with_exec("test", "-e", "/run/ready")`.
        verbose: has no effect: it is about logs of Modal's own machines.
        experimental_options: `{"enable_exit_snapshot": True}` for one of
            `_experimental_get_exit_snapshot`; others are refused by name.
        _experimental_enable_snapshot: allow `_experimental_snapshot`; an engine may isolate such
            a sandbox less.
        _experimental_persistent: refused: no sandbox outlives its run.
        client: where to create it; where its app is if not given.
        environment_name: refused, as it is deprecated: the app has an environment.
        pty_info: refused, as it is deprecated: use `pty`.
        cidr_allowlist: the same as `outbound_cidr_allowlist`, as older clients call it.

    Raises:
        InvalidError: an argument makes no sense, or the command cannot be started.
        UnimplementedError: an argument is refused.
        AlreadyExistsError: the name is in use, or the alias in the network.
        ResourceExhaustedError: the machine lacks what is requested.
    """
    check_command(args, empty=True)
    check_workdir(workdir)
    check_seconds("timeout", timeout)
    check_seconds("idle_timeout", idle_timeout)
    if name is not None:
        check_name(name, "Sandbox")
    refuse(
        network_file_systems=network_file_systems,
        _experimental_outbound_policy=_experimental_outbound_policy,
        custom_domain=custom_domain,
        _experimental_persistent=_experimental_persistent,
        environment_name=environment_name,
        pty_info=pty_info,
    )
    member = membership(network, alias)
    if member is not None and block_network:
        raise InvalidError(f"block_network=True and network={network!r} exclude each other")
    outward = None if isinstance(network, SandboxNetwork) else network
    access = network_access(
        block_network, outward, cidr_allowlist, outbound_cidr_allowlist, outbound_domain_allowlist
    )
    inbound = inbound_networks(inbound_cidr_allowlist, block_network)
    ports = open_ports(encrypted_ports, h2_ports, unencrypted_ports)
    if ports.ports and block_network:
        raise InvalidError(f"port {ports.ports[0].port} cannot be opened with block_network=True")
    gpus = gpu_config(gpu)
    check_volumes(volumes or {})
    given = check_secrets(secrets)
    check_proxy(proxy)
    placement = _placement(region)
    options = _options(experimental_options)
    client, app_id = await _home(client, app)
    second = await second_is_wanted(client.calls)
    # As Modal's clients do: the second version has no GPUs there.
    second = second and gpus is None and client.gpu is None and member is None
    variables = StringMap(contents=check_environment(env)) if env else None
    sources = [await each.reference.source(client) for each in given] if second else None
    if sources is not None and variables is not None:
        sources.append(SecretSource(env=variables))  # the last one wins
    definition = Definition(
        entrypoint_args=args,
        name=name,
        image_id=await image_id(image or await _default_image(client), client, app_id),
        mount_ids=await mount_ids(image, client, app_id) if image is not None else (),
        environment_variables=None if second else variables,
        # Those with a name: the second version has them in both places.
        secret_ids=[each.secret_id for each in sources if each.secret_id]
        if sources is not None
        else await _secret_ids(given, client, app_id),
        timeout_secs=timeout,
        idle_timeout_secs=idle_timeout,
        workdir=workdir,
        resources=resources(cpu, memory, gpus),
        volume_mounts=await volume_mounts(volumes or {}, client),
        readiness_probe=probe_message(readiness_probe),
        open_ports=ports if ports.ports else None,
        network_access=access,
        inbound_cidr_allowlist=inbound,
        pty_info=terminal(pty),
        verbose=verbose,
        enable_snapshot=_experimental_enable_snapshot,
        proxy_id=await proxy_id(proxy, client),
        cloud_provider_str=cloud or None,
        runtime=runtime or None,
        scheduler_placement=placement,
        experimental_options_v2=options,
        include_oidc_identity_token=include_oidc_identity_token,
    )
    return Specification(client, app_id, definition, tag_messages(tags), member, sources)


def tag_messages(tags: dict[str, str] | None) -> Sequence[SandboxTag]:
    """Tags as messages.

    Raises:
        InvalidError: they are no dict.
    """
    if tags is not None and not isinstance(tags, dict):
        raise InvalidError(f"tags={tags!r} is {type_name(tags)}, not a dict")
    return [SandboxTag(tag_name=name, tag_value=value) for name, value in (tags or {}).items()]


def _placement(region: str | Sequence[str] | None) -> SchedulerPlacement | None:
    if not region:
        return None
    if not isinstance(region, str):
        check_list("region", region, "names")
    return SchedulerPlacement(regions=[region] if isinstance(region, str) else region)


def _options(options: dict[str, Any] | None) -> dict[str, str]:
    """Experimental options as the wire has them: texts."""
    if options is not None and not isinstance(options, dict):
        raise InvalidError(f"experimental_options={options!r} is {type_name(options)}, not a dict")
    return {name: str(value) for name, value in (options or {}).items()}


async def _default_image(client: BaseClient) -> Image:
    """The view of this machine; Modal's default image in its cloud, which has no such view."""
    return Image.debian_slim() if await client.calls.in_cloud() else Image.host()


async def _home(client: BaseClient | None, app: App | None) -> tuple[BaseClient, str]:
    """The client and the app to create a sandbox with."""
    if app is None:
        client = client or await default_client()
        return client, await own_app_id(client)
    if app.app_id is None or app.client is None:
        raise ValueError(
            f"{app!r} was not looked up; use App.lookup({app.name!r}, create_if_missing=True), or "
            "create the sandbox in a `with app.run()`"
        )
    return client or app.client, app.app_id


async def _secret_ids(
    secrets: Collection[Secret], client: BaseClient, app_id: str
) -> Sequence[str]:
    return await asyncio.gather(*(secret.reference.id(client, app_id) for secret in secrets))
