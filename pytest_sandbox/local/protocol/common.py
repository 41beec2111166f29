"""Messages that several of the protocols in this folder share."""

from __future__ import annotations

import errno
import os

from .message import Message


class KernelError(Message):
    """Part of others: an error of the kernel.

    Attributes:
        number: the `errno`.
        path: what it was about; empty if nothing is known of that.
        text: what the kernel said, or in other words if there are better ones.
    """

    number: int
    path: str
    text: str

    @classmethod
    def of(cls, error: OSError) -> KernelError:
        """What to say of an error."""
        name = error.filename
        return cls(
            number=error.errno or errno.EIO,
            path=os.fsdecode(name) if isinstance(name, (str, bytes)) else "",
            text=(error.strerror or str(error))[:1000],
        )

    def error(self) -> OSError:
        """The error, of the class that Python has for its number."""
        return OSError(self.number, self.text or f"error {self.number}", self.path)


class Succeeded(Message):
    """Answers a request that has nothing to tell."""


class DescriptorAnswer(Message, descriptors=1):
    """Answers a request for a descriptor, with it."""


class Failed(Message):
    """Answers a request that failed."""

    error: KernelError

    @classmethod
    def of(cls, error: OSError) -> Failed:
        """What to say of an error."""
        return cls(error=KernelError.of(error))
