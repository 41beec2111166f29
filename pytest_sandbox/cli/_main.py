"""Runs the command that the arguments name.

Each command is a module with `SUMMARY`, `add_arguments` and `run`. A module imports what its
command needs in `run`, so that asking for help costs nothing.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from . import bench, doctor, prune, serve

_COMMANDS = {"doctor": doctor, "serve": serve, "bench": bench, "prune": prune}
#: Exit statuses, as shells have them.
_USAGE = 2
_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the arguments, `sys.argv[1:]` if not given.

    Returns:
        The exit status.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    # Split here: what argparse does with `--` differs between Python releases.
    own, dashes, command = _partition(arguments)
    args = _parser().parse_args(own)
    args.command = command
    if dashes and args.name != "serve":
        print(f"pytest-sandbox {args.name} takes no command after --", file=sys.stderr)
        return _USAGE
    try:
        status: int = args.run(args)
    except KeyboardInterrupt:
        return _INTERRUPTED
    return status


def _partition(arguments: list[str]) -> tuple[list[str], bool, list[str] | None]:
    if "--" not in arguments:
        return arguments, False, None
    position = arguments.index("--")
    return arguments[:position], True, arguments[position + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pytest-sandbox", description="Sandboxes for tests.")
    parser.add_argument("--version", action="version", version=version("pytest-sandbox"))
    commands = parser.add_subparsers(dest="name", metavar="COMMAND", required=True)
    for name, module in _COMMANDS.items():
        command = commands.add_parser(name, help=module.SUMMARY, description=module.__doc__)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser
