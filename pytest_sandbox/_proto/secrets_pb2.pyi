from pytest_sandbox._proto import common_pb2 as _common_pb2
from pytest_sandbox._proto import sandboxes_pb2 as _sandboxes_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SecretDeleteRequest(_message.Message):
    __slots__ = ("secret_id",)
    SECRET_ID_FIELD_NUMBER: _ClassVar[int]
    secret_id: str
    def __init__(self, secret_id: _Optional[str] = ...) -> None: ...

class SecretGetInfoRequest(_message.Message):
    __slots__ = ("secret_id",)
    SECRET_ID_FIELD_NUMBER: _ClassVar[int]
    secret_id: str
    def __init__(self, secret_id: _Optional[str] = ...) -> None: ...

class SecretGetInfoResponse(_message.Message):
    __slots__ = ("metadata",)
    METADATA_FIELD_NUMBER: _ClassVar[int]
    metadata: SecretMetadata
    def __init__(self, metadata: _Optional[_Union[SecretMetadata, _Mapping]] = ...) -> None: ...

class SecretGetOrCreateRequest(_message.Message):
    __slots__ = ("deployment_name", "environment_name", "object_creation_type", "env_dict", "app_id", "required_keys")
    class EnvDictEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DEPLOYMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    OBJECT_CREATION_TYPE_FIELD_NUMBER: _ClassVar[int]
    ENV_DICT_FIELD_NUMBER: _ClassVar[int]
    APP_ID_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_KEYS_FIELD_NUMBER: _ClassVar[int]
    deployment_name: str
    environment_name: str
    object_creation_type: _common_pb2.ObjectCreationType
    env_dict: _containers.ScalarMap[str, str]
    app_id: str
    required_keys: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, deployment_name: _Optional[str] = ..., environment_name: _Optional[str] = ..., object_creation_type: _Optional[_Union[_common_pb2.ObjectCreationType, str]] = ..., env_dict: _Optional[_Mapping[str, str]] = ..., app_id: _Optional[str] = ..., required_keys: _Optional[_Iterable[str]] = ...) -> None: ...

class SecretGetOrCreateResponse(_message.Message):
    __slots__ = ("secret_id", "metadata")
    SECRET_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    secret_id: str
    metadata: SecretMetadata
    def __init__(self, secret_id: _Optional[str] = ..., metadata: _Optional[_Union[SecretMetadata, _Mapping]] = ...) -> None: ...

class SecretListItem(_message.Message):
    __slots__ = ("label", "created_at", "last_used_at", "environment_name", "secret_id", "metadata")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_USED_AT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    SECRET_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    label: str
    created_at: float
    last_used_at: float
    environment_name: str
    secret_id: str
    metadata: SecretMetadata
    def __init__(self, label: _Optional[str] = ..., created_at: _Optional[float] = ..., last_used_at: _Optional[float] = ..., environment_name: _Optional[str] = ..., secret_id: _Optional[str] = ..., metadata: _Optional[_Union[SecretMetadata, _Mapping]] = ...) -> None: ...

class SecretListRequest(_message.Message):
    __slots__ = ("environment_name", "pagination")
    ENVIRONMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    PAGINATION_FIELD_NUMBER: _ClassVar[int]
    environment_name: str
    pagination: _common_pb2.ListPagination
    def __init__(self, environment_name: _Optional[str] = ..., pagination: _Optional[_Union[_common_pb2.ListPagination, _Mapping]] = ...) -> None: ...

class SecretListResponse(_message.Message):
    __slots__ = ("items", "environment_name")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[SecretListItem]
    environment_name: str
    def __init__(self, items: _Optional[_Iterable[_Union[SecretListItem, _Mapping]]] = ..., environment_name: _Optional[str] = ...) -> None: ...

class SecretMetadata(_message.Message):
    __slots__ = ("name", "creation_info", "keys", "environment_name", "last_used_at", "template_type")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CREATION_INFO_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    LAST_USED_AT_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_TYPE_FIELD_NUMBER: _ClassVar[int]
    name: str
    creation_info: _common_pb2.CreationInfo
    keys: _containers.RepeatedScalarFieldContainer[str]
    environment_name: str
    last_used_at: float
    template_type: str
    def __init__(self, name: _Optional[str] = ..., creation_info: _Optional[_Union[_common_pb2.CreationInfo, _Mapping]] = ..., keys: _Optional[_Iterable[str]] = ..., environment_name: _Optional[str] = ..., last_used_at: _Optional[float] = ..., template_type: _Optional[str] = ...) -> None: ...

class SecretSource(_message.Message):
    __slots__ = ("secret_id", "env")
    SECRET_ID_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    secret_id: str
    env: _sandboxes_pb2.StringMap
    def __init__(self, secret_id: _Optional[str] = ..., env: _Optional[_Union[_sandboxes_pb2.StringMap, _Mapping]] = ...) -> None: ...

class SecretUpdateRequest(_message.Message):
    __slots__ = ("secret_id", "updates")
    class Update(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SECRET_ID_FIELD_NUMBER: _ClassVar[int]
    UPDATES_FIELD_NUMBER: _ClassVar[int]
    secret_id: str
    updates: _containers.RepeatedCompositeFieldContainer[SecretUpdateRequest.Update]
    def __init__(self, secret_id: _Optional[str] = ..., updates: _Optional[_Iterable[_Union[SecretUpdateRequest.Update, _Mapping]]] = ...) -> None: ...
