"""The error of an engine process that could not be started or has died."""

from typing import Any


class EngineStartError(Exception):
    """The engine process could not be started, or is gone.

    Args:
        reason: what happened.
        remedy: what to do about it; empty if that is unknown.
        log: the end of what the process wrote to its standard error.
    """

    def __init__(self, reason: str, remedy: str = "", log: str = "") -> None:
        parts = [
            f"no sandbox engine: {reason}",
            f"What to do: {remedy}" if remedy else "",
            f"The end of its log:\n{log}" if log else "",
        ]
        super().__init__("\n".join(part for part in parts if part))
        self.reason = reason
        self.remedy = remedy
        self.log = log

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason, self.remedy, self.log), vars(self)
