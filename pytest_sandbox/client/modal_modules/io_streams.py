"""Streams of commands and sandboxes."""

from ..process.stream_reader import StreamReader as StreamReader
from ..process.stream_writer import StreamWriter as StreamWriter
