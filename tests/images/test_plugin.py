"""Tests and templates get images of registries by name; the lock file pins their tags."""

import json
from pathlib import Path

import pytest

from .made import image
from .registry import Registry


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_SANDBOX_IMAGES", str(tmp_path / "images"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


TESTS = """
import pytest
from pytest_sandbox import sandbox_template


def said(sandbox):
    return sandbox.filesystem.read_text("/said")


def test_of_the_run(sandbox):
    assert said(sandbox) == "NEW"


@pytest.mark.sandbox(image="NAME:old")
def test_of_a_marker(sandbox):
    assert said(sandbox) == "old"


@pytest.mark.sandbox(image="host")
def test_of_this_machine(sandbox):
    assert sandbox.run("test", "-e", "/said").returncode == 1


@sandbox_template(image="NAME:old")
def prepared(sandbox):
    sandbox.filesystem.write_text("more", "/more")


def test_of_a_template(prepared):
    assert said(prepared) + prepared.filesystem.read_text("/more") == "oldmore"


@sandbox_template(cache=True)
def stored(sandbox):
    sandbox.filesystem.write_text(said(sandbox), "/more")


def test_of_a_stored_template(stored):
    assert stored.filesystem.read_text("/more") == "NEW"
"""


def test_images_by_name(pytester: pytest.Pytester, registry: Registry) -> None:
    name = registry.add("x:new", image({"said": b"new"})).rpartition(":")[0]
    registry.add("x:old", image({"said": b"old"}))
    pytester.makeini(f"[pytest]\nsandbox_image = {name}:new")
    pytester.makepyfile(TESTS.replace("NAME", name).replace("NEW", "new"))

    result = pytester.runpytest_subprocess("--sandbox-image-lock=update")

    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(f"sandbox: *, {name}:new (ini sandbox_image)")
    path = pytester.path / "sandbox-image.lock"
    pins = json.loads(path.read_text())["images"]
    assert sorted(pins) == [f"{name}:new", f"{name}:old"]

    # The tag leads elsewhere now, and the file to where it did.
    moved = registry.images["x:new"]
    registry.add("x:new", image({"said": b"moved"}))
    registry.add("x:moved", moved)
    registry.asked.clear()
    result = pytester.runpytest_subprocess("--sandbox-image-lock=on", "-k", "of_the_run")
    result.assert_outcomes(passed=1)
    assert registry.asked == []

    # A template that was stored for another image is not taken.
    result = pytester.runpytest_subprocess(
        f"--sandbox-image={name}:old", "--sandbox-image-lock=on", "-k", "of_a_stored", "-rA"
    )
    result.stdout.fnmatch_lines("*'old' == 'new'*")
