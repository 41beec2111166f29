"""A configuration of grpclib that is completed once, and not for each client and server."""

from __future__ import annotations

from functools import cache

from grpclib.config import Configuration


class ReadyConfiguration(Configuration):
    """The same settings; grpclib checks all of them whenever it adds defaults to some."""

    def __for_client__(self) -> Configuration:
        return _of_client(self)

    def __for_server__(self) -> Configuration:
        return _of_server(self)


@cache
def _of_client(own: Configuration) -> Configuration:
    return Configuration.__for_client__(own)


@cache
def _of_server(own: Configuration) -> Configuration:
    return Configuration.__for_server__(own)
