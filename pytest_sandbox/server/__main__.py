"""The engine process: `python -m pytest_sandbox.server --engine NAME --run-dir DIR`.

Prints one line of JSON when it is ready, or why it cannot start. It serves until the lease of its
run directory is free, or until SIGTERM or SIGINT. Then it ends all sandboxes and removes the
directory.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import NoReturn


def main() -> int:
    """Run the engine process; the exit status is 1 if it could not start."""
    options = _parse(sys.argv[1:])
    if options.engine == "local":
        from pytest_sandbox.local.ahead import start_ahead

        # Before the imports below, which take as long as the zygote does until it is ready.
        start_ahead()
    from .process import run_engine

    return run_engine(options)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pytest_sandbox.server")
    parser.add_argument("--engine", required=True, help="name of the engine")
    parser.add_argument("--run-dir", required=True, type=Path, help="directory with the lease")
    parser.add_argument("--tcp", metavar="HOST:PORT", type=_address, help="serve Modal clients too")
    parser.add_argument("--certificate", metavar="FILE", help="what others see of the server")
    parser.add_argument("--key", metavar="FILE", help="its key")
    parser.add_argument("--preset", metavar="FILE", help="what clients find by name, in TOML")
    parser.add_argument(
        "--engine-option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the engine; repeat for more",
    )
    return parser.parse_args(arguments)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    try:
        return host.strip("[]") or "127.0.0.1", int(port)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected HOST:PORT, not {text!r}") from None


def start() -> NoReturn:
    """Run the engine process, and end this one."""
    status = main()
    import logging  # late: the zygote starts before

    logging.shutdown()
    # All is closed by now. To take the interpreter apart as well is a fifth of the processor time
    # that the life of an engine takes.
    os._exit(status)


if __name__ == "__main__":
    start()
