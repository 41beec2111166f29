"""What installers write into an environment for editable packages, as recorded from them."""

from __future__ import annotations

import json
import os
import sysconfig
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox.local.engine.machine.editable import EditableSources, editable_sources
from pytest_sandbox.local.engine.machine.secret_names import (
    KEY_NAMES,
    SAMPLE_NAMES,
    SECRET_NAMES,
    VERSION_CONTROL,
    is_secret,
    unwanted,
)
from pytest_sandbox.local.engine.machine.sources import Sources, find_sources, resolved

if TYPE_CHECKING:
    from pathlib import Path


class Layout:
    """A site-packages, and a project beside it."""

    def __init__(self, folder: Path) -> None:
        self.site = folder / "site-packages"
        self.project = folder / "project"
        self.site.mkdir()
        self.project.mkdir()

    def installed(self, name: str, text: str) -> None:
        (self.site / name).parent.mkdir(exist_ok=True)
        (self.site / name).write_text(text)

    def file(self, name: str, text: str = "") -> Path:
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def found(self) -> EditableSources:
        return editable_sources([str(self.site), str(self.site)])

    def folders(self) -> list[str]:
        return sorted(os.path.relpath(path, self.project) for path in self.found().folders)

    def files(self) -> list[str]:
        return sorted(os.path.relpath(path, self.project) for path in self.found().files)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def test_maturin_names_the_python_sources_of_a_mixed_project(layout: Layout) -> None:
    layout.file("Cargo.toml")
    layout.file("pyproject.toml")
    layout.file("python/rusty/__init__.py")
    layout.file("python/rusty/rusty.cpython-311-x86_64-linux-gnu.so")
    layout.installed("rusty.pth", f"{layout.project}/python")
    url = {"url": f"file://{layout.project}", "dir_info": {"editable": True}}
    layout.installed("rusty-0.1.0.dist-info/direct_url.json", json.dumps(url))
    assert layout.folders() == ["python"]
    assert layout.found().unknown == []


def test_flit_links_a_package_or_a_module(layout: Layout) -> None:
    layout.file("src/linked/__init__.py")
    layout.file("single.py")
    (layout.site / "linked").symlink_to(layout.project / "src/linked")
    (layout.site / "single.py").symlink_to("../project/single.py")
    assert (layout.folders(), layout.files()) == (["src/linked"], ["single.py"])


def test_of_a_project_on_the_path_only_packages_and_modules_are_shown(layout: Layout) -> None:
    for name in ("pyproject.toml", "setup.py", "conftest.py", "single.py", "package/__init__.py"):
        layout.file(name)
    for name in ("space/part/__init__.py", "docs/index.md", ".git/config", "data/big.bin"):
        layout.file(name)
    layout.file("package.egg-info/PKG-INFO")
    layout.file(f"fast{sysconfig.get_config_var('EXT_SUFFIX')}")
    layout.installed(
        "package.pth", f"# a comment\nimport something\n\n{layout.project}\n/missing\n"
    )
    assert layout.folders() == ["package", "space"]
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    assert layout.files() == [f"fast{suffix}", "package.egg-info/PKG-INFO", "single.py"]


def test_an_egg_link_names_the_directory_of_the_project(layout: Layout) -> None:
    layout.file("src/old/__init__.py")
    layout.installed("old.egg-link", f"{layout.project}/src\n../\n")
    assert layout.folders() == ["src"]


def test_setuptools_maps_packages_and_modules(layout: Layout) -> None:
    layout.file("pkg/__init__.py")
    layout.file("single.py")
    mapping = {"pkg": f"{layout.project}/pkg", "single": f"{layout.project}/single"}
    layout.installed(
        "__editable___pkg_1_0_finder.py",
        f"from __future__ import annotations\nMAPPING: dict[str, str] = {mapping!r}\n"
        "NAMESPACES: dict[str, list[str]] = {}\n",
    )
    assert (layout.folders(), layout.files()) == (["pkg"], ["single.py"])


@pytest.mark.parametrize("text", ["MAPPING = open('x')", "MAPPING = 3", "MAPPING: dict", "(", ""])
def test_a_finder_that_says_something_else_is_passed_over(layout: Layout, text: str) -> None:
    layout.installed("__editable___pkg_1_0_finder.py", text)
    assert layout.found() == EditableSources()


def test_setuptools_strict_links_are_followed_and_no_others(layout: Layout) -> None:
    secret = layout.file("secret/key")
    layout.file("src/pkg/inner/a.py")
    (layout.project / "src/pkg/leads_out").symlink_to(secret)
    tree = layout.project / "build/__editable__.pkg-1.0-py3-none-any"
    (tree / "pkg/inner").mkdir(parents=True)
    (tree / "pkg/inner/a.py").symlink_to(layout.project / "src/pkg/inner/a.py")
    layout.installed("__editable__.pkg-1.0.pth", str(tree))
    assert layout.folders() == ["build/__editable__.pkg-1.0-py3-none-any", "src/pkg"]
    layout.installed("other.pth", f"{layout.project}/src")
    assert "secret" not in str(layout.found())


def test_an_editable_package_that_is_installed_in_an_unknown_way_is_named(layout: Layout) -> None:
    url = {"url": f"file://{layout.project}/with%20space", "dir_info": {"editable": True}}
    layout.installed("strange-1.0.dist-info/direct_url.json", json.dumps(url))
    layout.installed("broken-1.0.dist-info/direct_url.json", "{")
    layout.installed("normal-1.0.dist-info/direct_url.json", json.dumps({"url": "https://x"}))
    assert layout.found().unknown == [f"{layout.project}/with space"]


def found_with(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> Sources:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(layout.site))
    return find_sources([])


def test_a_home_directory_on_the_path_does_not_show(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(layout.project))
    layout.installed("home.pth", str(layout.project))
    sources = found_with(layout, monkeypatch)
    assert sources.folders == []
    assert "home directory" in sources.left_out[str(layout.project)]


def test_links_that_lead_to_a_project_lead_there_inside(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout.file("src/pkg/__init__.py")
    link = layout.project.with_name("link")
    link.symlink_to("project")
    layout.installed("pkg.pth", f"{link}/src")
    sources = found_with(layout, monkeypatch)
    assert [folder.path for folder in sources.folders] == [f"{layout.project}/src"]
    assert sources.links == {str(link): str(layout.project)}
    assert resolved(str(layout.project), {}) == str(layout.project)


def test_secrets_in_a_package_are_hidden_and_its_data_is_not(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (".env", "certificates/root.pem", "inner/.aws/credentials", "inner/code.py"):
        layout.file(f"src/pkg/{name}")
    layout.installed("pkg.pth", f"{layout.project}/src")
    (folder,) = found_with(layout, monkeypatch).folders
    assert sorted(folder.hidden) == ["pkg/.env", "pkg/inner/.aws"]


@pytest.mark.parametrize("name", [".env", ".env.local", "prod.env", ".npmrc", ".GIT", "id_rsa"])
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", [".env.example", "environment.py", "env", "secrets.py", "keys"])
def test_names_that_only_look_like_secrets(name: str) -> None:
    assert not is_secret(name)


def test_keys_that_git_tracks_are_no_secrets() -> None:
    assert is_secret("server.pem")
    assert not is_secret("server.pem", tracked=True)


@pytest.mark.parametrize("pattern", [*SECRET_NAMES, *KEY_NAMES, *SAMPLE_NAMES])
def test_patterns_mean_what_they_mean_to_a_shell(pattern: str) -> None:
    for middle in ("", "x", ".", "*"):
        name = pattern.replace("*", middle)
        for other in (name, f"x{name}", f"{name}x", name[1:], name[:-1], f".{name}", name.upper()):
            sample = any(fnmatchcase(other.lower(), each) for each in SAMPLE_NAMES)
            secret = any(fnmatchcase(other.lower(), each) for each in SECRET_NAMES)
            key = any(fnmatchcase(other.lower(), each) for each in KEY_NAMES)
            assert is_secret(other, tracked=True) == (secret and not sample), other
            assert is_secret(other) == ((secret or key) and not sample), other


def test_secrets_are_unwanted_at_any_depth(tmp_path: Path) -> None:
    patterns = (*SECRET_NAMES, *KEY_NAMES, *SAMPLE_NAMES, *VERSION_CONTROL)
    names = {pattern.replace("*", text) for pattern in patterns for text in ("", "x", ".py")}
    for name in {*names, *map(str.upper, names), "a.py", "env.pyc", "secrets.py"}:
        (tmp_path / "a" / "b").mkdir(parents=True, exist_ok=True)
        (tmp_path / "a" / "b" / name).touch()

    found = {path.removeprefix("a/b/") for path in unwanted(str(tmp_path), lambda path: False)}

    assert found == {each.name for each in (tmp_path / "a" / "b").iterdir() if is_secret(each.name)}
    assert len(found) > 2 * len(SECRET_NAMES)


def test_sockets_and_pipes_are_unwanted(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "file").write_text("")
    assert list(unwanted(str(tmp_path))) == ["pipe"]
