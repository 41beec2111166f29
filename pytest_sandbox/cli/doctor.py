"""`pytest-sandbox doctor`: checks whether sandboxes work, and says what to do if not.

On this machine, unless `--engine` or the environment variable PYTEST_SANDBOX_ENGINE names another
place. With `--engine modal` it goes step by step, with the time of each. The exit status is 0 if
sandboxes work there, 1 if they do not, and 2 if the engine is none that can be checked.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_sandbox._shared.engine_options import CLOUD_ENGINE, NOT_ISOLATED, RAY
from pytest_sandbox._shared.network.engine_address import (
    InvalidAddress,
    RemoteAddress,
    hidden,
    is_remote,
)

if TYPE_CHECKING:
    import argparse

    from ._checkup import Checkup

SUMMARY = "check whether sandboxes work on this machine, or on another one"
_VARIABLE = "PYTEST_SANDBOX_ENGINE"
_LOCAL = ("local", "auto")
_FAKE = "fake"
_NAMES = ("local", *NOT_ISOLATED, _FAKE, RAY, CLOUD_ENGINE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--engine",
        metavar="E",
        help="where sandboxes are to run: local; process; fake; ray, or ray://HOST:PORT; modal, "
        "which needs a token and costs a few cents at most; or an address of another machine "
        f"(default: {_VARIABLE}, or local)",
    )


def run(args: argparse.Namespace) -> int:
    """Check the place, try a sandbox there, and print the result.

    Returns:
        0 if sandboxes work there, 1 if they do not, 2 if there is no such place.
    """
    engine = args.engine or os.environ.get(_VARIABLE) or "local"
    if engine == CLOUD_ENGINE:
        from ._cloud_checkup import check_cloud

        return check_cloud(as_json=args.json)
    from ._checkup import render

    try:
        checkup = _checkup(engine)
    except ValueError as error:
        origin = "--engine" if args.engine else _VARIABLE
        print(f"pytest-sandbox doctor: {origin}: {error}", file=sys.stderr)
        return 2
    print(json.dumps(checkup.as_json(), indent=2) if args.json else render(checkup))
    return 0 if checkup.usable else 1


def _checkup(engine: str) -> Checkup:
    """The result for an engine.

    Raises:
        ValueError: there is none by this name, or it is not one to be checked.
    """
    from pytest_sandbox.local import probe
    from pytest_sandbox.processes import examined, without_isolation

    from ._checkup import IN_MEMORY, NOT_TRIED, Checkup, trial, versions
    from ._ray_checkup import examined_ray
    from ._remote_checkup import reached
    from ._stored_images import describe_store

    place = "local"
    if engine in _LOCAL:
        report = probe()
        report = replace(report, findings=(*report.findings, without_isolation()))
    elif engine in NOT_ISOLATED:
        place, report = engine, examined()
    elif engine == _FAKE:
        place, report = engine, IN_MEMORY
    elif engine.partition("://")[0] == RAY:
        place, report = engine, examined_ray(engine)
    elif is_remote(engine):
        address = RemoteAddress.parse(engine)
        place, report = address.place, reached(address)
    else:
        raise InvalidAddress(
            f"it cannot check {hidden(engine)!r}",
            f"It can check {', '.join(_NAMES)}, and addresses that begin with ray://, grpc+tls://, "
            "grpc:// or ssh://.",
        )
    tried = trial("local" if engine in _LOCAL else engine) if report.usable else NOT_TRIED
    images = "" if engine == _FAKE else describe_store()  # which it does not use
    return Checkup(versions(), report, tried, images, place)
