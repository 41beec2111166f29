"""The conformance suite itself."""

import inspect
import subprocess
import sys

from pytest_sandbox.engine import Capability
from pytest_sandbox.engine.conformance import CHECKS, CLOSING


def test_every_check_states_one_sentence() -> None:
    for check in (*CHECKS, *CLOSING):
        assert check.sentence.endswith("."), f"{check}: {check.sentence!r}"
        assert inspect.iscoroutinefunction(check.function), str(check)


def test_names_are_unique() -> None:
    names = [str(check) for check in (*CHECKS, *CLOSING)]

    assert len(names) == len(set(names))


def test_checks_of_terminals_apply_only_to_engines_that_have_them() -> None:
    on_terminal = [check for check in CHECKS if check.name.startswith("pty.")]

    assert on_terminal
    assert not any(check.applies_to(frozenset()) for check in on_terminal)
    assert all(check.applies_to(frozenset({Capability.PTY})) for check in on_terminal)


def test_the_suite_needs_no_pytest() -> None:
    code = "import sys, pytest_sandbox.engine.conformance; sys.exit('pytest' in sys.modules)"

    subprocess.run([sys.executable, "-c", code], check=True)
