"""When a sandbox is ready: `readiness_probe` of `Sandbox.create`."""

from __future__ import annotations

from pytest_sandbox._proto.sandboxes_pb2 import Probe as ProbeMessage
from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox._shared.type_names import type_name

from .exceptions import InvalidError
from .validation import check_command

__tracebackhide__ = True  # a failing test shows the caller's line, not these


@dataclass(frozen=True)
class Probe:
    """How a sandbox is found to be ready; made by `with_tcp` or `with_exec`.

    Attributes:
        tcp_port: the port that must accept a connection; `None` for a command.
        exec_argv: the command that must exit with code 0; `None` for a port.
        interval_ms: milliseconds between two attempts.
    """

    tcp_port: int | None = None
    exec_argv: tuple[str, ...] | None = None
    interval_ms: int = 100

    def __post_init__(self) -> None:
        if (self.tcp_port is None) == (self.exec_argv is None):
            raise InvalidError("a Probe is made by Probe.with_tcp(...) or Probe.with_exec(...)")

    @classmethod
    def with_tcp(cls, port: int, *, interval_ms: int = 100) -> Probe:
        """Ready when something inside accepts a connection.

        Args:
            port: where.
            interval_ms: milliseconds between two attempts.

        Raises:
            InvalidError: an argument makes no sense.
        """
        if not _is_whole(port) or not 0 < port < 65536:
            raise InvalidError(f"port={port!r} is not a port from 1 to 65535")
        _check_interval(interval_ms)
        return cls(tcp_port=port, interval_ms=interval_ms)

    @classmethod
    def with_exec(cls, *argv: str, interval_ms: int = 100) -> Probe:
        """Ready when a command inside exits with code 0.

        Args:
            *argv: the command and its arguments, as `Sandbox.exec` takes them.
            interval_ms: milliseconds between the end of an attempt and the next one.

        Raises:
            InvalidError: an argument makes no sense.
        """
        check_command(argv)
        _check_interval(interval_ms)
        return cls(exec_argv=argv, interval_ms=interval_ms)


def probe_message(probe: Probe | None) -> ProbeMessage | None:
    """A probe as a message.

    Raises:
        InvalidError: it is none.
    """
    if probe is None:
        return None
    if not isinstance(probe, Probe):
        raise InvalidError(f"readiness_probe={probe!r} is {type_name(probe)}, not a Probe")
    if probe.tcp_port is not None:
        return ProbeMessage(tcp_port=probe.tcp_port, interval_ms=probe.interval_ms)
    command = ProbeMessage.ExecCommand(argv=probe.exec_argv or ())
    return ProbeMessage(exec_command=command, interval_ms=probe.interval_ms)


def _check_interval(interval_ms: int) -> None:
    if not _is_whole(interval_ms) or not 0 < interval_ms < 2**32:
        raise InvalidError(f"interval_ms={interval_ms!r} is not a number of milliseconds above 0")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
