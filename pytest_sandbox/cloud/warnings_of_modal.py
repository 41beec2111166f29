"""Warnings that Modal's servers send with their answers, on their way to the test that made a call.

They come in trailing metadata, after an answer, and go on in the initial metadata of the next
answer to the same caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from pytest_sandbox.rpcs import ServerWarning

if TYPE_CHECKING:
    from collections.abc import Mapping

#: In the trailing metadata of Modal's servers; percent-encoded, and maybe several.
_FROM_MODAL = "x-modal-warning"
#: The most that wait for their callers.
_MOST = 100


class CloudWarnings:
    """The warnings that no test has been told yet. Each is told once in a run."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[str]] = {}
        self._known: set[str] = set()

    def take(self, caller: str, trailing: Any) -> None:
        """Take those that came with an answer to a caller."""
        if trailing and _FROM_MODAL in trailing:
            for text in trailing.getall(_FROM_MODAL):
                self.add(caller, unquote(str(text)))

    def add(self, caller: str, text: str) -> None:
        """Add one of our own."""
        if text not in self._known and len(self._known) < _MOST:
            self._known.add(text)
            self._waiting.setdefault(caller, []).append(text)

    def metadata(self, caller: str) -> Mapping[str, str]:
        """The initial metadata that tells a caller; those for no caller in particular, too."""
        if not self._waiting:
            return {}
        texts = [*self._waiting.pop("", ()), *self._waiting.pop(caller, ())]
        return {ServerWarning.METADATA: ",".join(map(quote, texts))} if texts else {}
