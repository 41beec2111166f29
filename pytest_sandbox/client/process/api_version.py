"""The two versions of Modal's sandbox API, and which of them a call belongs to.

Both are about the same sandboxes. The second has names of its own for its calls, sends secrets with
the call that creates, and has the streams of main processes on the command router.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..transport.calls import Calls

#: Modal's clients have this setting: whether new sandboxes are created by the second version.
VARIABLE = "MODAL_SANDBOX_V2"
#: Ids of the second version: a ULID, https://github.com/ulid/spec. Those of the first have 22
#: letters and digits.
_SECOND = re.compile(r"sb-[0-9A-Z]{26}")


_forced = contextvars.ContextVar("the second version, whatever the setting says", default=False)


@contextlib.contextmanager
def second_version() -> Iterator[None]:
    """In the `with`, `second_is_wanted`, as for `Sandbox._experimental_create`."""
    token = _forced.set(True)
    try:
        yield
    finally:
        _forced.reset(token)


async def second_is_wanted(calls: Calls) -> bool:
    """Whether a new sandbox is to be created by the second version, as all are in Modal's cloud."""
    if _forced.get() or os.environ.get(VARIABLE, "").lower() not in ("", "0", "false"):
        return True
    return await calls.in_cloud()


def is_second(sandbox_id: str) -> bool:
    """Whether a sandbox was created by the second version, which its id tells, as at Modal."""
    return _SECOND.fullmatch(sandbox_id) is not None
