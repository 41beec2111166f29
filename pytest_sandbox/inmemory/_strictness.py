"""What a test has to have done by its end, and what must not have happened."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from pytest_sandbox._shared.filesystem_tool import TOOL
from pytest_sandbox._shared.suggestions import did_you_mean

from ._view import on_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from ._sandboxes import FakeSandboxes

_PROBLEMS = {
    "unscripted-commands": (
        "unscripted command: ",
        "commands that nothing is known of",
        "Script them with fake_sandboxes.on_exec(...)",
    ),
    "unscripted-connections": (
        "unscripted connection: ",
        "connections to ports that nothing listens on",
        "Script them with fake_sandboxes.on_connect(...), with .refuse() if that is what is meant",
    ),
    "failed-handlers": (
        "the handler of ",
        "handlers that did not do their part",
        "Mend them",
    ),
    "unsupported-features": (
        "",
        "what the programs of the engine in memory do not support",
        "Script the command with fake_sandboxes.on_exec(...)",
    ),
}


def _unscripted(fake: FakeSandboxes, rule: str) -> list[str]:
    """Problems of the engine that are the business of a rule: the first whose mark they bear."""
    return [text for text in fake.problems if _rule_of(text) == rule]


def _rule_of(problem: str) -> str:
    return next(rule for rule, (mark, _, _) in _PROBLEMS.items() if problem.startswith(mark))


def _unused_scripts(fake: FakeSandboxes) -> list[str]:
    return fake._engine.unused


def _unfired_faults(fake: FakeSandboxes) -> list[str]:
    if not fake.faults.planned:
        return []
    return [f"{fault!r} ({fault.place})" for fault in fake.faults.unfired()]


def _unexpected_rpcs(fake: FakeSandboxes) -> list[str]:
    entries = fake._app.recorder._entries
    if not on_loop(lambda: any(entry.status == "UNIMPLEMENTED" for entry in entries)):
        return []  # that is cheaper to find out than what was said
    refused = fake.rpcs.with_status("UNIMPLEMENTED")
    return [f"{call!r}: {call.message}" for call in refused if not call.faults]


def _unwaited_processes(fake: FakeSandboxes) -> list[str]:
    def look() -> list[str]:
        return [
            f"{shlex.join(each.argv)[:200]} in sandbox {box.id}, which "
            + ("still runs" if each.process.poll() is None else "has ended")
            for box in fake._app.state.sandboxes.all()
            for each in box.commands.started
            if not each.asked and not each.ended_by and each.argv[0] != TOOL
        ]

    return on_loop(look)


class _Rule:
    def __init__(self, find: Callable[[FakeSandboxes], list[str]], title: str, remedy: str) -> None:
        self.find = find
        self.title = title
        self.remedy = remedy


def _of_engine(name: str) -> _Rule:
    _, title, remedy = _PROBLEMS[name]
    return _Rule(lambda fake: _unscripted(fake, name), title, remedy)


#: The rules by name, in the order in which they are reported.
_RULES = {
    **{name: _of_engine(name) for name in _PROBLEMS},
    "unexpected-rpcs": _Rule(
        _unexpected_rpcs,
        "calls of what is not implemented",
        "Do not make them",
    ),
    "unwaited-processes": _Rule(
        _unwaited_processes,
        "commands whose end nobody waited for",
        "Call wait() on them, or terminate their sandbox",
    ),
    "unused-scripts": _Rule(
        _unused_scripts,
        "scripts that were used less often than they had to be",
        "Run the commands, make the connections, or say .optional()",
    ),
    "unfired-faults": _Rule(
        _unfired_faults,
        "faults that did not strike as often as they were to",
        "Make the calls they are for, or say .optional()",
    ),
}
RULES = tuple(_RULES)


def check_rules(names: Iterable[str]) -> None:
    """See that these are names of rules.

    Raises:
        ValueError: one is not; it names the one spelt alike.
    """
    for name in names:
        if name not in RULES:
            known = did_you_mean(str(name), RULES) or f"there are {', '.join(RULES)}"
            raise ValueError(f"there is no rule {name!r} of fake sandboxes; {known}")


def violations(fake: FakeSandboxes, allowed: Collection[str]) -> list[str]:
    """A message for each rule that was broken, but for those allowed."""
    told = []
    for name, rule in _RULES.items():
        found = rule.find(fake) if name not in allowed else []
        if found:
            listed = "\n".join("  " + text.replace("\n", "\n  ") for text in found)
            told.append(
                f"fake_sandboxes: {rule.title}:\n{listed.rstrip()}\n"
                f"{rule.remedy}, or allow {name!r}."
            )
    return told
