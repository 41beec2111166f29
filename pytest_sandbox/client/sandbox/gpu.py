"""The argument `gpu=` as a message."""

from __future__ import annotations

from pytest_sandbox._proto.images_pb2 import GPUConfig
from pytest_sandbox._shared.gpus.requests import LEASE, parse, to_wire

from ..exceptions import InvalidError

__tracebackhide__ = True  # a failing test shows the caller's line, not these


def gpu_config(gpu: object) -> GPUConfig | None:
    """The requested GPUs.

    Args:
        gpu: `"H100"`, `"A100-80GB:2"` for two, `"any"`; a list of such, of which the first that can
            be had will do; `None` for none. Or the name of a lease.

    Raises:
        InvalidError: it is something else.
    """
    if gpu is None:
        return None
    if isinstance(gpu, str) and gpu.startswith(LEASE):
        return GPUConfig(gpu_type=gpu, count=1)
    try:
        kind, count = to_wire(parse(gpu))
    except ValueError as error:
        raise InvalidError(f"gpu={gpu!r}: {error}") from None
    return GPUConfig(gpu_type=kind, count=count)
