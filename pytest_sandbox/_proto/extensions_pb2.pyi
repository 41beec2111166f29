from pytest_sandbox._proto import common_pb2 as _common_pb2
from pytest_sandbox._proto import router_pb2 as _router_pb2
from pytest_sandbox._proto import sandboxes_pb2 as _sandboxes_pb2
from pytest_sandbox._proto import snapshots_pb2 as _snapshots_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SandboxMembership(_message.Message):
    __slots__ = ("network_id", "aliases")
    NETWORK_ID_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    network_id: str
    aliases: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, network_id: _Optional[str] = ..., aliases: _Optional[_Iterable[str]] = ...) -> None: ...

class SandboxCreateInNetworkRequest(_message.Message):
    __slots__ = ("create", "membership")
    CREATE_FIELD_NUMBER: _ClassVar[int]
    MEMBERSHIP_FIELD_NUMBER: _ClassVar[int]
    create: _sandboxes_pb2.SandboxCreateRequest
    membership: SandboxMembership
    def __init__(self, create: _Optional[_Union[_sandboxes_pb2.SandboxCreateRequest, _Mapping]] = ..., membership: _Optional[_Union[SandboxMembership, _Mapping]] = ...) -> None: ...

class SandboxRestoreInNetworkRequest(_message.Message):
    __slots__ = ("restore", "membership")
    RESTORE_FIELD_NUMBER: _ClassVar[int]
    MEMBERSHIP_FIELD_NUMBER: _ClassVar[int]
    restore: _snapshots_pb2.SandboxRestoreRequest
    membership: SandboxMembership
    def __init__(self, restore: _Optional[_Union[_snapshots_pb2.SandboxRestoreRequest, _Mapping]] = ..., membership: _Optional[_Union[SandboxMembership, _Mapping]] = ...) -> None: ...

class SandboxPrepareRequest(_message.Message):
    __slots__ = ("app_id", "definition", "membership")
    APP_ID_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    MEMBERSHIP_FIELD_NUMBER: _ClassVar[int]
    app_id: str
    definition: _sandboxes_pb2.Sandbox
    membership: SandboxMembership
    def __init__(self, app_id: _Optional[str] = ..., definition: _Optional[_Union[_sandboxes_pb2.Sandbox, _Mapping]] = ..., membership: _Optional[_Union[SandboxMembership, _Mapping]] = ...) -> None: ...

class SandboxPrepareResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SandboxRestoreImageRequest(_message.Message):
    __slots__ = ("sandbox_id", "image_id")
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    image_id: str
    def __init__(self, sandbox_id: _Optional[str] = ..., image_id: _Optional[str] = ...) -> None: ...

class SandboxRestoreImageResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SandboxUsageRequest(_message.Message):
    __slots__ = ("sandbox_id",)
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    def __init__(self, sandbox_id: _Optional[str] = ...) -> None: ...

class SandboxUsageResponse(_message.Message):
    __slots__ = ("cpu_seconds", "peak_memory", "bytes_written", "peak_processes", "oom_kills")
    CPU_SECONDS_FIELD_NUMBER: _ClassVar[int]
    PEAK_MEMORY_FIELD_NUMBER: _ClassVar[int]
    BYTES_WRITTEN_FIELD_NUMBER: _ClassVar[int]
    PEAK_PROCESSES_FIELD_NUMBER: _ClassVar[int]
    OOM_KILLS_FIELD_NUMBER: _ClassVar[int]
    cpu_seconds: float
    peak_memory: int
    bytes_written: int
    peak_processes: int
    oom_kills: int
    def __init__(self, cpu_seconds: _Optional[float] = ..., peak_memory: _Optional[int] = ..., bytes_written: _Optional[int] = ..., peak_processes: _Optional[int] = ..., oom_kills: _Optional[int] = ...) -> None: ...

class SandboxSnapshotEndRequest(_message.Message):
    __slots__ = ("sandbox_id",)
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    def __init__(self, sandbox_id: _Optional[str] = ...) -> None: ...

class SandboxSnapshotEndResponse(_message.Message):
    __slots__ = ("image_id",)
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    def __init__(self, image_id: _Optional[str] = ...) -> None: ...

class ImageKeepRequest(_message.Message):
    __slots__ = ("image_id", "key")
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    key: str
    def __init__(self, image_id: _Optional[str] = ..., key: _Optional[str] = ...) -> None: ...

class ImageKeepResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ImageRecallRequest(_message.Message):
    __slots__ = ("key",)
    KEY_FIELD_NUMBER: _ClassVar[int]
    key: str
    def __init__(self, key: _Optional[str] = ...) -> None: ...

class ImageRecallResponse(_message.Message):
    __slots__ = ("image_id",)
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    def __init__(self, image_id: _Optional[str] = ...) -> None: ...

class ImageFromArchiveRequest(_message.Message):
    __slots__ = ("kind", "path", "tag")
    KIND_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    kind: str
    path: str
    tag: str
    def __init__(self, kind: _Optional[str] = ..., path: _Optional[str] = ..., tag: _Optional[str] = ...) -> None: ...

class ImageFromArchiveResponse(_message.Message):
    __slots__ = ("image_id",)
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    def __init__(self, image_id: _Optional[str] = ...) -> None: ...

class ImageForgetRequest(_message.Message):
    __slots__ = ("image_id",)
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    def __init__(self, image_id: _Optional[str] = ...) -> None: ...

class ImageForgetResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SnapshotForgetRequest(_message.Message):
    __slots__ = ("snapshot_id",)
    SNAPSHOT_ID_FIELD_NUMBER: _ClassVar[int]
    snapshot_id: str
    def __init__(self, snapshot_id: _Optional[str] = ...) -> None: ...

class SnapshotForgetResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ExecKillRequest(_message.Message):
    __slots__ = ("task_id", "exec_id")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    EXEC_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    exec_id: str
    def __init__(self, task_id: _Optional[str] = ..., exec_id: _Optional[str] = ...) -> None: ...

class ExecKillResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ExecFollowRequest(_message.Message):
    __slots__ = ("start", "read", "close", "wait")
    START_FIELD_NUMBER: _ClassVar[int]
    READ_FIELD_NUMBER: _ClassVar[int]
    CLOSE_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    start: ExecFollowStart
    read: ExecFollowRead
    close: _router_pb2.TaskExecStdioFileDescriptor
    wait: bool
    def __init__(self, start: _Optional[_Union[ExecFollowStart, _Mapping]] = ..., read: _Optional[_Union[ExecFollowRead, _Mapping]] = ..., close: _Optional[_Union[_router_pb2.TaskExecStdioFileDescriptor, str]] = ..., wait: bool = ...) -> None: ...

class ExecFollowStart(_message.Message):
    __slots__ = ("command", "whole", "input")
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    WHOLE_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    command: _router_pb2.TaskExecStartRequest
    whole: bool
    input: bytes
    def __init__(self, command: _Optional[_Union[_router_pb2.TaskExecStartRequest, _Mapping]] = ..., whole: bool = ..., input: _Optional[bytes] = ...) -> None: ...

class ExecFollowRead(_message.Message):
    __slots__ = ("file_descriptor", "until")
    FILE_DESCRIPTOR_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    file_descriptor: _router_pb2.TaskExecStdioFileDescriptor
    until: int
    def __init__(self, file_descriptor: _Optional[_Union[_router_pb2.TaskExecStdioFileDescriptor, str]] = ..., until: _Optional[int] = ...) -> None: ...

class ExecFollowResponse(_message.Message):
    __slots__ = ("apart", "started", "stdout", "stderr", "stdout_ended", "stderr_ended", "exit", "reading", "waiting", "ahead", "failed")
    APART_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    STDOUT_FIELD_NUMBER: _ClassVar[int]
    STDERR_FIELD_NUMBER: _ClassVar[int]
    STDOUT_ENDED_FIELD_NUMBER: _ClassVar[int]
    STDERR_ENDED_FIELD_NUMBER: _ClassVar[int]
    EXIT_FIELD_NUMBER: _ClassVar[int]
    READING_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    AHEAD_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    apart: bool
    started: bool
    stdout: bytes
    stderr: bytes
    stdout_ended: bool
    stderr_ended: bool
    exit: _router_pb2.TaskExecWaitResponse
    reading: _containers.RepeatedScalarFieldContainer[_router_pb2.TaskExecStdioFileDescriptor]
    waiting: bool
    ahead: bool
    failed: bool
    def __init__(self, apart: bool = ..., started: bool = ..., stdout: _Optional[bytes] = ..., stderr: _Optional[bytes] = ..., stdout_ended: bool = ..., stderr_ended: bool = ..., exit: _Optional[_Union[_router_pb2.TaskExecWaitResponse, _Mapping]] = ..., reading: _Optional[_Iterable[_Union[_router_pb2.TaskExecStdioFileDescriptor, str]]] = ..., waiting: bool = ..., ahead: bool = ..., failed: bool = ...) -> None: ...

class SandboxFollowRequest(_message.Message):
    __slots__ = ("create", "restore", "read", "close")
    CREATE_FIELD_NUMBER: _ClassVar[int]
    RESTORE_FIELD_NUMBER: _ClassVar[int]
    READ_FIELD_NUMBER: _ClassVar[int]
    CLOSE_FIELD_NUMBER: _ClassVar[int]
    create: _sandboxes_pb2.SandboxCreateRequest
    restore: _snapshots_pb2.SandboxRestoreRequest
    read: SandboxFollowRead
    close: _common_pb2.FileDescriptor
    def __init__(self, create: _Optional[_Union[_sandboxes_pb2.SandboxCreateRequest, _Mapping]] = ..., restore: _Optional[_Union[_snapshots_pb2.SandboxRestoreRequest, _Mapping]] = ..., read: _Optional[_Union[SandboxFollowRead, _Mapping]] = ..., close: _Optional[_Union[_common_pb2.FileDescriptor, str]] = ...) -> None: ...

class SandboxFollowRead(_message.Message):
    __slots__ = ("file_descriptor", "until")
    FILE_DESCRIPTOR_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    file_descriptor: _common_pb2.FileDescriptor
    until: int
    def __init__(self, file_descriptor: _Optional[_Union[_common_pb2.FileDescriptor, str]] = ..., until: _Optional[int] = ...) -> None: ...

class SandboxFollowResponse(_message.Message):
    __slots__ = ("apart", "reading", "created", "restored", "task_id", "router_jwt", "output", "result")
    APART_FIELD_NUMBER: _ClassVar[int]
    READING_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    RESTORED_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    ROUTER_JWT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    apart: bool
    reading: _containers.RepeatedScalarFieldContainer[_common_pb2.FileDescriptor]
    created: _sandboxes_pb2.SandboxCreateResponse
    restored: _snapshots_pb2.SandboxRestoreResponse
    task_id: str
    router_jwt: str
    output: _containers.RepeatedCompositeFieldContainer[SandboxFollowOutput]
    result: _common_pb2.GenericResult
    def __init__(self, apart: bool = ..., reading: _Optional[_Iterable[_Union[_common_pb2.FileDescriptor, str]]] = ..., created: _Optional[_Union[_sandboxes_pb2.SandboxCreateResponse, _Mapping]] = ..., restored: _Optional[_Union[_snapshots_pb2.SandboxRestoreResponse, _Mapping]] = ..., task_id: _Optional[str] = ..., router_jwt: _Optional[str] = ..., output: _Optional[_Iterable[_Union[SandboxFollowOutput, _Mapping]]] = ..., result: _Optional[_Union[_common_pb2.GenericResult, _Mapping]] = ...) -> None: ...

class SandboxFollowOutput(_message.Message):
    __slots__ = ("file_descriptor", "batch", "offset")
    FILE_DESCRIPTOR_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    file_descriptor: _common_pb2.FileDescriptor
    batch: _common_pb2.TaskLogsBatch
    offset: int
    def __init__(self, file_descriptor: _Optional[_Union[_common_pb2.FileDescriptor, str]] = ..., batch: _Optional[_Union[_common_pb2.TaskLogsBatch, _Mapping]] = ..., offset: _Optional[int] = ...) -> None: ...
