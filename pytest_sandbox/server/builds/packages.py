"""Steps that use Debian's package manager, and what a view of this machine lacks for them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_sandbox.engine import SupportsPackages

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pytest_sandbox.engine import Engine, Files

    from .steps import RunStep

#: What reads the package database, wherever a command has it; options of playwright run apt.
_PROGRAMS = re.compile(
    r"(?<![\w-])(?:apt|aptitude|dpkg|debconf|gdebi|add-apt-repository|update-alternatives)(?!\w)"
    r"|(?<!\w)install-deps(?!\w)|--with-deps(?!\w)"
)
#: The line of the step that adds the database.
LINE = "the packages of this machine, for apt-get"
#: What the log of a build says about that step.
_WITHOUT_SETTINGS = (
    "what is installed on this machine counts as installed, but its settings in /etc and its data "
    "in /var mostly do not show: docs/reference/images.md says how to have them"
)


def uses_packages(step: RunStep) -> bool:
    """Whether a command, as far as its text tells, uses the package manager."""
    texts = [*step.argv, *(file.content.decode("utf-8", "replace") for file in step.files)]
    return any(_PROGRAMS.search(text) for text in texts)


def shows_packages(engine: Engine) -> bool:
    """Whether images of an engine can have the packages of this machine."""
    return isinstance(engine, SupportsPackages) and engine.has_packages


async def put_packages(engine: Engine, files: Files, say: Callable[[str], Awaitable[None]]) -> None:
    """Have the package database of this machine in a sandbox.

    Args:
        engine: that shows them.
        files: of the sandbox.
        say: takes lines about it.

    Raises:
        OSError: as the file operations of the engine raise it.
    """
    database = SupportsPackages.of(engine).package_database()
    for path in database.left_out:
        await say(f"   (without {path}, which may hold a password)\n")
    await say(f"   ({_WITHOUT_SETTINGS})\n")
    await files.unpack("/", database.content)
