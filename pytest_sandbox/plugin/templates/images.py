"""The snapshots of a run's templates: the first worker that needs one builds it for all."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import field
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox._shared import real
from pytest_sandbox._shared.lazy_dataclass import dataclass

from ..create import creation, with_defaults
from ..engine import ENGINE
from ..gpu.held import gpus_for_template
from ..networks import without_own
from ..options import settings
from ..pool import WANTED, tells_of_next
from .body import TIMEOUT, image_of
from .changes import changes
from .key import cache_key, image_key
from .pytest_internals import definitions
from .store import Outcome, OutcomeFile, locked_outcome
from .template import ATTRIBUTE
from .variant import indices

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_sandbox.client import Client, Image, Sandbox, SandboxSnapshot

    from .template import Template
    from .variant import Variant

__tracebackhide__ = True  # a template that fails shows its own lines, not these

#: Seconds, besides what its sandbox may live, that another worker may take to build a template.
_BUILD_TIMEOUT = 60.0
_IN_TEMPLATE = "put it in @sandbox_template instead"
#: What to do instead, where that is no remedy.
_INSTEAD = {"gpu": "use a template without memory=True: no snapshot has what is in a GPU"}


@dataclass
class TemplateUse:
    """How this worker used a template.

    Attributes:
        title: of the variant.
        home: of the variant.
        outcome: of building its snapshot.
        restores: seconds that each copy took.
    """

    title: str
    home: str
    outcome: Outcome
    restores: list[float] = field(default_factory=list)

    @functools.cached_property
    def image(self) -> Image:
        """The snapshot, if it is one of files."""
        return _image(self.outcome.image)


class Templates:
    """The templates that this process uses.

    Attributes:
        uses: by the key of the variant.
        latest: the latest variant of each template.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._session = config.stash[ENGINE]
        self.uses: dict[str, TemplateUse] = {}
        self.latest: dict[Template, Variant] = {}
        config.stash.setdefault(WANTED, []).append(self.wanted)

    def copy(
        self, variant: Variant, changed: Mapping[str, Any], item: pytest.Item | None = None
    ) -> Sandbox:
        """A sandbox restored from the snapshot of a template.

        Args:
            variant: of the template.
            changed: keywords of `Sandbox.create` that differ for this copy.
            item: the test that it is for; `None` if others share it.

        Raises:
            Exception: the template could not be built.
        """
        from pytest_sandbox.client.exceptions import NotFoundError

        self.latest[variant.template] = variant
        outcome = self.outcome(variant)
        started = real.monotonic()
        try:
            sandbox = self._restored(variant, outcome, changed, item)
        except NotFoundError:  # the engine evicted the snapshot to make room
            self._forget(variant, outcome)
            outcome = self.outcome(variant)
            started = real.monotonic()
            sandbox = self._restored(variant, outcome, changed, item)
        self.uses[variant.key].restores.append(real.monotonic() - started)
        return sandbox

    def outcome(self, variant: Variant) -> Outcome:
        """The result of building a template, now if no worker has built it yet.

        Raises:
            Exception: it could not be built.
        """
        if variant.key not in self.uses:
            client = self._session.client()  # first: a missing engine is no fault of the template
            with self._outcome_file(variant) as file:
                outcome = file.outcome if file else None
                if outcome is None:
                    return self._build(variant, client, file)
            self.uses[variant.key] = TemplateUse(variant.title, variant.home, outcome)
        outcome = self.uses[variant.key].outcome
        if outcome.skipped:
            pytest.skip(outcome.skipped)
        if outcome.error:
            pytest.fail(outcome.error, pytrace=False)
        return outcome

    def spec(self, variant: Variant) -> dict[str, Any]:
        """The keywords of `Sandbox.create` for copies that change nothing."""
        return with_defaults(
            settings(self._config), variant.spec, faked=settings(self._config).engine == "fake"
        )

    def wanted(self, item: pytest.Item) -> Iterator[dict[str, Any]]:
        """The keywords of the copies that a test will take, as far as their snapshot exists."""
        for variant in self.latest.values():
            use = self.uses.get(variant.key)
            if use and use.outcome.image and not use.outcome.memory and _takes_copy(item, variant):
                spec = {**_without_project(self.spec(variant)), **changes(item)}
                yield {**spec, "image": use.image}

    @contextlib.contextmanager
    def _outcome_file(self, variant: Variant) -> Iterator[OutcomeFile | None]:
        if settings(self._config).engine == "fake":  # each worker has its own engine
            yield None
            return
        timeout = _BUILD_TIMEOUT + sum(each.spec.get("timeout", TIMEOUT) for each in variant.stack)
        directory = self._session.run().directory / "templates"
        with locked_outcome(
            directory, variant.key, timeout, f"the template {variant.title!r}"
        ) as file:
            yield file

    def _build(self, variant: Variant, client: Client, file: OutcomeFile | None) -> Outcome:
        started = real.monotonic()

        def tell(**what: Any) -> Outcome:
            seconds = real.monotonic() - started
            outcome = Outcome(seconds=seconds, worker=self._session.worker, **what)
            self.uses[variant.key] = TemplateUse(variant.title, variant.home, outcome)
            if file is not None:
                file.put(outcome)
            return outcome

        try:
            with self._session.outside_of_tests():
                told = self._image(variant, client)
        except pytest.skip.Exception as skip:
            tell(skipped=skip.msg or "skipped")
            raise
        except (Exception, pytest.fail.Exception) as error:
            tell(error=self._message(variant, error))
            raise
        return tell(memory=variant.template.memory, **told)

    def _image(self, variant: Variant, client: Client) -> dict[str, Any]:
        """The fields of `Outcome` about the image, which is built unless it is stored."""
        if not variant.template.cache:
            return {"image": image_of(variant, self._start(variant, client), client)}
        key = self._cache_key(variant)
        if (stored := client.extensions.recall_image(key)) is not None:
            return {"image": stored.object_id, "recalled": True}
        image = image_of(variant, self._start(variant, client), client)
        return {"image": image, "not_stored": _store(image, key, client)}

    def _cache_key(self, variant: Variant) -> str:
        of_image = image_key(self._config, self.spec(variant).get("image"))
        if not self.spec(variant).get("project"):
            return f"{cache_key(variant)}{of_image}"
        if not any(each.template.cache_key not in ((), ((),)) for each in variant.stack):
            raise ValueError(
                "cache=True: project=True shows files that change from run to run; give cache_key= "
                "those that the image depends on, such as pathlib.Path('../src')"
            )
        return f"{cache_key(variant)}-project{of_image}"

    def _start(self, variant: Variant, client: Client) -> Sandbox:
        """The sandbox that is passed to the function of a template."""
        parent, spec = variant.parent, dict(variant.template.spec)
        if variant.template.memory and not (parent and parent.template.memory):
            spec["_experimental_enable_snapshot"] = True
        if (gpu := variant.spec.get("gpu")) is not None:
            spec["gpu"] = gpus_for_template(self._config, gpu)
        if parent is not None:
            return self.copy(parent, spec)
        return creation(client, (), without_own({**self.spec(variant), **spec})).create()

    def _restored(
        self,
        variant: Variant,
        outcome: Outcome,
        changed: Mapping[str, Any],
        item: pytest.Item | None,
    ) -> Sandbox:
        client = self._session.client()
        wanted = without_own({**self.spec(variant), **changed})
        if outcome.memory:
            _refuse(variant, changed)
            spec: dict[str, Any] = {"image": _snapshot(outcome.image, client), **_placing(wanted)}
        else:
            spec = {**_without_project(wanted), "image": self.uses[variant.key].image}
        another = item is not None and tells_of_next(item, client, spec)
        return creation(client, (), spec, another=another).create()

    def _message(self, variant: Variant, error: BaseException) -> str:
        """The message for all other tests that use a template which could not be built."""
        info = pytest.ExceptionInfo.from_exception(error)
        info.traceback = info.traceback.cut(path=variant.template.body.__code__.co_filename)
        shown = info.getrepr(style="short") if info.traceback.filter(info) else info.exconly()
        worker = f", by {self._session.worker}" if self._session.worker else ""
        return (
            f"the template {variant.title!r} could not be built{worker}, so all tests that use it "
            f"fail:\n\n{shown}"
        )

    def _forget(self, variant: Variant, outcome: Outcome) -> None:
        del self.uses[variant.key]
        with self._outcome_file(variant) as file:
            if file is not None and file.outcome == outcome:
                file.clear()


def _placing(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords about a network of sandboxes, which a copy with processes may have."""
    if not _is_placing("network", spec.get("network")):
        return {}
    return {key: spec[key] for key in ("network", "alias") if key in spec}


def _is_placing(key: str, value: object) -> bool:
    from pytest_sandbox.client import SandboxNetwork

    return key == "alias" or (key == "network" and isinstance(value, SandboxNetwork))


def _without_project(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords for a snapshot, which shows the project if its template does."""
    return {key: value for key, value in spec.items() if key != "project"}


def _image(image_id: str) -> Image:
    from pytest_sandbox.client import Image

    return Image.from_id(image_id)


def _store(image_id: str, key: str, client: Client) -> str:
    """Store an image for later runs; or return why that failed, as this run does not need it."""
    from pytest_sandbox.client.exceptions import Error

    try:
        client.extensions.keep_image(_image(image_id), key)
    except Error as error:
        return str(error)
    return ""


def _snapshot(snapshot_id: str, client: Client) -> SandboxSnapshot:
    from pytest_sandbox.client import SandboxSnapshot

    return SandboxSnapshot(snapshot_id, client)


def _takes_copy(item: Any, variant: Variant) -> bool:
    """Whether a test takes a copy, for itself alone, of just that variant."""
    found = definitions(item).get(variant.template.name, ())
    return (
        any(getattr(each.func, ATTRIBUTE, None) is variant.template for each in found[-1:])
        and found[-1].scope == "function"
        and indices(item, variant.template.image_fixture) == variant.indices
    )


def _refuse(variant: Variant, changed: Mapping[str, Any]) -> None:
    """Refuse changes to copies that resume the processes of the template."""
    spec = variant.spec
    refused = {
        key: value
        for key, value in changed.items()
        if spec.get(key) != value and not _is_placing(key, value)
    }
    if refused:
        keywords = ", ".join(f"{key}={value!r}" for key, value in refused.items())
        pytest.fail(
            f"{keywords} cannot change a copy of the template {variant.template.name!r}, which "
            f"resumes its processes; {_INSTEAD.get(next(iter(refused)), _IN_TEMPLATE)}",
            pytrace=False,
        )
