"""The snapshots that are mounted in one sandbox."""


class MountedSnapshots:
    """The snapshots that are mounted at each path; the latest mount hides the earlier ones."""

    def __init__(self) -> None:
        self._mounted: dict[str, list[str]] = {}

    def add(self, path: str, snapshot_id: str) -> None:
        """Register a mount; an empty id stands for an empty directory."""
        self._mounted.setdefault(path, []).append(snapshot_id)

    def remove(self, path: str) -> None:
        """Remove the latest mount at a path."""
        if self._mounted.get(path):
            self._mounted[path].pop()

    def clear(self) -> None:
        """Remove all mounts: the task that had them has ended."""
        self._mounted.clear()

    @property
    def snapshot_ids(self) -> set[str]:
        """The snapshots that are mounted, hidden ones included."""
        return {each for stack in self._mounted.values() for each in stack} - {""}
