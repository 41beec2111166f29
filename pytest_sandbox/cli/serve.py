"""`pytest-sandbox serve`: serves sandboxes of this machine.

To real Modal clients, offline: with a COMMAND, it runs the command with the environment variables
of a Modal client set, and exits with its status. Without one, it prints these variables as `export`
lines and serves until it is interrupted. With --listen or --stdio, to tests on other machines
instead, as their engine.
"""

import argparse
import ipaddress
import os
import shlex
import sys
from collections.abc import Mapping

from pytest_sandbox._shared.engine_options import NOT_ISOLATED, parse_engine_options

from . import engine_listener

SUMMARY = "serve sandboxes to real Modal clients, or an engine to tests on other machines"

_ANY = """\
--host {host} is not an address that clients can connect to. Give the address under which clients
reach this machine."""

_REMOTE = """\
--host {host} is not this machine's loopback address. Whoever has the token of the server
could run commands in sandboxes here. If that is what you want, add --allow-remote: the server then
speaks TLS only."""


_TRUST = """\
Clients have to trust the authority of this run. Copy its certificate to where they are, and let
SSL_CERT_FILE and NODE_EXTRA_CA_CERTS name it there. Modal's client for Python trusts the package
certifi and nothing else:
    cat {ca_file} >> "$(python -m certifi)"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.usage = (
        "pytest-sandbox serve [-h] [--engine E] [--engine-option NAME=VALUE] [--script FILE] "
        "[--preset FILE] [--host H] [--port N] [--allow-remote] [--certificate FILE --key FILE] "
        "[-- COMMAND ...]\n"
        "       pytest-sandbox serve --listen HOST:PORT [--engine E] [--engine-option NAME=VALUE] "
        "[--certificate FILE --key FILE | --no-tls] [--token-file FILE]"
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--engine", default="local", metavar="E", help="the engine (default: local)"
    )
    parser.add_argument(
        "--engine-option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the engine; repeat for more",
    )
    parser.add_argument(
        "--script",
        metavar="FILE",
        help="Python file with scripts of commands, for --engine fake",
    )
    parser.add_argument(
        "--preset",
        metavar="FILE",
        help="TOML file with secrets, volumes, proxies and environments that clients find by name",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="H", help="address to listen on (default: 127.0.0.1)"
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=0,
        metavar="N",
        help="port of the control plane (default: any free one)",
    )
    parser.add_argument(
        "--allow-remote", action="store_true", help="allow addresses other than loopback, with TLS"
    )
    parser.add_argument(
        "--certificate",
        metavar="FILE",
        help="certificate for --allow-remote and --listen (default: one made for this run)",
    )
    parser.add_argument("--key", metavar="FILE", help="the key of --certificate")
    engine_listener.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Serve.

    Returns:
        The status of COMMAND, or 128 plus the number of the signal that killed it. Without a
        command: 0 if interrupted, 1 if the engine died. In any case: 1 if the engine cannot be
        started, 2 for invalid arguments.
    """
    if problem := _problem(args):
        print(f"pytest-sandbox serve: {problem}", file=sys.stderr)
        return 2
    return engine_listener.run(args) if args.listen or args.stdio else _serve_modal_clients(args)


def _serve_modal_clients(args: argparse.Namespace) -> int:
    from pytest_sandbox._run import (
        UNSET,
        EngineProcess,
        EngineStartError,
        Run,
        with_modal_environment,
    )

    from ._supervise import supervise, until_interrupted

    engine_run = Run.create()
    options = parse_engine_options(args.engine_option)
    if args.script is not None:
        options["script"] = os.path.abspath(args.script)
    further = [
        word
        for option, path in (
            ("--preset", args.preset),
            ("--certificate", args.certificate),
            ("--key", args.key),
        )
        if path is not None
        for word in (option, os.path.abspath(path))
    ]

    def start() -> EngineProcess:
        address = f"{_bracketed(args.host)}:{args.port}"
        return engine_run.start(args.engine, options, tcp=address, further=further)

    try:
        tcp = start().tcp or {}
        env = _environment(tcp)
        _tell_what_to_trust(tcp)
        if args.command:
            return supervise(args.command, with_modal_environment(os.environ, env))

        def announce() -> None:
            for name in UNSET:
                if name in os.environ:
                    print(f"unset {name}")
            for name, value in env.items():
                print(f"export {name}={shlex.quote(value)}")
            sys.stdout.flush()
            warning = NOT_ISOLATED.get(args.engine, "")
            text = f"serving {args.engine} sandboxes on {tcp['url']} until Ctrl-C"
            print(f"{text}: {warning}" if warning else text, file=sys.stderr)

        until_interrupted(announce, start)
    except EngineStartError as error:
        print(f"pytest-sandbox serve: {error}", file=sys.stderr)
        return 1
    finally:
        engine_run.close()
    return 0


def _problem(args: argparse.Namespace) -> str:
    for_engines = bool(args.listen or args.stdio)
    if for_engines and (problem := engine_listener.problem(args)):
        return problem
    if not for_engines and (args.no_tls or args.token_file):
        return "--no-tls and --token-file are for --listen"
    address = _address(args.host)
    if address is not None and address.is_unspecified:
        return _ANY.format(host=args.host)
    loopback = args.host == "localhost" if address is None else address.is_loopback
    if not (loopback or args.allow_remote):
        return _REMOTE.format(host=args.host)
    try:
        parse_engine_options(args.engine_option)
    except ValueError as error:
        return f"--engine-option: {error}"
    if args.script is not None and args.engine != "fake":
        return f"--script is for --engine fake, not {args.engine}"
    if (args.certificate is None) != (args.key is None):
        return "--certificate and --key need each other"
    if args.certificate is not None and loopback and not for_engines:
        return f"--certificate is for --allow-remote: --host {args.host} is for this machine alone"
    return "-- needs a command after it" if args.command == [] else ""


def _environment(tcp: Mapping[str, str | None]) -> dict[str, str]:
    """The variables that make a Modal client connect here, whatever its user has configured."""
    from pytest_sandbox._run import modal_environment

    url, token_id, token_secret = (tcp[key] or "" for key in ("url", "token_id", "token_secret"))
    return modal_environment(url, token_id, token_secret, tcp["ca_file"])


def _tell_what_to_trust(tcp: Mapping[str, str | None]) -> None:
    """Say what clients need of a server that speaks TLS only, with a certificate of this run."""
    if tcp["ca_file"] and (tcp["url"] or "").startswith("https:"):
        print(_TRUST.format(ca_file=tcp["ca_file"]), end="", file=sys.stderr)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None  # a name


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 65535, not {text!r}")
    return int(text)
