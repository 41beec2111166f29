"""Names and numbers in the documents are those of the code."""

import argparse
import re
from pathlib import Path
from unittest.mock import Mock

import pytest

from pytest_sandbox._proto.control_grpc import ModalClientBase
from pytest_sandbox._proto.router_grpc import TaskCommandRouterBase
from pytest_sandbox.cli import serve
from pytest_sandbox.engine import OutputLog
from pytest_sandbox.inmemory import RULES
from pytest_sandbox.local import LocalOptions, Mode
from pytest_sandbox.plugin import fakes
from pytest_sandbox.plugin import marker as marker_module
from pytest_sandbox.plugin.declarations import declare_options

DOCS = Path(__file__).parents[2] / "docs"


def text(name: str) -> str:
    """A document without its line breaks."""
    return " ".join((DOCS / name).read_text().split())


def test_every_key_of_the_marker_is_in_the_reference() -> None:
    told = text("reference.md").partition("## Marker")[2].partition("```")[0]

    assert set(marker_module._CHECKS) <= set(re.findall(r"`(\w+)`", told))


def test_every_option_is_in_the_reference() -> None:
    parser = pytest.Parser(_ispytest=True)
    declare_options(parser)
    options = {
        name for group in parser._groups for option in group.options for name in option.names()
    }

    assert options == set(re.findall(r"`(--(?:sandbox-|gpu)[a-z-]*)[ `]", text("reference.md")))


def test_every_rule_of_fake_sandboxes_is_told() -> None:
    told = text("fakes.md").partition("## Rules")[2].partition("```")[0]

    assert set(RULES) <= set(re.findall(r"\| `([a-z-]+)` \|", told))


def test_every_key_of_the_marker_of_fake_sandboxes_is_told() -> None:
    marker = re.search(r"@pytest.mark.fake_sandboxes\((.*?)\)`", text("fakes.md"))

    assert marker is not None
    assert set(fakes.KEYS) == set(re.findall(r"(\w+)=", marker[1]))


def test_every_call_of_modal_that_is_served_is_told() -> None:
    table = text("modal.md").partition("## Which calls")[2].partition("Every other call")[0]
    served = {
        path.rpartition("/")[2]
        for base in (ModalClientBase, TaskCommandRouterBase)
        for path in base.__mapping__(Mock())
    }

    assert sorted(re.findall(r"`(\w+)`", table)) == sorted(served)


def test_every_mode_is_among_those_of_the_engine() -> None:
    assert [mode.value for mode in Mode if f"| {mode.value} |" not in text("engines.md")] == []


def test_the_limits_of_the_engine_are_told() -> None:
    assert f"| processes and threads | {LocalOptions().processes} |" in text("engines.md")
    capacity = OutputLog()._capacity // 1024**2
    assert f"| unread output of one stream | {capacity} MiB |" in text("engines.md")


def test_every_option_of_serve_is_told() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    serve.add_arguments(parser)
    options = {name for action in parser._actions for name in action.option_strings}

    # Those about Modal clients, and those about engines for other machines.
    of_engines = text("reference/cli.md").partition("## serve")[2].partition(" ## ")[0]
    told = text("modal.md") + of_engines
    assert options == set(re.findall(r"\| `(--[a-z-]+)", told))
