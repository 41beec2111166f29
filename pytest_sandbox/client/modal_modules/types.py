"""What calls return."""

from ..connect_credentials import SandboxConnectCredentials as SandboxConnectCredentials
from ..file_entry import FileEntry as FileEntry
from ..file_entry import FileEntryType as FileEntryType
from ..files.file_info import FileInfo as FileInfo
from ..files.file_info import FileType as FileType
from ..files.watch_events import FileWatchEvent as FileWatchEvent
from ..files.watch_events import FileWatchEventType as FileWatchEventType
from ..logs.log_entry import LogEntry as LogEntry
from ..sandbox.stats import SandboxStats as SandboxStats
from ..sandbox.stats import StatsPercentile as StatsPercentile
from ..sandbox.stats import StatsPercentileDistribution as StatsPercentileDistribution
from ..secrets.secret_info import SecretInfo as SecretInfo
from ..volume_info import VolumeInfo as VolumeInfo
