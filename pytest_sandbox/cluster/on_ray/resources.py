"""What sandboxes ask for, as Ray counts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_sandbox.engine import Gpus, TaskSpec

#: What Ray calls GPUs that Modal calls otherwise: `ray.util.accelerators`.
_RAY_NAMES = {"A100-40GB": "A100-40G", "A100-80GB": "A100-80G", "A10": "A10G"}
#: Of a resource that only says what a node has: no sandbox uses it up.
TRACE = 0.001


def bundles(spec: TaskSpec) -> list[dict[str, float]]:
    """The resources of a sandbox, the best first; none if it asks for nothing that Ray counts."""
    common: dict[str, float] = {}
    if spec.limits.cpus is not None:
        common["CPU"] = spec.limits.cpus
    if spec.limits.memory is not None:
        common["memory"] = float(spec.limits.memory)
    if spec.gpus is None:
        return [common] if common else []
    return [{**common, **_of_gpus(each)} for each in (spec.gpus, *spec.gpus.otherwise)]


def _of_gpus(gpus: Gpus) -> dict[str, float]:
    if not gpus.kind:
        return {"GPU": float(gpus.count)}
    name = _RAY_NAMES.get(gpus.kind, gpus.kind)
    return {"GPU": float(gpus.count), f"accelerator_type:{name}": TRACE}


def feasible(bundle: Mapping[str, float], totals: Iterable[Mapping[str, float]]) -> bool:
    """Whether a node has as much, if nobody used any of it."""
    return any(
        all(total.get(name, 0.0) >= amount for name, amount in bundle.items()) for total in totals
    )


def in_words(bundle: Mapping[str, float]) -> str:
    """Resources for people: `"2 GPU, H100"`."""
    return ", ".join(
        name.removeprefix("accelerator_type:")
        if name.startswith("accelerator_type:")
        else f"{amount:g} {name}"
        for name, amount in bundle.items()
    )
