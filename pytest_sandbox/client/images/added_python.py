"""`add_python` of images: a Python that runs in any image."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_sandbox._proto.volumes_pb2 import MountGetOrCreateRequest

from ..exceptions import InvalidError

if TYPE_CHECKING:
    from ..base_client import BaseClient

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: Of one without the global lock, with a "t".
_SERIES = re.compile(r"(3\.\d{1,2})(t?)")
#: As Modal's clients have them.
_LINES = (
    "COPY /python/. /usr/local",
    "ENV TERMINFO_DIRS=/etc/terminfo:/lib/terminfo:/usr/share/terminfo:/usr/lib/terminfo",
)


class AddedPython:
    """The files of an interpreter that the server has.

    Args:
        series: `"3.12"`.

    Attributes:
        lines: of a Dockerfile, which copy them into an image.

    Raises:
        InvalidError: it is no version of Python.
    """

    def __init__(self, series: str) -> None:
        match = _SERIES.fullmatch(series) if isinstance(series, str) else None
        if match is None:
            raise InvalidError(f"add_python={series!r} is no version of Python, such as '3.12'")
        # Releases of that day and later have a program `python`; the server has its own anyway.
        self._name = f"python-build-standalone.20241008.{match[1]}.0{match[2]}-gnu"
        self.lines = _LINES

    async def upload(self, client: BaseClient, app_id: str = "") -> str:
        """The id under which the server has them.

        Args:
            client: of the server.
            app_id: has no effect: they belong to no app.

        Raises:
            ConflictError: there is no such interpreter; the message says how to get it.
        """
        request = MountGetOrCreateRequest(deployment_name=self._name)
        return (
            await client.calls.control(lambda link: link.control.MountGetOrCreate, request)
        ).mount_id
