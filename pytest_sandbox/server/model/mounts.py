"""The images that are mounted in one sandbox."""


class MountedSnapshots:
    """Paths, and the snapshots that are mounted there: the latest mount hides those before it."""

    def __init__(self) -> None:
        self._mounted: dict[str, list[str]] = {}

    def add(self, path: str, snapshot_id: str) -> None:
        """A snapshot was mounted; an empty id for an empty directory."""
        self._mounted.setdefault(path, []).append(snapshot_id)

    def remove(self, path: str) -> None:
        """The latest mount at a path was undone."""
        if self._mounted.get(path):
            self._mounted[path].pop()

    def clear(self) -> None:
        """The task is over, and its mounts with it."""
        self._mounted.clear()

    @property
    def snapshot_ids(self) -> set[str]:
        """The snapshots that are mounted, hidden ones included."""
        return {each for stack in self._mounted.values() for each in stack} - {""}
