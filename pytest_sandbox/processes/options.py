"""Settings of the engine of processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_sandbox.engine import check_options, invalid_option

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "process"


@dataclass(frozen=True)
class ProcessOptions:
    """Settings of a `ProcessEngine`.

    Attributes:
        landlock: whether Landlock is used if the kernel has it.
        connect: TCP ports that programs may connect to, of any machine, where the kernel can forbid
            the others.
        processes: how many processes and threads one sandbox may have, where that can be limited.
    """

    landlock: bool = True
    connect: tuple[int, ...] = ()
    processes: int = 1024

    @classmethod
    def parse(cls, options: Mapping[str, str]) -> ProcessOptions:
        """The settings that a command line gives as text: `connect` as `5432,8000`.

        Raises:
            EngineUnavailable: an option does not exist, or its value makes no sense.
        """
        check_options(NAME, options, cls.__dataclass_fields__)
        return cls(**{name: _parse(name, text) for name, text in options.items()})


def _parse(name: str, text: str) -> Any:
    if name == "landlock":
        if text not in ("auto", "off"):
            raise invalid_option(NAME, name, text, "auto or off")
        return text == "auto"
    words = text.split(",") if name == "connect" else [text]
    most = 65535 if name == "connect" else 2**22
    if not all(word.isascii() and word.isdigit() and 0 < int(word) <= most for word in words):
        expected = "ports, as in 5432,8000" if name == "connect" else "a whole number of at least 1"
        raise invalid_option(NAME, name, text, expected)
    return tuple(map(int, words)) if name == "connect" else int(text)
