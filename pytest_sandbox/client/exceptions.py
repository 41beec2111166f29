"""What calls raise: the names of `modal.exception`, and a few of our own.

    Error                                 base class of all
    ├── AlreadyExistsError                the name is taken
    ├── AuthError                         the server does not let this client in
    ├── ClientClosed                      the client was closed before the call
    ├── ConnectionError                   the server cannot be reached
    │   └── EngineDiedError               (ours) the engine process is gone
    ├── DataLossError                     output that was asked for is lost
    ├── ExecutionError                    something went wrong while running
    │   ├── CommandFailedError            (ours) `run(..., check=True)`: the code is not 0
    │   └── UnsafeArchiveError            (ours) a download would have left its folder
    ├── FilesystemExecutionError          `Sandbox.open`, ... failed in an uncommon way
    │   └── FilesystemOSError             (ours) the same as an OSError, with its errno
    ├── InternalError                     a bug of the server
    ├── InvalidError                      an argument makes no sense
    │   └── ConflictError                 the request does not fit the current state
    │       ├── ConcurrentReadError       (ours) another task or thread is reading the same stream
    │       ├── StdinClosedError          (ours; also a ValueError) the input is closed
    │       └── StreamClosedError         (ours) `aclose()` ended a read that was waiting
    ├── NotFoundError                     no such sandbox, app, secret, ...; or not any more
    ├── PermissionDeniedError             not allowed
    ├── ResourceExhaustedError            not enough memory, disk space or capacity
    ├── SandboxFilesystemError            `Sandbox.filesystem`; each also the builtin OSError
    │   ├── SandboxFilesystemDirectoryNotEmptyError
    │   ├── SandboxFilesystemFileTooLargeError
    │   ├── SandboxFilesystemIsADirectoryError
    │   ├── SandboxFilesystemNotADirectoryError
    │   ├── SandboxFilesystemNotFoundError
    │   ├── SandboxFilesystemPathAlreadyExistsError
    │   └── SandboxFilesystemPermissionError
    ├── SandboxTerminatedError            the sandbox was terminated while it was waited for
    ├── ServiceError                      the call failed in transit, and so did the retries
    ├── TimeoutError
    │   ├── ExecTimeoutError              a command took too long
    │   │   └── CommandTimeoutError       (ours) `run(..., timeout=...)`, with what it wrote
    │   └── SandboxTimeoutError           the sandbox reached its timeout
    └── UnimplementedError                not implemented yet

`Sandbox.open`, `ls`, `mkdir` and `rm` raise the builtin `FileNotFoundError`, `PermissionError`,
... as Modal's do, with `errno` and `filename`. `UnicodeDecodeError` comes from output that is not
UTF-8 in text mode.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from pytest_sandbox._shared.command_text import command_text, exit_code_text, printable

T = TypeVar("T", str, bytes)

#: Characters of output that an error shows of each stream.
TAIL = 2000


class Error(Exception):
    """Base class of all errors of this package's client."""


class AlreadyExistsError(Error):
    """The name is in use."""


class AuthError(Error):
    """The server does not accept this client's credentials."""


class ClientClosed(Error):
    """The client was closed before the call."""


class ConnectionError(Error):  # noqa: A001 - Modal's name
    """The server cannot be reached."""


class EngineDiedError(ConnectionError):
    """The engine process is gone, and all its sandboxes with it.

    Args:
        socket_path: where it served.
        log: the end of what it wrote to its standard error, if that is still there.
    """

    def __init__(self, socket_path: str, log: str = "") -> None:
        told = f"The end of its log:\n{log}" if log else "Its log is gone too."
        super().__init__(
            f"the engine process that served {socket_path} is gone, and all sandboxes with it. "
            f"It was killed, or it has a bug; run the tests again. {told}"
        )
        self.socket_path = socket_path
        self.log = log


class DataLossError(Error):
    """The requested output was dropped to make room for newer output."""


class ExecutionError(Error):
    """Something went wrong while running."""


class UnsafeArchiveError(ExecutionError):
    """The tar from a sandbox would have been written outside the folder of the download."""


class FilesystemExecutionError(Error):
    """A file operation failed in a way for which Modal's clients have no builtin exception."""


class FilesystemOSError(FilesystemExecutionError, OSError):
    """The same, with the `errno` and the `filename` of the failure."""


class InternalError(Error):
    """The server has a bug; its log has the traceback."""


class InvalidError(Error):
    """An argument makes no sense."""


class ConflictError(InvalidError):
    """The request makes sense, but not in the current state of the object."""


class ConcurrentReadError(ConflictError):
    """Another task or thread is reading the same stream, file or iterator.

    Each item goes to one reader, so two concurrent readers would miss items of each other.

    Args:
        name: what is being read.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"another task or thread is already reading {name}: read it in one place, and share "
            "the data from there"
        )
        self.name = name


class StreamClosedError(ConflictError):
    """`aclose()` was called on a stream or iterator while this read was waiting.

    Args:
        name: what was being read.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} was closed by aclose() while it was being read: to stop a read and "
            "continue later, cancel the read instead"
        )
        self.name = name


class StdinClosedError(ConflictError, ValueError):
    """The input was closed before, or the process that read it has ended."""


class NotFoundError(Error):
    """The object does not exist, or does not exist any more."""


class PermissionDeniedError(Error):
    """The caller may not do that."""


class ResourceExhaustedError(Error):
    """There is not enough memory, disk space or capacity."""


class SandboxTerminatedError(Error):
    """The sandbox was terminated while it was waited for."""


class ServiceError(Error):
    """The call failed in transit, and repeating it did not help."""


class TimeoutError(Error):  # noqa: A001 - Modal's name
    """Base class of time-outs."""


class ExecTimeoutError(TimeoutError):
    """A command took longer than it was given."""


class SandboxTimeoutError(TimeoutError):
    """The sandbox reached its `timeout`."""


class UnimplementedError(Error):
    """The feature that the message names is not implemented yet."""


class SandboxFilesystemError(Error, OSError):
    """Base class of what `Sandbox.filesystem` raises, with `errno`, `strerror` and `filename`."""


class SandboxFilesystemNotFoundError(SandboxFilesystemError, FileNotFoundError):
    """There is no such path in the sandbox."""


class SandboxFilesystemDirectoryNotEmptyError(SandboxFilesystemError, OSError):
    """A directory with something in it is removed only with `recursive=True`."""


class SandboxFilesystemIsADirectoryError(SandboxFilesystemError, IsADirectoryError):
    """The path is a directory."""


class SandboxFilesystemNotADirectoryError(SandboxFilesystemError, NotADirectoryError):
    """The path, or one above it, is not a directory."""


class SandboxFilesystemPermissionError(SandboxFilesystemError, PermissionError):
    """The root user of the sandbox may not do that."""


class SandboxFilesystemFileTooLargeError(SandboxFilesystemError, OSError):
    """The file is larger than a read may be."""


class SandboxFilesystemPathAlreadyExistsError(SandboxFilesystemError, FileExistsError):
    """The path exists."""


def _end_of(name: str, output: str | bytes) -> str:
    text = output if isinstance(output, str) else output.decode(errors="replace")
    if not text:
        return f"{name}: empty"
    cut = "… " if len(text) > TAIL else ""
    return f"{name}: {cut}{text[-TAIL:].rstrip()}"


def _report(args: tuple[str, ...], what: str, stdout: str | bytes, stderr: str | bytes) -> str:
    ends = _end_of("stdout", stdout), _end_of("stderr", stderr)
    return "\n".join([f"{printable(command_text(args))} {what}", *ends])


class CommandFailedError(ExecutionError, Generic[T]):
    """A command that was run with `check=True` ended with another code than 0.

    Args:
        command: the command and its arguments.
        returncode: its exit code, 128 plus the number for a signal.
        stdout: what it wrote to standard output.
        stderr: what it wrote to standard error.
    """

    def __init__(self, command: tuple[str, ...], returncode: int, stdout: T, stderr: T) -> None:
        super().__init__(
            _report(command, f"ended with {exit_code_text(returncode)}", stdout, stderr)
        )
        self.command = command
        self.returncode = returncode
        self.stdout: T = stdout
        self.stderr: T = stderr


class CommandTimeoutError(ExecTimeoutError, Generic[T]):
    """A command took longer than `run(..., timeout=...)` gives, and was killed.

    Args:
        command: the command and its arguments.
        timeout: the seconds it had.
        stdout: what it wrote to standard output until then.
        stderr: what it wrote to standard error until then.
    """

    def __init__(self, command: tuple[str, ...], timeout: int, stdout: T, stderr: T) -> None:
        super().__init__(_report(command, f"was killed after {timeout} s", stdout, stderr))
        self.command = command
        self.timeout = timeout
        self.stdout: T = stdout
        self.stderr: T = stderr
