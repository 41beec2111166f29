"""What the processes of one task use, and used."""


class KernelUsage:
    """Counts for one task.

    Attributes:
        held: bytes that programs hold.
        most_held: bytes that they held at most at one time.
        written: bytes that they wrote.
        most_processes: the most of them at one time.
        oom_kills: how many were killed because all together held too much.
    """

    def __init__(self) -> None:
        self.held = self.most_held = self.written = self.most_processes = self.oom_kills = 0

    def hold(self, size: int) -> None:
        """Count bytes that a program holds, or with a negative number releases."""
        self.held += size
        self.most_held = max(self.most_held, self.held)

    def have_processes(self, number: int) -> None:
        """Count the processes that live."""
        self.most_processes = max(self.most_processes, number)
