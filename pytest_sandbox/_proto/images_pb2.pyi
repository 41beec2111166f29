from pytest_sandbox._proto import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Arch(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ARCH_UNSPECIFIED: _ClassVar[Arch]
    ARCH_X86_64: _ClassVar[Arch]
    ARCH_AARCH64: _ClassVar[Arch]

class DataFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DATA_FORMAT_UNSPECIFIED: _ClassVar[DataFormat]
    DATA_FORMAT_PICKLE: _ClassVar[DataFormat]
    DATA_FORMAT_ASGI: _ClassVar[DataFormat]
    DATA_FORMAT_GENERATOR_DONE: _ClassVar[DataFormat]
    DATA_FORMAT_CBOR: _ClassVar[DataFormat]

class GPUType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GPU_TYPE_UNSPECIFIED: _ClassVar[GPUType]
    GPU_TYPE_T4: _ClassVar[GPUType]
    GPU_TYPE_A100: _ClassVar[GPUType]
    GPU_TYPE_A10G: _ClassVar[GPUType]
    GPU_TYPE_ANY: _ClassVar[GPUType]
    GPU_TYPE_A100_80GB: _ClassVar[GPUType]
    GPU_TYPE_L4: _ClassVar[GPUType]
    GPU_TYPE_H100: _ClassVar[GPUType]
    GPU_TYPE_L40S: _ClassVar[GPUType]
    GPU_TYPE_H200: _ClassVar[GPUType]

class RegistryAuthType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REGISTRY_AUTH_TYPE_UNSPECIFIED: _ClassVar[RegistryAuthType]
    REGISTRY_AUTH_TYPE_AWS: _ClassVar[RegistryAuthType]
    REGISTRY_AUTH_TYPE_GCP: _ClassVar[RegistryAuthType]
    REGISTRY_AUTH_TYPE_PUBLIC: _ClassVar[RegistryAuthType]
    REGISTRY_AUTH_TYPE_STATIC_CREDS: _ClassVar[RegistryAuthType]
ARCH_UNSPECIFIED: Arch
ARCH_X86_64: Arch
ARCH_AARCH64: Arch
DATA_FORMAT_UNSPECIFIED: DataFormat
DATA_FORMAT_PICKLE: DataFormat
DATA_FORMAT_ASGI: DataFormat
DATA_FORMAT_GENERATOR_DONE: DataFormat
DATA_FORMAT_CBOR: DataFormat
GPU_TYPE_UNSPECIFIED: GPUType
GPU_TYPE_T4: GPUType
GPU_TYPE_A100: GPUType
GPU_TYPE_A10G: GPUType
GPU_TYPE_ANY: GPUType
GPU_TYPE_A100_80GB: GPUType
GPU_TYPE_L4: GPUType
GPU_TYPE_H100: GPUType
GPU_TYPE_L40S: GPUType
GPU_TYPE_H200: GPUType
REGISTRY_AUTH_TYPE_UNSPECIFIED: RegistryAuthType
REGISTRY_AUTH_TYPE_AWS: RegistryAuthType
REGISTRY_AUTH_TYPE_GCP: RegistryAuthType
REGISTRY_AUTH_TYPE_PUBLIC: RegistryAuthType
REGISTRY_AUTH_TYPE_STATIC_CREDS: RegistryAuthType

class BaseImage(_message.Message):
    __slots__ = ("image_id", "docker_tag")
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    DOCKER_TAG_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    docker_tag: str
    def __init__(self, image_id: _Optional[str] = ..., docker_tag: _Optional[str] = ...) -> None: ...

class BuildFunction(_message.Message):
    __slots__ = ("definition", "globals", "input")
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    GLOBALS_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    definition: str
    globals: bytes
    input: FunctionInput
    def __init__(self, definition: _Optional[str] = ..., globals: _Optional[bytes] = ..., input: _Optional[_Union[FunctionInput, _Mapping]] = ...) -> None: ...

class FunctionInput(_message.Message):
    __slots__ = ("args", "args_blob_id", "final_input", "data_format", "method_name")
    ARGS_FIELD_NUMBER: _ClassVar[int]
    ARGS_BLOB_ID_FIELD_NUMBER: _ClassVar[int]
    FINAL_INPUT_FIELD_NUMBER: _ClassVar[int]
    DATA_FORMAT_FIELD_NUMBER: _ClassVar[int]
    METHOD_NAME_FIELD_NUMBER: _ClassVar[int]
    args: bytes
    args_blob_id: str
    final_input: bool
    data_format: DataFormat
    method_name: str
    def __init__(self, args: _Optional[bytes] = ..., args_blob_id: _Optional[str] = ..., final_input: bool = ..., data_format: _Optional[_Union[DataFormat, str]] = ..., method_name: _Optional[str] = ...) -> None: ...

class GPUConfig(_message.Message):
    __slots__ = ("type", "count", "gpu_type")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    GPU_TYPE_FIELD_NUMBER: _ClassVar[int]
    type: GPUType
    count: int
    gpu_type: str
    def __init__(self, type: _Optional[_Union[GPUType, str]] = ..., count: _Optional[int] = ..., gpu_type: _Optional[str] = ...) -> None: ...

class Image(_message.Message):
    __slots__ = ("base_images", "dockerfile_commands", "context_files", "version", "secret_ids", "build_function_def", "context_mount_id", "gpu_config", "image_registry_config", "build_function_globals", "runtime", "runtime_debug", "build_function", "build_args", "volume_mounts", "arch")
    class BuildArgsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    BASE_IMAGES_FIELD_NUMBER: _ClassVar[int]
    DOCKERFILE_COMMANDS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FILES_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SECRET_IDS_FIELD_NUMBER: _ClassVar[int]
    BUILD_FUNCTION_DEF_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_MOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    GPU_CONFIG_FIELD_NUMBER: _ClassVar[int]
    IMAGE_REGISTRY_CONFIG_FIELD_NUMBER: _ClassVar[int]
    BUILD_FUNCTION_GLOBALS_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_DEBUG_FIELD_NUMBER: _ClassVar[int]
    BUILD_FUNCTION_FIELD_NUMBER: _ClassVar[int]
    BUILD_ARGS_FIELD_NUMBER: _ClassVar[int]
    VOLUME_MOUNTS_FIELD_NUMBER: _ClassVar[int]
    ARCH_FIELD_NUMBER: _ClassVar[int]
    base_images: _containers.RepeatedCompositeFieldContainer[BaseImage]
    dockerfile_commands: _containers.RepeatedScalarFieldContainer[str]
    context_files: _containers.RepeatedCompositeFieldContainer[ImageContextFile]
    version: str
    secret_ids: _containers.RepeatedScalarFieldContainer[str]
    build_function_def: str
    context_mount_id: str
    gpu_config: GPUConfig
    image_registry_config: ImageRegistryConfig
    build_function_globals: bytes
    runtime: str
    runtime_debug: bool
    build_function: BuildFunction
    build_args: _containers.ScalarMap[str, str]
    volume_mounts: _containers.RepeatedCompositeFieldContainer[_common_pb2.VolumeMount]
    arch: Arch
    def __init__(self, base_images: _Optional[_Iterable[_Union[BaseImage, _Mapping]]] = ..., dockerfile_commands: _Optional[_Iterable[str]] = ..., context_files: _Optional[_Iterable[_Union[ImageContextFile, _Mapping]]] = ..., version: _Optional[str] = ..., secret_ids: _Optional[_Iterable[str]] = ..., build_function_def: _Optional[str] = ..., context_mount_id: _Optional[str] = ..., gpu_config: _Optional[_Union[GPUConfig, _Mapping]] = ..., image_registry_config: _Optional[_Union[ImageRegistryConfig, _Mapping]] = ..., build_function_globals: _Optional[bytes] = ..., runtime: _Optional[str] = ..., runtime_debug: bool = ..., build_function: _Optional[_Union[BuildFunction, _Mapping]] = ..., build_args: _Optional[_Mapping[str, str]] = ..., volume_mounts: _Optional[_Iterable[_Union[_common_pb2.VolumeMount, _Mapping]]] = ..., arch: _Optional[_Union[Arch, str]] = ...) -> None: ...

class ImageContextFile(_message.Message):
    __slots__ = ("filename", "data")
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    filename: str
    data: bytes
    def __init__(self, filename: _Optional[str] = ..., data: _Optional[bytes] = ...) -> None: ...

class ImageDeleteRequest(_message.Message):
    __slots__ = ("image_id",)
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    def __init__(self, image_id: _Optional[str] = ...) -> None: ...

class ImageFromIdRequest(_message.Message):
    __slots__ = ("image_id",)
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    def __init__(self, image_id: _Optional[str] = ...) -> None: ...

class ImageFromIdResponse(_message.Message):
    __slots__ = ("image_id", "metadata")
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    metadata: ImageMetadata
    def __init__(self, image_id: _Optional[str] = ..., metadata: _Optional[_Union[ImageMetadata, _Mapping]] = ...) -> None: ...

class ImageGetOrCreateRequest(_message.Message):
    __slots__ = ("image", "app_id", "existing_image_id", "build_function_id", "force_build", "namespace", "builder_version", "allow_global_deployment", "ignore_cache")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    APP_ID_FIELD_NUMBER: _ClassVar[int]
    EXISTING_IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    BUILD_FUNCTION_ID_FIELD_NUMBER: _ClassVar[int]
    FORCE_BUILD_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    BUILDER_VERSION_FIELD_NUMBER: _ClassVar[int]
    ALLOW_GLOBAL_DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    IGNORE_CACHE_FIELD_NUMBER: _ClassVar[int]
    image: Image
    app_id: str
    existing_image_id: str
    build_function_id: str
    force_build: bool
    namespace: _common_pb2.DeploymentNamespace
    builder_version: str
    allow_global_deployment: bool
    ignore_cache: bool
    def __init__(self, image: _Optional[_Union[Image, _Mapping]] = ..., app_id: _Optional[str] = ..., existing_image_id: _Optional[str] = ..., build_function_id: _Optional[str] = ..., force_build: bool = ..., namespace: _Optional[_Union[_common_pb2.DeploymentNamespace, str]] = ..., builder_version: _Optional[str] = ..., allow_global_deployment: bool = ..., ignore_cache: bool = ...) -> None: ...

class ImageGetOrCreateResponse(_message.Message):
    __slots__ = ("image_id", "result", "metadata")
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    result: _common_pb2.GenericResult
    metadata: ImageMetadata
    def __init__(self, image_id: _Optional[str] = ..., result: _Optional[_Union[_common_pb2.GenericResult, _Mapping]] = ..., metadata: _Optional[_Union[ImageMetadata, _Mapping]] = ...) -> None: ...

class ImageJoinStreamingRequest(_message.Message):
    __slots__ = ("image_id", "timeout", "last_entry_id", "include_logs_for_finished")
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    LAST_ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_LOGS_FOR_FINISHED_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    timeout: float
    last_entry_id: str
    include_logs_for_finished: bool
    def __init__(self, image_id: _Optional[str] = ..., timeout: _Optional[float] = ..., last_entry_id: _Optional[str] = ..., include_logs_for_finished: bool = ...) -> None: ...

class ImageJoinStreamingResponse(_message.Message):
    __slots__ = ("result", "task_logs", "entry_id", "eof", "metadata")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    TASK_LOGS_FIELD_NUMBER: _ClassVar[int]
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    EOF_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    result: _common_pb2.GenericResult
    task_logs: _containers.RepeatedCompositeFieldContainer[_common_pb2.TaskLogs]
    entry_id: str
    eof: bool
    metadata: ImageMetadata
    def __init__(self, result: _Optional[_Union[_common_pb2.GenericResult, _Mapping]] = ..., task_logs: _Optional[_Iterable[_Union[_common_pb2.TaskLogs, _Mapping]]] = ..., entry_id: _Optional[str] = ..., eof: bool = ..., metadata: _Optional[_Union[ImageMetadata, _Mapping]] = ...) -> None: ...

class ImageMetadata(_message.Message):
    __slots__ = ("python_version_info", "python_packages", "workdir", "libc_version_info", "image_builder_version")
    class PythonPackagesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PYTHON_VERSION_INFO_FIELD_NUMBER: _ClassVar[int]
    PYTHON_PACKAGES_FIELD_NUMBER: _ClassVar[int]
    WORKDIR_FIELD_NUMBER: _ClassVar[int]
    LIBC_VERSION_INFO_FIELD_NUMBER: _ClassVar[int]
    IMAGE_BUILDER_VERSION_FIELD_NUMBER: _ClassVar[int]
    python_version_info: str
    python_packages: _containers.ScalarMap[str, str]
    workdir: str
    libc_version_info: str
    image_builder_version: str
    def __init__(self, python_version_info: _Optional[str] = ..., python_packages: _Optional[_Mapping[str, str]] = ..., workdir: _Optional[str] = ..., libc_version_info: _Optional[str] = ..., image_builder_version: _Optional[str] = ...) -> None: ...

class ImageRegistryConfig(_message.Message):
    __slots__ = ("registry_auth_type", "secret_id")
    REGISTRY_AUTH_TYPE_FIELD_NUMBER: _ClassVar[int]
    SECRET_ID_FIELD_NUMBER: _ClassVar[int]
    registry_auth_type: RegistryAuthType
    secret_id: str
    def __init__(self, registry_auth_type: _Optional[_Union[RegistryAuthType, str]] = ..., secret_id: _Optional[str] = ...) -> None: ...
