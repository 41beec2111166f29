"""The two streams of a main process, as messages about logs name them."""

from pytest_sandbox._proto import common_pb2

from ..rpc.errors import invalid

#: Of standard output and of standard error.
DESCRIPTORS = (common_pb2.FILE_DESCRIPTOR_STDOUT, common_pb2.FILE_DESCRIPTOR_STDERR)
_STREAMS = {
    common_pb2.FILE_DESCRIPTOR_UNSPECIFIED: (0, 1),
    common_pb2.FILE_DESCRIPTOR_STDOUT: (0,),
    common_pb2.FILE_DESCRIPTOR_STDERR: (1,),
    common_pb2.FILE_DESCRIPTOR_INFO: (),  # messages of Modal's machines
}


def streams_of(descriptor: "common_pb2.FileDescriptor") -> tuple[int, ...]:
    """The streams that a request asks for: 0 for standard output, 1 for standard error.

    Raises:
        GRPCError: INVALID_ARGUMENT.
    """
    if descriptor not in _STREAMS:
        raise invalid(f"source must be one of 0, 1, 2 and 3, not {descriptor}")
    return _STREAMS[descriptor]
