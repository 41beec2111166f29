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
    ├── LogsFetchError                    more of a log was asked for than there is at once
    ├── NotFoundError                     no such sandbox, app, secret, ...; or not any more
    ├── PermissionDeniedError             not allowed
    ├── RemoteError                       the work that the server did failed
    │   └── ImageBuildError               a step of an image
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
    ├── SnapshotCreationError             a snapshot of the end of a sandbox failed for good
    ├── TimeoutError
    │   ├── ExecTimeoutError              a command took too long
    │   │   └── CommandTimeoutError       (ours) `run(..., timeout=...)`, with what it wrote
    │   └── SandboxTimeoutError           the sandbox reached its timeout
    └── UnimplementedError                not implemented yet

And warnings: `BlockingCallWarning`, a blocking call in a coroutine; `ServerWarning`, a server's.

`Sandbox.open`, `ls`, `mkdir` and `rm` raise the builtin `FileNotFoundError`, `PermissionError`,
... as Modal's do, with `errno` and `filename`. `UnicodeDecodeError` comes from output that is not
UTF-8 in text mode.
"""

from __future__ import annotations

import functools
from typing import Any, Generic, TypeVar

from pytest_sandbox._shared.command_text import exit_code_text
from pytest_sandbox.rpcs import ServerWarning as ServerWarning

from .process.failure_text import failure_text

T = TypeVar("T", str, bytes)


class Error(Exception):
    """Base class of all errors of this package's client.

    Catch it to catch whatever a call can raise, except for errors of Python itself such as
    `TypeError`.
    """


class BlockingCallWarning(RuntimeWarning):
    """A coroutine made a blocking call, so everything else on its event loop had to wait.

    Await the call's `.aio` form. Where blocking is right, filter the warning:
    `warnings.simplefilter("ignore", exceptions.BlockingCallWarning)`.
    """


class AlreadyExistsError(Error):
    """The name is in use.

    A running sandbox of the same app, or a volume, has it: choose another, or end the sandbox.
    """


class AuthError(Error):
    """The server does not accept this client's credentials.

    The program uses a token of another run, or none. Start it under `pytest-sandbox serve`, which
    sets the environment variables of this run.
    """


class ClientClosed(Error):
    """The client was closed before the call.

    A mistake of the calling code: it used a sandbox after `Client.close()`, or after the `with` of
    `FakeSandboxes`.
    """


class ConnectionError(Error):  # noqa: A001 - Modal's name
    """The server cannot be reached.

    Nothing listens at the socket: its run has ended, or `PYTEST_SANDBOX_SOCKET` names a wrong one.
    It is not the builtin `ConnectionError`.
    """


class EngineDiedError(ConnectionError):
    """The engine process is gone, and all its sandboxes with it.

    It was killed, for want of memory perhaps, or it has a bug. Run the tests again; the end of its
    log is part of the message.

    Args:
        socket_path: where it served.
        log: the end of what it wrote to its standard error, if that is still there.
        run_ended: whether its run has ended, which a process that it started may outlive.
    """

    def __init__(self, socket_path: str, log: str = "", *, run_ended: bool = False) -> None:
        told = f"The end of its log:\n{log}" if log else "Its log is gone too."
        why = f"It was killed, or it has a bug; run the tests again. {told}"
        if run_ended:
            why = "Its run has ended. A process that uses sandboxes must end before the run does."
        super().__init__(
            f"the engine process that served {socket_path} is gone, and all sandboxes with it. "
            f"{why}"
        )
        self.socket_path = socket_path
        self.log = log
        self.run_ended = run_ended

    def __reduce__(self) -> tuple[Any, ...]:
        rebuild = functools.partial(type(self), run_ended=self.run_ended)
        return rebuild, (self.socket_path, self.log), vars(self)


class DataLossError(Error):
    """The requested output was dropped to make room for newer output.

    It was read before, and the engine keeps only the end of what was read. Read a stream once, and
    store what you need.
    """


class ExecutionError(Error):
    """Something went wrong while running.

    A snapshot took longer than its `timeout`, or failed; or an id was asked for before it was
    known. The message says which.
    """


class UnsafeArchiveError(ExecutionError):
    """The tar from a sandbox would have been written outside the folder of the download.

    A program in the sandbox made a link that leads out of the directory, or a device. Nothing was
    written outside. Remove it in the sandbox, or pass `outside_links=True` if you trust the
    program.
    """


class FilesystemExecutionError(Error):
    """A file operation failed in a way for which Modal's clients have no builtin exception.

    `Sandbox.open` and the methods of a `FileIO` raise it.
    """


class FilesystemOSError(FilesystemExecutionError, OSError):
    """The same, with the `errno` and the `filename` of the failure.

    `errno` says what to do: `ENOSPC`, for example, that the disk of the sandbox is full.
    """


class InternalError(Error):
    """The server has a bug; its log has the traceback.

    Please report it with the log, which is `server.log` in the directory of the run.
    """


class InvalidError(Error):
    """An argument makes no sense.

    A mistake of the calling code; the message shows the value. A command that cannot be started, as
    its program does not exist, raises this too.
    """


class ConflictError(InvalidError):
    """The request makes sense, but not in the current state of the object.

    For example, an image is unmounted while a program has a file in it open. Change the state, then
    call again.
    """


class ConcurrentReadError(ConflictError):
    """Another task or thread is reading the same stream, file or iterator.

    Each item goes to one reader, so two concurrent readers would miss items of each other. Read in
    one place, and share the data from there.

    Args:
        name: what is being read.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"another task or thread is already reading {name}: read it in one place, and share "
            "the data from there"
        )
        self.name = name

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name,), vars(self)


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

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name,), vars(self)


class StdinClosedError(ConflictError, ValueError):
    """The input was closed before, or the process that read it has ended.

    It is a `ValueError` too, as for a closed file of Python. A command that ends early did not want
    more input: look at its exit code and its `stderr`.
    """


class NotFoundError(Error):
    """The object does not exist, or does not exist any more.

    A sandbox is gone when it was terminated, its main process ended, its time was up, or the
    machine that it was on is gone. A name or an id may be misspelt, or belong to another run.
    """


class PermissionDeniedError(Error):
    """The caller may not do that.

    The token of a command belongs to another sandbox, or the kernel refused an operation.
    """


class ResourceExhaustedError(Error):
    """There is not enough memory, disk space or capacity.

    Ask for less, or end sandboxes and forget images. The limits are in docs/engines.md. A fault of
    `rate_limit` raises it as well, if the client has given up.
    """


class SandboxTerminatedError(Error):
    """The sandbox was terminated while it was waited for.

    Another part of the test called `terminate`. `wait(raise_on_termination=False)` returns instead.
    """


class ServiceError(Error):
    """The call failed in transit, and repeating it did not help.

    The engine is overloaded or hangs, or a test planned such a fault. Whether the call took effect
    is unknown.
    """


class SnapshotCreationError(Error):
    """The files of a sandbox that has ended could not be stored, and are gone.

    The message says why; there may have been no room.
    """


class TimeoutError(Error):  # noqa: A001 - Modal's name
    """Base class of time-outs.

    It is not the builtin `TimeoutError`.
    """


class ExecTimeoutError(TimeoutError):
    """A command took longer than it was given.

    Give it a longer `timeout`, or find out what it waits for.
    """


class SandboxTimeoutError(TimeoutError):
    """The sandbox reached its `timeout`.

    `wait` raises it. Create the sandbox with a longer `timeout` (300 seconds by default) or
    `idle_timeout`. `tunnels` raises it if opening takes too long.
    """


class LogsFetchError(Error):
    """More lines of a log were asked for than one call gives.

    That is 20,000. Ask for fewer.
    """


class RemoteError(Error):
    """Work that the server did for the client failed.

    The message says which; its kinds say what to do.
    """


class ImageBuildError(RemoteError):
    """A step of an image failed; the message has its line and the end of its output.

    Attributes:
        image_id: of the image that was built.
    """

    def __init__(self, message: str, image_id: str = "") -> None:
        super().__init__(message)
        self.image_id = image_id


class UnimplementedError(Error):
    """The feature that the message names is not implemented yet.

    It exists at Modal, or on another engine. `sandbox_engine.capabilities` says beforehand what the
    engine has.
    """


class SandboxFilesystemError(Error, OSError):
    """Base class of what `Sandbox.filesystem` raises, with `errno`, `strerror` and `filename`.

    An error that has no class of its own below, such as a full disk (`ENOSPC`), is of this class.
    """


class SandboxFilesystemNotFoundError(SandboxFilesystemError, FileNotFoundError):
    """There is no such path in the sandbox.

    `upload` and `download` raise it too. It is a `FileNotFoundError`.
    """


class SandboxFilesystemDirectoryNotEmptyError(SandboxFilesystemError, OSError):
    """A directory with something in it is removed only with `recursive=True`.

    Empty it first, or pass `recursive=True`. Its `errno` is `ENOTEMPTY`.
    """


class SandboxFilesystemIsADirectoryError(SandboxFilesystemError, IsADirectoryError):
    """The path is a directory.

    Read it with `list_files`, or copy it with `download`. It is an `IsADirectoryError`.
    """


class SandboxFilesystemNotADirectoryError(SandboxFilesystemError, NotADirectoryError):
    """The path, or one above it, is not a directory.

    `filename` names the part that is to blame. It is a `NotADirectoryError`.
    """


class SandboxFilesystemPermissionError(SandboxFilesystemError, PermissionError):
    """The root user of the sandbox may not do that.

    The kernel forbids it, for example below `/proc` or `/sys`. It is a `PermissionError`.
    """


class SandboxFilesystemFileTooLargeError(SandboxFilesystemError, OSError):
    """The file is larger than a read may be.

    That is 5 GiB. Read it in parts with `Sandbox.open`. Its `errno` is `EFBIG`.
    """


class SandboxFilesystemPathAlreadyExistsError(SandboxFilesystemError, FileExistsError):
    """The path exists.

    Remove it first, or choose another. It is a `FileExistsError`.
    """


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
            failure_text(command, f"ended with {exit_code_text(returncode)}", stdout, stderr)
        )
        self.command = command
        self.returncode = returncode
        self.stdout: T = stdout
        self.stderr: T = stderr

    def __reduce__(self) -> tuple[Any, ...]:
        given = self.command, self.returncode, self.stdout, self.stderr
        return type(self), given, vars(self)


class CommandTimeoutError(ExecTimeoutError, Generic[T]):
    """A command took longer than `run(..., timeout=...)` gives, and was killed.

    Args:
        command: the command and its arguments.
        timeout: the seconds it had.
        stdout: what it wrote to standard output until then.
        stderr: what it wrote to standard error until then.
    """

    def __init__(self, command: tuple[str, ...], timeout: int, stdout: T, stderr: T) -> None:
        super().__init__(failure_text(command, f"was killed after {timeout} s", stdout, stderr))
        self.command = command
        self.timeout = timeout
        self.stdout: T = stdout
        self.stderr: T = stderr

    def __reduce__(self) -> tuple[Any, ...]:
        given = self.command, self.timeout, self.stdout, self.stderr
        return type(self), given, vars(self)
