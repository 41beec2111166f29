"""Open files, and changes of files."""

from ..files.fileio import FileIO as FileIO
from ..files.watch_events import FileWatchEvent as FileWatchEvent
from ..files.watch_events import FileWatchEventType as FileWatchEventType
