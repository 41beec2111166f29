"""The rules for tests with fake sandboxes, which are checked at the end of a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._shared.command_text import command_text
from pytest_sandbox._shared.filesystem_tool import TOOL
from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox._shared.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from pytest_sandbox.fakes import FakeEngine
    from pytest_sandbox.rpcs import Rpcs
    from pytest_sandbox.server import Application

#: Rules about problems of the engine: how the text of one begins, a title, and what to do.
_PROBLEMS = {
    "unscripted-commands": (
        "unscripted command: ",
        "commands that are neither built in nor scripted",
        "Script them with fake_sandboxes.on_exec(...)",
    ),
    "unscripted-connections": (
        "unscripted connection: ",
        "connections to ports that nothing listens on, or to hosts that are not there",
        "Script them with on_connect(...) or on_connect_to(...), or .refuse() them",
    ),
    "failed-handlers": (
        "the handler of ",
        "handlers that failed",
        "Fix them",
    ),
    "unsupported-features": (
        "",
        "features that the built-in programs do not support",
        "Script the command with fake_sandboxes.on_exec(...)",
    ),
}


@dataclass(frozen=True)
class Evidence:
    """What rules look at.

    Attributes:
        seen: what was seen on the loop.
        rpcs: the recorded calls as the test sees them.
        unfired: a text for each fault that the test planned and that did not fire.
    """

    seen: Seen
    rpcs: Rpcs
    unfired: list[str]


@dataclass(frozen=True)
class Seen:
    """What is seen of the engine and the server at one moment, all on their loop.

    Attributes:
        problems: of the engine.
        unused: a text for each script that was not used as often as required.
        unimplemented: whether a call was refused because its RPC is not implemented.
        unwaited: a text for each command that the test left without asking for its end.
    """

    problems: list[str]
    unused: list[str]
    unimplemented: bool
    unwaited: list[str]

    @classmethod
    def of(cls, engine: FakeEngine, app: Application) -> Seen:
        """What is seen now."""
        unwaited = [
            f"{command_text(argv)[:200]} in sandbox {sandbox.id}, which {state}"
            for sandbox in app.state.sandboxes.all()
            for argv, state in sandbox.unnoticed_commands()
            if argv[0] != TOOL
        ]
        unimplemented = app.recorder.any_ended_with("UNIMPLEMENTED")
        return cls(engine.problems, engine.unused, unimplemented, unwaited)


@dataclass(frozen=True)
class _Rule:
    """One rule.

    Attributes:
        find: returns a text for each breach.
        title: what breaches have in common.
        remedy: what to do about them, besides allowing them.
    """

    find: Callable[[Evidence], list[str]]
    title: str
    remedy: str


def _rule_of(problem: str) -> str:
    """The rule that a problem breaks: the first whose beginning it has."""
    return next(rule for rule, (mark, _, _) in _PROBLEMS.items() if problem.startswith(mark))


def _problem_rule(name: str) -> _Rule:
    def find(evidence: Evidence) -> list[str]:
        return [text for text in evidence.seen.problems if _rule_of(text) == name]

    _, title, remedy = _PROBLEMS[name]
    return _Rule(find, title, remedy)


def _unused_scripts(evidence: Evidence) -> list[str]:
    return evidence.seen.unused


def _unfired_faults(evidence: Evidence) -> list[str]:
    return evidence.unfired


def _unexpected_rpcs(evidence: Evidence) -> list[str]:
    # Building the records of all calls costs more, and most tests have no such call.
    if not evidence.seen.unimplemented:
        return []
    refused = evidence.rpcs.with_status("UNIMPLEMENTED")
    return [f"{call!r}: {call.message}" for call in refused if not call.faults]


def _unwaited_processes(evidence: Evidence) -> list[str]:
    return evidence.seen.unwaited


#: The rules by name, in the order in which they are reported.
_RULES = {
    **{name: _problem_rule(name) for name in _PROBLEMS},
    "unexpected-rpcs": _Rule(
        _unexpected_rpcs,
        "calls of RPCs that are not implemented",
        "Do not make them",
    ),
    "unwaited-processes": _Rule(
        _unwaited_processes,
        "commands that failed or still run, and the test did not ask",
        "Call wait() or poll() on them, read their output to its end, or terminate their sandbox",
    ),
    "unused-scripts": _Rule(
        _unused_scripts,
        "scripts that were not used as often as required",
        "Run the commands, make the connections, or say .optional()",
    ),
    "unfired-faults": _Rule(
        _unfired_faults,
        "faults that did not fire as often as planned",
        "Make the calls or connections that they apply to, or add .optional()",
    ),
}
#: The names of the rules that a test with `fake_sandboxes` must not break; docs/fakes.md has more.
RULES = tuple(_RULES)


def check_rules(names: Iterable[str]) -> None:
    """Check that these are names of rules.

    Raises:
        ValueError: one is not; the message suggests the nearest.
    """
    for name in names:
        if name not in RULES:
            known = did_you_mean(str(name), RULES) or f"there are {', '.join(RULES)}"
            raise ValueError(f"there is no rule {name!r} of fake sandboxes; {known}")


def violations(evidence: Evidence, allowed: Collection[str]) -> list[str]:
    """A message for each broken rule that is not allowed."""
    messages = []
    for name, rule in _RULES.items():
        found = rule.find(evidence) if name not in allowed else []
        if found:
            listed = "\n".join("  " + text.replace("\n", "\n  ") for text in found)
            messages.append(
                f"fake_sandboxes: {rule.title}:\n{listed.rstrip()}\n"
                f"{rule.remedy}, or allow {name!r}."
            )
    return messages
