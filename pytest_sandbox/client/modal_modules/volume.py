"""Volumes."""

from ..file_entry import FileEntry as FileEntry
from ..file_entry import FileEntryType as FileEntryType
from ..volume import Volume as Volume
