"""The process of a run in Modal's cloud: `python -m pytest_sandbox.cloud --run-dir DIR`.

Prints one line of JSON when it is ready, or why it cannot start, as that of other engines. It
serves until the lease of its run directory is free, or until SIGTERM or SIGINT. Then it ends all
sandboxes and removes the directory.
"""

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import NoReturn


def start() -> NoReturn:
    """Run the process, and end it."""
    from .process import run_cloud

    status = run_cloud(_parse(sys.argv[1:]))
    logging.shutdown()
    os._exit(status)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pytest_sandbox.cloud")
    parser.add_argument("--engine", choices=["modal"], default="modal", help="name of the engine")
    parser.add_argument("--run-dir", required=True, type=Path, help="directory with the lease")
    parser.add_argument(
        "--engine-option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the engine; repeat for more",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    start()
