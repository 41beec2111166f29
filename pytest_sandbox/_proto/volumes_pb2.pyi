from pytest_sandbox._proto import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class VolumeFsVersion(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VOLUME_FS_VERSION_UNSPECIFIED: _ClassVar[VolumeFsVersion]
    VOLUME_FS_VERSION_V1: _ClassVar[VolumeFsVersion]
    VOLUME_FS_VERSION_V2: _ClassVar[VolumeFsVersion]
VOLUME_FS_VERSION_UNSPECIFIED: VolumeFsVersion
VOLUME_FS_VERSION_V1: VolumeFsVersion
VOLUME_FS_VERSION_V2: VolumeFsVersion

class ListPagination(_message.Message):
    __slots__ = ("max_objects", "created_before")
    MAX_OBJECTS_FIELD_NUMBER: _ClassVar[int]
    CREATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    max_objects: int
    created_before: float
    def __init__(self, max_objects: _Optional[int] = ..., created_before: _Optional[float] = ...) -> None: ...

class VolumeCommitRequest(_message.Message):
    __slots__ = ("volume_id", "container_id")
    VOLUME_ID_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_ID_FIELD_NUMBER: _ClassVar[int]
    volume_id: str
    container_id: str
    def __init__(self, volume_id: _Optional[str] = ..., container_id: _Optional[str] = ...) -> None: ...

class VolumeCommitResponse(_message.Message):
    __slots__ = ("skip_reload",)
    SKIP_RELOAD_FIELD_NUMBER: _ClassVar[int]
    skip_reload: bool
    def __init__(self, skip_reload: bool = ...) -> None: ...

class VolumeCreateOptions(_message.Message):
    __slots__ = ("experimental_options",)
    class ExperimentalOptionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    EXPERIMENTAL_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    experimental_options: _containers.ScalarMap[str, str]
    def __init__(self, experimental_options: _Optional[_Mapping[str, str]] = ...) -> None: ...

class VolumeDeleteRequest(_message.Message):
    __slots__ = ("volume_id", "environment_name")
    VOLUME_ID_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    volume_id: str
    environment_name: str
    def __init__(self, volume_id: _Optional[str] = ..., environment_name: _Optional[str] = ...) -> None: ...

class VolumeGetByIdRequest(_message.Message):
    __slots__ = ("volume_id",)
    VOLUME_ID_FIELD_NUMBER: _ClassVar[int]
    volume_id: str
    def __init__(self, volume_id: _Optional[str] = ...) -> None: ...

class VolumeGetByIdResponse(_message.Message):
    __slots__ = ("volume_id", "metadata")
    VOLUME_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    volume_id: str
    metadata: VolumeMetadata
    def __init__(self, volume_id: _Optional[str] = ..., metadata: _Optional[_Union[VolumeMetadata, _Mapping]] = ...) -> None: ...

class VolumeGetOrCreateRequest(_message.Message):
    __slots__ = ("deployment_name", "environment_name", "object_creation_type", "app_id", "version", "create_options")
    DEPLOYMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    OBJECT_CREATION_TYPE_FIELD_NUMBER: _ClassVar[int]
    APP_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CREATE_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    deployment_name: str
    environment_name: str
    object_creation_type: _common_pb2.ObjectCreationType
    app_id: str
    version: VolumeFsVersion
    create_options: VolumeCreateOptions
    def __init__(self, deployment_name: _Optional[str] = ..., environment_name: _Optional[str] = ..., object_creation_type: _Optional[_Union[_common_pb2.ObjectCreationType, str]] = ..., app_id: _Optional[str] = ..., version: _Optional[_Union[VolumeFsVersion, str]] = ..., create_options: _Optional[_Union[VolumeCreateOptions, _Mapping]] = ...) -> None: ...

class VolumeGetOrCreateResponse(_message.Message):
    __slots__ = ("volume_id", "version", "metadata")
    VOLUME_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    volume_id: str
    version: VolumeFsVersion
    metadata: VolumeMetadata
    def __init__(self, volume_id: _Optional[str] = ..., version: _Optional[_Union[VolumeFsVersion, str]] = ..., metadata: _Optional[_Union[VolumeMetadata, _Mapping]] = ...) -> None: ...

class VolumeHeartbeatRequest(_message.Message):
    __slots__ = ("volume_id",)
    VOLUME_ID_FIELD_NUMBER: _ClassVar[int]
    volume_id: str
    def __init__(self, volume_id: _Optional[str] = ...) -> None: ...

class VolumeListItem(_message.Message):
    __slots__ = ("label", "volume_id", "created_at", "metadata")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    VOLUME_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    label: str
    volume_id: str
    created_at: float
    metadata: VolumeMetadata
    def __init__(self, label: _Optional[str] = ..., volume_id: _Optional[str] = ..., created_at: _Optional[float] = ..., metadata: _Optional[_Union[VolumeMetadata, _Mapping]] = ...) -> None: ...

class VolumeListRequest(_message.Message):
    __slots__ = ("environment_name", "pagination")
    ENVIRONMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    PAGINATION_FIELD_NUMBER: _ClassVar[int]
    environment_name: str
    pagination: ListPagination
    def __init__(self, environment_name: _Optional[str] = ..., pagination: _Optional[_Union[ListPagination, _Mapping]] = ...) -> None: ...

class VolumeListResponse(_message.Message):
    __slots__ = ("items", "environment_name")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[VolumeListItem]
    environment_name: str
    def __init__(self, items: _Optional[_Iterable[_Union[VolumeListItem, _Mapping]]] = ..., environment_name: _Optional[str] = ...) -> None: ...

class VolumeMetadata(_message.Message):
    __slots__ = ("version", "name", "creation_info")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CREATION_INFO_FIELD_NUMBER: _ClassVar[int]
    version: VolumeFsVersion
    name: str
    creation_info: _common_pb2.CreationInfo
    def __init__(self, version: _Optional[_Union[VolumeFsVersion, str]] = ..., name: _Optional[str] = ..., creation_info: _Optional[_Union[_common_pb2.CreationInfo, _Mapping]] = ...) -> None: ...

class VolumeReloadRequest(_message.Message):
    __slots__ = ("volume_id",)
    VOLUME_ID_FIELD_NUMBER: _ClassVar[int]
    volume_id: str
    def __init__(self, volume_id: _Optional[str] = ...) -> None: ...

class VolumeRenameRequest(_message.Message):
    __slots__ = ("volume_id", "name")
    VOLUME_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    volume_id: str
    name: str
    def __init__(self, volume_id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...
