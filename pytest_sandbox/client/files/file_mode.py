"""The modes of `Sandbox.open`."""

from __future__ import annotations

__tracebackhide__ = True  # a failing test shows the caller's line, not these


class FileMode:
    """What a mode of `open` allows.

    Raises:
        ValueError: it is no mode.
    """

    def __init__(self, mode: str) -> None:
        letters = set(mode)
        if letters - set("rwaxb+") or len(letters) < len(mode) or len(letters & set("rwax")) != 1:
            raise ValueError(f"mode={mode!r} is not one of r, w, a and x, and then perhaps + and b")
        self.text = mode
        self.readable = bool(letters & set("r+"))
        self.writable = bool(letters & set("wax+"))
        self.binary = "b" in letters
