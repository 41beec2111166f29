from pytest_sandbox._proto import sandboxes_pb2 as _sandboxes_pb2
from pytest_sandbox._proto import secrets_pb2 as _secrets_pb2
from pytest_sandbox._proto import snapshots_pb2 as _snapshots_pb2
from google.protobuf.internal import containers as _containers
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
