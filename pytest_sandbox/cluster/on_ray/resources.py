"""What sandboxes ask for, as Ray counts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox.engine import StoreFull, Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_sandbox.engine import EngineError, Gpus, TaskSpec

#: What Ray calls GPUs that Modal calls otherwise: `ray.util.accelerators`.
_RAY_NAMES = {"A100-40GB": "A100-40G", "A100-80GB": "A100-80G", "A10": "A10G"}
#: Of a resource that only says what a node has: no sandbox uses it up.
TRACE = 0.001
#: Before the kind of the GPUs of a node, in the names of Ray's resources.
KIND = "accelerator_type:"
_MIB = 2**20


def bundles(spec: TaskSpec) -> list[dict[str, float]]:
    """The resources of a sandbox, the best first; none if it asks for nothing that Ray counts.

    A request counts, and where there is none, the limit.
    """
    common: dict[str, float] = {}
    cpus = spec.limits.cpus if spec.requests.cpus is None else spec.requests.cpus
    memory = spec.limits.memory if spec.requests.memory is None else spec.requests.memory
    if cpus is not None:
        common["CPU"] = cpus
    if memory is not None:
        common["memory"] = float(memory)
    if spec.gpus is None:
        return [common] if common else []
    return [{**common, **_of_gpus(each)} for each in (spec.gpus, *spec.gpus.otherwise)]


def _of_gpus(gpus: Gpus) -> dict[str, float]:
    if not gpus.kind:
        return {"GPU": float(gpus.count)}
    name = _RAY_NAMES.get(gpus.kind, gpus.kind)
    return {"GPU": float(gpus.count), f"{KIND}{name}": TRACE}


def feasible(bundle: Mapping[str, float], totals: Iterable[Mapping[str, float]]) -> bool:
    """Whether a node has as much, if nobody used any of it."""
    return any(
        all(total.get(name, 0.0) >= amount for name, amount in bundle.items()) for total in totals
    )


def refused(
    wanted: list[dict[str, float]], nodes: Mapping[str, Mapping[str, float]], *, all_nodes: bool
) -> EngineError:
    """The error for what no node can ever have, with what the nodes have.

    Args:
        wanted: what would do.
        nodes: what each node has, by its name.
        all_nodes: whether these are all nodes of the cluster.
    """
    which = "no node of the Ray cluster has" if all_nodes else f"{' or '.join(nodes)} has not"
    asked = " or ".join(map(in_words, wanted))
    names = list(dict.fromkeys(name for bundle in wanted for name in bundle))
    most = ", ".join(_most(name, nodes) for name in names if not name.startswith(KIND))
    kinds = sorted(
        {name.removeprefix(KIND) for total in nodes.values() for name in total if KIND in name}
    )
    if "GPU" in names and kinds:
        most += f" ({', '.join(kinds)})"
    reason = f"{which} {asked}; the most that a node has is {most}"
    if "GPU" in names:
        return Unsupported("resources", reason)
    return StoreFull(f"resources: {reason}", forgetting_helps=False)


def _most(resource: str, nodes: Mapping[str, Mapping[str, float]]) -> str:
    name = max(nodes, key=lambda each: nodes[each].get(resource, 0.0))
    return f"{in_words({resource: nodes[name].get(resource, 0.0)})} on {name}"


def in_words(bundle: Mapping[str, float]) -> str:
    """Resources for people: `"2 GPU, H100"`, `"4 CPU, 512 MiB of memory"`."""
    return ", ".join(_in_words(name, amount) for name, amount in bundle.items())


def _in_words(name: str, amount: float) -> str:
    if name.startswith(KIND):
        return name.removeprefix(KIND)
    if name == "memory":
        return f"{amount / _MIB:.0f} MiB of memory"
    return f"{amount:g} {name}"
