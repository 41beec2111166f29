"""Which layers of a plan mean the same in later runs."""

from __future__ import annotations

from .steps import LayerPlan, RunStep, Source, StagePlan

#: What was found out about stages.
_Known = dict[StagePlan, int]


def lasting_layers(stage: StagePlan, known: _Known | None = None) -> int:
    """How many layers of a stage, from the bottom, have keys that mean the same in later runs.

    Args:
        stage: the stage.
        known: what was found out about others; each may be needed many times.
    """
    known = {} if known is None else known
    if stage not in known:
        known[stage] = _lasting_layers(stage, known)
    return known[stage]


def _lasting_layers(stage: StagePlan, known: _Known) -> int:
    if not _is_lasting(stage.base, known):
        return 0
    for number, planned in enumerate(stage.layers):
        if not _is_lasting_step(planned, known):
            return number
    return len(stage.layers)


def _is_lasting(source: Source, known: _Known) -> bool:
    if isinstance(source, StagePlan):
        return lasting_layers(source, known) == len(source.layers)
    return source.lasting


def _is_lasting_step(planned: LayerPlan, known: _Known) -> bool:
    step = planned.step
    # The project changes from run to run; and nothing that has seen a secret is stored.
    if planned.image.project or (isinstance(step, RunStep) and step.secrets):
        return False
    return all(_is_lasting(image, known) for image in step.images)
