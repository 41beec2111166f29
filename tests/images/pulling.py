"""Pulling images in tests: no time passes, and what was pulled is compared."""

from typing import Any

from pytest_sandbox.images import (
    ImageStore,
    ResolvedImage,
    parse_reference,
)
from pytest_sandbox.images.registry import Puller, PullSettings

from .made import Made, digest


def settings(environ: dict[str, str] | None = None, **more: Any) -> PullSettings:
    """Without the logins of this user; no time passes while it waits."""
    own = {"HOME": "/nowhere", **(environ or {})}
    return PullSettings(own, **{"timeout": 5.0, "wait": lambda seconds: None, **more})


def pull(name: str, store: ImageStore, settings: PullSettings = settings()) -> ResolvedImage:  # noqa: B008
    puller = Puller(parse_reference(name), store, settings)
    found = puller.resolve()
    puller.download(found)
    return found


def check(found: ResolvedImage, made: Made) -> None:
    assert [each.digest for each in found.layers] == made.layers
    assert [each.diff_id for each in found.layers] == made.diff_ids
    for each in found.layers:
        assert digest(each.path.read_bytes()) == each.digest


LARGE = bytes(range(256)) * 20
