"""Checks of arguments before a call is made."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_sandbox._run import RUN_VARIABLE
from pytest_sandbox._shared.checks import (
    MAX_ARGUMENT_BYTES,
    argument_bytes,
    is_absolute_path,
    is_app_id,
    is_object_name,
    is_text,
    is_variable_name,
    problem_with_list,
)
from pytest_sandbox._shared.real import files_are_replaced
from pytest_sandbox._shared.type_names import type_name

from .exceptions import InvalidError, UnimplementedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__tracebackhide__ = True  # a failing test shows the caller's line, not these


def check_command(args: Sequence[object], *, empty: bool = False) -> None:
    """Raise `InvalidError` unless these can be the arguments of a command."""
    if not args and not empty:
        raise InvalidError("a command is needed, as in exec('echo', 'hi')")
    if len(args) == 1 and isinstance(args[0], (list, tuple)):
        shown = repr(args[0])[:200]
        raise InvalidError(
            f"the command is one {type(args[0]).__name__}; give its words as arguments, by a *: "
            f"exec(*{shown})"
        )
    argv = [_argument(number, arg) for number, arg in enumerate(args)]
    total = argument_bytes(argv)
    if total > MAX_ARGUMENT_BYTES:
        raise InvalidError(
            f"all arguments together are {total} bytes, and may be {MAX_ARGUMENT_BYTES} (ARG_MAX); "
            "write long ones to a file or to standard input"
        )


def _argument(number: int, arg: object) -> str:
    if not isinstance(arg, str):
        use = f"; use {str(arg)!r}" if isinstance(arg, int | float | os.PathLike) else ""
        raise InvalidError(f"argument {number} is {arg!r}, {type_name(arg)}, not a str{use}")
    if not is_text(arg):
        raise InvalidError(f"argument {number}, {arg[:80]!r}, has a NUL character in it")
    return arg


def check_workdir(workdir: str | None) -> None:
    """Raise `InvalidError` unless it can be a working directory."""
    if workdir is not None and not is_absolute_path(workdir):
        raise InvalidError(f"workdir={workdir!r} is not an absolute path")


def check_path(path: str, name: str = "path", order: str = "") -> str:
    """Raise `InvalidError` unless it is an absolute path in the sandbox.

    Args:
        path: the path.
        name: of the argument.
        order: the call, if its arguments are easily swapped.
    """
    _check_str(path, name)
    if not is_absolute_path(path):
        hint = f"; the arguments are {order}" if order else ""
        raise InvalidError(f"{name}={path!r} is not an absolute path in the sandbox{hint}")
    return path


def check_any_path(path: str) -> str:
    """Raise `InvalidError` unless it is a path; a relative one begins in the working directory."""
    _check_str(path, "path")
    if not is_text(path) or not path:
        raise InvalidError(f"path={path!r} is not a path in the sandbox")
    return path


def _check_str(path: object, name: str) -> None:
    if isinstance(path, os.PathLike):
        raise InvalidError(f"{name}={path!r} is not a str; use {os.fspath(path)!r}")


def check_order(data: object, remote_path: object) -> None:
    """Raise `InvalidError` if what is to be a path is none, and what is to be written is one.

    If both are paths, this cannot tell.
    """
    if is_absolute_path(data) and "\n" not in data and not is_absolute_path(remote_path):
        shown = repr(remote_path)[:80]
        raise InvalidError(
            f"remote_path={shown} is not an absolute path, but the data, {data!r}, is: first "
            "comes what to write, then the path"
        )


def check_list(name: str, value: object, of: str) -> None:
    """Raise `InvalidError` unless it is a list, of what `of` says; its elements are not checked."""
    if problem := problem_with_list(name, value, of):
        raise InvalidError(problem)


def check_name(name: str, kind: str) -> None:
    """Raise `InvalidError` unless it can be the name of an app, a sandbox, ..."""
    if not is_object_name(name):
        raise InvalidError(
            f"{name!r} is not a name for {kind}: use 1 to 64 letters, digits, dashes, periods "
            "and underscores"
        )
    if is_app_id(name):
        raise InvalidError(f"{name!r} is not a name for {kind}: it looks like the id of an App")


def check_seconds(name: str, value: int | None, *, least: int = 1) -> None:
    """Raise `InvalidError` unless it is a whole number of seconds that fits the wire."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**32:
        raise InvalidError(f"{name}={value!r} is not a whole number of seconds from {least} on")


def check_environment(env: Mapping[str, str | None], name: str = "env") -> dict[str, str]:
    """The variables that have a value, without the one that names the run of this process.

    That one gives an address outside of the sandbox, and comes along with `os.environ`.

    Raises:
        InvalidError: a name or value that an environment variable cannot have.
    """
    if not isinstance(env, dict):
        raise InvalidError(f"{name} is {env!r}, {type_name(env)}, not a dict")
    present = {
        key: value for key, value in env.items() if value is not None and key != RUN_VARIABLE
    }
    for key, value in present.items():
        if not isinstance(key, str) or not isinstance(value, str):
            use = f"; use {str(value)!r}" if isinstance(value, int | float | os.PathLike) else ""
            raise InvalidError(f"{name} has {key!r}: {value!r}; both must be str{use}")
        if not is_variable_name(key) or not is_text(value):
            raise InvalidError(
                f"{name} has {key!r}: {value[:80]!r}; a variable needs a name, without '=', "
                "and neither the name nor the value may have a NUL"
            )
    return present


def check_real_files(call: str, other: str) -> None:
    """Refuse a call for directories of this machine while pyfakefs replaces the file functions.

    It does not imitate those that take the descriptor of a directory: they would go on to reach
    the machine's files, by descriptors that are others there.

    Args:
        call: its name.
        other: the call for single files, which goes through `open`.

    Raises:
        InvalidError: they are replaced now.
    """
    if files_are_replaced():
        raise InvalidError(
            f"{call}() copies directories of the machine, and this test has replaced its files "
            f"(pyfakefs): call it inside of `with pyfakefs.fake_filesystem_unittest.Pause(fs):`, "
            f"or copy single files, fake ones too, with filesystem.{other}()"
        )


#: What to do instead of leaving an argument out.
_INSTEAD = {"network_file_systems": "use volumes, with a Volume"}


def refuse(**arguments: object) -> None:
    """Raise `UnimplementedError` for the first argument that has a value."""
    for name, value in arguments.items():
        if value:
            instead = _INSTEAD.get(name, f"leave {name} out")
            raise UnimplementedError(
                f"{name}={value!r} is not implemented yet in pytest-sandbox; {instead}"
            )
