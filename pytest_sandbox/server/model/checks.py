"""Checks of requests: commands, working directories, variables, time-outs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox._shared.checks import (
    MAX_ARGUMENT_BYTES,
    argument_bytes,
    is_absolute_path,
    is_text,
    is_variable_name,
)
from pytest_sandbox.engine import Output, PtySize

from ..rpc.errors import invalid

Number = TypeVar("Number", bound=int)


def check_command(argv: Sequence[str]) -> None:
    """Refuse a command that execve(2) could not run.

    Raises:
        GRPCError: INVALID_ARGUMENT.
    """
    if not argv or not argv[0]:
        raise invalid(f"the command {list(argv)!r} is empty: give at least the name of a program")
    size = argument_bytes(argv)
    if size > MAX_ARGUMENT_BYTES:
        raise invalid(
            f"the command {argv[0][:100]!r} and its arguments take {size} bytes, more than the "
            f"{MAX_ARGUMENT_BYTES} allowed: pass large data through standard input or a file"
        )
    for argument in argv:
        if "\0" in argument:
            raise invalid(f"the argument {argument[:100]!r} holds a NUL character")


def check_workdir(workdir: str | None) -> None:
    """Refuse a working directory that is not an absolute path.

    Raises:
        GRPCError: INVALID_ARGUMENT.
    """
    if workdir is not None and not is_absolute_path(workdir):
        raise invalid(f"workdir must be an absolute path, not {workdir!r}")


def check_environment(variables: Iterable[tuple[str, str]]) -> None:
    """Refuse variables that execve(2) could not pass on.

    Raises:
        GRPCError: INVALID_ARGUMENT.
    """
    for name, value in variables:
        if not is_variable_name(name):
            raise invalid(f"{name!r} cannot be the name of an environment variable")
        if not is_text(value):
            raise invalid(f"the value of the environment variable {name!r} holds a NUL character")


def chosen(outputs: Mapping[Number, Output], number: Number, field: str) -> Output:
    """The output that the number of an enum stands for.

    Raises:
        GRPCError: INVALID_ARGUMENT: it stands for none; proto3 lets every number pass.
    """
    try:
        return outputs[number]
    except KeyError:
        numbers = ", ".join(map(str, outputs))
        raise invalid(f"{field} must be one of {numbers}, not {number}") from None


def check_timeout(seconds: float) -> None:
    """Refuse a negative number of seconds, and NaN.

    Raises:
        GRPCError: INVALID_ARGUMENT.
    """
    if not seconds >= 0:  # which NaN is not either
        raise invalid(f"timeout must not be negative, but is {seconds:g}")


def pty_size(info: pb.PTYInfo) -> PtySize | None:
    """The size of the terminal that was asked for; `None` without one."""
    if not info.enabled:
        return None
    default = PtySize()
    return PtySize(info.winsz_rows or default.rows, info.winsz_cols or default.columns)


def pty_environment(info: pb.PTYInfo) -> dict[str, str]:
    """The variables that describe the terminal to a program."""
    variables = {
        "TERM": info.env_term,
        "COLORTERM": info.env_colorterm,
        "TERM_PROGRAM": info.env_term_program,
    }
    return {name: value for name, value in variables.items() if value}
