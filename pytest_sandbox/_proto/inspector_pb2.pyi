from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class InspectorEngineRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class InspectorEngineResponse(_message.Message):
    __slots__ = ("name", "mode", "capabilities", "details", "version", "live_sandboxes")
    class DetailsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LIVE_SANDBOXES_FIELD_NUMBER: _ClassVar[int]
    name: str
    mode: str
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    details: _containers.ScalarMap[str, str]
    version: str
    live_sandboxes: int
    def __init__(self, name: _Optional[str] = ..., mode: _Optional[str] = ..., capabilities: _Optional[_Iterable[str]] = ..., details: _Optional[_Mapping[str, str]] = ..., version: _Optional[str] = ..., live_sandboxes: _Optional[int] = ...) -> None: ...

class InspectorDescribeRequest(_message.Message):
    __slots__ = ("sandbox_id", "tail_bytes")
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    TAIL_BYTES_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    tail_bytes: int
    def __init__(self, sandbox_id: _Optional[str] = ..., tail_bytes: _Optional[int] = ...) -> None: ...

class SandboxCommand(_message.Message):
    __slots__ = ("argv", "started_after", "seconds", "running", "returncode", "stdout_tail", "stderr_tail", "stdout_bytes", "stderr_bytes", "paused", "ended_by", "main")
    ARGV_FIELD_NUMBER: _ClassVar[int]
    STARTED_AFTER_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    RETURNCODE_FIELD_NUMBER: _ClassVar[int]
    STDOUT_TAIL_FIELD_NUMBER: _ClassVar[int]
    STDERR_TAIL_FIELD_NUMBER: _ClassVar[int]
    STDOUT_BYTES_FIELD_NUMBER: _ClassVar[int]
    STDERR_BYTES_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    ENDED_BY_FIELD_NUMBER: _ClassVar[int]
    MAIN_FIELD_NUMBER: _ClassVar[int]
    argv: _containers.RepeatedScalarFieldContainer[str]
    started_after: float
    seconds: float
    running: bool
    returncode: int
    stdout_tail: bytes
    stderr_tail: bytes
    stdout_bytes: int
    stderr_bytes: int
    paused: bool
    ended_by: str
    main: bool
    def __init__(self, argv: _Optional[_Iterable[str]] = ..., started_after: _Optional[float] = ..., seconds: _Optional[float] = ..., running: bool = ..., returncode: _Optional[int] = ..., stdout_tail: _Optional[bytes] = ..., stderr_tail: _Optional[bytes] = ..., stdout_bytes: _Optional[int] = ..., stderr_bytes: _Optional[int] = ..., paused: bool = ..., ended_by: _Optional[str] = ..., main: bool = ...) -> None: ...

class InspectorDescribeResponse(_message.Message):
    __slots__ = ("sandbox_id", "name", "image", "running", "end", "commands", "seconds")
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    COMMANDS_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    name: str
    image: str
    running: bool
    end: str
    commands: _containers.RepeatedCompositeFieldContainer[SandboxCommand]
    seconds: float
    def __init__(self, sandbox_id: _Optional[str] = ..., name: _Optional[str] = ..., image: _Optional[str] = ..., running: bool = ..., end: _Optional[str] = ..., commands: _Optional[_Iterable[_Union[SandboxCommand, _Mapping]]] = ..., seconds: _Optional[float] = ...) -> None: ...
