"""What happened in a sandbox, as text for a report: bounded, harmless to print, without secrets."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_sandbox._proto.inspector_pb2 import InspectorDescribeResponse, SandboxCommand

#: Bytes of the end of each output that are shown.
TAIL = 2000
#: Commands of a sandbox that are shown: the first is its main process, the last tell the most.
_COMMANDS = 20
#: Characters of a command line that are shown.
_WIDTH = 200
#: What stands for the value of a secret.
_HIDDEN = "[secret]"
#: Values shorter than this are not looked for: "1" and "on" are everywhere.
_SHORTEST_SECRET = 4


def hidden_values(secrets: Iterable[str]) -> list[str]:
    """What to hide, the longest first: values that are long enough, and their lines.

    A terminal changes line ends, so that a value of many lines would not be found as a whole.
    """
    values = {part for value in secrets for part in (value, *value.splitlines())}
    return sorted((each for each in values if len(each) >= _SHORTEST_SECRET), key=len, reverse=True)


def title(told: InspectorDescribeResponse) -> str:
    """The heading of a sandbox."""
    name = f" {_printable(told.name)!r}" if told.name else ""
    return f"sandbox {_printable(told.sandbox_id)}{name}"


def describe(told: InspectorDescribeResponse, hidden: list[str]) -> str:
    """A sandbox with its commands, how each ended, and the end of what they wrote."""
    state = "running for" if told.running else f"{_printable(told.end)} after"
    lines = [f"image {_printable(told.image) or 'unknown'}, {state} {_seconds(told.seconds)}"]
    numbered = list(enumerate(told.commands, 1))
    shown = numbered if len(numbered) <= _COMMANDS else [numbered[0], *numbered[1 - _COMMANDS :]]
    for number, command in shown:
        if number > 2 and len(shown) < len(numbered) and number == shown[1][0]:
            lines.append(f"({len(numbered) - len(shown)} commands not shown)")
        lines += _command(number, command, hidden)
    return "\n".join(lines)


def command_line(command: SandboxCommand, hidden: list[str]) -> str:
    """A command as one would type it, cut to a bearable length."""
    text = _printable(_hide(shlex.join(command.argv[:100]), hidden))
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…"


def _command(number: int, command: SandboxCommand, hidden: list[str]) -> Iterator[str]:
    yield f"[{number}] {command_line(command, hidden)}"
    yield f"    {_outcome(command)}"
    yield from _output("stdout", command.stdout_tail, command.stdout_bytes, hidden)
    yield from _output("stderr", command.stderr_tail, command.stderr_bytes, hidden)


def _outcome(command: SandboxCommand) -> str:
    if command.running:
        paused = ", waiting for somebody to read its output" if command.paused else ""
        return f"running for {_seconds(command.seconds)}{paused}"
    by = f", ended by {_printable(command.ended_by)}" if command.ended_by else ""
    return f"exit code {command.returncode} after {_seconds(command.seconds)}{by}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f} s"


def _output(name: str, tail: bytes, total: int, hidden: list[str]) -> Iterator[str]:
    if not tail:
        return
    cut = f", the last {len(tail)} of {total} bytes" if total > len(tail) else ""
    yield f"    {name}{cut}:"
    text = _hide(tail.decode(errors="replace"), hidden)
    if cut:
        text = _hide_beginning(text, hidden)
    yield from (f"        {_printable(line)}" for line in text.rstrip("\n").split("\n"))


def _hide(text: str, hidden: list[str]) -> str:
    for value in hidden:
        # As it is, and as `shlex.join` writes it when it has a quote inside.
        for form in (value, value.replace("'", "'\"'\"'")):
            text = text.replace(form, _HIDDEN)
    return text


def _hide_beginning(text: str, hidden: list[str]) -> str:
    """Hide what is left of a value that the cut went through."""
    longest = max((min(len(value) - 1, len(text)) for value in hidden), default=0)
    for size in range(longest, _SHORTEST_SECRET - 1, -1):
        if any(len(value) > size and value.endswith(text[:size]) for value in hidden):
            return _HIDDEN + text[size:]
    return text


def _printable(text: str) -> str:
    """The text with everything escaped that could move a cursor or hide something."""
    expanded = text.replace("\t", "    ")
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in expanded
    )
