"""What a definition is read with, besides its lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._shared.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..model.images import ImageRecord
    from .bases import Bases
    from .context import BuildContext


@dataclass(frozen=True)
class BuildInput:
    """What a definition is read with.

    Attributes:
        bases: finds the image after FROM.
        with_project: the image, with the project; may refuse.
        context: files for COPY.
        build_args: for ARG.
        secrets: variables of the steps that no layer has.
        secrets_digest: changes with these, and tells nothing of them.
        search_path: `PATH` where the image has none, for substitution.
        packages: whether images can have the packages of this machine.
        network: whether steps have a network.
        one_image: whether no program of an image runs, as `EngineInfo` says it.
    """

    bases: Bases
    with_project: Callable[[ImageRecord], ImageRecord]
    context: BuildContext
    build_args: Mapping[str, str]
    secrets: Mapping[str, str]
    secrets_digest: str
    search_path: str
    packages: bool = False
    network: bool = False
    one_image: bool = False
