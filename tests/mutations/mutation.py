"""One way to break a server, and which checks notice it."""

from collections.abc import Callable
from dataclasses import dataclass

from .tampering import Tampering


@dataclass(frozen=True)
class Mutation:
    """Something that is wrong with a server.

    Attributes:
        what: in a few words.
        apply: makes it so.
        noticed_by: the checks that have to fail.
        hangs: whether they do so by waiting for something that never comes.
    """

    what: str
    apply: Callable[[Tampering], None]
    noticed_by: tuple[str, ...]
    hangs: bool = False

    def __str__(self) -> str:
        return self.what.replace(" ", "-")
