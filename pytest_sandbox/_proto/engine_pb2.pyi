from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Failure(_message.Message):
    __slots__ = ("kind", "message", "remedy", "feature", "errno", "path", "forgetting_helps", "pinned")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OTHER: _ClassVar[Failure.Kind]
        UNAVAILABLE: _ClassVar[Failure.Kind]
        INVALID_SPEC: _ClassVar[Failure.Kind]
        UNSUPPORTED: _ClassVar[Failure.Kind]
        SPAWN_FAILED: _ClassVar[Failure.Kind]
        UNKNOWN_IMAGE: _ClassVar[Failure.Kind]
        NOT_FREEZABLE: _ClassVar[Failure.Kind]
        STORE_FULL: _ClassVar[Failure.Kind]
        TASK_ENDED: _ClassVar[Failure.Kind]
        OS_ERROR: _ClassVar[Failure.Kind]
        TASK_LOST: _ClassVar[Failure.Kind]
    OTHER: Failure.Kind
    UNAVAILABLE: Failure.Kind
    INVALID_SPEC: Failure.Kind
    UNSUPPORTED: Failure.Kind
    SPAWN_FAILED: Failure.Kind
    UNKNOWN_IMAGE: Failure.Kind
    NOT_FREEZABLE: Failure.Kind
    STORE_FULL: Failure.Kind
    TASK_ENDED: Failure.Kind
    OS_ERROR: Failure.Kind
    TASK_LOST: Failure.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REMEDY_FIELD_NUMBER: _ClassVar[int]
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    ERRNO_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    FORGETTING_HELPS_FIELD_NUMBER: _ClassVar[int]
    PINNED_FIELD_NUMBER: _ClassVar[int]
    kind: Failure.Kind
    message: bytes
    remedy: bytes
    feature: bytes
    errno: int
    path: bytes
    forgetting_helps: bool
    pinned: _containers.RepeatedCompositeFieldContainer[AnySnapshot]
    def __init__(self, kind: _Optional[_Union[Failure.Kind, str]] = ..., message: _Optional[bytes] = ..., remedy: _Optional[bytes] = ..., feature: _Optional[bytes] = ..., errno: _Optional[int] = ..., path: _Optional[bytes] = ..., forgetting_helps: bool = ..., pinned: _Optional[_Iterable[_Union[AnySnapshot, _Mapping]]] = ...) -> None: ...

class Done(_message.Message):
    __slots__ = ("failure",)
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    failure: Failure
    def __init__(self, failure: _Optional[_Union[Failure, _Mapping]] = ...) -> None: ...

class Layer(_message.Message):
    __slots__ = ("digest", "diff_id", "size", "media_type")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    DIFF_ID_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    digest: str
    diff_id: str
    size: int
    media_type: str
    def __init__(self, digest: _Optional[str] = ..., diff_id: _Optional[str] = ..., size: _Optional[int] = ..., media_type: _Optional[str] = ...) -> None: ...

class OciImage(_message.Message):
    __slots__ = ("reference", "digest", "layers")
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    reference: bytes
    digest: str
    layers: _containers.RepeatedCompositeFieldContainer[Layer]
    def __init__(self, reference: _Optional[bytes] = ..., digest: _Optional[str] = ..., layers: _Optional[_Iterable[_Union[Layer, _Mapping]]] = ...) -> None: ...

class RootImage(_message.Message):
    __slots__ = ("host", "snapshot", "oci")
    HOST_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    OCI_FIELD_NUMBER: _ClassVar[int]
    host: bool
    snapshot: bytes
    oci: OciImage
    def __init__(self, host: bool = ..., snapshot: _Optional[bytes] = ..., oci: _Optional[_Union[OciImage, _Mapping]] = ...) -> None: ...

class AnySnapshot(_message.Message):
    __slots__ = ("files", "directory", "memory")
    FILES_FIELD_NUMBER: _ClassVar[int]
    DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    files: bytes
    directory: bytes
    memory: bytes
    def __init__(self, files: _Optional[bytes] = ..., directory: _Optional[bytes] = ..., memory: _Optional[bytes] = ...) -> None: ...

class SnapshotReply(_message.Message):
    __slots__ = ("failure", "name")
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    failure: Failure
    name: bytes
    def __init__(self, failure: _Optional[_Union[Failure, _Mapping]] = ..., name: _Optional[bytes] = ...) -> None: ...

class Variable(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: bytes
    value: bytes
    def __init__(self, name: _Optional[bytes] = ..., value: _Optional[bytes] = ...) -> None: ...

class PtySize(_message.Message):
    __slots__ = ("rows", "columns")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    rows: int
    columns: int
    def __init__(self, rows: _Optional[int] = ..., columns: _Optional[int] = ...) -> None: ...

class ProcessUser(_message.Message):
    __slots__ = ("uid", "gid", "groups")
    UID_FIELD_NUMBER: _ClassVar[int]
    GID_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    uid: int
    gid: int
    groups: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, uid: _Optional[int] = ..., gid: _Optional[int] = ..., groups: _Optional[_Iterable[int]] = ...) -> None: ...

class ProcessSpec(_message.Message):
    __slots__ = ("argv", "env", "workdir", "stdout", "stderr", "pty", "user")
    class Output(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PIPE: _ClassVar[ProcessSpec.Output]
        DEVNULL: _ClassVar[ProcessSpec.Output]
        STDOUT: _ClassVar[ProcessSpec.Output]
    PIPE: ProcessSpec.Output
    DEVNULL: ProcessSpec.Output
    STDOUT: ProcessSpec.Output
    ARGV_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    WORKDIR_FIELD_NUMBER: _ClassVar[int]
    STDOUT_FIELD_NUMBER: _ClassVar[int]
    STDERR_FIELD_NUMBER: _ClassVar[int]
    PTY_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    argv: _containers.RepeatedScalarFieldContainer[bytes]
    env: _containers.RepeatedCompositeFieldContainer[Variable]
    workdir: bytes
    stdout: ProcessSpec.Output
    stderr: ProcessSpec.Output
    pty: PtySize
    user: ProcessUser
    def __init__(self, argv: _Optional[_Iterable[bytes]] = ..., env: _Optional[_Iterable[_Union[Variable, _Mapping]]] = ..., workdir: _Optional[bytes] = ..., stdout: _Optional[_Union[ProcessSpec.Output, str]] = ..., stderr: _Optional[_Union[ProcessSpec.Output, str]] = ..., pty: _Optional[_Union[PtySize, _Mapping]] = ..., user: _Optional[_Union[ProcessUser, _Mapping]] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("cpus", "memory", "processes")
    CPUS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    PROCESSES_FIELD_NUMBER: _ClassVar[int]
    cpus: float
    memory: int
    processes: int
    def __init__(self, cpus: _Optional[float] = ..., memory: _Optional[int] = ..., processes: _Optional[int] = ...) -> None: ...

class Requests(_message.Message):
    __slots__ = ("cpus", "memory")
    CPUS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    cpus: float
    memory: int
    def __init__(self, cpus: _Optional[float] = ..., memory: _Optional[int] = ...) -> None: ...

class VolumeMount(_message.Message):
    __slots__ = ("volume", "path", "read_only", "sub_path")
    VOLUME_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    READ_ONLY_FIELD_NUMBER: _ClassVar[int]
    SUB_PATH_FIELD_NUMBER: _ClassVar[int]
    volume: bytes
    path: bytes
    read_only: bool
    sub_path: bytes
    def __init__(self, volume: _Optional[bytes] = ..., path: _Optional[bytes] = ..., read_only: bool = ..., sub_path: _Optional[bytes] = ...) -> None: ...

class Gpus(_message.Message):
    __slots__ = ("kind", "count", "otherwise")
    KIND_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    OTHERWISE_FIELD_NUMBER: _ClassVar[int]
    kind: bytes
    count: int
    otherwise: _containers.RepeatedCompositeFieldContainer[Gpus]
    def __init__(self, kind: _Optional[bytes] = ..., count: _Optional[int] = ..., otherwise: _Optional[_Iterable[_Union[Gpus, _Mapping]]] = ...) -> None: ...

class Network(_message.Message):
    __slots__ = ("cidrs", "domains")
    CIDRS_FIELD_NUMBER: _ClassVar[int]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    cidrs: _containers.RepeatedScalarFieldContainer[str]
    domains: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, cidrs: _Optional[_Iterable[str]] = ..., domains: _Optional[_Iterable[str]] = ...) -> None: ...

class Membership(_message.Message):
    __slots__ = ("network", "aliases")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    aliases: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, network: _Optional[bytes] = ..., aliases: _Optional[_Iterable[str]] = ...) -> None: ...

class TaskSpec(_message.Message):
    __slots__ = ("main", "image", "env", "workdir", "hostname", "limits", "volumes", "gpus", "network", "membership", "freezable", "exit_snapshot", "resume", "name", "tags", "groups", "requests")
    MAIN_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    WORKDIR_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    VOLUMES_FIELD_NUMBER: _ClassVar[int]
    GPUS_FIELD_NUMBER: _ClassVar[int]
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    MEMBERSHIP_FIELD_NUMBER: _ClassVar[int]
    FREEZABLE_FIELD_NUMBER: _ClassVar[int]
    EXIT_SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    main: ProcessSpec
    image: RootImage
    env: _containers.RepeatedCompositeFieldContainer[Variable]
    workdir: bytes
    hostname: bytes
    limits: Limits
    volumes: _containers.RepeatedCompositeFieldContainer[VolumeMount]
    gpus: Gpus
    network: Network
    membership: Membership
    freezable: bool
    exit_snapshot: bool
    resume: bytes
    name: bytes
    tags: _containers.RepeatedCompositeFieldContainer[Variable]
    groups: _containers.RepeatedScalarFieldContainer[bytes]
    requests: Requests
    def __init__(self, main: _Optional[_Union[ProcessSpec, _Mapping]] = ..., image: _Optional[_Union[RootImage, _Mapping]] = ..., env: _Optional[_Iterable[_Union[Variable, _Mapping]]] = ..., workdir: _Optional[bytes] = ..., hostname: _Optional[bytes] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., volumes: _Optional[_Iterable[_Union[VolumeMount, _Mapping]]] = ..., gpus: _Optional[_Union[Gpus, _Mapping]] = ..., network: _Optional[_Union[Network, _Mapping]] = ..., membership: _Optional[_Union[Membership, _Mapping]] = ..., freezable: bool = ..., exit_snapshot: bool = ..., resume: _Optional[bytes] = ..., name: _Optional[bytes] = ..., tags: _Optional[_Iterable[_Union[Variable, _Mapping]]] = ..., groups: _Optional[_Iterable[bytes]] = ..., requests: _Optional[_Union[Requests, _Mapping]] = ...) -> None: ...

class StartRequest(_message.Message):
    __slots__ = ("options",)
    class OptionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    options: _containers.ScalarMap[str, str]
    def __init__(self, options: _Optional[_Mapping[str, str]] = ...) -> None: ...

class StartReply(_message.Message):
    __slots__ = ("failure", "name", "mode", "capabilities", "details", "fingerprint", "network", "one_image", "search_path", "packages", "packages_left_out", "machine", "processors", "memory")
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    ONE_IMAGE_FIELD_NUMBER: _ClassVar[int]
    SEARCH_PATH_FIELD_NUMBER: _ClassVar[int]
    PACKAGES_FIELD_NUMBER: _ClassVar[int]
    PACKAGES_LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    MACHINE_FIELD_NUMBER: _ClassVar[int]
    PROCESSORS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    failure: Failure
    name: str
    mode: bytes
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    details: _containers.RepeatedCompositeFieldContainer[Variable]
    fingerprint: bytes
    network: Network
    one_image: bool
    search_path: bytes
    packages: bool
    packages_left_out: _containers.RepeatedScalarFieldContainer[bytes]
    machine: Machine
    processors: int
    memory: int
    def __init__(self, failure: _Optional[_Union[Failure, _Mapping]] = ..., name: _Optional[str] = ..., mode: _Optional[bytes] = ..., capabilities: _Optional[_Iterable[str]] = ..., details: _Optional[_Iterable[_Union[Variable, _Mapping]]] = ..., fingerprint: _Optional[bytes] = ..., network: _Optional[_Union[Network, _Mapping]] = ..., one_image: bool = ..., search_path: _Optional[bytes] = ..., packages: bool = ..., packages_left_out: _Optional[_Iterable[bytes]] = ..., machine: _Optional[_Union[Machine, _Mapping]] = ..., processors: _Optional[int] = ..., memory: _Optional[int] = ...) -> None: ...

class Machine(_message.Message):
    __slots__ = ("host", "processors", "memory", "gpus")
    HOST_FIELD_NUMBER: _ClassVar[int]
    PROCESSORS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    GPUS_FIELD_NUMBER: _ClassVar[int]
    host: bytes
    processors: int
    memory: int
    gpus: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, host: _Optional[bytes] = ..., processors: _Optional[int] = ..., memory: _Optional[int] = ..., gpus: _Optional[_Iterable[bytes]] = ...) -> None: ...

class CloseRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ExitStatus(_message.Message):
    __slots__ = ("code", "signal")
    CODE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    code: int
    signal: int
    def __init__(self, code: _Optional[int] = ..., signal: _Optional[int] = ...) -> None: ...

class TaskEnd(_message.Message):
    __slots__ = ("cause", "status", "detail", "lost")
    class Cause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        EXITED: _ClassVar[TaskEnd.Cause]
        KILLED: _ClassVar[TaskEnd.Cause]
        OUT_OF_MEMORY: _ClassVar[TaskEnd.Cause]
        LOST: _ClassVar[TaskEnd.Cause]
    EXITED: TaskEnd.Cause
    KILLED: TaskEnd.Cause
    OUT_OF_MEMORY: TaskEnd.Cause
    LOST: TaskEnd.Cause
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    cause: TaskEnd.Cause
    status: ExitStatus
    detail: bytes
    lost: bool
    def __init__(self, cause: _Optional[_Union[TaskEnd.Cause, str]] = ..., status: _Optional[_Union[ExitStatus, _Mapping]] = ..., detail: _Optional[bytes] = ..., lost: bool = ...) -> None: ...

class CreateRequest(_message.Message):
    __slots__ = ("spec", "beside")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    BESIDE_FIELD_NUMBER: _ClassVar[int]
    spec: TaskSpec
    beside: int
    def __init__(self, spec: _Optional[_Union[TaskSpec, _Mapping]] = ..., beside: _Optional[int] = ...) -> None: ...

class ExecRequest(_message.Message):
    __slots__ = ("task", "spec")
    TASK_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    task: int
    spec: ProcessSpec
    def __init__(self, task: _Optional[int] = ..., spec: _Optional[_Union[ProcessSpec, _Mapping]] = ...) -> None: ...

class Order(_message.Message):
    __slots__ = ("create", "exec", "stdin", "end_stdin", "stdout_read", "stderr_read", "number", "signal", "resize", "kill")
    CREATE_FIELD_NUMBER: _ClassVar[int]
    EXEC_FIELD_NUMBER: _ClassVar[int]
    STDIN_FIELD_NUMBER: _ClassVar[int]
    END_STDIN_FIELD_NUMBER: _ClassVar[int]
    STDOUT_READ_FIELD_NUMBER: _ClassVar[int]
    STDERR_READ_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    RESIZE_FIELD_NUMBER: _ClassVar[int]
    KILL_FIELD_NUMBER: _ClassVar[int]
    create: CreateRequest
    exec: ExecRequest
    stdin: bytes
    end_stdin: bool
    stdout_read: int
    stderr_read: int
    number: int
    signal: int
    resize: PtySize
    kill: bool
    def __init__(self, create: _Optional[_Union[CreateRequest, _Mapping]] = ..., exec: _Optional[_Union[ExecRequest, _Mapping]] = ..., stdin: _Optional[bytes] = ..., end_stdin: bool = ..., stdout_read: _Optional[int] = ..., stderr_read: _Optional[int] = ..., number: _Optional[int] = ..., signal: _Optional[int] = ..., resize: _Optional[_Union[PtySize, _Mapping]] = ..., kill: bool = ...) -> None: ...

class Started(_message.Message):
    __slots__ = ("task", "has_main", "stdout_capacity", "stderr_capacity", "folder", "default_workdir")
    TASK_FIELD_NUMBER: _ClassVar[int]
    HAS_MAIN_FIELD_NUMBER: _ClassVar[int]
    STDOUT_CAPACITY_FIELD_NUMBER: _ClassVar[int]
    STDERR_CAPACITY_FIELD_NUMBER: _ClassVar[int]
    FOLDER_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_WORKDIR_FIELD_NUMBER: _ClassVar[int]
    task: int
    has_main: bool
    stdout_capacity: int
    stderr_capacity: int
    folder: bytes
    default_workdir: bytes
    def __init__(self, task: _Optional[int] = ..., has_main: bool = ..., stdout_capacity: _Optional[int] = ..., stderr_capacity: _Optional[int] = ..., folder: _Optional[bytes] = ..., default_workdir: _Optional[bytes] = ...) -> None: ...

class OutputEnd(_message.Message):
    __slots__ = ("failure",)
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    failure: Failure
    def __init__(self, failure: _Optional[_Union[Failure, _Mapping]] = ...) -> None: ...

class Answered(_message.Message):
    __slots__ = ("number", "failure")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    number: int
    failure: Failure
    def __init__(self, number: _Optional[int] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ...) -> None: ...

class Report(_message.Message):
    __slots__ = ("failure", "started", "stdout", "stderr", "stdout_end", "stderr_end", "exit", "written", "stdin_failure", "done", "end", "lost")
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    STDOUT_FIELD_NUMBER: _ClassVar[int]
    STDERR_FIELD_NUMBER: _ClassVar[int]
    STDOUT_END_FIELD_NUMBER: _ClassVar[int]
    STDERR_END_FIELD_NUMBER: _ClassVar[int]
    EXIT_FIELD_NUMBER: _ClassVar[int]
    WRITTEN_FIELD_NUMBER: _ClassVar[int]
    STDIN_FAILURE_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    failure: Failure
    started: Started
    stdout: bytes
    stderr: bytes
    stdout_end: OutputEnd
    stderr_end: OutputEnd
    exit: ExitStatus
    written: int
    stdin_failure: Failure
    done: _containers.RepeatedCompositeFieldContainer[Answered]
    end: TaskEnd
    lost: bytes
    def __init__(self, failure: _Optional[_Union[Failure, _Mapping]] = ..., started: _Optional[_Union[Started, _Mapping]] = ..., stdout: _Optional[bytes] = ..., stderr: _Optional[bytes] = ..., stdout_end: _Optional[_Union[OutputEnd, _Mapping]] = ..., stderr_end: _Optional[_Union[OutputEnd, _Mapping]] = ..., exit: _Optional[_Union[ExitStatus, _Mapping]] = ..., written: _Optional[int] = ..., stdin_failure: _Optional[_Union[Failure, _Mapping]] = ..., done: _Optional[_Iterable[_Union[Answered, _Mapping]]] = ..., end: _Optional[_Union[TaskEnd, _Mapping]] = ..., lost: _Optional[bytes] = ...) -> None: ...

class TaskRequest(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: int
    def __init__(self, task: _Optional[int] = ...) -> None: ...

class ReleaseRequest(_message.Message):
    __slots__ = ("tasks",)
    TASKS_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, tasks: _Optional[_Iterable[int]] = ...) -> None: ...

class SnapshotRequest(_message.Message):
    __slots__ = ("task", "end")
    TASK_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    task: int
    end: bool
    def __init__(self, task: _Optional[int] = ..., end: bool = ...) -> None: ...

class PathRequest(_message.Message):
    __slots__ = ("task", "path")
    TASK_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    task: int
    path: bytes
    def __init__(self, task: _Optional[int] = ..., path: _Optional[bytes] = ...) -> None: ...

class MountRequest(_message.Message):
    __slots__ = ("task", "path", "image", "directory")
    TASK_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    task: int
    path: bytes
    image: RootImage
    directory: bytes
    def __init__(self, task: _Optional[int] = ..., path: _Optional[bytes] = ..., image: _Optional[_Union[RootImage, _Mapping]] = ..., directory: _Optional[bytes] = ...) -> None: ...

class SetNetworkRequest(_message.Message):
    __slots__ = ("task", "network")
    TASK_FIELD_NUMBER: _ClassVar[int]
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    task: int
    network: Network
    def __init__(self, task: _Optional[int] = ..., network: _Optional[_Union[Network, _Mapping]] = ...) -> None: ...

class JoinRequest(_message.Message):
    __slots__ = ("task", "membership")
    TASK_FIELD_NUMBER: _ClassVar[int]
    MEMBERSHIP_FIELD_NUMBER: _ClassVar[int]
    task: int
    membership: Membership
    def __init__(self, task: _Optional[int] = ..., membership: _Optional[_Union[Membership, _Mapping]] = ...) -> None: ...

class ConnectionRecord(_message.Message):
    __slots__ = ("host", "name", "port", "verdict", "reason", "count", "sent", "received")
    HOST_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SENT_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    host: str
    name: bytes
    port: int
    verdict: str
    reason: bytes
    count: int
    sent: int
    received: int
    def __init__(self, host: _Optional[str] = ..., name: _Optional[bytes] = ..., port: _Optional[int] = ..., verdict: _Optional[str] = ..., reason: _Optional[bytes] = ..., count: _Optional[int] = ..., sent: _Optional[int] = ..., received: _Optional[int] = ...) -> None: ...

class NetworkLogReply(_message.Message):
    __slots__ = ("failure", "records", "left_out")
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    failure: Failure
    records: _containers.RepeatedCompositeFieldContainer[ConnectionRecord]
    left_out: int
    def __init__(self, failure: _Optional[_Union[Failure, _Mapping]] = ..., records: _Optional[_Iterable[_Union[ConnectionRecord, _Mapping]]] = ..., left_out: _Optional[int] = ...) -> None: ...

class UsageReply(_message.Message):
    __slots__ = ("failure", "cpu_seconds", "peak_memory", "bytes_written", "peak_processes", "oom_kills")
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    CPU_SECONDS_FIELD_NUMBER: _ClassVar[int]
    PEAK_MEMORY_FIELD_NUMBER: _ClassVar[int]
    BYTES_WRITTEN_FIELD_NUMBER: _ClassVar[int]
    PEAK_PROCESSES_FIELD_NUMBER: _ClassVar[int]
    OOM_KILLS_FIELD_NUMBER: _ClassVar[int]
    failure: Failure
    cpu_seconds: float
    peak_memory: int
    bytes_written: int
    peak_processes: int
    oom_kills: int
    def __init__(self, failure: _Optional[_Union[Failure, _Mapping]] = ..., cpu_seconds: _Optional[float] = ..., peak_memory: _Optional[int] = ..., bytes_written: _Optional[int] = ..., peak_processes: _Optional[int] = ..., oom_kills: _Optional[int] = ...) -> None: ...

class ConnectRequest(_message.Message):
    __slots__ = ("task", "port")
    TASK_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    task: int
    port: int
    def __init__(self, task: _Optional[int] = ..., port: _Optional[int] = ...) -> None: ...

class ToPort(_message.Message):
    __slots__ = ("connect", "data", "end", "read")
    CONNECT_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    READ_FIELD_NUMBER: _ClassVar[int]
    connect: ConnectRequest
    data: bytes
    end: bool
    read: int
    def __init__(self, connect: _Optional[_Union[ConnectRequest, _Mapping]] = ..., data: _Optional[bytes] = ..., end: bool = ..., read: _Optional[int] = ...) -> None: ...

class FromPort(_message.Message):
    __slots__ = ("failure", "data", "end", "written")
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    WRITTEN_FIELD_NUMBER: _ClassVar[int]
    failure: Failure
    data: bytes
    end: bool
    written: int
    def __init__(self, failure: _Optional[_Union[Failure, _Mapping]] = ..., data: _Optional[bytes] = ..., end: bool = ..., written: _Optional[int] = ...) -> None: ...

class Entry(_message.Message):
    __slots__ = ("name", "mode", "size", "uid", "gid", "owner", "group", "mtime_ns", "symlink_target", "kind")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    GID_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    MTIME_NS_FIELD_NUMBER: _ClassVar[int]
    SYMLINK_TARGET_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    name: bytes
    mode: int
    size: int
    uid: int
    gid: int
    owner: bytes
    group: bytes
    mtime_ns: int
    symlink_target: bytes
    kind: str
    def __init__(self, name: _Optional[bytes] = ..., mode: _Optional[int] = ..., size: _Optional[int] = ..., uid: _Optional[int] = ..., gid: _Optional[int] = ..., owner: _Optional[bytes] = ..., group: _Optional[bytes] = ..., mtime_ns: _Optional[int] = ..., symlink_target: _Optional[bytes] = ..., kind: _Optional[str] = ...) -> None: ...

class OpenRequest(_message.Message):
    __slots__ = ("task", "path", "flags", "mode")
    TASK_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    FLAGS_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    task: int
    path: bytes
    flags: int
    mode: int
    def __init__(self, task: _Optional[int] = ..., path: _Optional[bytes] = ..., flags: _Optional[int] = ..., mode: _Optional[int] = ...) -> None: ...

class OpenReply(_message.Message):
    __slots__ = ("failure", "file")
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    failure: Failure
    file: int
    def __init__(self, failure: _Optional[_Union[Failure, _Mapping]] = ..., file: _Optional[int] = ...) -> None: ...

class FileRequest(_message.Message):
    __slots__ = ("file",)
    FILE_FIELD_NUMBER: _ClassVar[int]
    file: int
    def __init__(self, file: _Optional[int] = ...) -> None: ...

class ReadRequest(_message.Message):
    __slots__ = ("file", "offset", "size")
    FILE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    file: int
    offset: int
    size: int
    def __init__(self, file: _Optional[int] = ..., offset: _Optional[int] = ..., size: _Optional[int] = ...) -> None: ...

class Part(_message.Message):
    __slots__ = ("failure", "data")
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    failure: Failure
    data: bytes
    def __init__(self, failure: _Optional[_Union[Failure, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class WriteRequest(_message.Message):
    __slots__ = ("file", "offset", "data")
    FILE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    file: int
    offset: int
    data: bytes
    def __init__(self, file: _Optional[int] = ..., offset: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class SizeReply(_message.Message):
    __slots__ = ("failure", "size")
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    failure: Failure
    size: int
    def __init__(self, failure: _Optional[_Union[Failure, _Mapping]] = ..., size: _Optional[int] = ...) -> None: ...

class TruncateRequest(_message.Message):
    __slots__ = ("file", "size")
    FILE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    file: int
    size: int
    def __init__(self, file: _Optional[int] = ..., size: _Optional[int] = ...) -> None: ...

class StatRequest(_message.Message):
    __slots__ = ("task", "path", "follow")
    TASK_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    task: int
    path: bytes
    follow: bool
    def __init__(self, task: _Optional[int] = ..., path: _Optional[bytes] = ..., follow: bool = ...) -> None: ...

class StatReply(_message.Message):
    __slots__ = ("failure", "entry")
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    failure: Failure
    entry: Entry
    def __init__(self, failure: _Optional[_Union[Failure, _Mapping]] = ..., entry: _Optional[_Union[Entry, _Mapping]] = ...) -> None: ...

class EntriesReply(_message.Message):
    __slots__ = ("failure", "entries")
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    failure: Failure
    entries: _containers.RepeatedCompositeFieldContainer[Entry]
    def __init__(self, failure: _Optional[_Union[Failure, _Mapping]] = ..., entries: _Optional[_Iterable[_Union[Entry, _Mapping]]] = ...) -> None: ...

class MakeDirectoryRequest(_message.Message):
    __slots__ = ("task", "path", "parents")
    TASK_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    PARENTS_FIELD_NUMBER: _ClassVar[int]
    task: int
    path: bytes
    parents: bool
    def __init__(self, task: _Optional[int] = ..., path: _Optional[bytes] = ..., parents: bool = ...) -> None: ...

class RemoveRequest(_message.Message):
    __slots__ = ("task", "path", "recursive")
    TASK_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    RECURSIVE_FIELD_NUMBER: _ClassVar[int]
    task: int
    path: bytes
    recursive: bool
    def __init__(self, task: _Optional[int] = ..., path: _Optional[bytes] = ..., recursive: bool = ...) -> None: ...

class ReplaceRequest(_message.Message):
    __slots__ = ("task", "source", "target")
    TASK_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    task: int
    source: bytes
    target: bytes
    def __init__(self, task: _Optional[int] = ..., source: _Optional[bytes] = ..., target: _Optional[bytes] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("task", "path", "recursive")
    TASK_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    RECURSIVE_FIELD_NUMBER: _ClassVar[int]
    task: int
    path: bytes
    recursive: bool
    def __init__(self, task: _Optional[int] = ..., path: _Optional[bytes] = ..., recursive: bool = ...) -> None: ...

class WatchReply(_message.Message):
    __slots__ = ("failure", "kind", "paths")
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PATHS_FIELD_NUMBER: _ClassVar[int]
    failure: Failure
    kind: str
    paths: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, failure: _Optional[_Union[Failure, _Mapping]] = ..., kind: _Optional[str] = ..., paths: _Optional[_Iterable[bytes]] = ...) -> None: ...

class PackRequest(_message.Message):
    __slots__ = ("task", "path", "file")
    TASK_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    task: int
    path: bytes
    file: bool
    def __init__(self, task: _Optional[int] = ..., path: _Optional[bytes] = ..., file: bool = ...) -> None: ...

class UnpackRequest(_message.Message):
    __slots__ = ("task", "path", "data")
    TASK_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    task: int
    path: bytes
    data: bytes
    def __init__(self, task: _Optional[int] = ..., path: _Optional[bytes] = ..., data: _Optional[bytes] = ...) -> None: ...

class PrepareRequest(_message.Message):
    __slots__ = ("spec",)
    SPEC_FIELD_NUMBER: _ClassVar[int]
    spec: TaskSpec
    def __init__(self, spec: _Optional[_Union[TaskSpec, _Mapping]] = ...) -> None: ...

class ForgetRequest(_message.Message):
    __slots__ = ("snapshot",)
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    snapshot: AnySnapshot
    def __init__(self, snapshot: _Optional[_Union[AnySnapshot, _Mapping]] = ...) -> None: ...

class ExportRequest(_message.Message):
    __slots__ = ("snapshot", "below")
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    BELOW_FIELD_NUMBER: _ClassVar[int]
    snapshot: bytes
    below: bytes
    def __init__(self, snapshot: _Optional[bytes] = ..., below: _Optional[bytes] = ...) -> None: ...

class LoadRequest(_message.Message):
    __slots__ = ("below", "data")
    BELOW_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    below: bytes
    data: bytes
    def __init__(self, below: _Optional[bytes] = ..., data: _Optional[bytes] = ...) -> None: ...

class FlattenRequest(_message.Message):
    __slots__ = ("snapshot",)
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    snapshot: bytes
    def __init__(self, snapshot: _Optional[bytes] = ...) -> None: ...

class ImageRequest(_message.Message):
    __slots__ = ("image",)
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    image: OciImage
    def __init__(self, image: _Optional[_Union[OciImage, _Mapping]] = ...) -> None: ...

class ImageReply(_message.Message):
    __slots__ = ("failure", "missing")
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    failure: Failure
    missing: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, failure: _Optional[_Union[Failure, _Mapping]] = ..., missing: _Optional[_Iterable[str]] = ...) -> None: ...

class PutLayerRequest(_message.Message):
    __slots__ = ("layer", "data")
    LAYER_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    layer: Layer
    data: bytes
    def __init__(self, layer: _Optional[_Union[Layer, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class PackagesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ConnectionFault(_message.Message):
    __slots__ = ("id", "host", "group", "port", "nth", "times", "delay", "effect", "after_bytes", "addresses")
    ID_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    NTH_FIELD_NUMBER: _ClassVar[int]
    TIMES_FIELD_NUMBER: _ClassVar[int]
    DELAY_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    AFTER_BYTES_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    id: bytes
    host: str
    group: bytes
    port: int
    nth: int
    times: int
    delay: float
    effect: str
    after_bytes: int
    addresses: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[bytes] = ..., host: _Optional[str] = ..., group: _Optional[bytes] = ..., port: _Optional[int] = ..., nth: _Optional[int] = ..., times: _Optional[int] = ..., delay: _Optional[float] = ..., effect: _Optional[str] = ..., after_bytes: _Optional[int] = ..., addresses: _Optional[_Iterable[str]] = ...) -> None: ...

class SetFaultRequest(_message.Message):
    __slots__ = ("fault",)
    FAULT_FIELD_NUMBER: _ClassVar[int]
    fault: ConnectionFault
    def __init__(self, fault: _Optional[_Union[ConnectionFault, _Mapping]] = ...) -> None: ...

class FaultsRequest(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, ids: _Optional[_Iterable[bytes]] = ...) -> None: ...

class FaultCount(_message.Message):
    __slots__ = ("id", "met", "affected")
    ID_FIELD_NUMBER: _ClassVar[int]
    MET_FIELD_NUMBER: _ClassVar[int]
    AFFECTED_FIELD_NUMBER: _ClassVar[int]
    id: bytes
    met: int
    affected: int
    def __init__(self, id: _Optional[bytes] = ..., met: _Optional[int] = ..., affected: _Optional[int] = ...) -> None: ...

class FaultCountsReply(_message.Message):
    __slots__ = ("failure", "counts")
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    failure: Failure
    counts: _containers.RepeatedCompositeFieldContainer[FaultCount]
    def __init__(self, failure: _Optional[_Union[Failure, _Mapping]] = ..., counts: _Optional[_Iterable[_Union[FaultCount, _Mapping]]] = ...) -> None: ...

class VolumeRequest(_message.Message):
    __slots__ = ("volume",)
    VOLUME_FIELD_NUMBER: _ClassVar[int]
    volume: bytes
    def __init__(self, volume: _Optional[bytes] = ...) -> None: ...
