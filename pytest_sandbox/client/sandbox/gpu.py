"""The argument `gpu=` as a message."""

from __future__ import annotations

from pytest_sandbox._proto.images_pb2 import GPUConfig

from ..exceptions import InvalidError

__tracebackhide__ = True  # a failing test shows the caller's line, not these


def gpu_config(gpu: object) -> GPUConfig | None:
    """The requested GPUs.

    Args:
        gpu: `"H100"`, `"A100-80GB:2"` for two, `"any"`; `None` for none.

    Raises:
        InvalidError: it is something else.
    """
    if gpu is None:
        return None
    if not isinstance(gpu, str):
        raise InvalidError(f"gpu={gpu!r} is not text such as 'H100' or 'H100:2'")
    kind, colon, count = gpu.partition(":")
    if colon and not (count.isascii() and count.isdigit() and 0 < int(count) < 2**32):
        raise InvalidError(f"gpu={gpu!r}: {count!r} is not a number of GPUs")
    if not kind:
        raise InvalidError(f"gpu={gpu!r} names no kind; use 'any' for any kind")
    return GPUConfig(gpu_type=kind.upper(), count=int(count or 1))
