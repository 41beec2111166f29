"""What two sandboxes have to agree in for one to be made before the other is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._shared.lazy_dataclass import replace
from pytest_sandbox.engine import Requests

from .outlet import network_of

if TYPE_CHECKING:
    from pytest_sandbox.engine import TaskSpec


def shape_of(spec: TaskSpec) -> TaskSpec | None:
    """What cannot be changed any more once a sandbox is made; `None` if it is not made ahead.

    Nothing is made ahead that takes what others may see or want, that has processes already, or
    that leaves an exit snapshot, even if it is never taken. What may be secret, the environment and
    the main process, is no part of a shape.
    """
    if spec.volumes or spec.gpus is not None or spec.resume is not None or spec.exit_snapshot:
        return None
    return replace(
        spec,
        main=None,
        requests=Requests(),
        env={},
        network=network_of(spec),
        membership=None,
        name="",
        tags={},
        groups=frozenset(),
    )
