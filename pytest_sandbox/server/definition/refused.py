"""What the definition of a sandbox asks for that is not implemented, by the words of its caller.

Callers know the arguments of `Sandbox.create` and `Sandbox._experimental_create`, as the newest
client for Python has them, and no fields of a message.
"""

from collections.abc import Callable
from typing import NamedTuple

from grpclib import GRPCError

from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox._proto.sandboxes_v2_pb2 import SandboxRestoreV2Request
from pytest_sandbox._proto.snapshots_pb2 import SandboxRestoreRequest
from pytest_sandbox.engine import Capability, EngineInfo

from ..rpc.errors import unimplemented

#: A request to resume from a memory snapshot.
RestoreRequest = SandboxRestoreRequest | SandboxRestoreV2Request


class _RefusedArgument(NamedTuple):
    """Something that is not implemented.

    Attributes:
        fields: of the definition, one of which is set then.
        argument: what a definition with such a field has of it, as its caller wrote it; empty if it
            has nothing.
        instead: what to do.
    """

    fields: frozenset[str]
    argument: Callable[[pb.Sandbox], str]
    instead: str


def _refused(
    fields: str, argument: str | Callable[[pb.Sandbox], str], instead: str
) -> _RefusedArgument:
    given = argument if callable(argument) else lambda _: argument
    return _RefusedArgument(frozenset(fields.split()), given, instead)


def _no_argument(field: str) -> _RefusedArgument:
    """A field that no client of Modal's has an argument for."""
    return _refused(field, field, "no argument of Modal's clients sets it; leave it out")


def _buckets(definition: pb.Sandbox) -> str:
    paths = [each.mount_path for each in definition.cloud_bucket_mounts]
    paths += [each.mount_path for each in definition.s3_mounts]
    return f"volumes={{{paths[0]!r}: CloudBucketMount(...)}}" if paths else ""


def _shared_volumes(definition: pb.Sandbox) -> str:
    paths = [each.mount_path for each in definition.nfs_mounts]
    return f"network_file_systems={{{paths[0]!r}: ...}}" if paths else ""


_WORKER = "worker_id in the configuration of modal (MODAL_WORKER_ID)"
_NO_WORKERS = "remove it: there are no workers to choose from"

_REFUSED = (
    _refused(
        "resources",
        lambda d: "ephemeral_disk" if d.resources.ephemeral_disk_mb else "",
        "the engine option disk says how much a sandbox may write",
    ),
    _refused(
        "resources",
        lambda d: "rdma" if d.resources.rdma else "",
        "create the sandbox without it",
    ),
    _refused(
        "cloud_bucket_mounts s3_mounts",
        _buckets,
        "mount a Volume, and put the objects into it with batch_upload; a program that talks to "
        "the store itself reaches it with outbound_cidr_allowlist",
    ),
    _refused("nfs_mounts", _shared_volumes, "use volumes, with a Volume"),
    _refused(
        "experimental_outbound_policy outbound_policy",
        "_experimental_outbound_policy",
        "headers of HTTPS cannot be replaced without decrypting it; give the program what it sends "
        "by secrets, and say with outbound_domain_allowlist where it may send it",
    ),
    _refused(
        "custom_domain",
        lambda d: f"custom_domain={d.custom_domain!r}" if d.custom_domain else "",
        "create the sandbox without it; Sandbox.tunnels() has the addresses",
    ),
    _refused(
        "i6pn_enabled",
        "i6pn=True",
        "containers that have to see each other can be sidecars of one sandbox "
        "(Sandbox._experimental_sidecars); pytest_sandbox.SandboxNetwork connects sandboxes",
    ),
    _refused("worker_id", _WORKER, _NO_WORKERS),
    _no_argument("_restore_instance_type"),
    _no_argument("include_x509_svid"),
    _no_argument("preload_path_prefixes"),
    _no_argument("runsc_runtime_version"),
    _no_argument("snapshot_version"),
)
# Ignored on purpose: `cloud_provider` is the former way to name a cloud, all of which are here;
# `verbose` and `runtime_debug` ask Modal's own machines for more logs;
# `direct_sandbox_commands_enabled` says that a client can use the command router;
# `skip_num_threads_env_vars` of the resources is about variables that this server never sets.


def refuse_unimplemented(definition: pb.Sandbox, info: EngineInfo) -> None:
    """Refuse what is not implemented, and what this engine cannot do.

    Raises:
        GRPCError: UNIMPLEMENTED.
    """
    fields = {field.name for field, _ in definition.ListFields()}
    for refused in _REFUSED:
        if refused.fields & fields and (argument := refused.argument(definition)):
            raise _refusal(argument, refused.instead)
    if definition.enable_snapshot and Capability.MEMORY_SNAPSHOT not in info.capabilities:
        why = info.details.get(
            f"no {Capability.MEMORY_SNAPSHOT.value}", "the engine does not support them"
        )
        raise unimplemented(
            f"_experimental_enable_snapshot=True: the engine {info.name!r} cannot take memory "
            f"snapshots here: {why}; see pytest-sandbox doctor, or take snapshots of the files only"
        )


def refuse_restored(request: RestoreRequest) -> None:
    """Refuse what is not implemented when a sandbox is restored, which has no definition then.

    Raises:
        GRPCError: UNIMPLEMENTED.
    """
    if request.worker_id:
        raise _refusal(_WORKER, _NO_WORKERS)
    if isinstance(request, SandboxRestoreRequest) and (
        request.replace_volume_mounts or request.volume_mounts
    ):
        raise _refusal("other volumes than those of the snapshot", "restore it without them")


def _refusal(argument: str, instead: str) -> GRPCError:
    return unimplemented(f"{argument} is not implemented by pytest-sandbox: {instead}")
