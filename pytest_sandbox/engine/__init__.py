"""The engine contract: what a place that runs sandboxes must be able to do. No gRPC, no pytest.

The server holds all policy (ids, names, lifetimes, retries) and asks an engine only for mechanism.
A new engine implements `Engine`, `Task`, `Process`, `Files` and `OpenFile`. For anything else that
it can do, it derives from an ability: `SupportsSnapshots`, `SupportsPorts`, ... The checks of
`pytest_sandbox.engine.conformance` test it.
"""

from pytest_sandbox._shared.clock import Clock as Clock
from pytest_sandbox._shared.clock import SystemClock as SystemClock

from ._abilities import Ability as Ability
from ._abilities import PackageDatabase as PackageDatabase
from ._abilities import SupportsConnectionFaults as SupportsConnectionFaults
from ._abilities import SupportsExitSnapshots as SupportsExitSnapshots
from ._abilities import SupportsExport as SupportsExport
from ._abilities import SupportsFlatten as SupportsFlatten
from ._abilities import SupportsForget as SupportsForget
from ._abilities import SupportsImages as SupportsImages
from ._abilities import SupportsMemorySnapshots as SupportsMemorySnapshots
from ._abilities import SupportsMounts as SupportsMounts
from ._abilities import SupportsNetworkChange as SupportsNetworkChange
from ._abilities import SupportsNetworkLog as SupportsNetworkLog
from ._abilities import SupportsPackages as SupportsPackages
from ._abilities import SupportsPorts as SupportsPorts
from ._abilities import SupportsPrepare as SupportsPrepare
from ._abilities import SupportsSidecars as SupportsSidecars
from ._abilities import SupportsSnapshots as SupportsSnapshots
from ._abilities import SupportsUsage as SupportsUsage
from ._abilities import SupportsVolumes as SupportsVolumes
from ._changing import SupportsChange as SupportsChange
from ._connection import Connection as Connection
from ._engine import Engine as Engine
from ._entry import Entry as Entry
from ._entry import EntryKind as EntryKind
from ._entry import WatchEvent as WatchEvent
from ._entry import WatchKind as WatchKind
from ._errors import EngineError as EngineError
from ._errors import EngineUnavailable as EngineUnavailable
from ._errors import InvalidSpec as InvalidSpec
from ._errors import NotFreezable as NotFreezable
from ._errors import OutputDropped as OutputDropped
from ._errors import SpawnFailed as SpawnFailed
from ._errors import StoreFull as StoreFull
from ._errors import TaskEnded as TaskEnded
from ._errors import TaskLost as TaskLost
from ._errors import UnknownImage as UnknownImage
from ._errors import Unsupported as Unsupported
from ._files import Files as Files
from ._files import OpenFile as OpenFile
from ._image import AnySnapshot as AnySnapshot
from ._image import DirectorySnapshot as DirectorySnapshot
from ._image import Host as Host
from ._image import MemorySnapshot as MemorySnapshot
from ._image import OciImage as OciImage
from ._image import RootImage as RootImage
from ._image import Snapshot as Snapshot
from ._log import OutputLog as OutputLog
from ._network import ConnectionFault as ConnectionFault
from ._network import ConnectionRecord as ConnectionRecord
from ._network import NetworkLog as NetworkLog
from ._options import check_options as check_options
from ._options import invalid_option as invalid_option
from ._process import Process as Process
from ._replacing import SupportsReplacement as SupportsReplacement
from ._spec import DEFAULT_PATH as DEFAULT_PATH
from ._spec import DEFAULT_WORKDIR as DEFAULT_WORKDIR
from ._spec import OPEN_NETWORK as OPEN_NETWORK
from ._spec import SANDBOX_NETWORK_RANGE as SANDBOX_NETWORK_RANGE
from ._spec import Capability as Capability
from ._spec import EngineInfo as EngineInfo
from ._spec import Gpus as Gpus
from ._spec import Limits as Limits
from ._spec import Membership as Membership
from ._spec import Network as Network
from ._spec import Output as Output
from ._spec import ProcessSpec as ProcessSpec
from ._spec import ProcessUser as ProcessUser
from ._spec import PtySize as PtySize
from ._spec import Requests as Requests
from ._spec import TaskSpec as TaskSpec
from ._spec import VolumeMount as VolumeMount
from ._status import EndCause as EndCause
from ._status import ExitStatus as ExitStatus
from ._status import TaskEnd as TaskEnd
from ._task import Task as Task
from ._usage import Usage as Usage
from ._validate import check_connection_fault as check_connection_fault
from ._validate import check_membership as check_membership
from ._validate import check_network as check_network
from ._validate import check_process as check_process
from ._validate import check_task as check_task

__all__ = [
    "DEFAULT_PATH",
    "DEFAULT_WORKDIR",
    "OPEN_NETWORK",
    "SANDBOX_NETWORK_RANGE",
    "Ability",
    "AnySnapshot",
    "Capability",
    "Clock",
    "Connection",
    "ConnectionFault",
    "ConnectionRecord",
    "DirectorySnapshot",
    "EndCause",
    "Engine",
    "EngineError",
    "EngineInfo",
    "EngineUnavailable",
    "Entry",
    "EntryKind",
    "ExitStatus",
    "Files",
    "Gpus",
    "Host",
    "InvalidSpec",
    "Limits",
    "Membership",
    "MemorySnapshot",
    "Network",
    "NetworkLog",
    "NotFreezable",
    "OciImage",
    "OpenFile",
    "Output",
    "OutputDropped",
    "OutputLog",
    "PackageDatabase",
    "Process",
    "ProcessSpec",
    "ProcessUser",
    "PtySize",
    "Requests",
    "RootImage",
    "Snapshot",
    "SpawnFailed",
    "StoreFull",
    "SupportsChange",
    "SupportsConnectionFaults",
    "SupportsExitSnapshots",
    "SupportsExport",
    "SupportsFlatten",
    "SupportsForget",
    "SupportsImages",
    "SupportsMemorySnapshots",
    "SupportsMounts",
    "SupportsNetworkChange",
    "SupportsNetworkLog",
    "SupportsPackages",
    "SupportsPorts",
    "SupportsPrepare",
    "SupportsReplacement",
    "SupportsSidecars",
    "SupportsSnapshots",
    "SupportsUsage",
    "SupportsVolumes",
    "SystemClock",
    "Task",
    "TaskEnd",
    "TaskEnded",
    "TaskLost",
    "TaskSpec",
    "UnknownImage",
    "Unsupported",
    "Usage",
    "VolumeMount",
    "WatchEvent",
    "WatchKind",
    "check_connection_fault",
    "check_membership",
    "check_network",
    "check_options",
    "check_process",
    "check_task",
    "invalid_option",
]
