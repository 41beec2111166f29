"""`pytest-sandbox doctor`: checks whether sandboxes work on this machine, and what to do if not.

The exit status is 0 if sandboxes work here, and 1 if they do not.
"""

import argparse
import json
from dataclasses import replace

SUMMARY = "check whether sandboxes work on this machine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Check the machine, try a sandbox, and print the result.

    Returns:
        0 if sandboxes work here, 1 if they do not.
    """
    from pytest_sandbox.local import probe
    from pytest_sandbox.processes import without_isolation

    from ._checkup import NOT_TRIED, Checkup, render, trial, versions
    from ._stored_images import describe_store

    report = probe()
    report = replace(report, findings=(*report.findings, without_isolation()))
    tried = trial() if report.usable else NOT_TRIED
    checkup = Checkup(versions(), report, tried, describe_store())
    print(json.dumps(checkup.as_json(), indent=2) if args.json else render(checkup))
    return 0 if checkup.usable else 1
