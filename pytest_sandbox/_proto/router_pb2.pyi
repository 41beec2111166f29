from google.protobuf import empty_pb2 as _empty_pb2
from pytest_sandbox._proto import common_pb2 as _common_pb2
from pytest_sandbox._proto import sandboxes_pb2 as _sandboxes_pb2
from pytest_sandbox._proto import secrets_pb2 as _secrets_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SandboxStdioFileDescriptor(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SANDBOX_STDIO_FILE_DESCRIPTOR_STDOUT: _ClassVar[SandboxStdioFileDescriptor]
    SANDBOX_STDIO_FILE_DESCRIPTOR_STDERR: _ClassVar[SandboxStdioFileDescriptor]

class TaskExecStderrConfig(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_EXEC_STDERR_CONFIG_DEVNULL: _ClassVar[TaskExecStderrConfig]
    TASK_EXEC_STDERR_CONFIG_PIPE: _ClassVar[TaskExecStderrConfig]
    TASK_EXEC_STDERR_CONFIG_STDOUT: _ClassVar[TaskExecStderrConfig]

class TaskExecStdioFileDescriptor(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_EXEC_STDIO_FILE_DESCRIPTOR_STDOUT: _ClassVar[TaskExecStdioFileDescriptor]
    TASK_EXEC_STDIO_FILE_DESCRIPTOR_STDERR: _ClassVar[TaskExecStdioFileDescriptor]

class TaskExecStdoutConfig(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_EXEC_STDOUT_CONFIG_DEVNULL: _ClassVar[TaskExecStdoutConfig]
    TASK_EXEC_STDOUT_CONFIG_PIPE: _ClassVar[TaskExecStdoutConfig]
SANDBOX_STDIO_FILE_DESCRIPTOR_STDOUT: SandboxStdioFileDescriptor
SANDBOX_STDIO_FILE_DESCRIPTOR_STDERR: SandboxStdioFileDescriptor
TASK_EXEC_STDERR_CONFIG_DEVNULL: TaskExecStderrConfig
TASK_EXEC_STDERR_CONFIG_PIPE: TaskExecStderrConfig
TASK_EXEC_STDERR_CONFIG_STDOUT: TaskExecStderrConfig
TASK_EXEC_STDIO_FILE_DESCRIPTOR_STDOUT: TaskExecStdioFileDescriptor
TASK_EXEC_STDIO_FILE_DESCRIPTOR_STDERR: TaskExecStdioFileDescriptor
TASK_EXEC_STDOUT_CONFIG_DEVNULL: TaskExecStdoutConfig
TASK_EXEC_STDOUT_CONFIG_PIPE: TaskExecStdoutConfig

class SandboxStdinWriteV2Request(_message.Message):
    __slots__ = ("task_id", "offset", "data", "eof")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    EOF_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    offset: int
    data: bytes
    eof: bool
    def __init__(self, task_id: _Optional[str] = ..., offset: _Optional[int] = ..., data: _Optional[bytes] = ..., eof: bool = ...) -> None: ...

class SandboxStdinWriteV2Response(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SandboxStdioReadV2Request(_message.Message):
    __slots__ = ("task_id", "offset", "file_descriptor")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    FILE_DESCRIPTOR_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    offset: int
    file_descriptor: SandboxStdioFileDescriptor
    def __init__(self, task_id: _Optional[str] = ..., offset: _Optional[int] = ..., file_descriptor: _Optional[_Union[SandboxStdioFileDescriptor, str]] = ...) -> None: ...

class SandboxStdioReadV2Response(_message.Message):
    __slots__ = ("data", "starting_offset")
    DATA_FIELD_NUMBER: _ClassVar[int]
    STARTING_OFFSET_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    starting_offset: int
    def __init__(self, data: _Optional[bytes] = ..., starting_offset: _Optional[int] = ...) -> None: ...

class TaskContainerCreateRequest(_message.Message):
    __slots__ = ("task_id", "container_name", "image_id", "args", "env", "workdir", "secret_ids", "volume_mounts", "network_access", "pty_info", "memory_reserve_consume_mib", "secret_sources")
    class EnvEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_NAME_FIELD_NUMBER: _ClassVar[int]
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    ARGS_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    WORKDIR_FIELD_NUMBER: _ClassVar[int]
    SECRET_IDS_FIELD_NUMBER: _ClassVar[int]
    VOLUME_MOUNTS_FIELD_NUMBER: _ClassVar[int]
    NETWORK_ACCESS_FIELD_NUMBER: _ClassVar[int]
    PTY_INFO_FIELD_NUMBER: _ClassVar[int]
    MEMORY_RESERVE_CONSUME_MIB_FIELD_NUMBER: _ClassVar[int]
    SECRET_SOURCES_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    container_name: str
    image_id: str
    args: _containers.RepeatedScalarFieldContainer[str]
    env: _containers.ScalarMap[str, str]
    workdir: str
    secret_ids: _containers.RepeatedScalarFieldContainer[str]
    volume_mounts: _containers.RepeatedCompositeFieldContainer[_common_pb2.VolumeMount]
    network_access: _sandboxes_pb2.NetworkAccess
    pty_info: _sandboxes_pb2.PTYInfo
    memory_reserve_consume_mib: int
    secret_sources: _containers.RepeatedCompositeFieldContainer[_secrets_pb2.SecretSource]
    def __init__(self, task_id: _Optional[str] = ..., container_name: _Optional[str] = ..., image_id: _Optional[str] = ..., args: _Optional[_Iterable[str]] = ..., env: _Optional[_Mapping[str, str]] = ..., workdir: _Optional[str] = ..., secret_ids: _Optional[_Iterable[str]] = ..., volume_mounts: _Optional[_Iterable[_Union[_common_pb2.VolumeMount, _Mapping]]] = ..., network_access: _Optional[_Union[_sandboxes_pb2.NetworkAccess, _Mapping]] = ..., pty_info: _Optional[_Union[_sandboxes_pb2.PTYInfo, _Mapping]] = ..., memory_reserve_consume_mib: _Optional[int] = ..., secret_sources: _Optional[_Iterable[_Union[_secrets_pb2.SecretSource, _Mapping]]] = ...) -> None: ...

class TaskContainerCreateResponse(_message.Message):
    __slots__ = ("container_id", "container_name")
    CONTAINER_ID_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_NAME_FIELD_NUMBER: _ClassVar[int]
    container_id: str
    container_name: str
    def __init__(self, container_id: _Optional[str] = ..., container_name: _Optional[str] = ...) -> None: ...

class TaskContainerGetRequest(_message.Message):
    __slots__ = ("task_id", "container_name", "include_terminated")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_NAME_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_TERMINATED_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    container_name: str
    include_terminated: bool
    def __init__(self, task_id: _Optional[str] = ..., container_name: _Optional[str] = ..., include_terminated: bool = ...) -> None: ...

class TaskContainerGetResponse(_message.Message):
    __slots__ = ("container",)
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    container: TaskContainerInfo
    def __init__(self, container: _Optional[_Union[TaskContainerInfo, _Mapping]] = ...) -> None: ...

class TaskContainerInfo(_message.Message):
    __slots__ = ("container_id", "container_name", "status", "result")
    CONTAINER_ID_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_NAME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    container_id: str
    container_name: str
    status: str
    result: _common_pb2.GenericResult
    def __init__(self, container_id: _Optional[str] = ..., container_name: _Optional[str] = ..., status: _Optional[str] = ..., result: _Optional[_Union[_common_pb2.GenericResult, _Mapping]] = ...) -> None: ...

class TaskContainerListRequest(_message.Message):
    __slots__ = ("task_id", "include_terminated")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_TERMINATED_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    include_terminated: bool
    def __init__(self, task_id: _Optional[str] = ..., include_terminated: bool = ...) -> None: ...

class TaskContainerListResponse(_message.Message):
    __slots__ = ("containers",)
    CONTAINERS_FIELD_NUMBER: _ClassVar[int]
    containers: _containers.RepeatedCompositeFieldContainer[TaskContainerInfo]
    def __init__(self, containers: _Optional[_Iterable[_Union[TaskContainerInfo, _Mapping]]] = ...) -> None: ...

class TaskContainerTerminateRequest(_message.Message):
    __slots__ = ("task_id", "container_id")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    container_id: str
    def __init__(self, task_id: _Optional[str] = ..., container_id: _Optional[str] = ...) -> None: ...

class TaskContainerTerminateResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TaskContainerWaitRequest(_message.Message):
    __slots__ = ("task_id", "container_id", "timeout")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    container_id: str
    timeout: float
    def __init__(self, task_id: _Optional[str] = ..., container_id: _Optional[str] = ..., timeout: _Optional[float] = ...) -> None: ...

class TaskContainerWaitResponse(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _common_pb2.GenericResult
    def __init__(self, result: _Optional[_Union[_common_pb2.GenericResult, _Mapping]] = ...) -> None: ...

class TaskExecPollRequest(_message.Message):
    __slots__ = ("task_id", "exec_id")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    EXEC_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    exec_id: str
    def __init__(self, task_id: _Optional[str] = ..., exec_id: _Optional[str] = ...) -> None: ...

class TaskExecPollResponse(_message.Message):
    __slots__ = ("code", "signal")
    CODE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    code: int
    signal: int
    def __init__(self, code: _Optional[int] = ..., signal: _Optional[int] = ...) -> None: ...

class TaskExecStartRequest(_message.Message):
    __slots__ = ("task_id", "exec_id", "command_args", "stdout_config", "stderr_config", "timeout_secs", "workdir", "secret_ids", "pty_info", "runtime_debug", "container_id", "env", "secret_sources")
    class EnvEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    EXEC_ID_FIELD_NUMBER: _ClassVar[int]
    COMMAND_ARGS_FIELD_NUMBER: _ClassVar[int]
    STDOUT_CONFIG_FIELD_NUMBER: _ClassVar[int]
    STDERR_CONFIG_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_SECS_FIELD_NUMBER: _ClassVar[int]
    WORKDIR_FIELD_NUMBER: _ClassVar[int]
    SECRET_IDS_FIELD_NUMBER: _ClassVar[int]
    PTY_INFO_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_DEBUG_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_ID_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    SECRET_SOURCES_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    exec_id: str
    command_args: _containers.RepeatedScalarFieldContainer[str]
    stdout_config: TaskExecStdoutConfig
    stderr_config: TaskExecStderrConfig
    timeout_secs: int
    workdir: str
    secret_ids: _containers.RepeatedScalarFieldContainer[str]
    pty_info: _sandboxes_pb2.PTYInfo
    runtime_debug: bool
    container_id: str
    env: _containers.ScalarMap[str, str]
    secret_sources: _containers.RepeatedCompositeFieldContainer[_secrets_pb2.SecretSource]
    def __init__(self, task_id: _Optional[str] = ..., exec_id: _Optional[str] = ..., command_args: _Optional[_Iterable[str]] = ..., stdout_config: _Optional[_Union[TaskExecStdoutConfig, str]] = ..., stderr_config: _Optional[_Union[TaskExecStderrConfig, str]] = ..., timeout_secs: _Optional[int] = ..., workdir: _Optional[str] = ..., secret_ids: _Optional[_Iterable[str]] = ..., pty_info: _Optional[_Union[_sandboxes_pb2.PTYInfo, _Mapping]] = ..., runtime_debug: bool = ..., container_id: _Optional[str] = ..., env: _Optional[_Mapping[str, str]] = ..., secret_sources: _Optional[_Iterable[_Union[_secrets_pb2.SecretSource, _Mapping]]] = ...) -> None: ...

class TaskExecStartResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TaskExecStdinStatusRequest(_message.Message):
    __slots__ = ("task_id", "exec_id")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    EXEC_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    exec_id: str
    def __init__(self, task_id: _Optional[str] = ..., exec_id: _Optional[str] = ...) -> None: ...

class TaskExecStdinStatusResponse(_message.Message):
    __slots__ = ("num_bytes_written", "closed")
    NUM_BYTES_WRITTEN_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    num_bytes_written: int
    closed: bool
    def __init__(self, num_bytes_written: _Optional[int] = ..., closed: bool = ...) -> None: ...

class TaskExecStdinWriteRequest(_message.Message):
    __slots__ = ("task_id", "exec_id", "offset", "data", "eof")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    EXEC_ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    EOF_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    exec_id: str
    offset: int
    data: bytes
    eof: bool
    def __init__(self, task_id: _Optional[str] = ..., exec_id: _Optional[str] = ..., offset: _Optional[int] = ..., data: _Optional[bytes] = ..., eof: bool = ...) -> None: ...

class TaskExecStdinWriteResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TaskExecStdinWriteStreamEnd(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TaskExecStdinWriteStreamRequest(_message.Message):
    __slots__ = ("start", "data", "end")
    START_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    start: TaskExecStdinWriteStreamStart
    data: bytes
    end: TaskExecStdinWriteStreamEnd
    def __init__(self, start: _Optional[_Union[TaskExecStdinWriteStreamStart, _Mapping]] = ..., data: _Optional[bytes] = ..., end: _Optional[_Union[TaskExecStdinWriteStreamEnd, _Mapping]] = ...) -> None: ...

class TaskExecStdinWriteStreamResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TaskExecStdinWriteStreamStart(_message.Message):
    __slots__ = ("task_id", "exec_id", "offset")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    EXEC_ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    exec_id: str
    offset: int
    def __init__(self, task_id: _Optional[str] = ..., exec_id: _Optional[str] = ..., offset: _Optional[int] = ...) -> None: ...

class TaskExecStdioReadRequest(_message.Message):
    __slots__ = ("task_id", "exec_id", "offset", "file_descriptor")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    EXEC_ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    FILE_DESCRIPTOR_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    exec_id: str
    offset: int
    file_descriptor: TaskExecStdioFileDescriptor
    def __init__(self, task_id: _Optional[str] = ..., exec_id: _Optional[str] = ..., offset: _Optional[int] = ..., file_descriptor: _Optional[_Union[TaskExecStdioFileDescriptor, str]] = ...) -> None: ...

class TaskExecStdioReadResponse(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class TaskExecWaitRequest(_message.Message):
    __slots__ = ("task_id", "exec_id")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    EXEC_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    exec_id: str
    def __init__(self, task_id: _Optional[str] = ..., exec_id: _Optional[str] = ...) -> None: ...

class TaskExecWaitResponse(_message.Message):
    __slots__ = ("code", "signal")
    CODE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    code: int
    signal: int
    def __init__(self, code: _Optional[int] = ..., signal: _Optional[int] = ...) -> None: ...

class TaskMountDirectoryRequest(_message.Message):
    __slots__ = ("task_id", "path", "image_id", "customer_supplied_encryption_key", "container_id")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_SUPPLIED_ENCRYPTION_KEY_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    path: bytes
    image_id: str
    customer_supplied_encryption_key: bytes
    container_id: str
    def __init__(self, task_id: _Optional[str] = ..., path: _Optional[bytes] = ..., image_id: _Optional[str] = ..., customer_supplied_encryption_key: _Optional[bytes] = ..., container_id: _Optional[str] = ...) -> None: ...

class TaskSetNetworkAccessRequest(_message.Message):
    __slots__ = ("task_id", "network_access")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    NETWORK_ACCESS_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    network_access: _sandboxes_pb2.NetworkAccess
    def __init__(self, task_id: _Optional[str] = ..., network_access: _Optional[_Union[_sandboxes_pb2.NetworkAccess, _Mapping]] = ...) -> None: ...

class TaskSetNetworkAccessResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TaskReloadVolumesRequest(_message.Message):
    __slots__ = ("task_id", "container_id")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    container_id: str
    def __init__(self, task_id: _Optional[str] = ..., container_id: _Optional[str] = ...) -> None: ...

class TaskReloadVolumesResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TaskSnapshotDirectoryRequest(_message.Message):
    __slots__ = ("task_id", "path", "snapshot_id", "ttl_seconds", "customer_supplied_encryption_key", "container_id")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_ID_FIELD_NUMBER: _ClassVar[int]
    TTL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_SUPPLIED_ENCRYPTION_KEY_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    path: bytes
    snapshot_id: str
    ttl_seconds: int
    customer_supplied_encryption_key: bytes
    container_id: str
    def __init__(self, task_id: _Optional[str] = ..., path: _Optional[bytes] = ..., snapshot_id: _Optional[str] = ..., ttl_seconds: _Optional[int] = ..., customer_supplied_encryption_key: _Optional[bytes] = ..., container_id: _Optional[str] = ...) -> None: ...

class TaskSnapshotDirectoryResponse(_message.Message):
    __slots__ = ("image_id",)
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    def __init__(self, image_id: _Optional[str] = ...) -> None: ...

class TaskSnapshotFilesystemRequest(_message.Message):
    __slots__ = ("task_id", "snapshot_id", "ttl_seconds", "customer_supplied_encryption_key", "container_id")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_ID_FIELD_NUMBER: _ClassVar[int]
    TTL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_SUPPLIED_ENCRYPTION_KEY_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    snapshot_id: str
    ttl_seconds: int
    customer_supplied_encryption_key: bytes
    container_id: str
    def __init__(self, task_id: _Optional[str] = ..., snapshot_id: _Optional[str] = ..., ttl_seconds: _Optional[int] = ..., customer_supplied_encryption_key: _Optional[bytes] = ..., container_id: _Optional[str] = ...) -> None: ...

class TaskSnapshotFilesystemResponse(_message.Message):
    __slots__ = ("image_id",)
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    def __init__(self, image_id: _Optional[str] = ...) -> None: ...

class TaskSnapshotMemoryRequest(_message.Message):
    __slots__ = ("task_id", "idempotency_key")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    idempotency_key: str
    def __init__(self, task_id: _Optional[str] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class TaskSnapshotMemoryResponse(_message.Message):
    __slots__ = ("snapshot_id",)
    SNAPSHOT_ID_FIELD_NUMBER: _ClassVar[int]
    snapshot_id: str
    def __init__(self, snapshot_id: _Optional[str] = ...) -> None: ...

class TaskUnmountDirectoryRequest(_message.Message):
    __slots__ = ("task_id", "path", "container_id")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    path: bytes
    container_id: str
    def __init__(self, task_id: _Optional[str] = ..., path: _Optional[bytes] = ..., container_id: _Optional[str] = ...) -> None: ...
