"""`pytest-sandbox serve --listen` and `--stdio`: an engine for tests on other machines."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from pytest_sandbox._shared.engine_options import parse_engine_options
from pytest_sandbox._shared.network.loopback import is_loopback

if TYPE_CHECKING:
    from pytest_sandbox._shared.network.engine_address import RemoteAddress
    from pytest_sandbox.remote import FarListening

_SHORTEST_TOKEN = 16

_ANNOUNCEMENT = """\
serving {engine} sandboxes as an engine until Ctrl-C: whoever has the address can run commands in
sandboxes here. Elsewhere, with the same version of pytest-sandbox:
    export PYTEST_SANDBOX_ENGINE='{address}'
"""
#: For logs, which more people can read than a terminal.
_LOGGED = """\
serving {engine} sandboxes as an engine at {address}
The address with its token is on standard output.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options about an engine for other machines."""
    group = parser.add_argument_group("an engine for tests on other machines")
    group.add_argument(
        "--listen",
        metavar="HOST:PORT",
        type=_place,
        help="address for engines of other machines to connect to, with TLS; prints the value of "
        "their --sandbox-engine. Without HOST, all addresses; with port 0, any",
    )
    group.add_argument(
        "--no-tls", action="store_true", help="for a HOST of loopback, as the end of a tunnel"
    )
    group.add_argument(
        "--token-file",
        metavar="FILE",
        help="file with the token of the address (default: a new one each time)",
    )
    group.add_argument(
        "--until-eof", action="store_true", help="end when standard input ends, as with its parent"
    )
    group.add_argument(
        "--stdio", action="store_true", help="serve one run on standard input and output, for ssh"
    )


def problem(args: argparse.Namespace) -> str:
    """What is wrong with the options; empty if nothing is."""
    if args.listen and args.stdio:
        return "--listen and --stdio are two ways to do the same"
    mode = "--listen" if args.listen else "--stdio"
    for option, given in (
        ("-- COMMAND", args.command is not None),
        ("--preset", args.preset is not None),
        ("--allow-remote", args.allow_remote),
        ("--host", args.host != "127.0.0.1"),
        ("--port", args.port != 0),
    ):
        if given:
            return f"{option} is about Modal clients, which {mode} does not serve"
    if args.stdio and (args.no_tls or args.token_file or args.certificate):
        return "--stdio needs no TLS and no token: ssh has keys"
    if args.no_tls and args.certificate:
        return "--certificate is for TLS, which --no-tls switches off"
    if args.no_tls and not is_loopback(args.listen[0]):
        return f"--no-tls is for loopback addresses, and {args.listen[0] or 'no HOST'} is none"
    return ""


def run(args: argparse.Namespace) -> int:
    """Serve.

    Returns:
        0 if it was interrupted, or its only run has ended; 1 if it could not start.
    """
    # What prints must not get between the bytes of a link.
    output = os.dup(1)
    os.dup2(2, 1)
    from pytest_sandbox.engine import EngineUnavailable
    from pytest_sandbox.engines import load_engine
    from pytest_sandbox.remote import FarServer

    options = parse_engine_options(args.engine_option)
    if args.script is not None:
        options["script"] = os.path.abspath(args.script)
    server = FarServer(lambda asked: load_engine(args.engine, {**asked, **options}))
    try:
        load_engine(args.engine, options)  # else only the first run would hear of wrong options
        if args.stdio:
            server.serve_pipes(0, output)
        else:
            ends = 0 if args.until_eof else None
            with open(output, "w", encoding="utf-8") as out:

                def announce(address: RemoteAddress, bound: str) -> None:
                    _announce(args.engine, address, out)
                    _tell_who_reaches(args.listen[0], bound, address.port)

                server.serve(_where(args), announce, ends)
    except EngineUnavailable as error:
        print(f"pytest-sandbox serve: {error}", file=sys.stderr)
        return 1
    return 0


def _where(args: argparse.Namespace) -> FarListening:
    from pytest_sandbox.engine import EngineUnavailable
    from pytest_sandbox.remote import FarListening

    host, port = args.listen
    token = secrets.token_urlsafe(24)
    if args.token_file:
        try:
            token = Path(args.token_file).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise EngineUnavailable(f"--token-file {args.token_file}: {error}") from None
        if len(token) < _SHORTEST_TOKEN:
            raise EngineUnavailable(
                f"--token-file {args.token_file}: a token of {len(token)} letters can be guessed",
                f"Write one of at least {_SHORTEST_TOKEN}: openssl rand -hex 16",
            )
    return FarListening(host, port, token, not args.no_tls, args.certificate, args.key)


def _announce(engine: str, address: RemoteAddress, out: TextIO) -> None:
    print(address.whole, file=out, flush=True)
    if sys.stderr.isatty():
        text = _ANNOUNCEMENT.format(engine=engine, address=address.whole)
    else:
        text = _LOGGED.format(engine=engine, address=address.public)
    print(text, end="", file=sys.stderr, flush=True)


def _tell_who_reaches(host: str, bound: str, port: int) -> None:
    """Say that a name of this machine is one for itself alone, as Debian has it in /etc/hosts."""
    if is_loopback(bound) and not is_loopback(host):
        print(
            f"{host} is {bound} on this machine, which no other one reaches. For others, listen on "
            f"all addresses: --listen :{port}",
            file=sys.stderr,
            flush=True,
        )


def _place(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise argparse.ArgumentTypeError(f"expected HOST:PORT, not {text!r}")
    return host.strip("[]"), int(port)
