from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf import wrappers_pb2 as _wrappers_pb2
from pytest_sandbox._proto import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AppDisconnectReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    APP_DISCONNECT_REASON_UNSPECIFIED: _ClassVar[AppDisconnectReason]
    APP_DISCONNECT_REASON_LOCAL_EXCEPTION: _ClassVar[AppDisconnectReason]
    APP_DISCONNECT_REASON_KEYBOARD_INTERRUPT: _ClassVar[AppDisconnectReason]
    APP_DISCONNECT_REASON_ENTRYPOINT_COMPLETED: _ClassVar[AppDisconnectReason]
    APP_DISCONNECT_REASON_DEPLOYMENT_EXCEPTION: _ClassVar[AppDisconnectReason]
    APP_DISCONNECT_REASON_REMOTE_EXCEPTION: _ClassVar[AppDisconnectReason]

class AppState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    APP_STATE_UNSPECIFIED: _ClassVar[AppState]
    APP_STATE_EPHEMERAL: _ClassVar[AppState]
    APP_STATE_DETACHED: _ClassVar[AppState]
    APP_STATE_DEPLOYED: _ClassVar[AppState]
    APP_STATE_STOPPING: _ClassVar[AppState]
    APP_STATE_STOPPED: _ClassVar[AppState]
    APP_STATE_INITIALIZING: _ClassVar[AppState]
    APP_STATE_DISABLED: _ClassVar[AppState]
    APP_STATE_DETACHED_DISCONNECTED: _ClassVar[AppState]
    APP_STATE_DERIVED: _ClassVar[AppState]

class AppStopSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    APP_STOP_SOURCE_UNSPECIFIED: _ClassVar[AppStopSource]
    APP_STOP_SOURCE_CLI: _ClassVar[AppStopSource]
    APP_STOP_SOURCE_PYTHON_CLIENT: _ClassVar[AppStopSource]
    APP_STOP_SOURCE_WEB: _ClassVar[AppStopSource]

class DeploymentType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEPLOYMENT_TYPE_UNSPECIFIED: _ClassVar[DeploymentType]
    DEPLOYMENT_TYPE_STANDARD: _ClassVar[DeploymentType]
    DEPLOYMENT_TYPE_ROLLBACK: _ClassVar[DeploymentType]
    DEPLOYMENT_TYPE_ROLLOVER: _ClassVar[DeploymentType]
    DEPLOYMENT_TYPE_PROMOTION: _ClassVar[DeploymentType]
    DEPLOYMENT_TYPE_STAGED: _ClassVar[DeploymentType]

class EnvironmentBlockUnauthenticatedResources(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENVIRONMENT_BLOCK_UNAUTHENTICATED_RESOURCES_UNSPECIFIED: _ClassVar[EnvironmentBlockUnauthenticatedResources]
    ENVIRONMENT_BLOCK_UNAUTHENTICATED_RESOURCES_INHERIT: _ClassVar[EnvironmentBlockUnauthenticatedResources]
    ENVIRONMENT_BLOCK_UNAUTHENTICATED_RESOURCES_BLOCK: _ClassVar[EnvironmentBlockUnauthenticatedResources]
    ENVIRONMENT_BLOCK_UNAUTHENTICATED_RESOURCES_ALLOW: _ClassVar[EnvironmentBlockUnauthenticatedResources]

class EnvironmentRole(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENVIRONMENT_ROLE_UNSPECIFIED: _ClassVar[EnvironmentRole]
    ENVIRONMENT_ROLE_VIEWER: _ClassVar[EnvironmentRole]
    ENVIRONMENT_ROLE_CONTRIBUTOR: _ClassVar[EnvironmentRole]
    ENVIRONMENT_ROLE_NO_ACCESS: _ClassVar[EnvironmentRole]
    ENVIRONMENT_ROLE_MODAL_ADMINISTERED_OBSERVER: _ClassVar[EnvironmentRole]
    ENVIRONMENT_ROLE_CUSTOM: _ClassVar[EnvironmentRole]

class EnvironmentType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENVIRONMENT_TYPE_UNSPECIFIED: _ClassVar[EnvironmentType]
    ENVIRONMENT_TYPE_PUBLIC: _ClassVar[EnvironmentType]
    ENVIRONMENT_TYPE_MODAL_ADMINISTERED: _ClassVar[EnvironmentType]
APP_DISCONNECT_REASON_UNSPECIFIED: AppDisconnectReason
APP_DISCONNECT_REASON_LOCAL_EXCEPTION: AppDisconnectReason
APP_DISCONNECT_REASON_KEYBOARD_INTERRUPT: AppDisconnectReason
APP_DISCONNECT_REASON_ENTRYPOINT_COMPLETED: AppDisconnectReason
APP_DISCONNECT_REASON_DEPLOYMENT_EXCEPTION: AppDisconnectReason
APP_DISCONNECT_REASON_REMOTE_EXCEPTION: AppDisconnectReason
APP_STATE_UNSPECIFIED: AppState
APP_STATE_EPHEMERAL: AppState
APP_STATE_DETACHED: AppState
APP_STATE_DEPLOYED: AppState
APP_STATE_STOPPING: AppState
APP_STATE_STOPPED: AppState
APP_STATE_INITIALIZING: AppState
APP_STATE_DISABLED: AppState
APP_STATE_DETACHED_DISCONNECTED: AppState
APP_STATE_DERIVED: AppState
APP_STOP_SOURCE_UNSPECIFIED: AppStopSource
APP_STOP_SOURCE_CLI: AppStopSource
APP_STOP_SOURCE_PYTHON_CLIENT: AppStopSource
APP_STOP_SOURCE_WEB: AppStopSource
DEPLOYMENT_TYPE_UNSPECIFIED: DeploymentType
DEPLOYMENT_TYPE_STANDARD: DeploymentType
DEPLOYMENT_TYPE_ROLLBACK: DeploymentType
DEPLOYMENT_TYPE_ROLLOVER: DeploymentType
DEPLOYMENT_TYPE_PROMOTION: DeploymentType
DEPLOYMENT_TYPE_STAGED: DeploymentType
ENVIRONMENT_BLOCK_UNAUTHENTICATED_RESOURCES_UNSPECIFIED: EnvironmentBlockUnauthenticatedResources
ENVIRONMENT_BLOCK_UNAUTHENTICATED_RESOURCES_INHERIT: EnvironmentBlockUnauthenticatedResources
ENVIRONMENT_BLOCK_UNAUTHENTICATED_RESOURCES_BLOCK: EnvironmentBlockUnauthenticatedResources
ENVIRONMENT_BLOCK_UNAUTHENTICATED_RESOURCES_ALLOW: EnvironmentBlockUnauthenticatedResources
ENVIRONMENT_ROLE_UNSPECIFIED: EnvironmentRole
ENVIRONMENT_ROLE_VIEWER: EnvironmentRole
ENVIRONMENT_ROLE_CONTRIBUTOR: EnvironmentRole
ENVIRONMENT_ROLE_NO_ACCESS: EnvironmentRole
ENVIRONMENT_ROLE_MODAL_ADMINISTERED_OBSERVER: EnvironmentRole
ENVIRONMENT_ROLE_CUSTOM: EnvironmentRole
ENVIRONMENT_TYPE_UNSPECIFIED: EnvironmentType
ENVIRONMENT_TYPE_PUBLIC: EnvironmentType
ENVIRONMENT_TYPE_MODAL_ADMINISTERED: EnvironmentType

class AppClientDisconnectRequest(_message.Message):
    __slots__ = ("app_id", "reason", "exception")
    APP_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EXCEPTION_FIELD_NUMBER: _ClassVar[int]
    app_id: str
    reason: AppDisconnectReason
    exception: str
    def __init__(self, app_id: _Optional[str] = ..., reason: _Optional[_Union[AppDisconnectReason, str]] = ..., exception: _Optional[str] = ...) -> None: ...

class AppCountLogsRequest(_message.Message):
    __slots__ = ("app_id", "task_id", "function_id", "function_call_id", "sandbox_id", "search_text", "since", "until", "bucket_secs", "source", "parametrized_function_id")
    APP_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_ID_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_CALL_ID_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    SEARCH_TEXT_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    BUCKET_SECS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    PARAMETRIZED_FUNCTION_ID_FIELD_NUMBER: _ClassVar[int]
    app_id: str
    task_id: str
    function_id: str
    function_call_id: str
    sandbox_id: str
    search_text: str
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    bucket_secs: int
    source: _common_pb2.FileDescriptor
    parametrized_function_id: str
    def __init__(self, app_id: _Optional[str] = ..., task_id: _Optional[str] = ..., function_id: _Optional[str] = ..., function_call_id: _Optional[str] = ..., sandbox_id: _Optional[str] = ..., search_text: _Optional[str] = ..., since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., bucket_secs: _Optional[int] = ..., source: _Optional[_Union[_common_pb2.FileDescriptor, str]] = ..., parametrized_function_id: _Optional[str] = ...) -> None: ...

class AppCountLogsResponse(_message.Message):
    __slots__ = ("app_id", "buckets")
    class LogBucket(_message.Message):
        __slots__ = ("bucket_start_at", "stdout_logs", "stderr_logs", "system_logs")
        BUCKET_START_AT_FIELD_NUMBER: _ClassVar[int]
        STDOUT_LOGS_FIELD_NUMBER: _ClassVar[int]
        STDERR_LOGS_FIELD_NUMBER: _ClassVar[int]
        SYSTEM_LOGS_FIELD_NUMBER: _ClassVar[int]
        bucket_start_at: _timestamp_pb2.Timestamp
        stdout_logs: int
        stderr_logs: int
        system_logs: int
        def __init__(self, bucket_start_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., stdout_logs: _Optional[int] = ..., stderr_logs: _Optional[int] = ..., system_logs: _Optional[int] = ...) -> None: ...
    APP_ID_FIELD_NUMBER: _ClassVar[int]
    BUCKETS_FIELD_NUMBER: _ClassVar[int]
    app_id: str
    buckets: _containers.RepeatedCompositeFieldContainer[AppCountLogsResponse.LogBucket]
    def __init__(self, app_id: _Optional[str] = ..., buckets: _Optional[_Iterable[_Union[AppCountLogsResponse.LogBucket, _Mapping]]] = ...) -> None: ...

class AppFetchLogsRequest(_message.Message):
    __slots__ = ("app_id", "since", "until", "limit", "source", "function_id", "function_call_id", "task_id", "sandbox_id", "search_text", "parametrized_function_id")
    APP_ID_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_ID_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_CALL_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    SEARCH_TEXT_FIELD_NUMBER: _ClassVar[int]
    PARAMETRIZED_FUNCTION_ID_FIELD_NUMBER: _ClassVar[int]
    app_id: str
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    limit: int
    source: _common_pb2.FileDescriptor
    function_id: str
    function_call_id: str
    task_id: str
    sandbox_id: str
    search_text: str
    parametrized_function_id: str
    def __init__(self, app_id: _Optional[str] = ..., since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., limit: _Optional[int] = ..., source: _Optional[_Union[_common_pb2.FileDescriptor, str]] = ..., function_id: _Optional[str] = ..., function_call_id: _Optional[str] = ..., task_id: _Optional[str] = ..., sandbox_id: _Optional[str] = ..., search_text: _Optional[str] = ..., parametrized_function_id: _Optional[str] = ...) -> None: ...

class AppFetchLogsResponse(_message.Message):
    __slots__ = ("batches",)
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    batches: _containers.RepeatedCompositeFieldContainer[_common_pb2.TaskLogsBatch]
    def __init__(self, batches: _Optional[_Iterable[_Union[_common_pb2.TaskLogsBatch, _Mapping]]] = ...) -> None: ...

class AppCreateRequest(_message.Message):
    __slots__ = ("client_id", "description", "environment_name", "app_state", "tags")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    APP_STATE_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    client_id: str
    description: str
    environment_name: str
    app_state: AppState
    tags: _containers.ScalarMap[str, str]
    def __init__(self, client_id: _Optional[str] = ..., description: _Optional[str] = ..., environment_name: _Optional[str] = ..., app_state: _Optional[_Union[AppState, str]] = ..., tags: _Optional[_Mapping[str, str]] = ...) -> None: ...

class AppCreateResponse(_message.Message):
    __slots__ = ("app_id", "app_page_url", "app_logs_url")
    APP_ID_FIELD_NUMBER: _ClassVar[int]
    APP_PAGE_URL_FIELD_NUMBER: _ClassVar[int]
    APP_LOGS_URL_FIELD_NUMBER: _ClassVar[int]
    app_id: str
    app_page_url: str
    app_logs_url: str
    def __init__(self, app_id: _Optional[str] = ..., app_page_url: _Optional[str] = ..., app_logs_url: _Optional[str] = ...) -> None: ...

class AppGetByDeploymentNameRequest(_message.Message):
    __slots__ = ("name", "environment_name")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    environment_name: str
    def __init__(self, name: _Optional[str] = ..., environment_name: _Optional[str] = ...) -> None: ...

class AppGetByDeploymentNameResponse(_message.Message):
    __slots__ = ("app_id", "previous_app_id", "environment_name", "lifecycle")
    APP_ID_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_APP_ID_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    LIFECYCLE_FIELD_NUMBER: _ClassVar[int]
    app_id: str
    previous_app_id: str
    environment_name: str
    lifecycle: AppLifecycle
    def __init__(self, app_id: _Optional[str] = ..., previous_app_id: _Optional[str] = ..., environment_name: _Optional[str] = ..., lifecycle: _Optional[_Union[AppLifecycle, _Mapping]] = ...) -> None: ...

class AppGetInfoRequest(_message.Message):
    __slots__ = ("app_id",)
    APP_ID_FIELD_NUMBER: _ClassVar[int]
    app_id: str
    def __init__(self, app_id: _Optional[str] = ...) -> None: ...

class AppGetInfoResponse(_message.Message):
    __slots__ = ("info",)
    INFO_FIELD_NUMBER: _ClassVar[int]
    info: AppHandleMetadata
    def __init__(self, info: _Optional[_Union[AppHandleMetadata, _Mapping]] = ...) -> None: ...

class AppGetLifecycleRequest(_message.Message):
    __slots__ = ("app_id",)
    APP_ID_FIELD_NUMBER: _ClassVar[int]
    app_id: str
    def __init__(self, app_id: _Optional[str] = ...) -> None: ...

class AppGetLifecycleResponse(_message.Message):
    __slots__ = ("lifecycle",)
    LIFECYCLE_FIELD_NUMBER: _ClassVar[int]
    lifecycle: AppLifecycle
    def __init__(self, lifecycle: _Optional[_Union[AppLifecycle, _Mapping]] = ...) -> None: ...

class AppGetLogsRequest(_message.Message):
    __slots__ = ("app_id", "timeout", "last_entry_id", "function_id", "parametrized_function_id", "input_id", "task_id", "function_call_id", "file_descriptor", "sandbox_id", "search_text")
    APP_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    LAST_ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_ID_FIELD_NUMBER: _ClassVar[int]
    PARAMETRIZED_FUNCTION_ID_FIELD_NUMBER: _ClassVar[int]
    INPUT_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_CALL_ID_FIELD_NUMBER: _ClassVar[int]
    FILE_DESCRIPTOR_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    SEARCH_TEXT_FIELD_NUMBER: _ClassVar[int]
    app_id: str
    timeout: float
    last_entry_id: str
    function_id: str
    parametrized_function_id: str
    input_id: str
    task_id: str
    function_call_id: str
    file_descriptor: _common_pb2.FileDescriptor
    sandbox_id: str
    search_text: str
    def __init__(self, app_id: _Optional[str] = ..., timeout: _Optional[float] = ..., last_entry_id: _Optional[str] = ..., function_id: _Optional[str] = ..., parametrized_function_id: _Optional[str] = ..., input_id: _Optional[str] = ..., task_id: _Optional[str] = ..., function_call_id: _Optional[str] = ..., file_descriptor: _Optional[_Union[_common_pb2.FileDescriptor, str]] = ..., sandbox_id: _Optional[str] = ..., search_text: _Optional[str] = ...) -> None: ...

class AppGetOrCreateRequest(_message.Message):
    __slots__ = ("app_name", "environment_name", "object_creation_type")
    APP_NAME_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    OBJECT_CREATION_TYPE_FIELD_NUMBER: _ClassVar[int]
    app_name: str
    environment_name: str
    object_creation_type: _common_pb2.ObjectCreationType
    def __init__(self, app_name: _Optional[str] = ..., environment_name: _Optional[str] = ..., object_creation_type: _Optional[_Union[_common_pb2.ObjectCreationType, str]] = ...) -> None: ...

class AppGetOrCreateResponse(_message.Message):
    __slots__ = ("app_id", "handle_metadata")
    APP_ID_FIELD_NUMBER: _ClassVar[int]
    HANDLE_METADATA_FIELD_NUMBER: _ClassVar[int]
    app_id: str
    handle_metadata: AppHandleMetadata
    def __init__(self, app_id: _Optional[str] = ..., handle_metadata: _Optional[_Union[AppHandleMetadata, _Mapping]] = ...) -> None: ...

class AppGetTagsRequest(_message.Message):
    __slots__ = ("app_id",)
    APP_ID_FIELD_NUMBER: _ClassVar[int]
    app_id: str
    def __init__(self, app_id: _Optional[str] = ...) -> None: ...

class AppGetTagsResponse(_message.Message):
    __slots__ = ("tags",)
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TAGS_FIELD_NUMBER: _ClassVar[int]
    tags: _containers.ScalarMap[str, str]
    def __init__(self, tags: _Optional[_Mapping[str, str]] = ...) -> None: ...

class AppHandleMetadata(_message.Message):
    __slots__ = ("description", "app_id", "environment_name", "lifecycle", "functions", "servers")
    class FunctionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class ServersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    APP_ID_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    LIFECYCLE_FIELD_NUMBER: _ClassVar[int]
    FUNCTIONS_FIELD_NUMBER: _ClassVar[int]
    SERVERS_FIELD_NUMBER: _ClassVar[int]
    description: str
    app_id: str
    environment_name: str
    lifecycle: AppLifecycle
    functions: _containers.ScalarMap[str, str]
    servers: _containers.ScalarMap[str, str]
    def __init__(self, description: _Optional[str] = ..., app_id: _Optional[str] = ..., environment_name: _Optional[str] = ..., lifecycle: _Optional[_Union[AppLifecycle, _Mapping]] = ..., functions: _Optional[_Mapping[str, str]] = ..., servers: _Optional[_Mapping[str, str]] = ...) -> None: ...

class AppHeartbeatRequest(_message.Message):
    __slots__ = ("app_id",)
    APP_ID_FIELD_NUMBER: _ClassVar[int]
    app_id: str
    def __init__(self, app_id: _Optional[str] = ...) -> None: ...

class AppLifecycle(_message.Message):
    __slots__ = ("app_state", "created_at", "created_by", "deployed_at", "deployed_by", "version", "stopped_at", "stopped_by")
    APP_STATE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    DEPLOYED_AT_FIELD_NUMBER: _ClassVar[int]
    DEPLOYED_BY_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STOPPED_AT_FIELD_NUMBER: _ClassVar[int]
    STOPPED_BY_FIELD_NUMBER: _ClassVar[int]
    app_state: AppState
    created_at: float
    created_by: str
    deployed_at: float
    deployed_by: str
    version: int
    stopped_at: float
    stopped_by: str
    def __init__(self, app_state: _Optional[_Union[AppState, str]] = ..., created_at: _Optional[float] = ..., created_by: _Optional[str] = ..., deployed_at: _Optional[float] = ..., deployed_by: _Optional[str] = ..., version: _Optional[int] = ..., stopped_at: _Optional[float] = ..., stopped_by: _Optional[str] = ...) -> None: ...

class AppListRequest(_message.Message):
    __slots__ = ("environment_name",)
    ENVIRONMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    environment_name: str
    def __init__(self, environment_name: _Optional[str] = ...) -> None: ...

class AppListResponse(_message.Message):
    __slots__ = ("apps",)
    class AppListItem(_message.Message):
        __slots__ = ("app_id", "description", "state", "created_at", "stopped_at", "n_running_tasks", "name", "metadata")
        APP_ID_FIELD_NUMBER: _ClassVar[int]
        DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
        STATE_FIELD_NUMBER: _ClassVar[int]
        CREATED_AT_FIELD_NUMBER: _ClassVar[int]
        STOPPED_AT_FIELD_NUMBER: _ClassVar[int]
        N_RUNNING_TASKS_FIELD_NUMBER: _ClassVar[int]
        NAME_FIELD_NUMBER: _ClassVar[int]
        METADATA_FIELD_NUMBER: _ClassVar[int]
        app_id: str
        description: str
        state: AppState
        created_at: float
        stopped_at: float
        n_running_tasks: int
        name: str
        metadata: AppHandleMetadata
        def __init__(self, app_id: _Optional[str] = ..., description: _Optional[str] = ..., state: _Optional[_Union[AppState, str]] = ..., created_at: _Optional[float] = ..., stopped_at: _Optional[float] = ..., n_running_tasks: _Optional[int] = ..., name: _Optional[str] = ..., metadata: _Optional[_Union[AppHandleMetadata, _Mapping]] = ...) -> None: ...
    APPS_FIELD_NUMBER: _ClassVar[int]
    apps: _containers.RepeatedCompositeFieldContainer[AppListResponse.AppListItem]
    def __init__(self, apps: _Optional[_Iterable[_Union[AppListResponse.AppListItem, _Mapping]]] = ...) -> None: ...

class AppPublishRequest(_message.Message):
    __slots__ = ("app_id", "name", "deployment_tag", "app_state", "function_ids", "class_ids", "definition_ids", "rollback_version", "client_version", "commit_info", "tags", "staged", "deployment_type")
    class FunctionIdsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class ClassIdsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class DefinitionIdsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    APP_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_TAG_FIELD_NUMBER: _ClassVar[int]
    APP_STATE_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_IDS_FIELD_NUMBER: _ClassVar[int]
    CLASS_IDS_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_IDS_FIELD_NUMBER: _ClassVar[int]
    ROLLBACK_VERSION_FIELD_NUMBER: _ClassVar[int]
    CLIENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_INFO_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    STAGED_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    app_id: str
    name: str
    deployment_tag: str
    app_state: AppState
    function_ids: _containers.ScalarMap[str, str]
    class_ids: _containers.ScalarMap[str, str]
    definition_ids: _containers.ScalarMap[str, str]
    rollback_version: int
    client_version: str
    commit_info: CommitInfo
    tags: _containers.ScalarMap[str, str]
    staged: bool
    deployment_type: DeploymentType
    def __init__(self, app_id: _Optional[str] = ..., name: _Optional[str] = ..., deployment_tag: _Optional[str] = ..., app_state: _Optional[_Union[AppState, str]] = ..., function_ids: _Optional[_Mapping[str, str]] = ..., class_ids: _Optional[_Mapping[str, str]] = ..., definition_ids: _Optional[_Mapping[str, str]] = ..., rollback_version: _Optional[int] = ..., client_version: _Optional[str] = ..., commit_info: _Optional[_Union[CommitInfo, _Mapping]] = ..., tags: _Optional[_Mapping[str, str]] = ..., staged: bool = ..., deployment_type: _Optional[_Union[DeploymentType, str]] = ...) -> None: ...

class AppPublishResponse(_message.Message):
    __slots__ = ("url", "server_warnings", "deployed_at")
    URL_FIELD_NUMBER: _ClassVar[int]
    SERVER_WARNINGS_FIELD_NUMBER: _ClassVar[int]
    DEPLOYED_AT_FIELD_NUMBER: _ClassVar[int]
    url: str
    server_warnings: _containers.RepeatedCompositeFieldContainer[Warning]
    deployed_at: float
    def __init__(self, url: _Optional[str] = ..., server_warnings: _Optional[_Iterable[_Union[Warning, _Mapping]]] = ..., deployed_at: _Optional[float] = ...) -> None: ...

class AppSetTagsRequest(_message.Message):
    __slots__ = ("app_id", "tags")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    APP_ID_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    app_id: str
    tags: _containers.ScalarMap[str, str]
    def __init__(self, app_id: _Optional[str] = ..., tags: _Optional[_Mapping[str, str]] = ...) -> None: ...

class AppStopRequest(_message.Message):
    __slots__ = ("app_id", "source")
    APP_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    app_id: str
    source: AppStopSource
    def __init__(self, app_id: _Optional[str] = ..., source: _Optional[_Union[AppStopSource, str]] = ...) -> None: ...

class AuthTokenGetRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AuthTokenGetResponse(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: str
    def __init__(self, token: _Optional[str] = ...) -> None: ...

class ClientHelloResponse(_message.Message):
    __slots__ = ("warning", "image_builder_version", "server_warnings")
    WARNING_FIELD_NUMBER: _ClassVar[int]
    IMAGE_BUILDER_VERSION_FIELD_NUMBER: _ClassVar[int]
    SERVER_WARNINGS_FIELD_NUMBER: _ClassVar[int]
    warning: str
    image_builder_version: str
    server_warnings: _containers.RepeatedCompositeFieldContainer[Warning]
    def __init__(self, warning: _Optional[str] = ..., image_builder_version: _Optional[str] = ..., server_warnings: _Optional[_Iterable[_Union[Warning, _Mapping]]] = ...) -> None: ...

class CommitInfo(_message.Message):
    __slots__ = ("vcs", "branch", "commit_hash", "commit_timestamp", "dirty", "author_name", "author_email", "repo_url")
    VCS_FIELD_NUMBER: _ClassVar[int]
    BRANCH_FIELD_NUMBER: _ClassVar[int]
    COMMIT_HASH_FIELD_NUMBER: _ClassVar[int]
    COMMIT_TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    DIRTY_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_NAME_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_EMAIL_FIELD_NUMBER: _ClassVar[int]
    REPO_URL_FIELD_NUMBER: _ClassVar[int]
    vcs: str
    branch: str
    commit_hash: str
    commit_timestamp: int
    dirty: bool
    author_name: str
    author_email: str
    repo_url: str
    def __init__(self, vcs: _Optional[str] = ..., branch: _Optional[str] = ..., commit_hash: _Optional[str] = ..., commit_timestamp: _Optional[int] = ..., dirty: bool = ..., author_name: _Optional[str] = ..., author_email: _Optional[str] = ..., repo_url: _Optional[str] = ...) -> None: ...

class EnvironmentCreateRequest(_message.Message):
    __slots__ = ("name", "is_managed", "settings", "environment_type", "default_member_role", "default_member_role_str")
    NAME_FIELD_NUMBER: _ClassVar[int]
    IS_MANAGED_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_MEMBER_ROLE_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_MEMBER_ROLE_STR_FIELD_NUMBER: _ClassVar[int]
    name: str
    is_managed: bool
    settings: EnvironmentSettings
    environment_type: EnvironmentType
    default_member_role: EnvironmentRole
    default_member_role_str: str
    def __init__(self, name: _Optional[str] = ..., is_managed: bool = ..., settings: _Optional[_Union[EnvironmentSettings, _Mapping]] = ..., environment_type: _Optional[_Union[EnvironmentType, str]] = ..., default_member_role: _Optional[_Union[EnvironmentRole, str]] = ..., default_member_role_str: _Optional[str] = ...) -> None: ...

class EnvironmentDeleteRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class EnvironmentGetOrCreateRequest(_message.Message):
    __slots__ = ("deployment_name", "object_creation_type")
    DEPLOYMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    OBJECT_CREATION_TYPE_FIELD_NUMBER: _ClassVar[int]
    deployment_name: str
    object_creation_type: _common_pb2.ObjectCreationType
    def __init__(self, deployment_name: _Optional[str] = ..., object_creation_type: _Optional[_Union[_common_pb2.ObjectCreationType, str]] = ...) -> None: ...

class EnvironmentGetOrCreateResponse(_message.Message):
    __slots__ = ("environment_id", "metadata")
    ENVIRONMENT_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    environment_id: str
    metadata: EnvironmentMetadata
    def __init__(self, environment_id: _Optional[str] = ..., metadata: _Optional[_Union[EnvironmentMetadata, _Mapping]] = ...) -> None: ...

class EnvironmentListItem(_message.Message):
    __slots__ = ("name", "webhook_suffix", "created_at", "default", "is_managed", "environment_id", "max_concurrent_tasks", "max_concurrent_gpus", "current_concurrent_tasks", "current_concurrent_gpus", "cycle_budget_dollars", "effective_cycle_spend_limit", "current_cycle_usage", "spend_limit_reached", "environment_type", "default_member_role", "block_unauthenticated_resources", "effective_role", "image_builder_version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    WEBHOOK_SUFFIX_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_FIELD_NUMBER: _ClassVar[int]
    IS_MANAGED_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_ID_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENT_TASKS_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENT_GPUS_FIELD_NUMBER: _ClassVar[int]
    CURRENT_CONCURRENT_TASKS_FIELD_NUMBER: _ClassVar[int]
    CURRENT_CONCURRENT_GPUS_FIELD_NUMBER: _ClassVar[int]
    CYCLE_BUDGET_DOLLARS_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_CYCLE_SPEND_LIMIT_FIELD_NUMBER: _ClassVar[int]
    CURRENT_CYCLE_USAGE_FIELD_NUMBER: _ClassVar[int]
    SPEND_LIMIT_REACHED_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_MEMBER_ROLE_FIELD_NUMBER: _ClassVar[int]
    BLOCK_UNAUTHENTICATED_RESOURCES_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_ROLE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_BUILDER_VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    webhook_suffix: str
    created_at: float
    default: bool
    is_managed: bool
    environment_id: str
    max_concurrent_tasks: int
    max_concurrent_gpus: int
    current_concurrent_tasks: int
    current_concurrent_gpus: int
    cycle_budget_dollars: float
    effective_cycle_spend_limit: float
    current_cycle_usage: float
    spend_limit_reached: bool
    environment_type: EnvironmentType
    default_member_role: EnvironmentRole
    block_unauthenticated_resources: bool
    effective_role: EnvironmentRole
    image_builder_version: str
    def __init__(self, name: _Optional[str] = ..., webhook_suffix: _Optional[str] = ..., created_at: _Optional[float] = ..., default: bool = ..., is_managed: bool = ..., environment_id: _Optional[str] = ..., max_concurrent_tasks: _Optional[int] = ..., max_concurrent_gpus: _Optional[int] = ..., current_concurrent_tasks: _Optional[int] = ..., current_concurrent_gpus: _Optional[int] = ..., cycle_budget_dollars: _Optional[float] = ..., effective_cycle_spend_limit: _Optional[float] = ..., current_cycle_usage: _Optional[float] = ..., spend_limit_reached: bool = ..., environment_type: _Optional[_Union[EnvironmentType, str]] = ..., default_member_role: _Optional[_Union[EnvironmentRole, str]] = ..., block_unauthenticated_resources: bool = ..., effective_role: _Optional[_Union[EnvironmentRole, str]] = ..., image_builder_version: _Optional[str] = ...) -> None: ...

class EnvironmentListResponse(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[EnvironmentListItem]
    def __init__(self, items: _Optional[_Iterable[_Union[EnvironmentListItem, _Mapping]]] = ...) -> None: ...

class EnvironmentMetadata(_message.Message):
    __slots__ = ("name", "settings", "environment_type")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    name: str
    settings: EnvironmentSettings
    environment_type: EnvironmentType
    def __init__(self, name: _Optional[str] = ..., settings: _Optional[_Union[EnvironmentSettings, _Mapping]] = ..., environment_type: _Optional[_Union[EnvironmentType, str]] = ...) -> None: ...

class EnvironmentSettings(_message.Message):
    __slots__ = ("image_builder_version", "webhook_suffix", "max_concurrent_gpus", "max_concurrent_tasks", "block_unauthenticated_resources")
    IMAGE_BUILDER_VERSION_FIELD_NUMBER: _ClassVar[int]
    WEBHOOK_SUFFIX_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENT_GPUS_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENT_TASKS_FIELD_NUMBER: _ClassVar[int]
    BLOCK_UNAUTHENTICATED_RESOURCES_FIELD_NUMBER: _ClassVar[int]
    image_builder_version: str
    webhook_suffix: str
    max_concurrent_gpus: int
    max_concurrent_tasks: int
    block_unauthenticated_resources: bool
    def __init__(self, image_builder_version: _Optional[str] = ..., webhook_suffix: _Optional[str] = ..., max_concurrent_gpus: _Optional[int] = ..., max_concurrent_tasks: _Optional[int] = ..., block_unauthenticated_resources: bool = ...) -> None: ...

class EnvironmentUpdateRequest(_message.Message):
    __slots__ = ("current_name", "name", "web_suffix", "max_concurrent_tasks", "max_concurrent_gpus", "block_unauthenticated_resources", "image_builder_version")
    CURRENT_NAME_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    WEB_SUFFIX_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENT_TASKS_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENT_GPUS_FIELD_NUMBER: _ClassVar[int]
    BLOCK_UNAUTHENTICATED_RESOURCES_FIELD_NUMBER: _ClassVar[int]
    IMAGE_BUILDER_VERSION_FIELD_NUMBER: _ClassVar[int]
    current_name: str
    name: _wrappers_pb2.StringValue
    web_suffix: _wrappers_pb2.StringValue
    max_concurrent_tasks: int
    max_concurrent_gpus: int
    block_unauthenticated_resources: EnvironmentBlockUnauthenticatedResources
    image_builder_version: str
    def __init__(self, current_name: _Optional[str] = ..., name: _Optional[_Union[_wrappers_pb2.StringValue, _Mapping]] = ..., web_suffix: _Optional[_Union[_wrappers_pb2.StringValue, _Mapping]] = ..., max_concurrent_tasks: _Optional[int] = ..., max_concurrent_gpus: _Optional[int] = ..., block_unauthenticated_resources: _Optional[_Union[EnvironmentBlockUnauthenticatedResources, str]] = ..., image_builder_version: _Optional[str] = ...) -> None: ...

class Warning(_message.Message):
    __slots__ = ("type", "message")
    class WarningType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        WARNING_TYPE_UNSPECIFIED: _ClassVar[Warning.WarningType]
        WARNING_TYPE_CLIENT_DEPRECATION: _ClassVar[Warning.WarningType]
        WARNING_TYPE_RESOURCE_LIMIT: _ClassVar[Warning.WarningType]
        WARNING_TYPE_FUNCTION_CONFIGURATION: _ClassVar[Warning.WarningType]
    WARNING_TYPE_UNSPECIFIED: Warning.WarningType
    WARNING_TYPE_CLIENT_DEPRECATION: Warning.WarningType
    WARNING_TYPE_RESOURCE_LIMIT: Warning.WarningType
    WARNING_TYPE_FUNCTION_CONFIGURATION: Warning.WarningType
    TYPE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    type: Warning.WarningType
    message: str
    def __init__(self, type: _Optional[_Union[Warning.WarningType, str]] = ..., message: _Optional[str] = ...) -> None: ...
