"""What cannot be passed to another process says so, and what to do instead."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar, NoReturn


class Unpicklable:
    """A base class of objects that work in one process only.

    Attributes:
        instead: what to do, for the error.
    """

    __slots__ = ()
    instead: "ClassVar[str]"

    def __reduce__(self) -> "NoReturn":
        """Refuse.

        Raises:
            TypeError: always, as `pickle` has it for what it does not know.
        """
        refuse_to_pickle(self, self.instead)


def refuse_to_pickle(thing: object, instead: str) -> "NoReturn":
    """Raise the error for something that works in this process only.

    Args:
        thing: what was to be pickled.
        instead: what to do.

    Raises:
        TypeError: always.
    """
    raise TypeError(f"{thing!r} cannot be passed to another process: {instead}")
