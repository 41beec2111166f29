"""The GPUs of a sandbox."""

from pytest_sandbox._proto import images_pb2
from pytest_sandbox._shared.gpus.requests import LEASE, from_wire
from pytest_sandbox.engine import Capability, EngineInfo, Gpus

from ..rpc.errors import invalid, unimplemented


def gpus(config: images_pb2.GPUConfig, info: EngineInfo) -> Gpus | None:
    """The GPUs to ask the engine for; `None` for none.

    Raises:
        GRPCError: INVALID_ARGUMENT or UNIMPLEMENTED.
    """
    if not config.ByteSize():
        return None
    if not config.gpu_type:
        raise invalid("gpu: name a kind, or ANY")
    # The name of a lease says nothing to whoever asked for GPUs by a marker.
    leased = config.gpu_type.startswith(LEASE)
    argument = "the GPUs of a lease" if leased else f"gpu={f'{config.gpu_type}:{config.count}'!r}"
    if config.count < 1:
        raise invalid(f"{argument}: count must be at least 1, got {config.count}")
    if Capability.GPU not in info.capabilities:
        raise unimplemented(
            f"{argument}: the engine {info.name!r} has no GPUs ({info.mode}): "
            f"{info.details.get('no GPU') or 'create the sandbox without gpu'}"
        )
    if leased:
        return Gpus(config.gpu_type, config.count)
    try:
        first, *rest = from_wire(config.gpu_type, config.count)
    except ValueError as error:
        raise invalid(f"{argument}: {error}") from error
    otherwise = tuple(Gpus(each.kind, each.count) for each in rest)
    return Gpus(first.kind, first.count, otherwise)
