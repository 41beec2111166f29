"""`pytest-sandbox bench`: how fast sandboxes are on this machine, each figure with a baseline.

With `--compare`, how fast they are beside another version of this package, measured in turn.
"""

import argparse
import json
import sys
from collections.abc import Sequence

from .benchmarks import FIGURES, figure

SUMMARY = "measure the speed of sandboxes on this machine"
#: The exit status for what makes no sense.
_USAGE = 2
#: What makes no use of this package, or hardly any.
_NOT_COMPARED = ("containers", "alternatives", "steps")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument(
        "-n",
        type=int,
        default=100,
        metavar="N",
        help="samples of each figure, with --compare at least 8 (default: 100)",
    )
    parser.add_argument(
        "--live",
        type=int,
        default=500,
        metavar="N",
        help="sandboxes in the figure crowd (default: 500)",
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        help=f"measure only this figure; repeat for more; NAME is one of {', '.join(FIGURES)}",
    )
    parser.add_argument(
        "--compare",
        metavar="DIR",
        help="also measure another version in turn, and print ratios: DIR is a virtual environment"
        " that has it, or a checkout",
    )
    parser.add_argument(
        "--engine",
        default="local",
        metavar="E",
        help="which engine, as --sandbox-engine of pytest (default: local); not with --compare",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Measure, and print the figures.

    Returns:
        0 if nothing was left behind, 1 if something was or a version cannot be measured, 2 for an
        invalid name, number or directory.
    """
    unknown = [name for name in args.only or () if name not in FIGURES]
    if unknown:
        return _refuse(f"no figure {unknown[0]!r}; there are {', '.join(FIGURES)}")
    if args.n < 1 or args.live < 1:
        return _refuse(f"-n {args.n} and --live {args.live} must be at least 1")
    if args.compare is not None:
        if args.engine != "local":
            return _refuse("--compare is about the local engine: leave --engine out")
        names = args.only or [name for name in FIGURES if name not in _NOT_COMPARED]
        return _compare(args, names)
    return _measure(args, args.only or FIGURES)


def _measure(args: argparse.Namespace, names: Sequence[str]) -> int:
    from pytest_sandbox._run import EngineStartError

    from .benchmarks.report import render
    from .benchmarks.session import Bench

    try:
        with Bench(samples=args.n, live=args.live, engine=args.engine) as bench:
            for name in names:
                _say_progress(args, name)
                figure(name)(bench)
            bench.finish()
    except EngineStartError as error:
        print(f"pytest-sandbox bench: {error}", file=sys.stderr)
        return 1
    print(json.dumps(bench.as_json(), indent=2) if args.json else render(bench))
    return 1 if bench.leftovers else 0


def _compare(args: argparse.Namespace, names: Sequence[str]) -> int:
    from .benchmarks.comparison import (
        ROUNDS,
        NoEnvironment,
        VersionFailed,
        compare,
        find_environment,
        render_comparison,
    )

    if args.n < ROUNDS:
        return _refuse(f"-n {args.n} with --compare must be at least {ROUNDS}: one for each round")
    settings = {"samples": args.n, "live": args.live}
    try:
        other = find_environment(args.compare)
        result = compare(other, names, settings, lambda name: _say_progress(args, name))
    except NoEnvironment as error:
        return _refuse(f"--compare: {error}")
    except VersionFailed as error:
        return _say_failed(str(error))
    print(json.dumps(result, indent=2) if args.json else render_comparison(result), flush=True)
    if result["failed"]:
        return _say_failed(result["failed"])
    return 1 if result["left_behind"] else 0


def _say_failed(reason: str) -> int:
    print(f"pytest-sandbox bench --compare: {reason}", file=sys.stderr)
    return 1


def _say_progress(args: argparse.Namespace, name: str) -> None:
    if not args.json:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)


def _refuse(problem: str) -> int:
    print(f"pytest-sandbox bench: {problem}", file=sys.stderr)
    return _USAGE
