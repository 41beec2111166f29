"""`pytest-sandbox doctor`: what works on this machine, what does not, why, and what to do.

Exits with 0 if sandboxes work here, else with 1.
"""

import argparse
import json

SUMMARY = "say what works on this machine, and what to do about the rest"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Look at the machine, try a sandbox, and print what came of it.

    Returns:
        0 if sandboxes work here, else 1.
    """
    from pytest_sandbox.local import probe

    from ._checkup import Checkup, render, trial, versions

    report = probe()
    checkup = Checkup(versions(), report, trial())
    print(json.dumps(checkup.as_json(), indent=2) if args.json else render(checkup))
    return 0 if checkup.usable else 1
