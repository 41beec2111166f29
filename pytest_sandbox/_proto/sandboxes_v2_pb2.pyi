from google.protobuf import timestamp_pb2 as _timestamp_pb2
from pytest_sandbox._proto import sandboxes_pb2 as _sandboxes_pb2
from pytest_sandbox._proto import secrets_pb2 as _secrets_pb2
from pytest_sandbox._proto import snapshots_pb2 as _snapshots_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CommandRouterAccess(_message.Message):
    __slots__ = ("jwt", "url")
    JWT_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    jwt: str
    url: str
    def __init__(self, jwt: _Optional[str] = ..., url: _Optional[str] = ...) -> None: ...

class SandboxContainerCreateV2Request(_message.Message):
    __slots__ = ("sandbox_id", "container_name", "definition", "ephemeral_secrets", "cloud_bucket_mount_credentials", "secret_sources")
    class CloudBucketMountCredentialsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _sandboxes_pb2.StringMap
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_sandboxes_pb2.StringMap, _Mapping]] = ...) -> None: ...
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_NAME_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    EPHEMERAL_SECRETS_FIELD_NUMBER: _ClassVar[int]
    CLOUD_BUCKET_MOUNT_CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    SECRET_SOURCES_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    container_name: str
    definition: _sandboxes_pb2.Sandbox
    ephemeral_secrets: _sandboxes_pb2.StringMap
    cloud_bucket_mount_credentials: _containers.MessageMap[str, _sandboxes_pb2.StringMap]
    secret_sources: _containers.RepeatedCompositeFieldContainer[_secrets_pb2.SecretSource]
    def __init__(self, sandbox_id: _Optional[str] = ..., container_name: _Optional[str] = ..., definition: _Optional[_Union[_sandboxes_pb2.Sandbox, _Mapping]] = ..., ephemeral_secrets: _Optional[_Union[_sandboxes_pb2.StringMap, _Mapping]] = ..., cloud_bucket_mount_credentials: _Optional[_Mapping[str, _sandboxes_pb2.StringMap]] = ..., secret_sources: _Optional[_Iterable[_Union[_secrets_pb2.SecretSource, _Mapping]]] = ...) -> None: ...

class SandboxContainerCreateV2Response(_message.Message):
    __slots__ = ("container_id", "container_name")
    CONTAINER_ID_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_NAME_FIELD_NUMBER: _ClassVar[int]
    container_id: str
    container_name: str
    def __init__(self, container_id: _Optional[str] = ..., container_name: _Optional[str] = ...) -> None: ...

class SandboxCreateV2Request(_message.Message):
    __slots__ = ("app_id", "definition", "ephemeral_secrets", "tags", "cloud_bucket_mount_credentials", "secret_sources")
    class CloudBucketMountCredentialsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _sandboxes_pb2.StringMap
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_sandboxes_pb2.StringMap, _Mapping]] = ...) -> None: ...
    APP_ID_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    EPHEMERAL_SECRETS_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    CLOUD_BUCKET_MOUNT_CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    SECRET_SOURCES_FIELD_NUMBER: _ClassVar[int]
    app_id: str
    definition: _sandboxes_pb2.Sandbox
    ephemeral_secrets: _sandboxes_pb2.StringMap
    tags: _containers.RepeatedCompositeFieldContainer[_sandboxes_pb2.SandboxTag]
    cloud_bucket_mount_credentials: _containers.MessageMap[str, _sandboxes_pb2.StringMap]
    secret_sources: _containers.RepeatedCompositeFieldContainer[_secrets_pb2.SecretSource]
    def __init__(self, app_id: _Optional[str] = ..., definition: _Optional[_Union[_sandboxes_pb2.Sandbox, _Mapping]] = ..., ephemeral_secrets: _Optional[_Union[_sandboxes_pb2.StringMap, _Mapping]] = ..., tags: _Optional[_Iterable[_Union[_sandboxes_pb2.SandboxTag, _Mapping]]] = ..., cloud_bucket_mount_credentials: _Optional[_Mapping[str, _sandboxes_pb2.StringMap]] = ..., secret_sources: _Optional[_Iterable[_Union[_secrets_pb2.SecretSource, _Mapping]]] = ...) -> None: ...

class SandboxCreateV2Response(_message.Message):
    __slots__ = ("sandbox_id", "tunnels", "task_id", "metadata", "command_router_access", "sandbox_token")
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    TUNNELS_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    COMMAND_ROUTER_ACCESS_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_TOKEN_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    tunnels: _containers.RepeatedCompositeFieldContainer[_sandboxes_pb2.TunnelData]
    task_id: str
    metadata: _sandboxes_pb2.SandboxHandleMetadata
    command_router_access: CommandRouterAccess
    sandbox_token: str
    def __init__(self, sandbox_id: _Optional[str] = ..., tunnels: _Optional[_Iterable[_Union[_sandboxes_pb2.TunnelData, _Mapping]]] = ..., task_id: _Optional[str] = ..., metadata: _Optional[_Union[_sandboxes_pb2.SandboxHandleMetadata, _Mapping]] = ..., command_router_access: _Optional[_Union[CommandRouterAccess, _Mapping]] = ..., sandbox_token: _Optional[str] = ...) -> None: ...

class SandboxGetCommandRouterAccessRequest(_message.Message):
    __slots__ = ("sandbox_id", "task_id")
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    task_id: str
    def __init__(self, sandbox_id: _Optional[str] = ..., task_id: _Optional[str] = ...) -> None: ...

class SandboxGetCommandRouterAccessResponse(_message.Message):
    __slots__ = ("jwt", "url", "worker_ipv4_address")
    JWT_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    WORKER_IPV4_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    jwt: str
    url: str
    worker_ipv4_address: str
    def __init__(self, jwt: _Optional[str] = ..., url: _Optional[str] = ..., worker_ipv4_address: _Optional[str] = ...) -> None: ...

class SandboxGetExitSnapshotRequest(_message.Message):
    __slots__ = ("sandbox_id", "timeout")
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    timeout: float
    def __init__(self, sandbox_id: _Optional[str] = ..., timeout: _Optional[float] = ...) -> None: ...

class SandboxGetExitSnapshotResponse(_message.Message):
    __slots__ = ("success", "pending", "error")
    class ErrorCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ERROR_CODE_UNSPECIFIED: _ClassVar[SandboxGetExitSnapshotResponse.ErrorCode]
        ERROR_CODE_TIMEOUT: _ClassVar[SandboxGetExitSnapshotResponse.ErrorCode]
        ERROR_CODE_INTERNAL: _ClassVar[SandboxGetExitSnapshotResponse.ErrorCode]
        ERROR_CODE_FILESYSTEM_INCONSISTENT: _ClassVar[SandboxGetExitSnapshotResponse.ErrorCode]
    ERROR_CODE_UNSPECIFIED: SandboxGetExitSnapshotResponse.ErrorCode
    ERROR_CODE_TIMEOUT: SandboxGetExitSnapshotResponse.ErrorCode
    ERROR_CODE_INTERNAL: SandboxGetExitSnapshotResponse.ErrorCode
    ERROR_CODE_FILESYSTEM_INCONSISTENT: SandboxGetExitSnapshotResponse.ErrorCode
    class Error(_message.Message):
        __slots__ = ("error_code", "message")
        ERROR_CODE_FIELD_NUMBER: _ClassVar[int]
        MESSAGE_FIELD_NUMBER: _ClassVar[int]
        error_code: SandboxGetExitSnapshotResponse.ErrorCode
        message: str
        def __init__(self, error_code: _Optional[_Union[SandboxGetExitSnapshotResponse.ErrorCode, str]] = ..., message: _Optional[str] = ...) -> None: ...
    class Pending(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    class Success(_message.Message):
        __slots__ = ("image_id",)
        IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
        image_id: str
        def __init__(self, image_id: _Optional[str] = ...) -> None: ...
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    success: SandboxGetExitSnapshotResponse.Success
    pending: SandboxGetExitSnapshotResponse.Pending
    error: SandboxGetExitSnapshotResponse.Error
    def __init__(self, success: _Optional[_Union[SandboxGetExitSnapshotResponse.Success, _Mapping]] = ..., pending: _Optional[_Union[SandboxGetExitSnapshotResponse.Pending, _Mapping]] = ..., error: _Optional[_Union[SandboxGetExitSnapshotResponse.Error, _Mapping]] = ...) -> None: ...

class SandboxGetResourceUsageRequest(_message.Message):
    __slots__ = ("sandbox_id",)
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    def __init__(self, sandbox_id: _Optional[str] = ...) -> None: ...

class SandboxGetResourceUsageResponse(_message.Message):
    __slots__ = ("cpu_core_nanosecs", "mem_gib_nanosecs", "gpu_nanosecs", "gpu_type")
    CPU_CORE_NANOSECS_FIELD_NUMBER: _ClassVar[int]
    MEM_GIB_NANOSECS_FIELD_NUMBER: _ClassVar[int]
    GPU_NANOSECS_FIELD_NUMBER: _ClassVar[int]
    GPU_TYPE_FIELD_NUMBER: _ClassVar[int]
    cpu_core_nanosecs: int
    mem_gib_nanosecs: int
    gpu_nanosecs: int
    gpu_type: str
    def __init__(self, cpu_core_nanosecs: _Optional[int] = ..., mem_gib_nanosecs: _Optional[int] = ..., gpu_nanosecs: _Optional[int] = ..., gpu_type: _Optional[str] = ...) -> None: ...

class SandboxGetStatsRequest(_message.Message):
    __slots__ = ("sandbox_id", "since", "until")
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    def __init__(self, sandbox_id: _Optional[str] = ..., since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SandboxGetStatsResponse(_message.Message):
    __slots__ = ("cost", "cost_by_resource", "num_datapoints", "cpu_cores", "memory_gib", "duration_hours", "billed_cpu_core_seconds", "billed_memory_gib_seconds", "since", "until", "percentile_stats")
    class ResourceStats(_message.Message):
        __slots__ = ("percentiles", "mean", "max")
        PERCENTILES_FIELD_NUMBER: _ClassVar[int]
        MEAN_FIELD_NUMBER: _ClassVar[int]
        MAX_FIELD_NUMBER: _ClassVar[int]
        percentiles: _containers.RepeatedCompositeFieldContainer[StatsPercentile]
        mean: float
        max: float
        def __init__(self, percentiles: _Optional[_Iterable[_Union[StatsPercentile, _Mapping]]] = ..., mean: _Optional[float] = ..., max: _Optional[float] = ...) -> None: ...
    class CostByResourceEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class PercentileStatsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: StatsPercentileDistribution
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[StatsPercentileDistribution, _Mapping]] = ...) -> None: ...
    COST_FIELD_NUMBER: _ClassVar[int]
    COST_BY_RESOURCE_FIELD_NUMBER: _ClassVar[int]
    NUM_DATAPOINTS_FIELD_NUMBER: _ClassVar[int]
    CPU_CORES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_GIB_FIELD_NUMBER: _ClassVar[int]
    DURATION_HOURS_FIELD_NUMBER: _ClassVar[int]
    BILLED_CPU_CORE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    BILLED_MEMORY_GIB_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    PERCENTILE_STATS_FIELD_NUMBER: _ClassVar[int]
    cost: str
    cost_by_resource: _containers.ScalarMap[str, str]
    num_datapoints: int
    cpu_cores: SandboxGetStatsResponse.ResourceStats
    memory_gib: SandboxGetStatsResponse.ResourceStats
    duration_hours: float
    billed_cpu_core_seconds: float
    billed_memory_gib_seconds: float
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    percentile_stats: _containers.MessageMap[str, StatsPercentileDistribution]
    def __init__(self, cost: _Optional[str] = ..., cost_by_resource: _Optional[_Mapping[str, str]] = ..., num_datapoints: _Optional[int] = ..., cpu_cores: _Optional[_Union[SandboxGetStatsResponse.ResourceStats, _Mapping]] = ..., memory_gib: _Optional[_Union[SandboxGetStatsResponse.ResourceStats, _Mapping]] = ..., duration_hours: _Optional[float] = ..., billed_cpu_core_seconds: _Optional[float] = ..., billed_memory_gib_seconds: _Optional[float] = ..., since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., percentile_stats: _Optional[_Mapping[str, StatsPercentileDistribution]] = ...) -> None: ...

class SandboxRestoreV2Request(_message.Message):
    __slots__ = ("snapshot_id", "sandbox_name_override", "sandbox_name_override_type", "worker_id")
    SNAPSHOT_ID_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_NAME_OVERRIDE_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_NAME_OVERRIDE_TYPE_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    snapshot_id: str
    sandbox_name_override: str
    sandbox_name_override_type: _snapshots_pb2.SandboxRestoreRequest.SandboxNameOverrideType
    worker_id: str
    def __init__(self, snapshot_id: _Optional[str] = ..., sandbox_name_override: _Optional[str] = ..., sandbox_name_override_type: _Optional[_Union[_snapshots_pb2.SandboxRestoreRequest.SandboxNameOverrideType, str]] = ..., worker_id: _Optional[str] = ...) -> None: ...

class SandboxRestoreV2Response(_message.Message):
    __slots__ = ("sandbox_id", "tunnels", "task_id", "metadata", "command_router_access")
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    TUNNELS_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    COMMAND_ROUTER_ACCESS_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    tunnels: _containers.RepeatedCompositeFieldContainer[_sandboxes_pb2.TunnelData]
    task_id: str
    metadata: _sandboxes_pb2.SandboxHandleMetadata
    command_router_access: CommandRouterAccess
    def __init__(self, sandbox_id: _Optional[str] = ..., tunnels: _Optional[_Iterable[_Union[_sandboxes_pb2.TunnelData, _Mapping]]] = ..., task_id: _Optional[str] = ..., metadata: _Optional[_Union[_sandboxes_pb2.SandboxHandleMetadata, _Mapping]] = ..., command_router_access: _Optional[_Union[CommandRouterAccess, _Mapping]] = ...) -> None: ...

class SandboxSetNameRequest(_message.Message):
    __slots__ = ("sandbox_id", "name")
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    name: str
    def __init__(self, sandbox_id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class SandboxSetNameResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StatsPercentile(_message.Message):
    __slots__ = ("percentile_basis_points", "value")
    PERCENTILE_BASIS_POINTS_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    percentile_basis_points: int
    value: float
    def __init__(self, percentile_basis_points: _Optional[int] = ..., value: _Optional[float] = ...) -> None: ...

class StatsPercentileDistribution(_message.Message):
    __slots__ = ("unit", "percentiles")
    UNIT_FIELD_NUMBER: _ClassVar[int]
    PERCENTILES_FIELD_NUMBER: _ClassVar[int]
    unit: str
    percentiles: _containers.RepeatedCompositeFieldContainer[StatsPercentile]
    def __init__(self, unit: _Optional[str] = ..., percentiles: _Optional[_Iterable[_Union[StatsPercentile, _Mapping]]] = ...) -> None: ...
