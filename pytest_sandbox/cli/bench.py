"""`pytest-sandbox bench`: how fast sandboxes are on this machine, each figure with a baseline."""

import argparse
import json
import sys

SUMMARY = "measure the speed of sandboxes on this machine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument(
        "-n", type=int, default=100, metavar="N", help="samples of each figure (default: 100)"
    )
    parser.add_argument(
        "--live",
        type=int,
        default=500,
        metavar="N",
        help="sandboxes in the figure crowd (default: 500)",
    )
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="measure only this figure; repeat for more"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Measure, and print the figures.

    Returns:
        0 if nothing was left behind, 1 if something was, 2 for an invalid name or number.
    """
    from .benchmarks import FIGURES, Bench, render

    names = args.only or list(FIGURES)
    unknown = [name for name in names if name not in FIGURES]
    if unknown or args.n < 1 or args.live < 1:
        problem = (
            f"no figure {unknown[0]!r}; there are {', '.join(FIGURES)}"
            if unknown
            else (f"-n {args.n} and --live {args.live} must be at least 1")
        )
        print(f"pytest-sandbox bench: {problem}", file=sys.stderr)
        return 2
    with Bench(samples=args.n, live=args.live) as bench:
        for name in names:
            if not args.json:
                print(f"measuring {name} ...", file=sys.stderr, flush=True)
            FIGURES[name](bench)
        bench.finish()
    print(json.dumps(bench.as_json(), indent=2) if args.json else render(bench))
    return 1 if bench.leftovers else 0
