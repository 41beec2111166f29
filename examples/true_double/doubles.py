"""Programs as functions, for tests in memory."""

import gzip

from pytest_sandbox.fakes import Call


def gzip_test(call: Call) -> int:
    """`gzip --test FILE`."""
    path = call.argv[2]
    try:
        gzip.decompress(call.files.read_bytes(path))
    except EOFError:
        reason = "unexpected end of file"
    except gzip.BadGzipFile as error:
        crc = str(error).startswith("CRC")
        reason = "invalid compressed data--crc error" if crc else "not in gzip format"
    else:
        return 0
    call.err(f"\ngzip: {path}: {reason}\n")
    return 1
