"""Refuses options that an engine does not have, and values that make no sense."""

from collections.abc import Collection, Mapping

from pytest_sandbox._shared.suggestions import did_you_mean

from ._errors import EngineUnavailable


def check_options(engine: str, options: Mapping[str, str], known: Collection[str]) -> None:
    """Refuse options that an engine does not have.

    Args:
        engine: its name.
        options: name to value, as the command line gave them.
        known: the names that it has.

    Raises:
        EngineUnavailable: with the option, its value, the known names, and the most similar one.
    """
    for name, value in options.items():
        if name not in known:
            there = f"It has {', '.join(sorted(known))}" if known else "It takes no options"
            hint = did_you_mean(name, known)
            raise EngineUnavailable(
                f"the engine {engine!r} has no option {name!r}, got {name}={value}",
                f"{there}; {hint}" if hint else f"{there}.",
            )


def invalid_option(engine: str, name: str, value: str, expected: str) -> EngineUnavailable:
    """The error for an option whose value makes no sense.

    Args:
        engine: its name.
        name: of the option.
        value: what was given.
        expected: what would make sense, `"a number of bytes"`.
    """
    return EngineUnavailable(
        f"option {name!r} of the engine {engine!r} must be {expected}, got {value!r}"
    )
