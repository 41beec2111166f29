"""Where output goes."""

from ..process.stream_type import StreamType as StreamType
