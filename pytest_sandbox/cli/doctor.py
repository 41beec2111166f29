"""`pytest-sandbox doctor`: checks whether sandboxes work on this machine, and what to do if not.

With `--engine modal`, it checks whether they work in Modal's cloud: step by step, with the time of
each. The exit status is 0 if sandboxes work, and 1 if they do not.
"""

import argparse
import json
from dataclasses import replace

from pytest_sandbox._shared.engine_options import CLOUD_ENGINE

SUMMARY = "check whether sandboxes work on this machine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--engine",
        choices=["local", CLOUD_ENGINE],
        default="local",
        help="where sandboxes are to run: local (the default), or modal, which needs a token and "
        "costs a few cents at most",
    )


def run(args: argparse.Namespace) -> int:
    """Check the machine, try a sandbox, and print the result.

    Returns:
        0 if sandboxes work here, 1 if they do not.
    """
    if args.engine == CLOUD_ENGINE:
        from ._cloud_checkup import check_cloud

        return check_cloud(as_json=args.json)
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
