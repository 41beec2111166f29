"""The images of a run: built by whoever needs one first, and copied for everybody."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from ..create import creation
from ..engine import ENGINE
from ..options import settings
from .body import TIMEOUT, image_of
from .changes import changes
from .key import cache_key
from .layer import indices
from .pytest_internals import definitions
from .store import Outcome, Slot, held
from .template import ATTRIBUTE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_sandbox.client import Client, Image, Sandbox, SandboxSnapshot

    from .layer import Layer
    from .template import Template

__tracebackhide__ = True  # a template that fails shows its own lines, not these

#: Seconds, besides what its sandbox may live, that another worker may take to build a template.
_PATIENCE = 60.0


@dataclass
class Use:
    """What a worker had of a template.

    Attributes:
        title: its name, with its parameters.
        home: where it is visible.
        outcome: what became of its image.
        restores: seconds that each copy took.
    """

    title: str
    home: str
    outcome: Outcome
    restores: list[float] = field(default_factory=list)


class Templates:
    """The templates that this process asked for.

    Attributes:
        uses: by the key of the layer.
        latest: the layer that was asked for last.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._session = config.stash[ENGINE]
        self.uses: dict[str, Use] = {}
        self.latest: dict[Template, Layer] = {}

    def copy(self, layer: Layer, changed: Mapping[str, Any]) -> Sandbox:
        """A sandbox that is like that of a template after its function.

        Args:
            layer: the template.
            changed: keywords of `Sandbox.create` that differ for this one.

        Raises:
            Exception: the template was not built, and why.
        """
        from pytest_sandbox.client.exceptions import NotFoundError

        self.latest[layer.template] = layer
        outcome = self.outcome(layer)
        started = time.monotonic()
        try:
            sandbox = self._restored(layer, outcome, changed)
        except NotFoundError:  # the engine was short of room and let it go
            self._drop(layer, outcome)
            outcome = self.outcome(layer)
            started = time.monotonic()
            sandbox = self._restored(layer, outcome, changed)
        self.uses[layer.key].restores.append(time.monotonic() - started)
        return sandbox

    def outcome(self, layer: Layer) -> Outcome:
        """The image of a template, built if nobody has yet.

        Raises:
            Exception: it was not built, and why.
        """
        if layer.key not in self.uses:
            client = self._session.client()  # without an engine, nobody is to blame but that
            with self._slot(layer) as slot:
                outcome = slot.outcome if slot else None
                if outcome is None:
                    return self._build(layer, client, slot)
            self.uses[layer.key] = Use(layer.title, layer.home, outcome)
        outcome = self.uses[layer.key].outcome
        if outcome.skipped:
            pytest.skip(outcome.skipped)
        if outcome.error:
            pytest.fail(outcome.error, pytrace=False)
        return outcome

    def spec(self, layer: Layer) -> dict[str, Any]:
        """The keywords for a sandbox of a template, where they are not changed."""
        return {"image": settings(self._config).image, **layer.spec}

    def wanted(self, item: pytest.Item) -> Iterator[dict[str, Any]]:
        """What copies a test will ask for, of images that are known."""
        for layer in self.latest.values():
            use = self.uses.get(layer.key)
            if use and use.outcome.image and not use.outcome.memory and _asks(item, layer):
                image = _image(use.outcome.image)
                yield {**self.spec(layer), **changes(item), "image": image}

    @contextlib.contextmanager
    def _slot(self, layer: Layer) -> Iterator[Slot | None]:
        if settings(self._config).engine == "fake":  # which is this worker's own
            yield None
            return
        patience = _PATIENCE + sum(each.spec.get("timeout", TIMEOUT) for each in layer.stack)
        folder = self._session.run().directory / "templates"
        with held(folder, layer.key, patience, f"the template {layer.title!r}") as slot:
            yield slot

    def _build(self, layer: Layer, client: Client, slot: Slot | None) -> Outcome:
        started = time.monotonic()

        def tell(**what: Any) -> Outcome:
            seconds = time.monotonic() - started
            outcome = Outcome(seconds=seconds, worker=self._session.worker, **what)
            self.uses[layer.key] = Use(layer.title, layer.home, outcome)
            if slot is not None:
                slot.put(outcome)
            return outcome

        try:
            with self._session.outside_of_tests():
                told = self._image(layer, client)
        except pytest.skip.Exception as skip:
            tell(skipped=skip.msg or "skipped")
            raise
        except (Exception, pytest.fail.Exception) as error:
            tell(error=self._text(layer, error))
            raise
        return tell(memory=layer.template.memory, **told)

    def _image(self, layer: Layer, client: Client) -> dict[str, Any]:
        """What there is to tell of the image."""
        if not layer.template.cache:
            return {"image": image_of(layer, self._begun(layer, client), client)}
        key = cache_key(layer)
        if (kept := client.extensions.recall_image(key)) is not None:
            return {"image": kept.object_id, "recalled": True}
        image = image_of(layer, self._begun(layer, client), client)
        return {"image": image, "unkept": _keep(image, key, client)}

    def _begun(self, layer: Layer, client: Client) -> Sandbox:
        """The sandbox that the function of a template gets."""
        parent, spec = layer.parent, dict(layer.template.spec)
        if layer.template.memory and not (parent and parent.template.memory):
            spec["_experimental_enable_snapshot"] = True
        if parent is not None:
            return self.copy(parent, spec)
        return creation(client, (), {**self.spec(layer), **spec}).create()

    def _restored(self, layer: Layer, outcome: Outcome, changed: Mapping[str, Any]) -> Sandbox:
        client = self._session.client()
        if outcome.memory:
            _refuse(layer, changed)
            spec: dict[str, Any] = {"image": _snapshot(outcome.image, client)}
        else:
            spec = {**self.spec(layer), **changed, "image": _image(outcome.image)}
        return creation(client, (), spec).create()

    def _text(self, layer: Layer, error: BaseException) -> str:
        """What everybody else is told of a template that was not built."""
        info = pytest.ExceptionInfo.from_exception(error)
        info.traceback = info.traceback.cut(path=layer.template.body.__code__.co_filename)
        shown = info.getrepr(style="short") if info.traceback.filter(info) else info.exconly()
        worker = f", by {self._session.worker}" if self._session.worker else ""
        return (
            f"the template {layer.title!r} was not built{worker}; for all tests that ask for it, "
            f"this is why:\n\n{shown}"
        )

    def _drop(self, layer: Layer, outcome: Outcome) -> None:
        del self.uses[layer.key]
        with self._slot(layer) as slot:
            if slot is not None and slot.outcome == outcome:
                slot.clear()


def _image(image_id: str) -> Image:
    from pytest_sandbox.client import Image

    return Image.from_id(image_id)


def _keep(image_id: str, key: str, client: Client) -> str:
    """Keep an image for later runs; or say why it is not kept, as this run can do without."""
    from pytest_sandbox.client.exceptions import Error

    try:
        client.extensions.keep_image(_image(image_id), key)
    except Error as error:
        return str(error)
    return ""


def _snapshot(snapshot_id: str, client: Client) -> SandboxSnapshot:
    from pytest_sandbox.client import SandboxSnapshot

    return SandboxSnapshot(snapshot_id, client)


def _asks(item: Any, layer: Layer) -> bool:
    """Whether a test has a copy of its own, of just that image."""
    found = definitions(item).get(layer.template.name, ())
    return (
        any(getattr(each.func, ATTRIBUTE, None) is layer.template for each in found[-1:])
        and found[-1].scope == "function"
        and indices(item, layer.template.layer) == layer.indices
    )


def _refuse(layer: Layer, changed: Mapping[str, Any]) -> None:
    """Let nothing be changed of sandboxes that go on as they were."""
    spec = layer.spec
    refused = {key: value for key, value in changed.items() if spec.get(key) != value}
    if refused:
        keywords = ", ".join(f"{key}={value!r}" for key, value in refused.items())
        pytest.fail(
            f"{keywords} cannot be had from the template {layer.template.name!r}: its copies have "
            "its processes and are as it was; say it in its @sandbox_template",
            pytrace=False,
        )
