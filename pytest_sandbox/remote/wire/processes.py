"""Processes as messages, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._proto import engine_pb2 as pb
from pytest_sandbox.engine import ExitStatus, Output, ProcessSpec, ProcessUser, PtySize

from .malformed import Malformed
from .texts import add_variables, text_from_wire, text_to_wire, variables_from_wire

if TYPE_CHECKING:
    from typing import Final

_OUTPUTS: Final[dict[Output, pb.ProcessSpec.Output]] = {
    Output.PIPE: pb.ProcessSpec.PIPE,
    Output.DEVNULL: pb.ProcessSpec.DEVNULL,
    Output.STDOUT: pb.ProcessSpec.STDOUT,
}
_BY_NUMBER: dict[int, Output] = {number: output for output, number in _OUTPUTS.items()}


def process_to_wire(spec: ProcessSpec) -> pb.ProcessSpec:
    """A process to start.

    Raises:
        TypeError, ValueError: no message can have this.
    """
    message = pb.ProcessSpec(
        argv=[text_to_wire(argument) for argument in spec.argv],
        stdout=_OUTPUTS[spec.stdout],
        stderr=_OUTPUTS[spec.stderr],
    )
    add_variables(message.env, spec.env)
    if spec.workdir is not None:
        message.workdir = text_to_wire(spec.workdir)
    if spec.pty is not None:
        message.pty.CopyFrom(size_to_wire(spec.pty))
    if spec.user is not None:
        user = spec.user
        message.user.CopyFrom(pb.ProcessUser(uid=user.uid, gid=user.gid, groups=user.groups))
    return message


def process_from_wire(message: pb.ProcessSpec) -> ProcessSpec:
    """A process to start; whether it can be started, the engine says.

    Raises:
        Malformed: an output goes nowhere.
    """
    user = None
    if message.HasField("user"):
        user = ProcessUser(message.user.uid, message.user.gid, tuple(message.user.groups))
    return ProcessSpec(
        argv=tuple(text_from_wire(argument) for argument in message.argv),
        env=variables_from_wire(message.env),
        workdir=text_from_wire(message.workdir) if message.HasField("workdir") else None,
        stdout=_output(message.stdout),
        stderr=_output(message.stderr),
        pty=size_from_wire(message.pty) if message.HasField("pty") else None,
        user=user,
    )


def _output(number: int) -> Output:
    output = _BY_NUMBER.get(number)
    if output is None:
        raise Malformed(f"no output goes to {number}")
    return output


def size_to_wire(size: PtySize) -> pb.PtySize:
    """The size of a terminal."""
    return pb.PtySize(rows=size.rows, columns=size.columns)


def size_from_wire(message: pb.PtySize) -> PtySize:
    """The size of a terminal."""
    return PtySize(message.rows, message.columns)


def status_to_wire(status: ExitStatus) -> pb.ExitStatus:
    """How a process ended."""
    if status.code is not None:
        return pb.ExitStatus(code=status.code)
    return pb.ExitStatus(signal=status.signal)


def status_from_wire(message: pb.ExitStatus) -> ExitStatus:
    """How a process ended.

    Raises:
        Malformed: in no way.
    """
    how = message.WhichOneof("how")
    if how is None:
        raise Malformed("a process ended in no way")
    if message.code > 255 or message.signal > 255:
        raise Malformed("a process ended in a way that there is not")
    return ExitStatus(message.code) if how == "code" else ExitStatus(signal=message.signal)
