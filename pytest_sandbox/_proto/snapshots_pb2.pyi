from pytest_sandbox._proto import common_pb2 as _common_pb2
from pytest_sandbox._proto import images_pb2 as _images_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SandboxRestoreRequest(_message.Message):
    __slots__ = ("snapshot_id", "sandbox_name_override", "sandbox_name_override_type", "worker_id", "replace_volume_mounts", "volume_mounts")
    class SandboxNameOverrideType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SANDBOX_NAME_OVERRIDE_TYPE_UNSPECIFIED: _ClassVar[SandboxRestoreRequest.SandboxNameOverrideType]
        SANDBOX_NAME_OVERRIDE_TYPE_NONE: _ClassVar[SandboxRestoreRequest.SandboxNameOverrideType]
        SANDBOX_NAME_OVERRIDE_TYPE_STRING: _ClassVar[SandboxRestoreRequest.SandboxNameOverrideType]
    SANDBOX_NAME_OVERRIDE_TYPE_UNSPECIFIED: SandboxRestoreRequest.SandboxNameOverrideType
    SANDBOX_NAME_OVERRIDE_TYPE_NONE: SandboxRestoreRequest.SandboxNameOverrideType
    SANDBOX_NAME_OVERRIDE_TYPE_STRING: SandboxRestoreRequest.SandboxNameOverrideType
    SNAPSHOT_ID_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_NAME_OVERRIDE_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_NAME_OVERRIDE_TYPE_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    REPLACE_VOLUME_MOUNTS_FIELD_NUMBER: _ClassVar[int]
    VOLUME_MOUNTS_FIELD_NUMBER: _ClassVar[int]
    snapshot_id: str
    sandbox_name_override: str
    sandbox_name_override_type: SandboxRestoreRequest.SandboxNameOverrideType
    worker_id: str
    replace_volume_mounts: bool
    volume_mounts: _containers.RepeatedCompositeFieldContainer[_common_pb2.VolumeMount]
    def __init__(self, snapshot_id: _Optional[str] = ..., sandbox_name_override: _Optional[str] = ..., sandbox_name_override_type: _Optional[_Union[SandboxRestoreRequest.SandboxNameOverrideType, str]] = ..., worker_id: _Optional[str] = ..., replace_volume_mounts: bool = ..., volume_mounts: _Optional[_Iterable[_Union[_common_pb2.VolumeMount, _Mapping]]] = ...) -> None: ...

class SandboxRestoreResponse(_message.Message):
    __slots__ = ("sandbox_id",)
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    def __init__(self, sandbox_id: _Optional[str] = ...) -> None: ...

class SandboxSnapshotFsRequest(_message.Message):
    __slots__ = ("sandbox_id", "timeout")
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    timeout: float
    def __init__(self, sandbox_id: _Optional[str] = ..., timeout: _Optional[float] = ...) -> None: ...

class SandboxSnapshotFsResponse(_message.Message):
    __slots__ = ("image_id", "result", "image_metadata")
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_METADATA_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    result: _common_pb2.GenericResult
    image_metadata: _images_pb2.ImageMetadata
    def __init__(self, image_id: _Optional[str] = ..., result: _Optional[_Union[_common_pb2.GenericResult, _Mapping]] = ..., image_metadata: _Optional[_Union[_images_pb2.ImageMetadata, _Mapping]] = ...) -> None: ...

class SandboxSnapshotGetRequest(_message.Message):
    __slots__ = ("snapshot_id",)
    SNAPSHOT_ID_FIELD_NUMBER: _ClassVar[int]
    snapshot_id: str
    def __init__(self, snapshot_id: _Optional[str] = ...) -> None: ...

class SandboxSnapshotGetResponse(_message.Message):
    __slots__ = ("snapshot_id", "handle_metadata")
    SNAPSHOT_ID_FIELD_NUMBER: _ClassVar[int]
    HANDLE_METADATA_FIELD_NUMBER: _ClassVar[int]
    snapshot_id: str
    handle_metadata: SandboxSnapshotHandleMetadata
    def __init__(self, snapshot_id: _Optional[str] = ..., handle_metadata: _Optional[_Union[SandboxSnapshotHandleMetadata, _Mapping]] = ...) -> None: ...

class SandboxSnapshotHandleMetadata(_message.Message):
    __slots__ = ("is_v2",)
    IS_V2_FIELD_NUMBER: _ClassVar[int]
    is_v2: bool
    def __init__(self, is_v2: bool = ...) -> None: ...

class SandboxSnapshotRequest(_message.Message):
    __slots__ = ("sandbox_id",)
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    def __init__(self, sandbox_id: _Optional[str] = ...) -> None: ...

class SandboxSnapshotResponse(_message.Message):
    __slots__ = ("snapshot_id",)
    SNAPSHOT_ID_FIELD_NUMBER: _ClassVar[int]
    snapshot_id: str
    def __init__(self, snapshot_id: _Optional[str] = ...) -> None: ...

class SandboxSnapshotWaitRequest(_message.Message):
    __slots__ = ("snapshot_id", "timeout")
    SNAPSHOT_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    snapshot_id: str
    timeout: float
    def __init__(self, snapshot_id: _Optional[str] = ..., timeout: _Optional[float] = ...) -> None: ...

class SandboxSnapshotWaitResponse(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _common_pb2.GenericResult
    def __init__(self, result: _Optional[_Union[_common_pb2.GenericResult, _Mapping]] = ...) -> None: ...
