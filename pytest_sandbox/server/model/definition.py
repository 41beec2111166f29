"""From the definition of a sandbox on the wire to what an engine is asked for.

Every field is either honoured here or refused by the name its argument has in Modal's
`Sandbox.create`; none is ignored without a reason that is written down.
"""

import os
from collections.abc import Callable, Mapping

from grpclib import GRPCError, Status

from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox.engine import Capability, EngineInfo, Limits, ProcessSpec, TaskSpec

from ..rpc.errors import invalid, unimplemented
from .checks import check_command, check_environment, check_workdir, pty_environment, pty_size
from .gpus import gpus
from .images import ImageRecord
from .ports import check_ports
from .volumes import VolumeRegistry

#: What Modal's clients send when the caller says nothing.
DEFAULT_TIMEOUT = 300

_MIB = 1024 * 1024

#: What is not built yet: the argument as a caller typed it, and how to see that it was given.
_REFUSED: dict[str, Callable[[pb.Sandbox], object]] = {
    "ephemeral_disk": lambda d: d.resources.ephemeral_disk_mb,
    "rdma": lambda d: d.resources.rdma,
    "volumes (CloudBucketMount)": lambda d: d.cloud_bucket_mounts or d.s3_mounts,
    "network_file_systems": lambda d: d.nfs_mounts,
    "mounts (add_local_file, add_local_dir, add_local_python_source)": lambda d: d.mount_ids,
    "cloud": lambda d: d.cloud_provider_str or d.cloud_provider,
    "region": lambda d: d.scheduler_placement.ByteSize(),
    "cidr_allowlist": lambda d: d.network_access.allowed_cidrs,
    "outbound_domain_allowlist": lambda d: d.network_access.allowed_domains,
    "inbound_cidr_allowlist": lambda d: d.inbound_cidr_allowlist,
    "outbound_policy": lambda d: (
        d.HasField("outbound_policy") or d.HasField("experimental_outbound_policy")
    ),
    "proxy": lambda d: d.proxy_id,
    "snapshot_version": lambda d: d.HasField("snapshot_version"),
    "custom_domain": lambda d: d.custom_domain,
    "include_oidc_identity_token": lambda d: d.include_oidc_identity_token,
    "include_x509_svid": lambda d: d.include_x509_svid,
    "readiness_probe": lambda d: d.HasField("readiness_probe"),
    "experimental_options": lambda d: d.experimental_options or d.experimental_options_v2,
    "i6pn_enabled": lambda d: d.i6pn_enabled,
    "runtime": lambda d: d.runtime or d.runsc_runtime_version,
    "preload_path_prefixes": lambda d: d.preload_path_prefixes,
    "worker_id": lambda d: d.worker_id,
    "_restore_instance_type": lambda d: "_restore_instance_type" in _fields(d),
}
# Not refused and without effect, on purpose: `verbose` and `runtime_debug` ask Modal's own
# machines for more logs, `direct_sandbox_commands_enabled` says that a client can use the
# command router, and an open network is what a client asks for when its caller says nothing:
# an engine gives the network it has. `skip_num_threads_env_vars` of the resources is about
# variables that are not set here anyway.


def _fields(definition: pb.Sandbox) -> set[str]:
    """The names of the fields that are set."""
    return {field.name for field, _ in definition.ListFields()}


def refuse_unbuilt(definition: pb.Sandbox, info: EngineInfo) -> None:
    """Refuse what is not built yet, and what this engine does not have, by name.

    Raises:
        GRPCError: UNIMPLEMENTED.
    """
    for argument, given in _REFUSED.items():
        if given(definition):
            raise unimplemented(
                f"{argument} is not implemented by pytest-sandbox: create the sandbox without it"
            )
    if definition.enable_snapshot and Capability.MEMORY_SNAPSHOT not in info.capabilities:
        why = info.details.get(f"no {Capability.MEMORY_SNAPSHOT.value}", "it has no such ability")
        raise unimplemented(
            f"enable_snapshot: the engine {info.name!r} cannot keep processes here: {why}; see "
            "pytest-sandbox doctor, or keep files only"
        )
    if definition.network_access.network_access_type == pb.NetworkAccess.ALLOWLIST:
        raise unimplemented("cidr_allowlist is not implemented by pytest-sandbox")


def task_spec(
    definition: pb.Sandbox,
    image: ImageRecord,
    secrets: Mapping[str, str],
    volumes: VolumeRegistry,
    tags: Mapping[str, str],
    info: EngineInfo,
) -> TaskSpec:
    """What the engine is asked for.

    Raises:
        GRPCError: FAILED_PRECONDITION, INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED or
            UNIMPLEMENTED.
    """
    check_ports(definition, info)
    workdir = definition.workdir or image.workdir
    check_workdir(workdir)
    env = {**image.env, **secrets, **definition.environment_variables.contents}
    argv = (*image.entrypoint, *(definition.entrypoint_args or image.cmd))
    check_environment(env.items())
    return TaskSpec(
        main=_main(argv, definition.pty_info, env),
        image=image.root_image(),
        env=env,
        workdir=workdir,
        limits=_limits(definition.resources, info),
        volumes=volumes.mounts(definition.volume_mounts, info),
        gpus=gpus(definition.resources.gpu_config, info),
        freezable=definition.enable_snapshot,
        name=definition.name,
        tags=tags,
    )


def _main(argv: tuple[str, ...], info: pb.PTYInfo, env: Mapping[str, str]) -> ProcessSpec | None:
    """The main process; none for the default command of Modal's images, which only sleeps."""
    if not argv or argv == ("sleep", "172800"):
        return None
    check_command(argv)
    pty = pty_size(info)
    # What the caller sets wins over what the terminal brings.
    return ProcessSpec(argv, env={**pty_environment(info), **env} if pty else {}, pty=pty)


def _limits(resources: pb.Resources, info: EngineInfo) -> Limits:
    """Limits are the engine's; requests only have to fit this machine."""
    _check_fits("cpu", resources.milli_cpu / 1000, os.cpu_count() or 1, "processors")
    _check_fits("memory", resources.memory_mb, _machine_memory() // _MIB, "MiB")
    _check_order("cpu", resources.milli_cpu, resources.milli_cpu_max)
    _check_order("memory", resources.memory_mb, resources.memory_mb_max)
    if resources.milli_cpu_max:
        _check_capable("cpu", Capability.CPU_LIMIT, info)
    if resources.memory_mb_max:
        _check_capable("memory", Capability.MEMORY_LIMIT, info)
    return Limits(
        cpus=resources.milli_cpu_max / 1000 or None,
        memory=resources.memory_mb_max * _MIB or None,
    )


def _machine_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _check_fits(argument: str, asked: float, there: float, unit: str) -> None:
    if asked > there:
        raise GRPCError(
            Status.RESOURCE_EXHAUSTED,
            f"{argument}={asked:g} asks for more than this machine has: {there:g} {unit}",
        )


def _check_order(argument: str, request: int, limit: int) -> None:
    if limit and limit < request:
        raise invalid(f"{argument}: the limit {limit} is below the request {request}")


def _check_capable(argument: str, capability: Capability, info: EngineInfo) -> None:
    if capability not in info.capabilities:
        raise unimplemented(
            f"{argument}=(request, limit): the engine {info.name!r} has no {capability.value} on "
            f"this machine ({info.mode}); give a request only"
        )
