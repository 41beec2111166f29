from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ProxyIpStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROXY_IP_STATUS_UNSPECIFIED: _ClassVar[ProxyIpStatus]
    PROXY_IP_STATUS_CREATING: _ClassVar[ProxyIpStatus]
    PROXY_IP_STATUS_ONLINE: _ClassVar[ProxyIpStatus]
    PROXY_IP_STATUS_TERMINATED: _ClassVar[ProxyIpStatus]
    PROXY_IP_STATUS_UNHEALTHY: _ClassVar[ProxyIpStatus]
PROXY_IP_STATUS_UNSPECIFIED: ProxyIpStatus
PROXY_IP_STATUS_CREATING: ProxyIpStatus
PROXY_IP_STATUS_ONLINE: ProxyIpStatus
PROXY_IP_STATUS_TERMINATED: ProxyIpStatus
PROXY_IP_STATUS_UNHEALTHY: ProxyIpStatus

class Proxy(_message.Message):
    __slots__ = ("name", "created_at", "environment_name", "proxy_ips", "proxy_id", "region")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    PROXY_IPS_FIELD_NUMBER: _ClassVar[int]
    PROXY_ID_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    name: str
    created_at: float
    environment_name: str
    proxy_ips: _containers.RepeatedCompositeFieldContainer[ProxyIp]
    proxy_id: str
    region: str
    def __init__(self, name: _Optional[str] = ..., created_at: _Optional[float] = ..., environment_name: _Optional[str] = ..., proxy_ips: _Optional[_Iterable[_Union[ProxyIp, _Mapping]]] = ..., proxy_id: _Optional[str] = ..., region: _Optional[str] = ...) -> None: ...

class ProxyGetRequest(_message.Message):
    __slots__ = ("name", "environment_name")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    environment_name: str
    def __init__(self, name: _Optional[str] = ..., environment_name: _Optional[str] = ...) -> None: ...

class ProxyGetResponse(_message.Message):
    __slots__ = ("proxy",)
    PROXY_FIELD_NUMBER: _ClassVar[int]
    proxy: Proxy
    def __init__(self, proxy: _Optional[_Union[Proxy, _Mapping]] = ...) -> None: ...

class ProxyIp(_message.Message):
    __slots__ = ("proxy_ip", "status", "created_at", "environment_name")
    PROXY_IP_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    proxy_ip: str
    status: ProxyIpStatus
    created_at: float
    environment_name: str
    def __init__(self, proxy_ip: _Optional[str] = ..., status: _Optional[_Union[ProxyIpStatus, str]] = ..., created_at: _Optional[float] = ..., environment_name: _Optional[str] = ...) -> None: ...

class ProxyListResponse(_message.Message):
    __slots__ = ("proxies",)
    PROXIES_FIELD_NUMBER: _ClassVar[int]
    proxies: _containers.RepeatedCompositeFieldContainer[Proxy]
    def __init__(self, proxies: _Optional[_Iterable[_Union[Proxy, _Mapping]]] = ...) -> None: ...
