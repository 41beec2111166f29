"""What the error about a failed command shows of its output."""

from __future__ import annotations

from pytest_sandbox._shared.command_text import command_text, printable

#: Characters of output that an error shows of each stream.
TAIL = 2000
#: How many lines of it, at most.
_TAIL_LINES = 25


def failure_text(args: tuple[str, ...], what: str, stdout: str | bytes, stderr: str | bytes) -> str:
    """A command, what became of it, and the ends of its output."""
    ends = _end_of("stdout", stdout), _end_of("stderr", stderr)
    return "\n".join([f"{printable(command_text(args))} {what}", *ends])


def _end_of(name: str, output: str | bytes) -> str:
    text = output if isinstance(output, str) else output.decode(errors="replace")
    if not text:
        return f"{name}: empty"
    end = "\n".join(text[-TAIL:].rstrip().split("\n")[-_TAIL_LINES:])
    cut = "… " if len(end) < len(text.rstrip()) else ""
    return f"{name}: {cut}{end}"
