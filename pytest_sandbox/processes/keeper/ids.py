"""User ids of tasks, of which root gives one to each."""

from __future__ import annotations

from pytest_sandbox.local.zygote.id_ranges import MachineIdRanges

#: How many tasks may live at a time.
MOST = 4096


class OwnIds:
    """User ids that no other task of this machine has, and no user.

    Raises:
        OSError: the user namespace that we are in, such as that of a container, has none of them.
    """

    def __init__(self) -> None:
        self._ids = MachineIdRanges(size=1, ranges=MOST)
        self._taken: set[int] = set()
        first = self.take()
        self.give_back(first)
        for kind in ("uid", "gid"):
            _check(kind, first)

    def take(self) -> int:
        """An id that no task has.

        Raises:
            OSError: all are taken.
        """
        number = self._ids.take()
        if number in self._taken:
            self._ids.give_back(number)
            raise OSError(11, f"{MOST} sandboxes have all the user ids", "")
        self._taken.add(number)
        return number

    def give_back(self, number: int) -> None:
        """The task that had it is gone, and all its files."""
        self._taken.discard(number)
        self._ids.give_back(number)


def _check(kind: str, number: int) -> None:
    with open(f"/proc/self/{kind}_map") as file:
        ranges = [[int(word) for word in line.split()] for line in file]
    if not any(first <= number and number + MOST <= first + count for first, _, count in ranges):
        raise OSError(22, f"there is no {kind} {number} in the user namespace that we are in", "")
