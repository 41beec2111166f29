from google.protobuf import timestamp_pb2 as _timestamp_pb2
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

class BlobCreateRequest(_message.Message):
    __slots__ = ("content_md5", "content_sha256_base64", "content_length")
    CONTENT_MD5_FIELD_NUMBER: _ClassVar[int]
    CONTENT_SHA256_BASE64_FIELD_NUMBER: _ClassVar[int]
    CONTENT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    content_md5: str
    content_sha256_base64: str
    content_length: int
    def __init__(self, content_md5: _Optional[str] = ..., content_sha256_base64: _Optional[str] = ..., content_length: _Optional[int] = ...) -> None: ...

class BlobCreateResponse(_message.Message):
    __slots__ = ("blob_id", "blob_ids", "upload_url", "multipart", "upload_urls", "multiparts")
    BLOB_ID_FIELD_NUMBER: _ClassVar[int]
    BLOB_IDS_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_URL_FIELD_NUMBER: _ClassVar[int]
    MULTIPART_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_URLS_FIELD_NUMBER: _ClassVar[int]
    MULTIPARTS_FIELD_NUMBER: _ClassVar[int]
    blob_id: str
    blob_ids: _containers.RepeatedScalarFieldContainer[str]
    upload_url: str
    multipart: MultiPartUpload
    upload_urls: UploadUrlList
    multiparts: MultiPartUploadList
    def __init__(self, blob_id: _Optional[str] = ..., blob_ids: _Optional[_Iterable[str]] = ..., upload_url: _Optional[str] = ..., multipart: _Optional[_Union[MultiPartUpload, _Mapping]] = ..., upload_urls: _Optional[_Union[UploadUrlList, _Mapping]] = ..., multiparts: _Optional[_Union[MultiPartUploadList, _Mapping]] = ...) -> None: ...

class FileEntry(_message.Message):
    __slots__ = ("path", "type", "mtime", "size")
    class FileType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNSPECIFIED: _ClassVar[FileEntry.FileType]
        FILE: _ClassVar[FileEntry.FileType]
        DIRECTORY: _ClassVar[FileEntry.FileType]
        SYMLINK: _ClassVar[FileEntry.FileType]
        FIFO: _ClassVar[FileEntry.FileType]
        SOCKET: _ClassVar[FileEntry.FileType]
    UNSPECIFIED: FileEntry.FileType
    FILE: FileEntry.FileType
    DIRECTORY: FileEntry.FileType
    SYMLINK: FileEntry.FileType
    FIFO: FileEntry.FileType
    SOCKET: FileEntry.FileType
    PATH_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    MTIME_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    path: str
    type: FileEntry.FileType
    mtime: int
    size: int
    def __init__(self, path: _Optional[str] = ..., type: _Optional[_Union[FileEntry.FileType, str]] = ..., mtime: _Optional[int] = ..., size: _Optional[int] = ...) -> None: ...

class MountBatchedCheckExistenceRequest(_message.Message):
    __slots__ = ("sha256_hex_hashes",)
    SHA256_HEX_HASHES_FIELD_NUMBER: _ClassVar[int]
    sha256_hex_hashes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, sha256_hex_hashes: _Optional[_Iterable[str]] = ...) -> None: ...

class MountBatchedCheckExistenceResponse(_message.Message):
    __slots__ = ("missing_sha256_hex_hashes", "checked_at")
    MISSING_SHA256_HEX_HASHES_FIELD_NUMBER: _ClassVar[int]
    CHECKED_AT_FIELD_NUMBER: _ClassVar[int]
    missing_sha256_hex_hashes: _containers.RepeatedScalarFieldContainer[str]
    checked_at: _timestamp_pb2.Timestamp
    def __init__(self, missing_sha256_hex_hashes: _Optional[_Iterable[str]] = ..., checked_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class MountFile(_message.Message):
    __slots__ = ("filename", "sha256_hex", "size", "mode")
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    SHA256_HEX_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    filename: str
    sha256_hex: str
    size: int
    mode: int
    def __init__(self, filename: _Optional[str] = ..., sha256_hex: _Optional[str] = ..., size: _Optional[int] = ..., mode: _Optional[int] = ...) -> None: ...

class MountGetOrCreateRequest(_message.Message):
    __slots__ = ("deployment_name", "namespace", "environment_name", "object_creation_type", "files", "app_id", "earliest_checked_at")
    DEPLOYMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    OBJECT_CREATION_TYPE_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    APP_ID_FIELD_NUMBER: _ClassVar[int]
    EARLIEST_CHECKED_AT_FIELD_NUMBER: _ClassVar[int]
    deployment_name: str
    namespace: _common_pb2.DeploymentNamespace
    environment_name: str
    object_creation_type: _common_pb2.ObjectCreationType
    files: _containers.RepeatedCompositeFieldContainer[MountFile]
    app_id: str
    earliest_checked_at: _timestamp_pb2.Timestamp
    def __init__(self, deployment_name: _Optional[str] = ..., namespace: _Optional[_Union[_common_pb2.DeploymentNamespace, str]] = ..., environment_name: _Optional[str] = ..., object_creation_type: _Optional[_Union[_common_pb2.ObjectCreationType, str]] = ..., files: _Optional[_Iterable[_Union[MountFile, _Mapping]]] = ..., app_id: _Optional[str] = ..., earliest_checked_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class MountGetOrCreateResponse(_message.Message):
    __slots__ = ("mount_id", "handle_metadata")
    MOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    HANDLE_METADATA_FIELD_NUMBER: _ClassVar[int]
    mount_id: str
    handle_metadata: MountHandleMetadata
    def __init__(self, mount_id: _Optional[str] = ..., handle_metadata: _Optional[_Union[MountHandleMetadata, _Mapping]] = ...) -> None: ...

class MountHandleMetadata(_message.Message):
    __slots__ = ("content_checksum_sha256_hex",)
    CONTENT_CHECKSUM_SHA256_HEX_FIELD_NUMBER: _ClassVar[int]
    content_checksum_sha256_hex: str
    def __init__(self, content_checksum_sha256_hex: _Optional[str] = ...) -> None: ...

class MountPutFileRequest(_message.Message):
    __slots__ = ("sha256_hex", "data", "data_blob_id")
    SHA256_HEX_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    DATA_BLOB_ID_FIELD_NUMBER: _ClassVar[int]
    sha256_hex: str
    data: bytes
    data_blob_id: str
    def __init__(self, sha256_hex: _Optional[str] = ..., data: _Optional[bytes] = ..., data_blob_id: _Optional[str] = ...) -> None: ...

class MountPutFileResponse(_message.Message):
    __slots__ = ("exists", "checked_at")
    EXISTS_FIELD_NUMBER: _ClassVar[int]
    CHECKED_AT_FIELD_NUMBER: _ClassVar[int]
    exists: bool
    checked_at: _timestamp_pb2.Timestamp
    def __init__(self, exists: bool = ..., checked_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class MultiPartUpload(_message.Message):
    __slots__ = ("part_length", "upload_urls", "completion_url")
    PART_LENGTH_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_URLS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_URL_FIELD_NUMBER: _ClassVar[int]
    part_length: int
    upload_urls: _containers.RepeatedScalarFieldContainer[str]
    completion_url: str
    def __init__(self, part_length: _Optional[int] = ..., upload_urls: _Optional[_Iterable[str]] = ..., completion_url: _Optional[str] = ...) -> None: ...

class MultiPartUploadList(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[MultiPartUpload]
    def __init__(self, items: _Optional[_Iterable[_Union[MultiPartUpload, _Mapping]]] = ...) -> None: ...

class UploadUrlList(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, items: _Optional[_Iterable[str]] = ...) -> None: ...

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

class VolumeCopyFilesRequest(_message.Message):
    __slots__ = ("volume_id", "src_paths", "dst_path", "recursive")
    VOLUME_ID_FIELD_NUMBER: _ClassVar[int]
    SRC_PATHS_FIELD_NUMBER: _ClassVar[int]
    DST_PATH_FIELD_NUMBER: _ClassVar[int]
    RECURSIVE_FIELD_NUMBER: _ClassVar[int]
    volume_id: str
    src_paths: _containers.RepeatedScalarFieldContainer[str]
    dst_path: str
    recursive: bool
    def __init__(self, volume_id: _Optional[str] = ..., src_paths: _Optional[_Iterable[str]] = ..., dst_path: _Optional[str] = ..., recursive: bool = ...) -> None: ...

class VolumeCopyFiles2Request(_message.Message):
    __slots__ = ("volume_id", "src_paths", "dst_path", "recursive")
    VOLUME_ID_FIELD_NUMBER: _ClassVar[int]
    SRC_PATHS_FIELD_NUMBER: _ClassVar[int]
    DST_PATH_FIELD_NUMBER: _ClassVar[int]
    RECURSIVE_FIELD_NUMBER: _ClassVar[int]
    volume_id: str
    src_paths: _containers.RepeatedScalarFieldContainer[str]
    dst_path: str
    recursive: bool
    def __init__(self, volume_id: _Optional[str] = ..., src_paths: _Optional[_Iterable[str]] = ..., dst_path: _Optional[str] = ..., recursive: bool = ...) -> None: ...

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

class VolumeGetFileRequest(_message.Message):
    __slots__ = ("volume_id", "path", "start", "len")
    VOLUME_ID_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    LEN_FIELD_NUMBER: _ClassVar[int]
    volume_id: str
    path: str
    start: int
    len: int
    def __init__(self, volume_id: _Optional[str] = ..., path: _Optional[str] = ..., start: _Optional[int] = ..., len: _Optional[int] = ...) -> None: ...

class VolumeGetFileResponse(_message.Message):
    __slots__ = ("data", "data_blob_id", "size", "start", "len")
    DATA_FIELD_NUMBER: _ClassVar[int]
    DATA_BLOB_ID_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    LEN_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    data_blob_id: str
    size: int
    start: int
    len: int
    def __init__(self, data: _Optional[bytes] = ..., data_blob_id: _Optional[str] = ..., size: _Optional[int] = ..., start: _Optional[int] = ..., len: _Optional[int] = ...) -> None: ...

class VolumeGetFile2Request(_message.Message):
    __slots__ = ("volume_id", "path", "start", "len", "client_pads_blocks")
    VOLUME_ID_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    LEN_FIELD_NUMBER: _ClassVar[int]
    CLIENT_PADS_BLOCKS_FIELD_NUMBER: _ClassVar[int]
    volume_id: str
    path: str
    start: int
    len: int
    client_pads_blocks: bool
    def __init__(self, volume_id: _Optional[str] = ..., path: _Optional[str] = ..., start: _Optional[int] = ..., len: _Optional[int] = ..., client_pads_blocks: bool = ...) -> None: ...

class VolumeGetFile2Response(_message.Message):
    __slots__ = ("get_urls", "size", "start", "len")
    GET_URLS_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    LEN_FIELD_NUMBER: _ClassVar[int]
    get_urls: _containers.RepeatedScalarFieldContainer[str]
    size: int
    start: int
    len: int
    def __init__(self, get_urls: _Optional[_Iterable[str]] = ..., size: _Optional[int] = ..., start: _Optional[int] = ..., len: _Optional[int] = ...) -> None: ...

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

class VolumeListFilesRequest(_message.Message):
    __slots__ = ("volume_id", "path", "max_entries", "recursive")
    VOLUME_ID_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    MAX_ENTRIES_FIELD_NUMBER: _ClassVar[int]
    RECURSIVE_FIELD_NUMBER: _ClassVar[int]
    volume_id: str
    path: str
    max_entries: int
    recursive: bool
    def __init__(self, volume_id: _Optional[str] = ..., path: _Optional[str] = ..., max_entries: _Optional[int] = ..., recursive: bool = ...) -> None: ...

class VolumeListFilesResponse(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[FileEntry]
    def __init__(self, entries: _Optional[_Iterable[_Union[FileEntry, _Mapping]]] = ...) -> None: ...

class VolumeListFiles2Request(_message.Message):
    __slots__ = ("volume_id", "path", "max_entries", "recursive")
    VOLUME_ID_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    MAX_ENTRIES_FIELD_NUMBER: _ClassVar[int]
    RECURSIVE_FIELD_NUMBER: _ClassVar[int]
    volume_id: str
    path: str
    max_entries: int
    recursive: bool
    def __init__(self, volume_id: _Optional[str] = ..., path: _Optional[str] = ..., max_entries: _Optional[int] = ..., recursive: bool = ...) -> None: ...

class VolumeListFiles2Response(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[FileEntry]
    def __init__(self, entries: _Optional[_Iterable[_Union[FileEntry, _Mapping]]] = ...) -> None: ...

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
    pagination: _common_pb2.ListPagination
    def __init__(self, environment_name: _Optional[str] = ..., pagination: _Optional[_Union[_common_pb2.ListPagination, _Mapping]] = ...) -> None: ...

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

class VolumePutFilesRequest(_message.Message):
    __slots__ = ("volume_id", "files", "disallow_overwrite_existing_files", "earliest_checked_at")
    VOLUME_ID_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    DISALLOW_OVERWRITE_EXISTING_FILES_FIELD_NUMBER: _ClassVar[int]
    EARLIEST_CHECKED_AT_FIELD_NUMBER: _ClassVar[int]
    volume_id: str
    files: _containers.RepeatedCompositeFieldContainer[MountFile]
    disallow_overwrite_existing_files: bool
    earliest_checked_at: _timestamp_pb2.Timestamp
    def __init__(self, volume_id: _Optional[str] = ..., files: _Optional[_Iterable[_Union[MountFile, _Mapping]]] = ..., disallow_overwrite_existing_files: bool = ..., earliest_checked_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class VolumePutFiles2Request(_message.Message):
    __slots__ = ("volume_id", "files", "disallow_overwrite_existing_files")
    class File(_message.Message):
        __slots__ = ("path", "size", "blocks", "mode")
        PATH_FIELD_NUMBER: _ClassVar[int]
        SIZE_FIELD_NUMBER: _ClassVar[int]
        BLOCKS_FIELD_NUMBER: _ClassVar[int]
        MODE_FIELD_NUMBER: _ClassVar[int]
        path: str
        size: int
        blocks: _containers.RepeatedCompositeFieldContainer[VolumePutFiles2Request.Block]
        mode: int
        def __init__(self, path: _Optional[str] = ..., size: _Optional[int] = ..., blocks: _Optional[_Iterable[_Union[VolumePutFiles2Request.Block, _Mapping]]] = ..., mode: _Optional[int] = ...) -> None: ...
    class Block(_message.Message):
        __slots__ = ("contents_sha256", "put_response")
        CONTENTS_SHA256_FIELD_NUMBER: _ClassVar[int]
        PUT_RESPONSE_FIELD_NUMBER: _ClassVar[int]
        contents_sha256: bytes
        put_response: bytes
        def __init__(self, contents_sha256: _Optional[bytes] = ..., put_response: _Optional[bytes] = ...) -> None: ...
    VOLUME_ID_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    DISALLOW_OVERWRITE_EXISTING_FILES_FIELD_NUMBER: _ClassVar[int]
    volume_id: str
    files: _containers.RepeatedCompositeFieldContainer[VolumePutFiles2Request.File]
    disallow_overwrite_existing_files: bool
    def __init__(self, volume_id: _Optional[str] = ..., files: _Optional[_Iterable[_Union[VolumePutFiles2Request.File, _Mapping]]] = ..., disallow_overwrite_existing_files: bool = ...) -> None: ...

class VolumePutFiles2Response(_message.Message):
    __slots__ = ("missing_blocks",)
    class MissingBlock(_message.Message):
        __slots__ = ("file_index", "block_index", "put_url")
        FILE_INDEX_FIELD_NUMBER: _ClassVar[int]
        BLOCK_INDEX_FIELD_NUMBER: _ClassVar[int]
        PUT_URL_FIELD_NUMBER: _ClassVar[int]
        file_index: int
        block_index: int
        put_url: str
        def __init__(self, file_index: _Optional[int] = ..., block_index: _Optional[int] = ..., put_url: _Optional[str] = ...) -> None: ...
    MISSING_BLOCKS_FIELD_NUMBER: _ClassVar[int]
    missing_blocks: _containers.RepeatedCompositeFieldContainer[VolumePutFiles2Response.MissingBlock]
    def __init__(self, missing_blocks: _Optional[_Iterable[_Union[VolumePutFiles2Response.MissingBlock, _Mapping]]] = ...) -> None: ...

class VolumeReloadRequest(_message.Message):
    __slots__ = ("volume_id",)
    VOLUME_ID_FIELD_NUMBER: _ClassVar[int]
    volume_id: str
    def __init__(self, volume_id: _Optional[str] = ...) -> None: ...

class VolumeRemoveFileRequest(_message.Message):
    __slots__ = ("volume_id", "path", "recursive")
    VOLUME_ID_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    RECURSIVE_FIELD_NUMBER: _ClassVar[int]
    volume_id: str
    path: str
    recursive: bool
    def __init__(self, volume_id: _Optional[str] = ..., path: _Optional[str] = ..., recursive: bool = ...) -> None: ...

class VolumeRemoveFile2Request(_message.Message):
    __slots__ = ("volume_id", "path", "recursive")
    VOLUME_ID_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    RECURSIVE_FIELD_NUMBER: _ClassVar[int]
    volume_id: str
    path: str
    recursive: bool
    def __init__(self, volume_id: _Optional[str] = ..., path: _Optional[str] = ..., recursive: bool = ...) -> None: ...

class VolumeRenameRequest(_message.Message):
    __slots__ = ("volume_id", "name")
    VOLUME_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    volume_id: str
    name: str
    def __init__(self, volume_id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...
