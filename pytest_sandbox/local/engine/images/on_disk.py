"""The store of images on disk, as far as the engine decides about it."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from pytest_sandbox.engine import EngineUnavailable
from pytest_sandbox.images import ImageError, ImageStore

from ...kernel.idmap import SHIFT
from ...options import Mode
from ..machine import ids

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..links.zygote_link import ZygoteLink


def image_store(environ: Mapping[str, str]) -> ImageStore:
    """The store that the environment names; its folder is made, if that can be.

    Raises:
        EngineUnavailable: a variable makes no sense.
    """
    try:
        store = ImageStore.of_environment(environ)
    except ImageError as error:
        raise EngineUnavailable(str(error)) from error
    with contextlib.suppress(OSError):  # a home that cannot be written to: there are no images then
        store.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return store


def owners_of(zygote: ZygoteLink) -> str:
    """What the owners of unpacked files mean; empty if they are the numbers of a sandbox.

    Root of the machine stores these; another user can only store ids that it has.

    Args:
        zygote: unpacks; started.
    """
    if zygote.mode is Mode.SINGLE:
        return "single"
    if zygote.mode is not Mode.SUBORDINATE:
        return ""
    if os.geteuid() != 0:
        return f"subordinate {ids.subordinate('/etc/subuid').first}"
    # See `user_namespace`: without cgroups, the machine's root maps ids that nothing else uses.
    shifted = ids.is_root_of_machine() and not zygote.controllers
    return f"subordinate {SHIFT}" if shifted else ""
