"""Which layers of a plan mean the same in later runs."""

from __future__ import annotations

from .steps import LayerPlan, RunStep, Source, StagePlan


def lasting_layers(stage: StagePlan) -> int:
    """How many layers of a stage, from the bottom, have keys that mean the same in later runs."""
    if not is_lasting(stage.base):
        return 0
    for number, planned in enumerate(stage.layers):
        if not _is_lasting_step(planned):
            return number
    return len(stage.layers)


def is_lasting(source: Source) -> bool:
    """Whether the key of some files means the same in later runs."""
    if isinstance(source, StagePlan):
        return lasting_layers(source) == len(source.layers)
    return source.lasting


def _is_lasting_step(planned: LayerPlan) -> bool:
    step = planned.step
    # The project changes from run to run; and nothing that has seen a secret is stored.
    if planned.image.project or (isinstance(step, RunStep) and step.secrets):
        return False
    return all(map(is_lasting, step.images))
