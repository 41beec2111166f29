from pytest_sandbox._proto import common_pb2 as _common_pb2
from pytest_sandbox._proto import images_pb2 as _images_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CloudProvider(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLOUD_PROVIDER_UNSPECIFIED: _ClassVar[CloudProvider]
    CLOUD_PROVIDER_AWS: _ClassVar[CloudProvider]
    CLOUD_PROVIDER_GCP: _ClassVar[CloudProvider]
    CLOUD_PROVIDER_AUTO: _ClassVar[CloudProvider]
    CLOUD_PROVIDER_OCI: _ClassVar[CloudProvider]

class TaskSnapshotBehavior(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_SNAPSHOT_BEHAVIOR_UNSPECIFIED: _ClassVar[TaskSnapshotBehavior]
    TASK_SNAPSHOT_BEHAVIOR_SNAPSHOT: _ClassVar[TaskSnapshotBehavior]
    TASK_SNAPSHOT_BEHAVIOR_RESTORE: _ClassVar[TaskSnapshotBehavior]
    TASK_SNAPSHOT_BEHAVIOR_NONE: _ClassVar[TaskSnapshotBehavior]

class TunnelType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TUNNEL_TYPE_UNSPECIFIED: _ClassVar[TunnelType]
    TUNNEL_TYPE_H2: _ClassVar[TunnelType]
CLOUD_PROVIDER_UNSPECIFIED: CloudProvider
CLOUD_PROVIDER_AWS: CloudProvider
CLOUD_PROVIDER_GCP: CloudProvider
CLOUD_PROVIDER_AUTO: CloudProvider
CLOUD_PROVIDER_OCI: CloudProvider
TASK_SNAPSHOT_BEHAVIOR_UNSPECIFIED: TaskSnapshotBehavior
TASK_SNAPSHOT_BEHAVIOR_SNAPSHOT: TaskSnapshotBehavior
TASK_SNAPSHOT_BEHAVIOR_RESTORE: TaskSnapshotBehavior
TASK_SNAPSHOT_BEHAVIOR_NONE: TaskSnapshotBehavior
TUNNEL_TYPE_UNSPECIFIED: TunnelType
TUNNEL_TYPE_H2: TunnelType

class CloudBucketMount(_message.Message):
    __slots__ = ("bucket_name", "mount_path", "credentials_secret_id", "read_only", "bucket_type", "requester_pays", "bucket_endpoint_url", "key_prefix", "oidc_auth_role_arn", "force_path_style", "metadata_ttl_type", "metadata_ttl_seconds")
    class BucketType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNSPECIFIED: _ClassVar[CloudBucketMount.BucketType]
        S3: _ClassVar[CloudBucketMount.BucketType]
        R2: _ClassVar[CloudBucketMount.BucketType]
        GCP: _ClassVar[CloudBucketMount.BucketType]
    UNSPECIFIED: CloudBucketMount.BucketType
    S3: CloudBucketMount.BucketType
    R2: CloudBucketMount.BucketType
    GCP: CloudBucketMount.BucketType
    class MetadataTTLType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        METADATA_TTL_TYPE_UNSPECIFIED: _ClassVar[CloudBucketMount.MetadataTTLType]
        METADATA_TTL_TYPE_MINIMAL: _ClassVar[CloudBucketMount.MetadataTTLType]
        METADATA_TTL_TYPE_INDEFINITE: _ClassVar[CloudBucketMount.MetadataTTLType]
    METADATA_TTL_TYPE_UNSPECIFIED: CloudBucketMount.MetadataTTLType
    METADATA_TTL_TYPE_MINIMAL: CloudBucketMount.MetadataTTLType
    METADATA_TTL_TYPE_INDEFINITE: CloudBucketMount.MetadataTTLType
    BUCKET_NAME_FIELD_NUMBER: _ClassVar[int]
    MOUNT_PATH_FIELD_NUMBER: _ClassVar[int]
    CREDENTIALS_SECRET_ID_FIELD_NUMBER: _ClassVar[int]
    READ_ONLY_FIELD_NUMBER: _ClassVar[int]
    BUCKET_TYPE_FIELD_NUMBER: _ClassVar[int]
    REQUESTER_PAYS_FIELD_NUMBER: _ClassVar[int]
    BUCKET_ENDPOINT_URL_FIELD_NUMBER: _ClassVar[int]
    KEY_PREFIX_FIELD_NUMBER: _ClassVar[int]
    OIDC_AUTH_ROLE_ARN_FIELD_NUMBER: _ClassVar[int]
    FORCE_PATH_STYLE_FIELD_NUMBER: _ClassVar[int]
    METADATA_TTL_TYPE_FIELD_NUMBER: _ClassVar[int]
    METADATA_TTL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    bucket_name: str
    mount_path: str
    credentials_secret_id: str
    read_only: bool
    bucket_type: CloudBucketMount.BucketType
    requester_pays: bool
    bucket_endpoint_url: str
    key_prefix: str
    oidc_auth_role_arn: str
    force_path_style: bool
    metadata_ttl_type: CloudBucketMount.MetadataTTLType
    metadata_ttl_seconds: int
    def __init__(self, bucket_name: _Optional[str] = ..., mount_path: _Optional[str] = ..., credentials_secret_id: _Optional[str] = ..., read_only: bool = ..., bucket_type: _Optional[_Union[CloudBucketMount.BucketType, str]] = ..., requester_pays: bool = ..., bucket_endpoint_url: _Optional[str] = ..., key_prefix: _Optional[str] = ..., oidc_auth_role_arn: _Optional[str] = ..., force_path_style: bool = ..., metadata_ttl_type: _Optional[_Union[CloudBucketMount.MetadataTTLType, str]] = ..., metadata_ttl_seconds: _Optional[int] = ...) -> None: ...

class ExperimentalOutboundPolicy(_message.Message):
    __slots__ = ("header_replacements",)
    class HeaderReplacement(_message.Message):
        __slots__ = ("domain", "secret_id", "headers")
        class HeadersEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: str
            def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
        DOMAIN_FIELD_NUMBER: _ClassVar[int]
        SECRET_ID_FIELD_NUMBER: _ClassVar[int]
        HEADERS_FIELD_NUMBER: _ClassVar[int]
        domain: str
        secret_id: str
        headers: _containers.ScalarMap[str, str]
        def __init__(self, domain: _Optional[str] = ..., secret_id: _Optional[str] = ..., headers: _Optional[_Mapping[str, str]] = ...) -> None: ...
    HEADER_REPLACEMENTS_FIELD_NUMBER: _ClassVar[int]
    header_replacements: _containers.RepeatedCompositeFieldContainer[ExperimentalOutboundPolicy.HeaderReplacement]
    def __init__(self, header_replacements: _Optional[_Iterable[_Union[ExperimentalOutboundPolicy.HeaderReplacement, _Mapping]]] = ...) -> None: ...

class NetworkAccess(_message.Message):
    __slots__ = ("network_access_type", "allowed_cidrs", "allowed_domains")
    class NetworkAccessType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNSPECIFIED: _ClassVar[NetworkAccess.NetworkAccessType]
        OPEN: _ClassVar[NetworkAccess.NetworkAccessType]
        BLOCKED: _ClassVar[NetworkAccess.NetworkAccessType]
        ALLOWLIST: _ClassVar[NetworkAccess.NetworkAccessType]
    UNSPECIFIED: NetworkAccess.NetworkAccessType
    OPEN: NetworkAccess.NetworkAccessType
    BLOCKED: NetworkAccess.NetworkAccessType
    ALLOWLIST: NetworkAccess.NetworkAccessType
    NETWORK_ACCESS_TYPE_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_CIDRS_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_DOMAINS_FIELD_NUMBER: _ClassVar[int]
    network_access_type: NetworkAccess.NetworkAccessType
    allowed_cidrs: _containers.RepeatedScalarFieldContainer[str]
    allowed_domains: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, network_access_type: _Optional[_Union[NetworkAccess.NetworkAccessType, str]] = ..., allowed_cidrs: _Optional[_Iterable[str]] = ..., allowed_domains: _Optional[_Iterable[str]] = ...) -> None: ...

class OutboundPolicy(_message.Message):
    __slots__ = ("tls_decryption", "routes")
    class Transport(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        TRANSPORT_UNSPECIFIED: _ClassVar[OutboundPolicy.Transport]
        TRANSPORT_ANY: _ClassVar[OutboundPolicy.Transport]
        TRANSPORT_TCP: _ClassVar[OutboundPolicy.Transport]
        TRANSPORT_UDP: _ClassVar[OutboundPolicy.Transport]
    TRANSPORT_UNSPECIFIED: OutboundPolicy.Transport
    TRANSPORT_ANY: OutboundPolicy.Transport
    TRANSPORT_TCP: OutboundPolicy.Transport
    TRANSPORT_UDP: OutboundPolicy.Transport
    class AnyRoute(_message.Message):
        __slots__ = ("redirect",)
        REDIRECT_FIELD_NUMBER: _ClassVar[int]
        redirect: OutboundPolicy.Redirect
        def __init__(self, redirect: _Optional[_Union[OutboundPolicy.Redirect, _Mapping]] = ...) -> None: ...
    class HTTPSRoute(_message.Message):
        __slots__ = ("transport", "ports", "domains", "header_replacements", "redirect")
        TRANSPORT_FIELD_NUMBER: _ClassVar[int]
        PORTS_FIELD_NUMBER: _ClassVar[int]
        DOMAINS_FIELD_NUMBER: _ClassVar[int]
        HEADER_REPLACEMENTS_FIELD_NUMBER: _ClassVar[int]
        REDIRECT_FIELD_NUMBER: _ClassVar[int]
        transport: OutboundPolicy.Transport
        ports: _containers.RepeatedCompositeFieldContainer[OutboundPolicy.PortRange]
        domains: _containers.RepeatedScalarFieldContainer[str]
        header_replacements: _containers.RepeatedCompositeFieldContainer[OutboundPolicy.HeaderReplacement]
        redirect: OutboundPolicy.Redirect
        def __init__(self, transport: _Optional[_Union[OutboundPolicy.Transport, str]] = ..., ports: _Optional[_Iterable[_Union[OutboundPolicy.PortRange, _Mapping]]] = ..., domains: _Optional[_Iterable[str]] = ..., header_replacements: _Optional[_Iterable[_Union[OutboundPolicy.HeaderReplacement, _Mapping]]] = ..., redirect: _Optional[_Union[OutboundPolicy.Redirect, _Mapping]] = ...) -> None: ...
    class HeaderReplacement(_message.Message):
        __slots__ = ("secret_id", "headers")
        class HeadersEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: str
            def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
        SECRET_ID_FIELD_NUMBER: _ClassVar[int]
        HEADERS_FIELD_NUMBER: _ClassVar[int]
        secret_id: str
        headers: _containers.ScalarMap[str, str]
        def __init__(self, secret_id: _Optional[str] = ..., headers: _Optional[_Mapping[str, str]] = ...) -> None: ...
    class IPRoute(_message.Message):
        __slots__ = ("transport", "ports", "cidrs", "redirect")
        TRANSPORT_FIELD_NUMBER: _ClassVar[int]
        PORTS_FIELD_NUMBER: _ClassVar[int]
        CIDRS_FIELD_NUMBER: _ClassVar[int]
        REDIRECT_FIELD_NUMBER: _ClassVar[int]
        transport: OutboundPolicy.Transport
        ports: _containers.RepeatedCompositeFieldContainer[OutboundPolicy.PortRange]
        cidrs: _containers.RepeatedScalarFieldContainer[str]
        redirect: OutboundPolicy.Redirect
        def __init__(self, transport: _Optional[_Union[OutboundPolicy.Transport, str]] = ..., ports: _Optional[_Iterable[_Union[OutboundPolicy.PortRange, _Mapping]]] = ..., cidrs: _Optional[_Iterable[str]] = ..., redirect: _Optional[_Union[OutboundPolicy.Redirect, _Mapping]] = ...) -> None: ...
    class PortRange(_message.Message):
        __slots__ = ("start", "end")
        START_FIELD_NUMBER: _ClassVar[int]
        END_FIELD_NUMBER: _ClassVar[int]
        start: int
        end: int
        def __init__(self, start: _Optional[int] = ..., end: _Optional[int] = ...) -> None: ...
    class Redirect(_message.Message):
        __slots__ = ("block", "via_proxy", "via_sidecar")
        class Block(_message.Message):
            __slots__ = ()
            def __init__(self) -> None: ...
        class ViaProxy(_message.Message):
            __slots__ = ("proxy_id",)
            PROXY_ID_FIELD_NUMBER: _ClassVar[int]
            proxy_id: str
            def __init__(self, proxy_id: _Optional[str] = ...) -> None: ...
        class ViaSidecar(_message.Message):
            __slots__ = ("sidecar_name",)
            SIDECAR_NAME_FIELD_NUMBER: _ClassVar[int]
            sidecar_name: str
            def __init__(self, sidecar_name: _Optional[str] = ...) -> None: ...
        BLOCK_FIELD_NUMBER: _ClassVar[int]
        VIA_PROXY_FIELD_NUMBER: _ClassVar[int]
        VIA_SIDECAR_FIELD_NUMBER: _ClassVar[int]
        block: OutboundPolicy.Redirect.Block
        via_proxy: OutboundPolicy.Redirect.ViaProxy
        via_sidecar: OutboundPolicy.Redirect.ViaSidecar
        def __init__(self, block: _Optional[_Union[OutboundPolicy.Redirect.Block, _Mapping]] = ..., via_proxy: _Optional[_Union[OutboundPolicy.Redirect.ViaProxy, _Mapping]] = ..., via_sidecar: _Optional[_Union[OutboundPolicy.Redirect.ViaSidecar, _Mapping]] = ...) -> None: ...
    class Route(_message.Message):
        __slots__ = ("ip", "tls", "https", "any")
        IP_FIELD_NUMBER: _ClassVar[int]
        TLS_FIELD_NUMBER: _ClassVar[int]
        HTTPS_FIELD_NUMBER: _ClassVar[int]
        ANY_FIELD_NUMBER: _ClassVar[int]
        ip: OutboundPolicy.IPRoute
        tls: OutboundPolicy.TLSRoute
        https: OutboundPolicy.HTTPSRoute
        any: OutboundPolicy.AnyRoute
        def __init__(self, ip: _Optional[_Union[OutboundPolicy.IPRoute, _Mapping]] = ..., tls: _Optional[_Union[OutboundPolicy.TLSRoute, _Mapping]] = ..., https: _Optional[_Union[OutboundPolicy.HTTPSRoute, _Mapping]] = ..., any: _Optional[_Union[OutboundPolicy.AnyRoute, _Mapping]] = ...) -> None: ...
    class TLSDecryption(_message.Message):
        __slots__ = ("allowed",)
        ALLOWED_FIELD_NUMBER: _ClassVar[int]
        allowed: bool
        def __init__(self, allowed: bool = ...) -> None: ...
    class TLSRoute(_message.Message):
        __slots__ = ("transport", "ports", "domains", "redirect")
        TRANSPORT_FIELD_NUMBER: _ClassVar[int]
        PORTS_FIELD_NUMBER: _ClassVar[int]
        DOMAINS_FIELD_NUMBER: _ClassVar[int]
        REDIRECT_FIELD_NUMBER: _ClassVar[int]
        transport: OutboundPolicy.Transport
        ports: _containers.RepeatedCompositeFieldContainer[OutboundPolicy.PortRange]
        domains: _containers.RepeatedScalarFieldContainer[str]
        redirect: OutboundPolicy.Redirect
        def __init__(self, transport: _Optional[_Union[OutboundPolicy.Transport, str]] = ..., ports: _Optional[_Iterable[_Union[OutboundPolicy.PortRange, _Mapping]]] = ..., domains: _Optional[_Iterable[str]] = ..., redirect: _Optional[_Union[OutboundPolicy.Redirect, _Mapping]] = ...) -> None: ...
    TLS_DECRYPTION_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    tls_decryption: OutboundPolicy.TLSDecryption
    routes: _containers.RepeatedCompositeFieldContainer[OutboundPolicy.Route]
    def __init__(self, tls_decryption: _Optional[_Union[OutboundPolicy.TLSDecryption, _Mapping]] = ..., routes: _Optional[_Iterable[_Union[OutboundPolicy.Route, _Mapping]]] = ...) -> None: ...

class PTYInfo(_message.Message):
    __slots__ = ("enabled", "winsz_rows", "winsz_cols", "env_term", "env_colorterm", "env_term_program", "pty_type", "no_terminate_on_idle_stdin")
    class PTYType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PTY_TYPE_UNSPECIFIED: _ClassVar[PTYInfo.PTYType]
        PTY_TYPE_FUNCTION: _ClassVar[PTYInfo.PTYType]
        PTY_TYPE_SHELL: _ClassVar[PTYInfo.PTYType]
    PTY_TYPE_UNSPECIFIED: PTYInfo.PTYType
    PTY_TYPE_FUNCTION: PTYInfo.PTYType
    PTY_TYPE_SHELL: PTYInfo.PTYType
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    WINSZ_ROWS_FIELD_NUMBER: _ClassVar[int]
    WINSZ_COLS_FIELD_NUMBER: _ClassVar[int]
    ENV_TERM_FIELD_NUMBER: _ClassVar[int]
    ENV_COLORTERM_FIELD_NUMBER: _ClassVar[int]
    ENV_TERM_PROGRAM_FIELD_NUMBER: _ClassVar[int]
    PTY_TYPE_FIELD_NUMBER: _ClassVar[int]
    NO_TERMINATE_ON_IDLE_STDIN_FIELD_NUMBER: _ClassVar[int]
    enabled: bool
    winsz_rows: int
    winsz_cols: int
    env_term: str
    env_colorterm: str
    env_term_program: str
    pty_type: PTYInfo.PTYType
    no_terminate_on_idle_stdin: bool
    def __init__(self, enabled: bool = ..., winsz_rows: _Optional[int] = ..., winsz_cols: _Optional[int] = ..., env_term: _Optional[str] = ..., env_colorterm: _Optional[str] = ..., env_term_program: _Optional[str] = ..., pty_type: _Optional[_Union[PTYInfo.PTYType, str]] = ..., no_terminate_on_idle_stdin: bool = ...) -> None: ...

class PortSpec(_message.Message):
    __slots__ = ("port", "unencrypted", "tunnel_type")
    PORT_FIELD_NUMBER: _ClassVar[int]
    UNENCRYPTED_FIELD_NUMBER: _ClassVar[int]
    TUNNEL_TYPE_FIELD_NUMBER: _ClassVar[int]
    port: int
    unencrypted: bool
    tunnel_type: TunnelType
    def __init__(self, port: _Optional[int] = ..., unencrypted: bool = ..., tunnel_type: _Optional[_Union[TunnelType, str]] = ...) -> None: ...

class PortSpecs(_message.Message):
    __slots__ = ("ports",)
    PORTS_FIELD_NUMBER: _ClassVar[int]
    ports: _containers.RepeatedCompositeFieldContainer[PortSpec]
    def __init__(self, ports: _Optional[_Iterable[_Union[PortSpec, _Mapping]]] = ...) -> None: ...

class Probe(_message.Message):
    __slots__ = ("tcp_port", "exec_command", "interval_ms")
    class ExecCommand(_message.Message):
        __slots__ = ("argv",)
        ARGV_FIELD_NUMBER: _ClassVar[int]
        argv: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, argv: _Optional[_Iterable[str]] = ...) -> None: ...
    TCP_PORT_FIELD_NUMBER: _ClassVar[int]
    EXEC_COMMAND_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_MS_FIELD_NUMBER: _ClassVar[int]
    tcp_port: int
    exec_command: Probe.ExecCommand
    interval_ms: int
    def __init__(self, tcp_port: _Optional[int] = ..., exec_command: _Optional[_Union[Probe.ExecCommand, _Mapping]] = ..., interval_ms: _Optional[int] = ...) -> None: ...

class ResourceInfo(_message.Message):
    __slots__ = ("memory_mb", "milli_cpu", "gpu_type", "memory_mb_max", "ephemeral_disk_mb", "milli_cpu_max")
    class ResourceValue(_message.Message):
        __slots__ = ("value", "is_default")
        VALUE_FIELD_NUMBER: _ClassVar[int]
        IS_DEFAULT_FIELD_NUMBER: _ClassVar[int]
        value: int
        is_default: bool
        def __init__(self, value: _Optional[int] = ..., is_default: bool = ...) -> None: ...
    MEMORY_MB_FIELD_NUMBER: _ClassVar[int]
    MILLI_CPU_FIELD_NUMBER: _ClassVar[int]
    GPU_TYPE_FIELD_NUMBER: _ClassVar[int]
    MEMORY_MB_MAX_FIELD_NUMBER: _ClassVar[int]
    EPHEMERAL_DISK_MB_FIELD_NUMBER: _ClassVar[int]
    MILLI_CPU_MAX_FIELD_NUMBER: _ClassVar[int]
    memory_mb: ResourceInfo.ResourceValue
    milli_cpu: ResourceInfo.ResourceValue
    gpu_type: str
    memory_mb_max: int
    ephemeral_disk_mb: int
    milli_cpu_max: int
    def __init__(self, memory_mb: _Optional[_Union[ResourceInfo.ResourceValue, _Mapping]] = ..., milli_cpu: _Optional[_Union[ResourceInfo.ResourceValue, _Mapping]] = ..., gpu_type: _Optional[str] = ..., memory_mb_max: _Optional[int] = ..., ephemeral_disk_mb: _Optional[int] = ..., milli_cpu_max: _Optional[int] = ...) -> None: ...

class Resources(_message.Message):
    __slots__ = ("memory_mb", "milli_cpu", "gpu_config", "memory_mb_max", "ephemeral_disk_mb", "milli_cpu_max", "rdma", "skip_num_threads_env_vars")
    MEMORY_MB_FIELD_NUMBER: _ClassVar[int]
    MILLI_CPU_FIELD_NUMBER: _ClassVar[int]
    GPU_CONFIG_FIELD_NUMBER: _ClassVar[int]
    MEMORY_MB_MAX_FIELD_NUMBER: _ClassVar[int]
    EPHEMERAL_DISK_MB_FIELD_NUMBER: _ClassVar[int]
    MILLI_CPU_MAX_FIELD_NUMBER: _ClassVar[int]
    RDMA_FIELD_NUMBER: _ClassVar[int]
    SKIP_NUM_THREADS_ENV_VARS_FIELD_NUMBER: _ClassVar[int]
    memory_mb: int
    milli_cpu: int
    gpu_config: _images_pb2.GPUConfig
    memory_mb_max: int
    ephemeral_disk_mb: int
    milli_cpu_max: int
    rdma: bool
    skip_num_threads_env_vars: bool
    def __init__(self, memory_mb: _Optional[int] = ..., milli_cpu: _Optional[int] = ..., gpu_config: _Optional[_Union[_images_pb2.GPUConfig, _Mapping]] = ..., memory_mb_max: _Optional[int] = ..., ephemeral_disk_mb: _Optional[int] = ..., milli_cpu_max: _Optional[int] = ..., rdma: bool = ..., skip_num_threads_env_vars: bool = ...) -> None: ...

class S3Mount(_message.Message):
    __slots__ = ("bucket_name", "mount_path", "credentials_secret_id", "read_only")
    BUCKET_NAME_FIELD_NUMBER: _ClassVar[int]
    MOUNT_PATH_FIELD_NUMBER: _ClassVar[int]
    CREDENTIALS_SECRET_ID_FIELD_NUMBER: _ClassVar[int]
    READ_ONLY_FIELD_NUMBER: _ClassVar[int]
    bucket_name: str
    mount_path: str
    credentials_secret_id: str
    read_only: bool
    def __init__(self, bucket_name: _Optional[str] = ..., mount_path: _Optional[str] = ..., credentials_secret_id: _Optional[str] = ..., read_only: bool = ...) -> None: ...

class Sandbox(_message.Message):
    __slots__ = ("entrypoint_args", "mount_ids", "image_id", "secret_ids", "resources", "cloud_provider", "timeout_secs", "workdir", "nfs_mounts", "runtime_debug", "block_network", "s3_mounts", "volume_mounts", "cloud_bucket_mounts", "pty_info", "scheduler_placement", "worker_id", "open_ports", "i6pn_enabled", "network_access", "proxy_id", "enable_snapshot", "snapshot_version", "cloud_provider_str", "runsc_runtime_version", "runtime", "verbose", "name", "experimental_options", "preload_path_prefixes", "idle_timeout_secs", "direct_sandbox_commands_enabled", "_restore_instance_type", "custom_domain", "include_oidc_identity_token", "readiness_probe", "inbound_cidr_allowlist", "environment_variables", "experimental_options_v2", "experimental_outbound_policy", "include_x509_svid", "outbound_policy")
    class ExperimentalOptionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: bool
        def __init__(self, key: _Optional[str] = ..., value: bool = ...) -> None: ...
    class ExperimentalOptionsV2Entry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ENTRYPOINT_ARGS_FIELD_NUMBER: _ClassVar[int]
    MOUNT_IDS_FIELD_NUMBER: _ClassVar[int]
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    SECRET_IDS_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    CLOUD_PROVIDER_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_SECS_FIELD_NUMBER: _ClassVar[int]
    WORKDIR_FIELD_NUMBER: _ClassVar[int]
    NFS_MOUNTS_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_DEBUG_FIELD_NUMBER: _ClassVar[int]
    BLOCK_NETWORK_FIELD_NUMBER: _ClassVar[int]
    S3_MOUNTS_FIELD_NUMBER: _ClassVar[int]
    VOLUME_MOUNTS_FIELD_NUMBER: _ClassVar[int]
    CLOUD_BUCKET_MOUNTS_FIELD_NUMBER: _ClassVar[int]
    PTY_INFO_FIELD_NUMBER: _ClassVar[int]
    SCHEDULER_PLACEMENT_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    OPEN_PORTS_FIELD_NUMBER: _ClassVar[int]
    I6PN_ENABLED_FIELD_NUMBER: _ClassVar[int]
    NETWORK_ACCESS_FIELD_NUMBER: _ClassVar[int]
    PROXY_ID_FIELD_NUMBER: _ClassVar[int]
    ENABLE_SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_VERSION_FIELD_NUMBER: _ClassVar[int]
    CLOUD_PROVIDER_STR_FIELD_NUMBER: _ClassVar[int]
    RUNSC_RUNTIME_VERSION_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    VERBOSE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENTAL_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    PRELOAD_PATH_PREFIXES_FIELD_NUMBER: _ClassVar[int]
    IDLE_TIMEOUT_SECS_FIELD_NUMBER: _ClassVar[int]
    DIRECT_SANDBOX_COMMANDS_ENABLED_FIELD_NUMBER: _ClassVar[int]
    _RESTORE_INSTANCE_TYPE_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_DOMAIN_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_OIDC_IDENTITY_TOKEN_FIELD_NUMBER: _ClassVar[int]
    READINESS_PROBE_FIELD_NUMBER: _ClassVar[int]
    INBOUND_CIDR_ALLOWLIST_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_VARIABLES_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENTAL_OPTIONS_V2_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENTAL_OUTBOUND_POLICY_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_X509_SVID_FIELD_NUMBER: _ClassVar[int]
    OUTBOUND_POLICY_FIELD_NUMBER: _ClassVar[int]
    entrypoint_args: _containers.RepeatedScalarFieldContainer[str]
    mount_ids: _containers.RepeatedScalarFieldContainer[str]
    image_id: str
    secret_ids: _containers.RepeatedScalarFieldContainer[str]
    resources: Resources
    cloud_provider: CloudProvider
    timeout_secs: int
    workdir: str
    nfs_mounts: _containers.RepeatedCompositeFieldContainer[SharedVolumeMount]
    runtime_debug: bool
    block_network: bool
    s3_mounts: _containers.RepeatedCompositeFieldContainer[S3Mount]
    volume_mounts: _containers.RepeatedCompositeFieldContainer[_common_pb2.VolumeMount]
    cloud_bucket_mounts: _containers.RepeatedCompositeFieldContainer[CloudBucketMount]
    pty_info: PTYInfo
    scheduler_placement: SchedulerPlacement
    worker_id: str
    open_ports: PortSpecs
    i6pn_enabled: bool
    network_access: NetworkAccess
    proxy_id: str
    enable_snapshot: bool
    snapshot_version: int
    cloud_provider_str: str
    runsc_runtime_version: str
    runtime: str
    verbose: bool
    name: str
    experimental_options: _containers.ScalarMap[str, bool]
    preload_path_prefixes: _containers.RepeatedScalarFieldContainer[str]
    idle_timeout_secs: int
    direct_sandbox_commands_enabled: bool
    _restore_instance_type: str
    custom_domain: str
    include_oidc_identity_token: bool
    readiness_probe: Probe
    inbound_cidr_allowlist: _containers.RepeatedScalarFieldContainer[str]
    environment_variables: StringMap
    experimental_options_v2: _containers.ScalarMap[str, str]
    experimental_outbound_policy: ExperimentalOutboundPolicy
    include_x509_svid: bool
    outbound_policy: OutboundPolicy
    def __init__(self, entrypoint_args: _Optional[_Iterable[str]] = ..., mount_ids: _Optional[_Iterable[str]] = ..., image_id: _Optional[str] = ..., secret_ids: _Optional[_Iterable[str]] = ..., resources: _Optional[_Union[Resources, _Mapping]] = ..., cloud_provider: _Optional[_Union[CloudProvider, str]] = ..., timeout_secs: _Optional[int] = ..., workdir: _Optional[str] = ..., nfs_mounts: _Optional[_Iterable[_Union[SharedVolumeMount, _Mapping]]] = ..., runtime_debug: bool = ..., block_network: bool = ..., s3_mounts: _Optional[_Iterable[_Union[S3Mount, _Mapping]]] = ..., volume_mounts: _Optional[_Iterable[_Union[_common_pb2.VolumeMount, _Mapping]]] = ..., cloud_bucket_mounts: _Optional[_Iterable[_Union[CloudBucketMount, _Mapping]]] = ..., pty_info: _Optional[_Union[PTYInfo, _Mapping]] = ..., scheduler_placement: _Optional[_Union[SchedulerPlacement, _Mapping]] = ..., worker_id: _Optional[str] = ..., open_ports: _Optional[_Union[PortSpecs, _Mapping]] = ..., i6pn_enabled: bool = ..., network_access: _Optional[_Union[NetworkAccess, _Mapping]] = ..., proxy_id: _Optional[str] = ..., enable_snapshot: bool = ..., snapshot_version: _Optional[int] = ..., cloud_provider_str: _Optional[str] = ..., runsc_runtime_version: _Optional[str] = ..., runtime: _Optional[str] = ..., verbose: bool = ..., name: _Optional[str] = ..., experimental_options: _Optional[_Mapping[str, bool]] = ..., preload_path_prefixes: _Optional[_Iterable[str]] = ..., idle_timeout_secs: _Optional[int] = ..., direct_sandbox_commands_enabled: bool = ..., _restore_instance_type: _Optional[str] = ..., custom_domain: _Optional[str] = ..., include_oidc_identity_token: bool = ..., readiness_probe: _Optional[_Union[Probe, _Mapping]] = ..., inbound_cidr_allowlist: _Optional[_Iterable[str]] = ..., environment_variables: _Optional[_Union[StringMap, _Mapping]] = ..., experimental_options_v2: _Optional[_Mapping[str, str]] = ..., experimental_outbound_policy: _Optional[_Union[ExperimentalOutboundPolicy, _Mapping]] = ..., include_x509_svid: bool = ..., outbound_policy: _Optional[_Union[OutboundPolicy, _Mapping]] = ...) -> None: ...

class SandboxCreateConnectTokenRequest(_message.Message):
    __slots__ = ("sandbox_id", "user_metadata", "port")
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    USER_METADATA_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    user_metadata: str
    port: int
    def __init__(self, sandbox_id: _Optional[str] = ..., user_metadata: _Optional[str] = ..., port: _Optional[int] = ...) -> None: ...

class SandboxCreateConnectTokenResponse(_message.Message):
    __slots__ = ("url", "token")
    URL_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    url: str
    token: str
    def __init__(self, url: _Optional[str] = ..., token: _Optional[str] = ...) -> None: ...

class SandboxCreateRequest(_message.Message):
    __slots__ = ("app_id", "definition", "environment_name", "tags")
    APP_ID_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    app_id: str
    definition: Sandbox
    environment_name: str
    tags: _containers.RepeatedCompositeFieldContainer[SandboxTag]
    def __init__(self, app_id: _Optional[str] = ..., definition: _Optional[_Union[Sandbox, _Mapping]] = ..., environment_name: _Optional[str] = ..., tags: _Optional[_Iterable[_Union[SandboxTag, _Mapping]]] = ...) -> None: ...

class SandboxCreateResponse(_message.Message):
    __slots__ = ("sandbox_id", "metadata")
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    metadata: SandboxHandleMetadata
    def __init__(self, sandbox_id: _Optional[str] = ..., metadata: _Optional[_Union[SandboxHandleMetadata, _Mapping]] = ...) -> None: ...

class SandboxGetFromNameRequest(_message.Message):
    __slots__ = ("sandbox_name", "environment_name", "app_name", "include_terminated")
    SANDBOX_NAME_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    APP_NAME_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_TERMINATED_FIELD_NUMBER: _ClassVar[int]
    sandbox_name: str
    environment_name: str
    app_name: str
    include_terminated: bool
    def __init__(self, sandbox_name: _Optional[str] = ..., environment_name: _Optional[str] = ..., app_name: _Optional[str] = ..., include_terminated: bool = ...) -> None: ...

class SandboxGetFromNameResponse(_message.Message):
    __slots__ = ("sandbox_id", "metadata")
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    metadata: SandboxHandleMetadata
    def __init__(self, sandbox_id: _Optional[str] = ..., metadata: _Optional[_Union[SandboxHandleMetadata, _Mapping]] = ...) -> None: ...

class SandboxGetLogsRequest(_message.Message):
    __slots__ = ("sandbox_id", "file_descriptor", "timeout", "last_entry_id")
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    FILE_DESCRIPTOR_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    LAST_ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    file_descriptor: _common_pb2.FileDescriptor
    timeout: float
    last_entry_id: str
    def __init__(self, sandbox_id: _Optional[str] = ..., file_descriptor: _Optional[_Union[_common_pb2.FileDescriptor, str]] = ..., timeout: _Optional[float] = ..., last_entry_id: _Optional[str] = ...) -> None: ...

class SandboxGetTaskIdRequest(_message.Message):
    __slots__ = ("sandbox_id", "timeout", "wait_until_ready")
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    WAIT_UNTIL_READY_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    timeout: float
    wait_until_ready: bool
    def __init__(self, sandbox_id: _Optional[str] = ..., timeout: _Optional[float] = ..., wait_until_ready: bool = ...) -> None: ...

class SandboxGetTaskIdResponse(_message.Message):
    __slots__ = ("task_id", "task_result")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_RESULT_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    task_result: _common_pb2.GenericResult
    def __init__(self, task_id: _Optional[str] = ..., task_result: _Optional[_Union[_common_pb2.GenericResult, _Mapping]] = ...) -> None: ...

class SandboxGetTunnelsRequest(_message.Message):
    __slots__ = ("sandbox_id", "timeout")
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    timeout: float
    def __init__(self, sandbox_id: _Optional[str] = ..., timeout: _Optional[float] = ...) -> None: ...

class SandboxGetTunnelsResponse(_message.Message):
    __slots__ = ("result", "tunnels")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    TUNNELS_FIELD_NUMBER: _ClassVar[int]
    result: _common_pb2.GenericResult
    tunnels: _containers.RepeatedCompositeFieldContainer[TunnelData]
    def __init__(self, result: _Optional[_Union[_common_pb2.GenericResult, _Mapping]] = ..., tunnels: _Optional[_Iterable[_Union[TunnelData, _Mapping]]] = ...) -> None: ...

class SandboxHandleMetadata(_message.Message):
    __slots__ = ("result", "app_id")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    APP_ID_FIELD_NUMBER: _ClassVar[int]
    result: _common_pb2.GenericResult
    app_id: str
    def __init__(self, result: _Optional[_Union[_common_pb2.GenericResult, _Mapping]] = ..., app_id: _Optional[str] = ...) -> None: ...

class SandboxInfo(_message.Message):
    __slots__ = ("id", "created_at", "task_info", "app_id", "tags", "name", "image_id", "resource_info", "regions", "timeout_secs", "idle_timeout_secs", "ready_at", "readiness_probe", "tunnels", "metadata")
    ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    TASK_INFO_FIELD_NUMBER: _ClassVar[int]
    APP_ID_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_INFO_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_SECS_FIELD_NUMBER: _ClassVar[int]
    IDLE_TIMEOUT_SECS_FIELD_NUMBER: _ClassVar[int]
    READY_AT_FIELD_NUMBER: _ClassVar[int]
    READINESS_PROBE_FIELD_NUMBER: _ClassVar[int]
    TUNNELS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    id: str
    created_at: float
    task_info: TaskInfo
    app_id: str
    tags: _containers.RepeatedCompositeFieldContainer[SandboxTag]
    name: str
    image_id: str
    resource_info: ResourceInfo
    regions: _containers.RepeatedScalarFieldContainer[str]
    timeout_secs: int
    idle_timeout_secs: int
    ready_at: float
    readiness_probe: Probe
    tunnels: _containers.RepeatedCompositeFieldContainer[TunnelData]
    metadata: SandboxHandleMetadata
    def __init__(self, id: _Optional[str] = ..., created_at: _Optional[float] = ..., task_info: _Optional[_Union[TaskInfo, _Mapping]] = ..., app_id: _Optional[str] = ..., tags: _Optional[_Iterable[_Union[SandboxTag, _Mapping]]] = ..., name: _Optional[str] = ..., image_id: _Optional[str] = ..., resource_info: _Optional[_Union[ResourceInfo, _Mapping]] = ..., regions: _Optional[_Iterable[str]] = ..., timeout_secs: _Optional[int] = ..., idle_timeout_secs: _Optional[int] = ..., ready_at: _Optional[float] = ..., readiness_probe: _Optional[_Union[Probe, _Mapping]] = ..., tunnels: _Optional[_Iterable[_Union[TunnelData, _Mapping]]] = ..., metadata: _Optional[_Union[SandboxHandleMetadata, _Mapping]] = ...) -> None: ...

class SandboxListRequest(_message.Message):
    __slots__ = ("app_id", "before_timestamp", "environment_name", "include_finished", "tags")
    APP_ID_FIELD_NUMBER: _ClassVar[int]
    BEFORE_TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FINISHED_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    app_id: str
    before_timestamp: float
    environment_name: str
    include_finished: bool
    tags: _containers.RepeatedCompositeFieldContainer[SandboxTag]
    def __init__(self, app_id: _Optional[str] = ..., before_timestamp: _Optional[float] = ..., environment_name: _Optional[str] = ..., include_finished: bool = ..., tags: _Optional[_Iterable[_Union[SandboxTag, _Mapping]]] = ...) -> None: ...

class SandboxListResponse(_message.Message):
    __slots__ = ("sandboxes",)
    SANDBOXES_FIELD_NUMBER: _ClassVar[int]
    sandboxes: _containers.RepeatedCompositeFieldContainer[SandboxInfo]
    def __init__(self, sandboxes: _Optional[_Iterable[_Union[SandboxInfo, _Mapping]]] = ...) -> None: ...

class SandboxStdinWriteRequest(_message.Message):
    __slots__ = ("sandbox_id", "input", "index", "eof")
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    EOF_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    input: bytes
    index: int
    eof: bool
    def __init__(self, sandbox_id: _Optional[str] = ..., input: _Optional[bytes] = ..., index: _Optional[int] = ..., eof: bool = ...) -> None: ...

class SandboxStdinWriteResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SandboxTag(_message.Message):
    __slots__ = ("tag_name", "tag_value")
    TAG_NAME_FIELD_NUMBER: _ClassVar[int]
    TAG_VALUE_FIELD_NUMBER: _ClassVar[int]
    tag_name: str
    tag_value: str
    def __init__(self, tag_name: _Optional[str] = ..., tag_value: _Optional[str] = ...) -> None: ...

class SandboxTagsGetRequest(_message.Message):
    __slots__ = ("sandbox_id",)
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    def __init__(self, sandbox_id: _Optional[str] = ...) -> None: ...

class SandboxTagsGetResponse(_message.Message):
    __slots__ = ("tags",)
    TAGS_FIELD_NUMBER: _ClassVar[int]
    tags: _containers.RepeatedCompositeFieldContainer[SandboxTag]
    def __init__(self, tags: _Optional[_Iterable[_Union[SandboxTag, _Mapping]]] = ...) -> None: ...

class SandboxTagsSetRequest(_message.Message):
    __slots__ = ("environment_name", "sandbox_id", "tags")
    ENVIRONMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    environment_name: str
    sandbox_id: str
    tags: _containers.RepeatedCompositeFieldContainer[SandboxTag]
    def __init__(self, environment_name: _Optional[str] = ..., sandbox_id: _Optional[str] = ..., tags: _Optional[_Iterable[_Union[SandboxTag, _Mapping]]] = ...) -> None: ...

class SandboxTerminateRequest(_message.Message):
    __slots__ = ("sandbox_id",)
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    def __init__(self, sandbox_id: _Optional[str] = ...) -> None: ...

class SandboxTerminateResponse(_message.Message):
    __slots__ = ("existing_result",)
    EXISTING_RESULT_FIELD_NUMBER: _ClassVar[int]
    existing_result: _common_pb2.GenericResult
    def __init__(self, existing_result: _Optional[_Union[_common_pb2.GenericResult, _Mapping]] = ...) -> None: ...

class SandboxWaitRequest(_message.Message):
    __slots__ = ("sandbox_id", "timeout")
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    timeout: float
    def __init__(self, sandbox_id: _Optional[str] = ..., timeout: _Optional[float] = ...) -> None: ...

class SandboxWaitResponse(_message.Message):
    __slots__ = ("result", "metadata")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    result: _common_pb2.GenericResult
    metadata: SandboxHandleMetadata
    def __init__(self, result: _Optional[_Union[_common_pb2.GenericResult, _Mapping]] = ..., metadata: _Optional[_Union[SandboxHandleMetadata, _Mapping]] = ...) -> None: ...

class SandboxWaitUntilReadyTcrRequest(_message.Message):
    __slots__ = ("task_id", "timeout")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    timeout: float
    def __init__(self, task_id: _Optional[str] = ..., timeout: _Optional[float] = ...) -> None: ...

class SandboxWaitUntilReadyTcrResponse(_message.Message):
    __slots__ = ("ready_at",)
    READY_AT_FIELD_NUMBER: _ClassVar[int]
    ready_at: float
    def __init__(self, ready_at: _Optional[float] = ...) -> None: ...

class SchedulerPlacement(_message.Message):
    __slots__ = ("_zone", "_lifecycle", "regions", "_instance_types", "nonpreemptible")
    _ZONE_FIELD_NUMBER: _ClassVar[int]
    _LIFECYCLE_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    _INSTANCE_TYPES_FIELD_NUMBER: _ClassVar[int]
    NONPREEMPTIBLE_FIELD_NUMBER: _ClassVar[int]
    _zone: str
    _lifecycle: str
    regions: _containers.RepeatedScalarFieldContainer[str]
    _instance_types: _containers.RepeatedScalarFieldContainer[str]
    nonpreemptible: bool
    def __init__(self, _zone: _Optional[str] = ..., _lifecycle: _Optional[str] = ..., regions: _Optional[_Iterable[str]] = ..., _instance_types: _Optional[_Iterable[str]] = ..., nonpreemptible: bool = ...) -> None: ...

class SharedVolumeMount(_message.Message):
    __slots__ = ("mount_path", "shared_volume_id", "cloud_provider")
    MOUNT_PATH_FIELD_NUMBER: _ClassVar[int]
    SHARED_VOLUME_ID_FIELD_NUMBER: _ClassVar[int]
    CLOUD_PROVIDER_FIELD_NUMBER: _ClassVar[int]
    mount_path: str
    shared_volume_id: str
    cloud_provider: CloudProvider
    def __init__(self, mount_path: _Optional[str] = ..., shared_volume_id: _Optional[str] = ..., cloud_provider: _Optional[_Union[CloudProvider, str]] = ...) -> None: ...

class StringMap(_message.Message):
    __slots__ = ("contents",)
    class ContentsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CONTENTS_FIELD_NUMBER: _ClassVar[int]
    contents: _containers.ScalarMap[str, str]
    def __init__(self, contents: _Optional[_Mapping[str, str]] = ...) -> None: ...

class TaskInfo(_message.Message):
    __slots__ = ("id", "started_at", "finished_at", "result", "enqueued_at", "gpu_type", "sandbox_id", "snapshot_behavior", "gpu_config")
    ID_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    FINISHED_AT_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ENQUEUED_AT_FIELD_NUMBER: _ClassVar[int]
    GPU_TYPE_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_BEHAVIOR_FIELD_NUMBER: _ClassVar[int]
    GPU_CONFIG_FIELD_NUMBER: _ClassVar[int]
    id: str
    started_at: float
    finished_at: float
    result: _common_pb2.GenericResult
    enqueued_at: float
    gpu_type: str
    sandbox_id: str
    snapshot_behavior: TaskSnapshotBehavior
    gpu_config: _images_pb2.GPUConfig
    def __init__(self, id: _Optional[str] = ..., started_at: _Optional[float] = ..., finished_at: _Optional[float] = ..., result: _Optional[_Union[_common_pb2.GenericResult, _Mapping]] = ..., enqueued_at: _Optional[float] = ..., gpu_type: _Optional[str] = ..., sandbox_id: _Optional[str] = ..., snapshot_behavior: _Optional[_Union[TaskSnapshotBehavior, str]] = ..., gpu_config: _Optional[_Union[_images_pb2.GPUConfig, _Mapping]] = ...) -> None: ...

class TunnelData(_message.Message):
    __slots__ = ("host", "port", "unencrypted_host", "unencrypted_port", "container_port")
    HOST_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    UNENCRYPTED_HOST_FIELD_NUMBER: _ClassVar[int]
    UNENCRYPTED_PORT_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_PORT_FIELD_NUMBER: _ClassVar[int]
    host: str
    port: int
    unencrypted_host: str
    unencrypted_port: int
    container_port: int
    def __init__(self, host: _Optional[str] = ..., port: _Optional[int] = ..., unencrypted_host: _Optional[str] = ..., unencrypted_port: _Optional[int] = ..., container_port: _Optional[int] = ...) -> None: ...
