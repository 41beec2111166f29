from pytest_sandbox._proto import extensions_pb2 as _extensions_pb2
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
    __slots__ = ("argv", "started_after", "seconds", "running", "returncode", "stdout_tail", "stderr_tail", "stdout_bytes", "stderr_bytes", "paused", "ended_by", "main", "start_error")
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
    START_ERROR_FIELD_NUMBER: _ClassVar[int]
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
    start_error: str
    def __init__(self, argv: _Optional[_Iterable[str]] = ..., started_after: _Optional[float] = ..., seconds: _Optional[float] = ..., running: bool = ..., returncode: _Optional[int] = ..., stdout_tail: _Optional[bytes] = ..., stderr_tail: _Optional[bytes] = ..., stdout_bytes: _Optional[int] = ..., stderr_bytes: _Optional[int] = ..., paused: bool = ..., ended_by: _Optional[str] = ..., main: bool = ..., start_error: _Optional[str] = ...) -> None: ...

class SandboxConnection(_message.Message):
    __slots__ = ("host", "name", "port", "verdict", "reason", "count", "sent", "received")
    HOST_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SENT_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    host: str
    name: str
    port: int
    verdict: str
    reason: str
    count: int
    sent: int
    received: int
    def __init__(self, host: _Optional[str] = ..., name: _Optional[str] = ..., port: _Optional[int] = ..., verdict: _Optional[str] = ..., reason: _Optional[str] = ..., count: _Optional[int] = ..., sent: _Optional[int] = ..., received: _Optional[int] = ...) -> None: ...

class SandboxRefusedConnections(_message.Message):
    __slots__ = ("port", "reason", "count")
    PORT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    port: int
    reason: str
    count: int
    def __init__(self, port: _Optional[int] = ..., reason: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class SandboxLoss(_message.Message):
    __slots__ = ("path", "reason")
    PATH_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    path: str
    reason: str
    def __init__(self, path: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class InspectorEndRequest(_message.Message):
    __slots__ = ("sandbox_id",)
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    def __init__(self, sandbox_id: _Optional[str] = ...) -> None: ...

class InspectorEndResponse(_message.Message):
    __slots__ = ("running", "commands")
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    COMMANDS_FIELD_NUMBER: _ClassVar[int]
    running: bool
    commands: _containers.RepeatedCompositeFieldContainer[SandboxCommand]
    def __init__(self, running: bool = ..., commands: _Optional[_Iterable[_Union[SandboxCommand, _Mapping]]] = ...) -> None: ...

class InspectorDescribeResponse(_message.Message):
    __slots__ = ("sandbox_id", "name", "image", "running", "end", "commands", "seconds", "used", "connections", "connections_left_out", "refused", "refused_left_out", "aliases", "lost", "no_network")
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    COMMANDS_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    CONNECTIONS_LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    NO_NETWORK_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    name: str
    image: str
    running: bool
    end: str
    commands: _containers.RepeatedCompositeFieldContainer[SandboxCommand]
    seconds: float
    used: _extensions_pb2.SandboxUsageResponse
    connections: _containers.RepeatedCompositeFieldContainer[SandboxConnection]
    connections_left_out: int
    refused: _containers.RepeatedCompositeFieldContainer[SandboxRefusedConnections]
    refused_left_out: int
    aliases: _containers.RepeatedScalarFieldContainer[str]
    lost: _containers.RepeatedCompositeFieldContainer[SandboxLoss]
    no_network: str
    def __init__(self, sandbox_id: _Optional[str] = ..., name: _Optional[str] = ..., image: _Optional[str] = ..., running: bool = ..., end: _Optional[str] = ..., commands: _Optional[_Iterable[_Union[SandboxCommand, _Mapping]]] = ..., seconds: _Optional[float] = ..., used: _Optional[_Union[_extensions_pb2.SandboxUsageResponse, _Mapping]] = ..., connections: _Optional[_Iterable[_Union[SandboxConnection, _Mapping]]] = ..., connections_left_out: _Optional[int] = ..., refused: _Optional[_Iterable[_Union[SandboxRefusedConnections, _Mapping]]] = ..., refused_left_out: _Optional[int] = ..., aliases: _Optional[_Iterable[str]] = ..., lost: _Optional[_Iterable[_Union[SandboxLoss, _Mapping]]] = ..., no_network: _Optional[str] = ...) -> None: ...

class RpcRecord(_message.Message):
    __slots__ = ("number", "rpc", "listener", "caller", "metadata", "requests", "responses", "requested", "responded", "status", "message", "started", "seconds", "sandbox_ids", "faults")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    RPC_FIELD_NUMBER: _ClassVar[int]
    LISTENER_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    RESPONSES_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_FIELD_NUMBER: _ClassVar[int]
    RESPONDED_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_IDS_FIELD_NUMBER: _ClassVar[int]
    FAULTS_FIELD_NUMBER: _ClassVar[int]
    number: int
    rpc: str
    listener: str
    caller: str
    metadata: _containers.ScalarMap[str, str]
    requests: _containers.RepeatedScalarFieldContainer[bytes]
    responses: _containers.RepeatedScalarFieldContainer[bytes]
    requested: MessageCount
    responded: MessageCount
    status: str
    message: str
    started: float
    seconds: float
    sandbox_ids: _containers.RepeatedScalarFieldContainer[str]
    faults: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, number: _Optional[int] = ..., rpc: _Optional[str] = ..., listener: _Optional[str] = ..., caller: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., requests: _Optional[_Iterable[bytes]] = ..., responses: _Optional[_Iterable[bytes]] = ..., requested: _Optional[_Union[MessageCount, _Mapping]] = ..., responded: _Optional[_Union[MessageCount, _Mapping]] = ..., status: _Optional[str] = ..., message: _Optional[str] = ..., started: _Optional[float] = ..., seconds: _Optional[float] = ..., sandbox_ids: _Optional[_Iterable[str]] = ..., faults: _Optional[_Iterable[str]] = ...) -> None: ...

class MessageCount(_message.Message):
    __slots__ = ("messages", "bytes")
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    messages: int
    bytes: int
    def __init__(self, messages: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class InspectorRecordStartRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class InspectorRecordStartResponse(_message.Message):
    __slots__ = ("next",)
    NEXT_FIELD_NUMBER: _ClassVar[int]
    next: int
    def __init__(self, next: _Optional[int] = ...) -> None: ...

class InspectorRecordStopRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class InspectorRecordStopResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class InspectorRecordRequest(_message.Message):
    __slots__ = ("since",)
    SINCE_FIELD_NUMBER: _ClassVar[int]
    since: int
    def __init__(self, since: _Optional[int] = ...) -> None: ...

class InspectorRecordResponse(_message.Message):
    __slots__ = ("records", "next", "more", "dropped")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[RpcRecord]
    next: int
    more: bool
    dropped: int
    def __init__(self, records: _Optional[_Iterable[_Union[RpcRecord, _Mapping]]] = ..., next: _Optional[int] = ..., more: bool = ..., dropped: _Optional[int] = ...) -> None: ...

class Fault(_message.Message):
    __slots__ = ("id", "caller", "call", "sandbox", "connection")
    ID_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    id: str
    caller: str
    call: CallFault
    sandbox: SandboxFault
    connection: ConnectionFault
    def __init__(self, id: _Optional[str] = ..., caller: _Optional[str] = ..., call: _Optional[_Union[CallFault, _Mapping]] = ..., sandbox: _Optional[_Union[SandboxFault, _Mapping]] = ..., connection: _Optional[_Union[ConnectionFault, _Mapping]] = ...) -> None: ...

class CallFault(_message.Message):
    __slots__ = ("rpcs", "where", "nth", "times", "delay", "status", "drop_response", "cut_after_bytes", "retry_after", "chance")
    RPCS_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    NTH_FIELD_NUMBER: _ClassVar[int]
    TIMES_FIELD_NUMBER: _ClassVar[int]
    DELAY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DROP_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    CUT_AFTER_BYTES_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    CHANCE_FIELD_NUMBER: _ClassVar[int]
    rpcs: _containers.RepeatedScalarFieldContainer[str]
    where: str
    nth: int
    times: int
    delay: float
    status: FaultStatus
    drop_response: bool
    cut_after_bytes: int
    retry_after: float
    chance: Chance
    def __init__(self, rpcs: _Optional[_Iterable[str]] = ..., where: _Optional[str] = ..., nth: _Optional[int] = ..., times: _Optional[int] = ..., delay: _Optional[float] = ..., status: _Optional[_Union[FaultStatus, _Mapping]] = ..., drop_response: bool = ..., cut_after_bytes: _Optional[int] = ..., retry_after: _Optional[float] = ..., chance: _Optional[_Union[Chance, _Mapping]] = ...) -> None: ...

class FaultStatus(_message.Message):
    __slots__ = ("status", "message")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    status: str
    message: str
    def __init__(self, status: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class Chance(_message.Message):
    __slots__ = ("seed", "rate")
    SEED_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    seed: str
    rate: float
    def __init__(self, seed: _Optional[str] = ..., rate: _Optional[float] = ...) -> None: ...

class SandboxFault(_message.Message):
    __slots__ = ("sandbox_id", "cause", "at")
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    cause: str
    at: float
    def __init__(self, sandbox_id: _Optional[str] = ..., cause: _Optional[str] = ..., at: _Optional[float] = ...) -> None: ...

class ConnectionFault(_message.Message):
    __slots__ = ("sandbox_id", "host", "port", "nth", "times", "delay", "refuse", "reset_after_bytes", "black_hole", "resolves_to", "no_answer")
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    NTH_FIELD_NUMBER: _ClassVar[int]
    TIMES_FIELD_NUMBER: _ClassVar[int]
    DELAY_FIELD_NUMBER: _ClassVar[int]
    REFUSE_FIELD_NUMBER: _ClassVar[int]
    RESET_AFTER_BYTES_FIELD_NUMBER: _ClassVar[int]
    BLACK_HOLE_FIELD_NUMBER: _ClassVar[int]
    RESOLVES_TO_FIELD_NUMBER: _ClassVar[int]
    NO_ANSWER_FIELD_NUMBER: _ClassVar[int]
    sandbox_id: str
    host: str
    port: int
    nth: int
    times: int
    delay: float
    refuse: bool
    reset_after_bytes: int
    black_hole: bool
    resolves_to: ResolvedAddresses
    no_answer: bool
    def __init__(self, sandbox_id: _Optional[str] = ..., host: _Optional[str] = ..., port: _Optional[int] = ..., nth: _Optional[int] = ..., times: _Optional[int] = ..., delay: _Optional[float] = ..., refuse: bool = ..., reset_after_bytes: _Optional[int] = ..., black_hole: bool = ..., resolves_to: _Optional[_Union[ResolvedAddresses, _Mapping]] = ..., no_answer: bool = ...) -> None: ...

class ResolvedAddresses(_message.Message):
    __slots__ = ("addresses",)
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    addresses: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, addresses: _Optional[_Iterable[str]] = ...) -> None: ...

class InspectorFaultSetRequest(_message.Message):
    __slots__ = ("fault",)
    FAULT_FIELD_NUMBER: _ClassVar[int]
    fault: Fault
    def __init__(self, fault: _Optional[_Union[Fault, _Mapping]] = ...) -> None: ...

class InspectorFaultSetResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class InspectorFaultListRequest(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ids: _Optional[_Iterable[str]] = ...) -> None: ...

class FaultState(_message.Message):
    __slots__ = ("id", "seen", "fired")
    ID_FIELD_NUMBER: _ClassVar[int]
    SEEN_FIELD_NUMBER: _ClassVar[int]
    FIRED_FIELD_NUMBER: _ClassVar[int]
    id: str
    seen: int
    fired: int
    def __init__(self, id: _Optional[str] = ..., seen: _Optional[int] = ..., fired: _Optional[int] = ...) -> None: ...

class InspectorFaultListResponse(_message.Message):
    __slots__ = ("states",)
    STATES_FIELD_NUMBER: _ClassVar[int]
    states: _containers.RepeatedCompositeFieldContainer[FaultState]
    def __init__(self, states: _Optional[_Iterable[_Union[FaultState, _Mapping]]] = ...) -> None: ...

class InspectorFaultClearRequest(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ids: _Optional[_Iterable[str]] = ...) -> None: ...

class InspectorFaultClearResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class InspectorServeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class InspectorServeResponse(_message.Message):
    __slots__ = ("url", "token_id", "token_secret", "ca_file", "socket")
    URL_FIELD_NUMBER: _ClassVar[int]
    TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_SECRET_FIELD_NUMBER: _ClassVar[int]
    CA_FILE_FIELD_NUMBER: _ClassVar[int]
    SOCKET_FIELD_NUMBER: _ClassVar[int]
    url: str
    token_id: str
    token_secret: str
    ca_file: str
    socket: str
    def __init__(self, url: _Optional[str] = ..., token_id: _Optional[str] = ..., token_secret: _Optional[str] = ..., ca_file: _Optional[str] = ..., socket: _Optional[str] = ...) -> None: ...

class InspectorPresetRequest(_message.Message):
    __slots__ = ("path",)
    PATH_FIELD_NUMBER: _ClassVar[int]
    path: str
    def __init__(self, path: _Optional[str] = ...) -> None: ...

class InspectorPresetResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class InspectorSandboxesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class InspectorSandboxesResponse(_message.Message):
    __slots__ = ("ids", "secret_values")
    IDS_FIELD_NUMBER: _ClassVar[int]
    SECRET_VALUES_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    secret_values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ids: _Optional[_Iterable[str]] = ..., secret_values: _Optional[_Iterable[str]] = ...) -> None: ...
