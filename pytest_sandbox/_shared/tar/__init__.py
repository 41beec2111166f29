"""Tar streams: one model of a member, one reader, one writer; no compression.

The standard library's `tarfile` is not used: it raises many kinds of errors for damaged headers,
has no exact times, reads holes as zeros, and takes the zygote 10 ms to import.
"""
