"""The engine contract: what a place that runs sandboxes must be able to do.

No gRPC and no pytest here. The server holds all policy (ids, names, lifetimes, retries) and
asks an engine only for mechanism. A new engine implements `Engine`, `Task`, `Process`,
`Files` and `OpenFile`, and proves itself with `pytest_sandbox.engine.conformance`.
"""

from pytest_sandbox._shared.clock import Clock as Clock
from pytest_sandbox._shared.clock import SystemClock as SystemClock

from ._contract import Connection as Connection
from ._contract import Engine as Engine
from ._contract import Files as Files
from ._contract import OpenFile as OpenFile
from ._contract import Process as Process
from ._contract import Task as Task
from ._errors import EngineError as EngineError
from ._errors import EngineUnavailable as EngineUnavailable
from ._errors import InvalidSpec as InvalidSpec
from ._errors import NotFreezable as NotFreezable
from ._errors import OutputDropped as OutputDropped
from ._errors import SpawnFailed as SpawnFailed
from ._errors import StoreFull as StoreFull
from ._errors import TaskEnded as TaskEnded
from ._errors import UnknownImage as UnknownImage
from ._errors import Unsupported as Unsupported
from ._files import Entry as Entry
from ._files import EntryKind as EntryKind
from ._files import WatchEvent as WatchEvent
from ._files import WatchKind as WatchKind
from ._log import OutputLog as OutputLog
from ._spec import Capability as Capability
from ._spec import EngineInfo as EngineInfo
from ._spec import Gpus as Gpus
from ._spec import Limits as Limits
from ._spec import Network as Network
from ._spec import Output as Output
from ._spec import ProcessSpec as ProcessSpec
from ._spec import PtySize as PtySize
from ._spec import TaskSpec as TaskSpec
from ._spec import VolumeMount as VolumeMount
from ._status import EndCause as EndCause
from ._status import ExitStatus as ExitStatus
from ._status import TaskEnd as TaskEnd
from ._validate import check_process as check_process
from ._validate import check_task as check_task

__all__ = [
    "Capability",
    "Clock",
    "Connection",
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
    "InvalidSpec",
    "Limits",
    "Network",
    "NotFreezable",
    "OpenFile",
    "Output",
    "OutputDropped",
    "OutputLog",
    "Process",
    "ProcessSpec",
    "PtySize",
    "SpawnFailed",
    "StoreFull",
    "SystemClock",
    "Task",
    "TaskEnd",
    "TaskEnded",
    "TaskSpec",
    "UnknownImage",
    "Unsupported",
    "VolumeMount",
    "WatchEvent",
    "WatchKind",
    "check_process",
    "check_task",
]
