"""A sandbox as text for a report: of limited length, safe to print, and without secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._shared.command_text import command_text, exit_code_text, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_sandbox._proto.extensions_pb2 import SandboxUsageResponse
    from pytest_sandbox._proto.inspector_pb2 import InspectorDescribeResponse, SandboxCommand

#: How many bytes of an output a report shows for each line that it may show.
BYTES_PER_LINE = 80
#: How many commands of a sandbox a report shows: the first, which is the main process, those that
#: failed, and the last ones, which are the closest to the failure of the test.
_COMMANDS = 20
#: How many of these are the last ones, even if many others failed.
_LAST = 5
#: How many characters of a command line, or of the reason why it did not start, a report shows.
_WIDTH = 200
_MIB = 1024 * 1024
#: What a report shows in place of a secret.
_HIDDEN = "[secret]"
#: Shorter values are not hidden: text such as "1" and "on" is everywhere.
_SHORTEST_SECRET = 4


def hidden_values(secrets: Iterable[str]) -> list[str]:
    """The texts to hide, the longest first: values that are long enough, and their lines.

    A terminal changes line ends, so a value of several lines may not occur as a whole.
    """
    values = {part for value in secrets for part in (value, *value.splitlines())}
    return sorted((each for each in values if len(each) >= _SHORTEST_SECRET), key=len, reverse=True)


def title(description: InspectorDescribeResponse) -> str:
    """The heading of a sandbox."""
    name = f" {printable(description.name)!r}" if description.name else ""
    aliases = ", ".join(printable(alias) for alias in description.aliases)
    known = f", {aliases} in its network" if aliases else ""
    return f"sandbox {printable(description.sandbox_id)}{name}{known}"


def failed(command: SandboxCommand) -> bool:
    """Whether a command could not start, or has ended with another code than 0."""
    return bool(command.start_error) or (not command.running and command.returncode != 0)


def describe(description: InspectorDescribeResponse, hidden: list[str], lines_shown: int) -> str:
    """A sandbox with its commands, their results, and the last lines of their output."""
    state = "running for" if description.running else f"{printable(description.end)} after"
    image = printable(description.image) or "unknown"
    lines = [f"image {image}, {state} {_seconds(description.seconds)}"]
    if description.HasField("used") and (text := _used(description.used)):
        lines.append(f"used {text}")
    lines += [
        f"lost, not committed to the volume at {printable(_hide(each.path, hidden))}: "
        f"{_shortened(printable(_hide(each.reason, hidden)))}"
        for each in description.lost
    ]
    shown = _selected(description.commands)
    for before, number in zip([-1, *shown], shown, strict=False):
        if number > before + 1:
            lines.append(f"({number - before - 1} commands not shown)")
        lines += _command(number + 1, description.commands[number], hidden, lines_shown)
    return "\n".join(lines)


def _used(figures: SandboxUsageResponse) -> str:
    """What a sandbox used, in words; empty if nothing of it is known."""
    plural = "" if figures.peak_processes == 1 else "es"
    words = {
        "cpu_seconds": f"{figures.cpu_seconds:.2f} s of processors",
        "peak_memory": f"at most {_size(figures.peak_memory)} of memory",
        "peak_processes": f"at most {figures.peak_processes} process{plural}",
        "bytes_written": f"wrote {_size(figures.bytes_written)}",
    }
    if not figures.peak_processes:  # it ran none
        del words["peak_processes"]
    known = [text for name, text in words.items() if figures.HasField(name)]
    if figures.oom_kills:
        plural = "" if figures.oom_kills == 1 else "es"
        known.append(f"had {figures.oom_kills} process{plural} killed for using too much memory")
    return ", ".join(known)


def _selected(commands: Sequence[SandboxCommand]) -> list[int]:
    """The indexes of the commands that a report shows, in the order of their start."""
    everything = range(len(commands))
    if len(commands) <= _COMMANDS:
        return list(everything)
    last_failed = [each for each in reversed(everything) if failed(commands[each])]
    by_relevance = [0, *everything[-_LAST:], *last_failed, *reversed(everything)]
    return sorted(list(dict.fromkeys(by_relevance))[:_COMMANDS])


def command_line(command: SandboxCommand, hidden: list[str]) -> str:
    """A command as a shell takes it, cut to a limited length."""
    return _shortened(printable(_hide(command_text(command.argv[:100]), hidden)))


def _shortened(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…"


def _command(number: int, command: SandboxCommand, hidden: list[str], lines: int) -> Iterator[str]:
    yield f"[{number}] {command_line(command, hidden)}"
    yield f"    {_outcome(command, hidden)}"
    yield from _output("stdout", command.stdout_tail, command.stdout_bytes, hidden, lines)
    yield from _output("stderr", command.stderr_tail, command.stderr_bytes, hidden, lines)


def _outcome(command: SandboxCommand, hidden: list[str]) -> str:
    if command.start_error:
        reason = printable(_hide(command.start_error.partition("\n")[0], hidden))
        return f"could not start: {_shortened(reason)}"
    if command.running:
        paused = ", waiting until its output is read" if command.paused else ""
        return f"running for {_seconds(command.seconds)}{paused}"
    by = f", ended by {printable(command.ended_by)}" if command.ended_by else ""
    return f"{exit_code_text(command.returncode)} after {_seconds(command.seconds)}{by}"


def _size(size: int) -> str:
    return f"{size} bytes" if size < _MIB else f"{size / _MIB:.1f} MiB"


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f} s"


def _output(name: str, tail: bytes, total: int, hidden: list[str], lines: int) -> Iterator[str]:
    if not tail:
        return
    tail = b"\n".join(tail.split(b"\n")[-lines - tail.endswith(b"\n") :])
    cut = f", the last {len(tail)} of {total} bytes" if total > len(tail) else ""
    yield f"    {name}{cut}:"
    text = _hide(tail.decode(errors="replace"), hidden)
    if cut:
        text = _hide_beginning(text, hidden)
    yield from (f"        {printable(line)}" for line in text.rstrip("\n").split("\n"))


def _hide(text: str, hidden: list[str]) -> str:
    for value in hidden:
        # As it is, and as `command_text` may write it if it contains a quote.
        for form in (value, value.replace("'", "'\"'\"'")):
            text = text.replace(form, _HIDDEN)
    return text


def _hide_beginning(text: str, hidden: list[str]) -> str:
    """Hide the rest of a value whose beginning was cut off."""
    longest = max((min(len(value) - 1, len(text)) for value in hidden), default=0)
    for size in range(longest, _SHORTEST_SECRET - 1, -1):
        if any(len(value) > size and value.endswith(text[:size]) for value in hidden):
            return _HIDDEN + text[size:]
    return text
