"""File operations in a sandbox (stub)."""

from __future__ import annotations
from ._agent_link import AgentLink
from pytest_sandbox.engine import Files


class LocalFiles(Files):
    def __init__(self, link: AgentLink) -> None:
        self._link = link

    async def open(self, *a, **k):
        raise NotImplementedError

    async def stat(self, *a, **k):
        raise NotImplementedError

    async def listdir(self, *a, **k):
        raise NotImplementedError

    async def mkdir(self, *a, **k):
        raise NotImplementedError

    async def remove(self, *a, **k):
        raise NotImplementedError

    def watch(self, *a, **k):
        raise NotImplementedError

    def pack(self, *a, **k):
        raise NotImplementedError

    async def unpack(self, *a, **k):
        raise NotImplementedError
