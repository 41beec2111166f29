"""Creates sandboxes that resume from memory snapshots."""

from dataclasses import replace

from pytest_sandbox._proto import sandboxes_pb2
from pytest_sandbox._proto import snapshots_pb2 as pb
from pytest_sandbox.engine import Membership

from ..definition.refused import RestoreRequest, refuse_restored
from ..model.creation import SandboxCreator
from ..model.ids import Family
from ..model.sandbox import ServedSandbox
from ..model.state import State
from ..rpc.errors import invalid

_Restore = pb.SandboxRestoreRequest


async def resume(
    state: State,
    creator: SandboxCreator,
    request: RestoreRequest,
    family: Family,
    caller: str,
    membership: Membership | None = None,
) -> ServedSandbox:
    """Create a sandbox that resumes from a snapshot; it runs when this returns.

    Args:
        state: the server's.
        creator: creates its sandboxes.
        request: says which snapshot, and what its name is.
        family: of the API that the request belongs to.
        caller: see `SandboxCreator.create`.
        membership: the network of sandboxes that it belongs to. It does not have that of the
            original, which may still have its aliases.

    Raises:
        GRPCError: FAILED_PRECONDITION, INVALID_ARGUMENT, NOT_FOUND or UNIMPLEMENTED; or as
            `SandboxCreator.create`.
        EngineError: whatever the engine raises.
    """
    refuse_restored(request)
    snapshot = state.memory_snapshots.get(request.snapshot_id)
    definition = _renamed(snapshot.definition, request)
    with state.snapshot_store.pinned(snapshot.id):
        taken = await state.memory_snapshots.taken(snapshot)
        spec = replace(snapshot.spec, resume=taken, name=definition.name, membership=membership)
        return await creator.create(
            state.apps.get(snapshot.app_id),
            definition,
            snapshot.tags,
            snapshot.image,
            spec,
            caller=caller,
            resumed_from=snapshot.id,
            family=family,
        )


def _renamed(definition: sandboxes_pb2.Sandbox, request: RestoreRequest) -> sandboxes_pb2.Sandbox:
    """The definition with the name that the request gives."""
    renamed = sandboxes_pb2.Sandbox()
    renamed.CopyFrom(definition)
    kind = request.sandbox_name_override_type
    if kind == _Restore.SANDBOX_NAME_OVERRIDE_TYPE_NONE:
        renamed.ClearField("name")
    elif kind == _Restore.SANDBOX_NAME_OVERRIDE_TYPE_STRING:
        renamed.name = request.sandbox_name_override
    elif kind != _Restore.SANDBOX_NAME_OVERRIDE_TYPE_UNSPECIFIED:
        raise invalid(f"sandbox_name_override_type must be 0, 1 or 2, not {kind}")
    return renamed
