"""Which commands are special, and exceptions that leave a loop, a function or a script."""

#: Commands whose assignments stay, and whose failed redirections end the shell.
SPECIAL = frozenset(
    (":", ".", "break", "continue", "eval", "exec", "exit", "export", "return", "set", "shift",
     "trap", "unset")
)  # fmt: skip


class Break(Exception):
    """Leaves loops, or with `again` begins one anew."""

    def __init__(self, levels: int, *, again: bool) -> None:
        super().__init__(levels)
        self.levels = levels
        self.again = again


class Return(Exception):
    """Leaves a function, or a script that was read with `.`."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class CannotFork(Exception):
    """There are too many processes."""
