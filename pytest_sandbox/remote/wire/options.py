"""Options of the engine that a run may choose, though the machine is another one's."""

from collections.abc import Mapping

from pytest_sandbox.engine import EngineUnavailable

#: Where sandboxes may connect to that say nothing about it, whether some are made ahead, whether
#: GPUs are simulated. All else is said by whoever serves the engine.
RUN_OPTIONS = ("gpus", "network", "pool")
_LONGEST = 100


def options_from_wire(options: Mapping[str, str]) -> dict[str, str]:
    """The options that a run chose.

    Raises:
        EngineUnavailable: it may not choose one.
    """
    for name, value in options.items():
        if name not in RUN_OPTIONS or len(value) > _LONGEST:
            raise EngineUnavailable(
                f"a run cannot choose the option {name[:_LONGEST]}={value[:_LONGEST]}",
                "Give it to `pytest-sandbox serve --engine-option` there.",
            )
    return dict(options)
