from pytest_sandbox._proto import common_pb2 as _common_pb2
from pytest_sandbox._proto import sandboxes_pb2 as _sandboxes_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExecOutputOption(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXEC_OUTPUT_OPTION_UNSPECIFIED: _ClassVar[ExecOutputOption]
    EXEC_OUTPUT_OPTION_DEVNULL: _ClassVar[ExecOutputOption]
    EXEC_OUTPUT_OPTION_PIPE: _ClassVar[ExecOutputOption]
    EXEC_OUTPUT_OPTION_STDOUT: _ClassVar[ExecOutputOption]

class SeekWhence(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SEEK_SET: _ClassVar[SeekWhence]
    SEEK_CUR: _ClassVar[SeekWhence]
    SEEK_END: _ClassVar[SeekWhence]

class SystemErrorCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SYSTEM_ERROR_CODE_UNSPECIFIED: _ClassVar[SystemErrorCode]
    SYSTEM_ERROR_CODE_PERM: _ClassVar[SystemErrorCode]
    SYSTEM_ERROR_CODE_NOENT: _ClassVar[SystemErrorCode]
    SYSTEM_ERROR_CODE_IO: _ClassVar[SystemErrorCode]
    SYSTEM_ERROR_CODE_NXIO: _ClassVar[SystemErrorCode]
    SYSTEM_ERROR_CODE_NOMEM: _ClassVar[SystemErrorCode]
    SYSTEM_ERROR_CODE_ACCES: _ClassVar[SystemErrorCode]
    SYSTEM_ERROR_CODE_EXIST: _ClassVar[SystemErrorCode]
    SYSTEM_ERROR_CODE_NOTDIR: _ClassVar[SystemErrorCode]
    SYSTEM_ERROR_CODE_ISDIR: _ClassVar[SystemErrorCode]
    SYSTEM_ERROR_CODE_INVAL: _ClassVar[SystemErrorCode]
    SYSTEM_ERROR_CODE_MFILE: _ClassVar[SystemErrorCode]
    SYSTEM_ERROR_CODE_FBIG: _ClassVar[SystemErrorCode]
    SYSTEM_ERROR_CODE_NOSPC: _ClassVar[SystemErrorCode]
EXEC_OUTPUT_OPTION_UNSPECIFIED: ExecOutputOption
EXEC_OUTPUT_OPTION_DEVNULL: ExecOutputOption
EXEC_OUTPUT_OPTION_PIPE: ExecOutputOption
EXEC_OUTPUT_OPTION_STDOUT: ExecOutputOption
SEEK_SET: SeekWhence
SEEK_CUR: SeekWhence
SEEK_END: SeekWhence
SYSTEM_ERROR_CODE_UNSPECIFIED: SystemErrorCode
SYSTEM_ERROR_CODE_PERM: SystemErrorCode
SYSTEM_ERROR_CODE_NOENT: SystemErrorCode
SYSTEM_ERROR_CODE_IO: SystemErrorCode
SYSTEM_ERROR_CODE_NXIO: SystemErrorCode
SYSTEM_ERROR_CODE_NOMEM: SystemErrorCode
SYSTEM_ERROR_CODE_ACCES: SystemErrorCode
SYSTEM_ERROR_CODE_EXIST: SystemErrorCode
SYSTEM_ERROR_CODE_NOTDIR: SystemErrorCode
SYSTEM_ERROR_CODE_ISDIR: SystemErrorCode
SYSTEM_ERROR_CODE_INVAL: SystemErrorCode
SYSTEM_ERROR_CODE_MFILE: SystemErrorCode
SYSTEM_ERROR_CODE_FBIG: SystemErrorCode
SYSTEM_ERROR_CODE_NOSPC: SystemErrorCode

class ContainerExecGetOutputRequest(_message.Message):
    __slots__ = ("exec_id", "timeout", "last_batch_index", "file_descriptor", "get_raw_bytes")
    EXEC_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    LAST_BATCH_INDEX_FIELD_NUMBER: _ClassVar[int]
    FILE_DESCRIPTOR_FIELD_NUMBER: _ClassVar[int]
    GET_RAW_BYTES_FIELD_NUMBER: _ClassVar[int]
    exec_id: str
    timeout: float
    last_batch_index: int
    file_descriptor: _common_pb2.FileDescriptor
    get_raw_bytes: bool
    def __init__(self, exec_id: _Optional[str] = ..., timeout: _Optional[float] = ..., last_batch_index: _Optional[int] = ..., file_descriptor: _Optional[_Union[_common_pb2.FileDescriptor, str]] = ..., get_raw_bytes: bool = ...) -> None: ...

class ContainerExecPutInputRequest(_message.Message):
    __slots__ = ("exec_id", "input")
    EXEC_ID_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    exec_id: str
    input: RuntimeInputMessage
    def __init__(self, exec_id: _Optional[str] = ..., input: _Optional[_Union[RuntimeInputMessage, _Mapping]] = ...) -> None: ...

class ContainerExecRequest(_message.Message):
    __slots__ = ("task_id", "command", "pty_info", "terminate_container_on_exit", "runtime_debug", "stdout_output", "stderr_output", "timeout_secs", "workdir", "secret_ids")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    PTY_INFO_FIELD_NUMBER: _ClassVar[int]
    TERMINATE_CONTAINER_ON_EXIT_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_DEBUG_FIELD_NUMBER: _ClassVar[int]
    STDOUT_OUTPUT_FIELD_NUMBER: _ClassVar[int]
    STDERR_OUTPUT_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_SECS_FIELD_NUMBER: _ClassVar[int]
    WORKDIR_FIELD_NUMBER: _ClassVar[int]
    SECRET_IDS_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    command: _containers.RepeatedScalarFieldContainer[str]
    pty_info: _sandboxes_pb2.PTYInfo
    terminate_container_on_exit: bool
    runtime_debug: bool
    stdout_output: ExecOutputOption
    stderr_output: ExecOutputOption
    timeout_secs: int
    workdir: str
    secret_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, task_id: _Optional[str] = ..., command: _Optional[_Iterable[str]] = ..., pty_info: _Optional[_Union[_sandboxes_pb2.PTYInfo, _Mapping]] = ..., terminate_container_on_exit: bool = ..., runtime_debug: bool = ..., stdout_output: _Optional[_Union[ExecOutputOption, str]] = ..., stderr_output: _Optional[_Union[ExecOutputOption, str]] = ..., timeout_secs: _Optional[int] = ..., workdir: _Optional[str] = ..., secret_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ContainerExecResponse(_message.Message):
    __slots__ = ("exec_id",)
    EXEC_ID_FIELD_NUMBER: _ClassVar[int]
    exec_id: str
    def __init__(self, exec_id: _Optional[str] = ...) -> None: ...

class ContainerExecWaitRequest(_message.Message):
    __slots__ = ("exec_id", "timeout")
    EXEC_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    exec_id: str
    timeout: float
    def __init__(self, exec_id: _Optional[str] = ..., timeout: _Optional[float] = ...) -> None: ...

class ContainerExecWaitResponse(_message.Message):
    __slots__ = ("exit_code", "completed")
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_FIELD_NUMBER: _ClassVar[int]
    exit_code: int
    completed: bool
    def __init__(self, exit_code: _Optional[int] = ..., completed: bool = ...) -> None: ...

class ContainerFileCloseRequest(_message.Message):
    __slots__ = ("file_descriptor",)
    FILE_DESCRIPTOR_FIELD_NUMBER: _ClassVar[int]
    file_descriptor: str
    def __init__(self, file_descriptor: _Optional[str] = ...) -> None: ...

class ContainerFileDeleteBytesRequest(_message.Message):
    __slots__ = ("file_descriptor", "start_inclusive", "end_exclusive")
    FILE_DESCRIPTOR_FIELD_NUMBER: _ClassVar[int]
    START_INCLUSIVE_FIELD_NUMBER: _ClassVar[int]
    END_EXCLUSIVE_FIELD_NUMBER: _ClassVar[int]
    file_descriptor: str
    start_inclusive: int
    end_exclusive: int
    def __init__(self, file_descriptor: _Optional[str] = ..., start_inclusive: _Optional[int] = ..., end_exclusive: _Optional[int] = ...) -> None: ...

class ContainerFileFlushRequest(_message.Message):
    __slots__ = ("file_descriptor",)
    FILE_DESCRIPTOR_FIELD_NUMBER: _ClassVar[int]
    file_descriptor: str
    def __init__(self, file_descriptor: _Optional[str] = ...) -> None: ...

class ContainerFileLsRequest(_message.Message):
    __slots__ = ("path",)
    PATH_FIELD_NUMBER: _ClassVar[int]
    path: str
    def __init__(self, path: _Optional[str] = ...) -> None: ...

class ContainerFileMkdirRequest(_message.Message):
    __slots__ = ("path", "make_parents")
    PATH_FIELD_NUMBER: _ClassVar[int]
    MAKE_PARENTS_FIELD_NUMBER: _ClassVar[int]
    path: str
    make_parents: bool
    def __init__(self, path: _Optional[str] = ..., make_parents: bool = ...) -> None: ...

class ContainerFileOpenRequest(_message.Message):
    __slots__ = ("file_descriptor", "path", "mode")
    FILE_DESCRIPTOR_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    file_descriptor: str
    path: str
    mode: str
    def __init__(self, file_descriptor: _Optional[str] = ..., path: _Optional[str] = ..., mode: _Optional[str] = ...) -> None: ...

class ContainerFileReadLineRequest(_message.Message):
    __slots__ = ("file_descriptor",)
    FILE_DESCRIPTOR_FIELD_NUMBER: _ClassVar[int]
    file_descriptor: str
    def __init__(self, file_descriptor: _Optional[str] = ...) -> None: ...

class ContainerFileReadRequest(_message.Message):
    __slots__ = ("file_descriptor", "n")
    FILE_DESCRIPTOR_FIELD_NUMBER: _ClassVar[int]
    N_FIELD_NUMBER: _ClassVar[int]
    file_descriptor: str
    n: int
    def __init__(self, file_descriptor: _Optional[str] = ..., n: _Optional[int] = ...) -> None: ...

class ContainerFileRmRequest(_message.Message):
    __slots__ = ("path", "recursive")
    PATH_FIELD_NUMBER: _ClassVar[int]
    RECURSIVE_FIELD_NUMBER: _ClassVar[int]
    path: str
    recursive: bool
    def __init__(self, path: _Optional[str] = ..., recursive: bool = ...) -> None: ...

class ContainerFileSeekRequest(_message.Message):
    __slots__ = ("file_descriptor", "offset", "whence")
    FILE_DESCRIPTOR_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    WHENCE_FIELD_NUMBER: _ClassVar[int]
    file_descriptor: str
    offset: int
    whence: SeekWhence
    def __init__(self, file_descriptor: _Optional[str] = ..., offset: _Optional[int] = ..., whence: _Optional[_Union[SeekWhence, str]] = ...) -> None: ...

class ContainerFileWatchRequest(_message.Message):
    __slots__ = ("path", "recursive", "timeout_secs")
    PATH_FIELD_NUMBER: _ClassVar[int]
    RECURSIVE_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_SECS_FIELD_NUMBER: _ClassVar[int]
    path: str
    recursive: bool
    timeout_secs: int
    def __init__(self, path: _Optional[str] = ..., recursive: bool = ..., timeout_secs: _Optional[int] = ...) -> None: ...

class ContainerFileWriteReplaceBytesRequest(_message.Message):
    __slots__ = ("file_descriptor", "data", "start_inclusive", "end_exclusive")
    FILE_DESCRIPTOR_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    START_INCLUSIVE_FIELD_NUMBER: _ClassVar[int]
    END_EXCLUSIVE_FIELD_NUMBER: _ClassVar[int]
    file_descriptor: str
    data: bytes
    start_inclusive: int
    end_exclusive: int
    def __init__(self, file_descriptor: _Optional[str] = ..., data: _Optional[bytes] = ..., start_inclusive: _Optional[int] = ..., end_exclusive: _Optional[int] = ...) -> None: ...

class ContainerFileWriteRequest(_message.Message):
    __slots__ = ("file_descriptor", "data")
    FILE_DESCRIPTOR_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    file_descriptor: str
    data: bytes
    def __init__(self, file_descriptor: _Optional[str] = ..., data: _Optional[bytes] = ...) -> None: ...

class ContainerFilesystemExecGetOutputRequest(_message.Message):
    __slots__ = ("exec_id", "timeout", "received_events")
    EXEC_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_EVENTS_FIELD_NUMBER: _ClassVar[int]
    exec_id: str
    timeout: float
    received_events: int
    def __init__(self, exec_id: _Optional[str] = ..., timeout: _Optional[float] = ..., received_events: _Optional[int] = ...) -> None: ...

class ContainerFilesystemExecRequest(_message.Message):
    __slots__ = ("file_open_request", "file_write_request", "file_read_request", "file_flush_request", "file_read_line_request", "file_seek_request", "file_delete_bytes_request", "file_write_replace_bytes_request", "file_close_request", "file_ls_request", "file_mkdir_request", "file_rm_request", "file_watch_request", "task_id")
    FILE_OPEN_REQUEST_FIELD_NUMBER: _ClassVar[int]
    FILE_WRITE_REQUEST_FIELD_NUMBER: _ClassVar[int]
    FILE_READ_REQUEST_FIELD_NUMBER: _ClassVar[int]
    FILE_FLUSH_REQUEST_FIELD_NUMBER: _ClassVar[int]
    FILE_READ_LINE_REQUEST_FIELD_NUMBER: _ClassVar[int]
    FILE_SEEK_REQUEST_FIELD_NUMBER: _ClassVar[int]
    FILE_DELETE_BYTES_REQUEST_FIELD_NUMBER: _ClassVar[int]
    FILE_WRITE_REPLACE_BYTES_REQUEST_FIELD_NUMBER: _ClassVar[int]
    FILE_CLOSE_REQUEST_FIELD_NUMBER: _ClassVar[int]
    FILE_LS_REQUEST_FIELD_NUMBER: _ClassVar[int]
    FILE_MKDIR_REQUEST_FIELD_NUMBER: _ClassVar[int]
    FILE_RM_REQUEST_FIELD_NUMBER: _ClassVar[int]
    FILE_WATCH_REQUEST_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    file_open_request: ContainerFileOpenRequest
    file_write_request: ContainerFileWriteRequest
    file_read_request: ContainerFileReadRequest
    file_flush_request: ContainerFileFlushRequest
    file_read_line_request: ContainerFileReadLineRequest
    file_seek_request: ContainerFileSeekRequest
    file_delete_bytes_request: ContainerFileDeleteBytesRequest
    file_write_replace_bytes_request: ContainerFileWriteReplaceBytesRequest
    file_close_request: ContainerFileCloseRequest
    file_ls_request: ContainerFileLsRequest
    file_mkdir_request: ContainerFileMkdirRequest
    file_rm_request: ContainerFileRmRequest
    file_watch_request: ContainerFileWatchRequest
    task_id: str
    def __init__(self, file_open_request: _Optional[_Union[ContainerFileOpenRequest, _Mapping]] = ..., file_write_request: _Optional[_Union[ContainerFileWriteRequest, _Mapping]] = ..., file_read_request: _Optional[_Union[ContainerFileReadRequest, _Mapping]] = ..., file_flush_request: _Optional[_Union[ContainerFileFlushRequest, _Mapping]] = ..., file_read_line_request: _Optional[_Union[ContainerFileReadLineRequest, _Mapping]] = ..., file_seek_request: _Optional[_Union[ContainerFileSeekRequest, _Mapping]] = ..., file_delete_bytes_request: _Optional[_Union[ContainerFileDeleteBytesRequest, _Mapping]] = ..., file_write_replace_bytes_request: _Optional[_Union[ContainerFileWriteReplaceBytesRequest, _Mapping]] = ..., file_close_request: _Optional[_Union[ContainerFileCloseRequest, _Mapping]] = ..., file_ls_request: _Optional[_Union[ContainerFileLsRequest, _Mapping]] = ..., file_mkdir_request: _Optional[_Union[ContainerFileMkdirRequest, _Mapping]] = ..., file_rm_request: _Optional[_Union[ContainerFileRmRequest, _Mapping]] = ..., file_watch_request: _Optional[_Union[ContainerFileWatchRequest, _Mapping]] = ..., task_id: _Optional[str] = ...) -> None: ...

class ContainerFilesystemExecResponse(_message.Message):
    __slots__ = ("exec_id", "file_descriptor")
    EXEC_ID_FIELD_NUMBER: _ClassVar[int]
    FILE_DESCRIPTOR_FIELD_NUMBER: _ClassVar[int]
    exec_id: str
    file_descriptor: str
    def __init__(self, exec_id: _Optional[str] = ..., file_descriptor: _Optional[str] = ...) -> None: ...

class ContainerReloadVolumesRequest(_message.Message):
    __slots__ = ("task_id",)
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    def __init__(self, task_id: _Optional[str] = ...) -> None: ...

class ContainerReloadVolumesResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FilesystemRuntimeOutputBatch(_message.Message):
    __slots__ = ("output", "error", "batch_index", "eof")
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    BATCH_INDEX_FIELD_NUMBER: _ClassVar[int]
    EOF_FIELD_NUMBER: _ClassVar[int]
    output: _containers.RepeatedScalarFieldContainer[bytes]
    error: SystemErrorMessage
    batch_index: int
    eof: bool
    def __init__(self, output: _Optional[_Iterable[bytes]] = ..., error: _Optional[_Union[SystemErrorMessage, _Mapping]] = ..., batch_index: _Optional[int] = ..., eof: bool = ...) -> None: ...

class RuntimeInputMessage(_message.Message):
    __slots__ = ("message", "message_index", "eof")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_INDEX_FIELD_NUMBER: _ClassVar[int]
    EOF_FIELD_NUMBER: _ClassVar[int]
    message: bytes
    message_index: int
    eof: bool
    def __init__(self, message: _Optional[bytes] = ..., message_index: _Optional[int] = ..., eof: bool = ...) -> None: ...

class RuntimeOutputBatch(_message.Message):
    __slots__ = ("items", "batch_index", "exit_code", "stdout", "stderr", "info")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    BATCH_INDEX_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    STDOUT_FIELD_NUMBER: _ClassVar[int]
    STDERR_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[RuntimeOutputMessage]
    batch_index: int
    exit_code: int
    stdout: _containers.RepeatedCompositeFieldContainer[RuntimeOutputMessage]
    stderr: _containers.RepeatedCompositeFieldContainer[RuntimeOutputMessage]
    info: _containers.RepeatedCompositeFieldContainer[RuntimeOutputMessage]
    def __init__(self, items: _Optional[_Iterable[_Union[RuntimeOutputMessage, _Mapping]]] = ..., batch_index: _Optional[int] = ..., exit_code: _Optional[int] = ..., stdout: _Optional[_Iterable[_Union[RuntimeOutputMessage, _Mapping]]] = ..., stderr: _Optional[_Iterable[_Union[RuntimeOutputMessage, _Mapping]]] = ..., info: _Optional[_Iterable[_Union[RuntimeOutputMessage, _Mapping]]] = ...) -> None: ...

class RuntimeOutputMessage(_message.Message):
    __slots__ = ("file_descriptor", "message", "message_bytes")
    FILE_DESCRIPTOR_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    file_descriptor: _common_pb2.FileDescriptor
    message: str
    message_bytes: bytes
    def __init__(self, file_descriptor: _Optional[_Union[_common_pb2.FileDescriptor, str]] = ..., message: _Optional[str] = ..., message_bytes: _Optional[bytes] = ...) -> None: ...

class SystemErrorMessage(_message.Message):
    __slots__ = ("error_code", "error_message", "errno", "strerror", "filename")
    ERROR_CODE_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ERRNO_FIELD_NUMBER: _ClassVar[int]
    STRERROR_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    error_code: SystemErrorCode
    error_message: str
    errno: int
    strerror: str
    filename: bytes
    def __init__(self, error_code: _Optional[_Union[SystemErrorCode, str]] = ..., error_message: _Optional[str] = ..., errno: _Optional[int] = ..., strerror: _Optional[str] = ..., filename: _Optional[bytes] = ...) -> None: ...

class TaskGetCommandRouterAccessRequest(_message.Message):
    __slots__ = ("task_id",)
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    def __init__(self, task_id: _Optional[str] = ...) -> None: ...

class TaskGetCommandRouterAccessResponse(_message.Message):
    __slots__ = ("jwt", "url")
    JWT_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    jwt: str
    url: str
    def __init__(self, jwt: _Optional[str] = ..., url: _Optional[str] = ...) -> None: ...
