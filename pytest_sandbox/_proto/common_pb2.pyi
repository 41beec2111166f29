from google.protobuf import any_pb2 as _any_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DeploymentNamespace(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEPLOYMENT_NAMESPACE_UNSPECIFIED: _ClassVar[DeploymentNamespace]
    DEPLOYMENT_NAMESPACE_WORKSPACE: _ClassVar[DeploymentNamespace]
    DEPLOYMENT_NAMESPACE_GLOBAL: _ClassVar[DeploymentNamespace]

class FileDescriptor(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FILE_DESCRIPTOR_UNSPECIFIED: _ClassVar[FileDescriptor]
    FILE_DESCRIPTOR_STDOUT: _ClassVar[FileDescriptor]
    FILE_DESCRIPTOR_STDERR: _ClassVar[FileDescriptor]
    FILE_DESCRIPTOR_INFO: _ClassVar[FileDescriptor]

class ObjectCreationType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OBJECT_CREATION_TYPE_UNSPECIFIED: _ClassVar[ObjectCreationType]
    OBJECT_CREATION_TYPE_CREATE_IF_MISSING: _ClassVar[ObjectCreationType]
    OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS: _ClassVar[ObjectCreationType]
    OBJECT_CREATION_TYPE_CREATE_OVERWRITE_IF_EXISTS: _ClassVar[ObjectCreationType]
    OBJECT_CREATION_TYPE_ANONYMOUS_OWNED_BY_APP: _ClassVar[ObjectCreationType]
    OBJECT_CREATION_TYPE_EPHEMERAL: _ClassVar[ObjectCreationType]

class ProgressType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IMAGE_SNAPSHOT_UPLOAD: _ClassVar[ProgressType]
    FUNCTION_QUEUED: _ClassVar[ProgressType]

class TaskState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_STATE_UNSPECIFIED: _ClassVar[TaskState]
    TASK_STATE_QUEUED: _ClassVar[TaskState]
    TASK_STATE_WORKER_ASSIGNED: _ClassVar[TaskState]
    TASK_STATE_LOADING_IMAGE: _ClassVar[TaskState]
    TASK_STATE_ACTIVE: _ClassVar[TaskState]
    TASK_STATE_COMPLETED: _ClassVar[TaskState]
    TASK_STATE_CREATED: _ClassVar[TaskState]
    TASK_STATE_CREATING_CONTAINER: _ClassVar[TaskState]
    TASK_STATE_IDLE: _ClassVar[TaskState]
    TASK_STATE_PREEMPTIBLE: _ClassVar[TaskState]
    TASK_STATE_PREEMPTED: _ClassVar[TaskState]
    TASK_STATE_LOADING_CHECKPOINT_IMAGE: _ClassVar[TaskState]
DEPLOYMENT_NAMESPACE_UNSPECIFIED: DeploymentNamespace
DEPLOYMENT_NAMESPACE_WORKSPACE: DeploymentNamespace
DEPLOYMENT_NAMESPACE_GLOBAL: DeploymentNamespace
FILE_DESCRIPTOR_UNSPECIFIED: FileDescriptor
FILE_DESCRIPTOR_STDOUT: FileDescriptor
FILE_DESCRIPTOR_STDERR: FileDescriptor
FILE_DESCRIPTOR_INFO: FileDescriptor
OBJECT_CREATION_TYPE_UNSPECIFIED: ObjectCreationType
OBJECT_CREATION_TYPE_CREATE_IF_MISSING: ObjectCreationType
OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS: ObjectCreationType
OBJECT_CREATION_TYPE_CREATE_OVERWRITE_IF_EXISTS: ObjectCreationType
OBJECT_CREATION_TYPE_ANONYMOUS_OWNED_BY_APP: ObjectCreationType
OBJECT_CREATION_TYPE_EPHEMERAL: ObjectCreationType
IMAGE_SNAPSHOT_UPLOAD: ProgressType
FUNCTION_QUEUED: ProgressType
TASK_STATE_UNSPECIFIED: TaskState
TASK_STATE_QUEUED: TaskState
TASK_STATE_WORKER_ASSIGNED: TaskState
TASK_STATE_LOADING_IMAGE: TaskState
TASK_STATE_ACTIVE: TaskState
TASK_STATE_COMPLETED: TaskState
TASK_STATE_CREATED: TaskState
TASK_STATE_CREATING_CONTAINER: TaskState
TASK_STATE_IDLE: TaskState
TASK_STATE_PREEMPTIBLE: TaskState
TASK_STATE_PREEMPTED: TaskState
TASK_STATE_LOADING_CHECKPOINT_IMAGE: TaskState

class CreationInfo(_message.Message):
    __slots__ = ("created_at", "created_by")
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    created_at: float
    created_by: str
    def __init__(self, created_at: _Optional[float] = ..., created_by: _Optional[str] = ...) -> None: ...

class GenericResult(_message.Message):
    __slots__ = ("status", "exception", "exitcode", "traceback", "data", "data_blob_id", "serialized_tb", "tb_line_cache", "propagation_reason")
    class GenericStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        GENERIC_STATUS_UNSPECIFIED: _ClassVar[GenericResult.GenericStatus]
        GENERIC_STATUS_SUCCESS: _ClassVar[GenericResult.GenericStatus]
        GENERIC_STATUS_FAILURE: _ClassVar[GenericResult.GenericStatus]
        GENERIC_STATUS_TERMINATED: _ClassVar[GenericResult.GenericStatus]
        GENERIC_STATUS_TIMEOUT: _ClassVar[GenericResult.GenericStatus]
        GENERIC_STATUS_INIT_FAILURE: _ClassVar[GenericResult.GenericStatus]
        GENERIC_STATUS_INTERNAL_FAILURE: _ClassVar[GenericResult.GenericStatus]
        GENERIC_STATUS_IDLE_TIMEOUT: _ClassVar[GenericResult.GenericStatus]
        GENERIC_STATUS_MEMORY_MANAGER_EVICTION: _ClassVar[GenericResult.GenericStatus]
        GENERIC_STATUS_MEMORY_THRASHING_EVICTION: _ClassVar[GenericResult.GenericStatus]
        GENERIC_STATUS_KERNEL_OOM_KILL: _ClassVar[GenericResult.GenericStatus]
    GENERIC_STATUS_UNSPECIFIED: GenericResult.GenericStatus
    GENERIC_STATUS_SUCCESS: GenericResult.GenericStatus
    GENERIC_STATUS_FAILURE: GenericResult.GenericStatus
    GENERIC_STATUS_TERMINATED: GenericResult.GenericStatus
    GENERIC_STATUS_TIMEOUT: GenericResult.GenericStatus
    GENERIC_STATUS_INIT_FAILURE: GenericResult.GenericStatus
    GENERIC_STATUS_INTERNAL_FAILURE: GenericResult.GenericStatus
    GENERIC_STATUS_IDLE_TIMEOUT: GenericResult.GenericStatus
    GENERIC_STATUS_MEMORY_MANAGER_EVICTION: GenericResult.GenericStatus
    GENERIC_STATUS_MEMORY_THRASHING_EVICTION: GenericResult.GenericStatus
    GENERIC_STATUS_KERNEL_OOM_KILL: GenericResult.GenericStatus
    STATUS_FIELD_NUMBER: _ClassVar[int]
    EXCEPTION_FIELD_NUMBER: _ClassVar[int]
    EXITCODE_FIELD_NUMBER: _ClassVar[int]
    TRACEBACK_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    DATA_BLOB_ID_FIELD_NUMBER: _ClassVar[int]
    SERIALIZED_TB_FIELD_NUMBER: _ClassVar[int]
    TB_LINE_CACHE_FIELD_NUMBER: _ClassVar[int]
    PROPAGATION_REASON_FIELD_NUMBER: _ClassVar[int]
    status: GenericResult.GenericStatus
    exception: str
    exitcode: int
    traceback: str
    data: bytes
    data_blob_id: str
    serialized_tb: bytes
    tb_line_cache: bytes
    propagation_reason: str
    def __init__(self, status: _Optional[_Union[GenericResult.GenericStatus, str]] = ..., exception: _Optional[str] = ..., exitcode: _Optional[int] = ..., traceback: _Optional[str] = ..., data: _Optional[bytes] = ..., data_blob_id: _Optional[str] = ..., serialized_tb: _Optional[bytes] = ..., tb_line_cache: _Optional[bytes] = ..., propagation_reason: _Optional[str] = ...) -> None: ...

class ListPagination(_message.Message):
    __slots__ = ("max_objects", "created_before")
    MAX_OBJECTS_FIELD_NUMBER: _ClassVar[int]
    CREATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    max_objects: int
    created_before: float
    def __init__(self, max_objects: _Optional[int] = ..., created_before: _Optional[float] = ...) -> None: ...

class TaskLogs(_message.Message):
    __slots__ = ("data", "task_state", "timestamp", "file_descriptor", "task_progress", "function_call_id", "input_id", "timestamp_ns", "container_id", "container_name")
    DATA_FIELD_NUMBER: _ClassVar[int]
    TASK_STATE_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    FILE_DESCRIPTOR_FIELD_NUMBER: _ClassVar[int]
    TASK_PROGRESS_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_CALL_ID_FIELD_NUMBER: _ClassVar[int]
    INPUT_ID_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_NS_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_ID_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_NAME_FIELD_NUMBER: _ClassVar[int]
    data: str
    task_state: TaskState
    timestamp: float
    file_descriptor: FileDescriptor
    task_progress: TaskProgress
    function_call_id: str
    input_id: str
    timestamp_ns: int
    container_id: str
    container_name: str
    def __init__(self, data: _Optional[str] = ..., task_state: _Optional[_Union[TaskState, str]] = ..., timestamp: _Optional[float] = ..., file_descriptor: _Optional[_Union[FileDescriptor, str]] = ..., task_progress: _Optional[_Union[TaskProgress, _Mapping]] = ..., function_call_id: _Optional[str] = ..., input_id: _Optional[str] = ..., timestamp_ns: _Optional[int] = ..., container_id: _Optional[str] = ..., container_name: _Optional[str] = ...) -> None: ...

class TaskLogsBatch(_message.Message):
    __slots__ = ("task_id", "items", "entry_id", "app_done", "function_id", "input_id", "image_id", "eof", "pty_exec_id", "root_function_id", "ttl_days", "sandbox_id")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    APP_DONE_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_ID_FIELD_NUMBER: _ClassVar[int]
    INPUT_ID_FIELD_NUMBER: _ClassVar[int]
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    EOF_FIELD_NUMBER: _ClassVar[int]
    PTY_EXEC_ID_FIELD_NUMBER: _ClassVar[int]
    ROOT_FUNCTION_ID_FIELD_NUMBER: _ClassVar[int]
    TTL_DAYS_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    items: _containers.RepeatedCompositeFieldContainer[TaskLogs]
    entry_id: str
    app_done: bool
    function_id: str
    input_id: str
    image_id: str
    eof: bool
    pty_exec_id: str
    root_function_id: str
    ttl_days: int
    sandbox_id: str
    def __init__(self, task_id: _Optional[str] = ..., items: _Optional[_Iterable[_Union[TaskLogs, _Mapping]]] = ..., entry_id: _Optional[str] = ..., app_done: bool = ..., function_id: _Optional[str] = ..., input_id: _Optional[str] = ..., image_id: _Optional[str] = ..., eof: bool = ..., pty_exec_id: _Optional[str] = ..., root_function_id: _Optional[str] = ..., ttl_days: _Optional[int] = ..., sandbox_id: _Optional[str] = ...) -> None: ...

class TaskProgress(_message.Message):
    __slots__ = ("len", "pos", "progress_type", "description")
    LEN_FIELD_NUMBER: _ClassVar[int]
    POS_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_TYPE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    len: int
    pos: int
    progress_type: ProgressType
    description: str
    def __init__(self, len: _Optional[int] = ..., pos: _Optional[int] = ..., progress_type: _Optional[_Union[ProgressType, str]] = ..., description: _Optional[str] = ...) -> None: ...

class VolumeMount(_message.Message):
    __slots__ = ("volume_id", "mount_path", "allow_background_commits", "read_only", "sub_path")
    VOLUME_ID_FIELD_NUMBER: _ClassVar[int]
    MOUNT_PATH_FIELD_NUMBER: _ClassVar[int]
    ALLOW_BACKGROUND_COMMITS_FIELD_NUMBER: _ClassVar[int]
    READ_ONLY_FIELD_NUMBER: _ClassVar[int]
    SUB_PATH_FIELD_NUMBER: _ClassVar[int]
    volume_id: str
    mount_path: str
    allow_background_commits: bool
    read_only: bool
    sub_path: str
    def __init__(self, volume_id: _Optional[str] = ..., mount_path: _Optional[str] = ..., allow_background_commits: bool = ..., read_only: bool = ..., sub_path: _Optional[str] = ...) -> None: ...

class RPCRetryPolicy(_message.Message):
    __slots__ = ("retry_after_secs",)
    RETRY_AFTER_SECS_FIELD_NUMBER: _ClassVar[int]
    retry_after_secs: float
    def __init__(self, retry_after_secs: _Optional[float] = ...) -> None: ...

class RPCStatus(_message.Message):
    __slots__ = ("code", "message", "details")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    details: _containers.RepeatedCompositeFieldContainer[_any_pb2.Any]
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ..., details: _Optional[_Iterable[_Union[_any_pb2.Any, _Mapping]]] = ...) -> None: ...
