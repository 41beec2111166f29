"""Which local files a build takes: symbolic links, empty directories, and odd names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox import Image, Sandbox, exceptions
from pytest_sandbox.client.images.local_tree import TreeFile, directory

if TYPE_CHECKING:
    from pytest_sandbox.inmemory import FakeSandboxes


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A context with links that stay in it and links that lead out."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home/secret").write_text("secret")
    top = tmp_path / "context"
    (top / "sub").mkdir(parents=True)
    (top / "sub/file").write_text("file")
    (top / "inside").symlink_to(top / "sub/file")
    (top / "sub/inside").symlink_to("../sub/file")
    (top / "out").symlink_to(tmp_path / "home/secret")
    (top / "sub/out").symlink_to("../../home/secret")
    (top / "chain").symlink_to("sub/out")
    (top / "home").symlink_to("../home")
    (top / "gone").symlink_to("/no/such/file")
    # A name that begins like that of the context is not in it.
    (tmp_path / "context2").write_text("secret")
    (top / "sibling").symlink_to("../context2")
    return top


def build(context: Path, line: str, ignore: list[str] | None = None) -> None:
    Sandbox.create(
        image=Image.debian_slim().dockerfile_commands(line, context_dir=context, ignore=ignore)
    )


def uploaded(fake: FakeSandboxes) -> list[str]:
    return [each.filename for each in fake.rpcs.of("MountGetOrCreate").last.files]


def contents(fake: FakeSandboxes) -> set[bytes]:
    return {each.data for each in fake.rpcs.of("MountPutFile")}


@pytest.mark.parametrize(
    "line", ["COPY . /x", "ADD . /x/", "RUN --mount=target=/m true", "COPY * /x/"]
)
@pytest.mark.parametrize("linked", [False, True])
def test_a_link_out_of_the_context_is_not_followed(
    fake_sandboxes: FakeSandboxes, context: Path, tmp_path: Path, line: str, linked: bool
) -> None:
    (tmp_path / "link").symlink_to(context)
    build(tmp_path / "link" if linked else context, line)
    links = ["/chain", "/gone", "/home", "/inside", "/out", "/sibling"]
    assert uploaded(fake_sandboxes) == [*links, "/sub", "/sub/file", "/sub/inside", "/sub/out"]
    assert b"secret" not in contents(fake_sandboxes)
    assert b"file" in contents(fake_sandboxes)


@pytest.mark.parametrize(
    ("line", "link"),
    [
        ("COPY out /x", "out"),
        ("COPY ./sub/file /sub/out /x/", "sub/out"),
        ("ADD chain /x", "chain"),
        ('COPY ["home/secret", "/x"]', "home"),
        ("COPY home /x", "home"),
        ("COPY gone /x", "gone"),
        ("COPY sibling /x", "sibling"),
        ("RUN --mount=source=out,target=/m true", "out"),
        ("ONBUILD COPY out /x", "out"),
    ],
)
def test_a_link_out_of_the_context_is_refused_by_name(
    fake_sandboxes: FakeSandboxes, context: Path, line: str, link: str
) -> None:
    with pytest.raises(
        exceptions.InvalidError, match=f"link '{link}' leads out of the build context"
    ):
        build(context, line)
    assert not fake_sandboxes.rpcs.of("MountPutFile")


def test_a_link_that_a_line_names_comes_with_what_it_leads_to(
    fake_sandboxes: FakeSandboxes, context: Path
) -> None:
    (context / "other").mkdir()
    (context / "other/by name").symlink_to("../inside")
    (context / "dir").symlink_to("sub/../sub")
    build(context, 'COPY ["other/by name", "/x"]')
    assert uploaded(fake_sandboxes) == ["/inside", "/other/by name", "/sub/file"]
    build(context, "COPY dir/file /x/")
    assert uploaded(fake_sandboxes) == ["/dir", "/sub/file"]
    build(context, "COPY other/* di[r] /x/")
    names = ["/dir", "/inside", "/other/by name", "/sub", "/sub/file", "/sub/inside", "/sub/out"]
    assert uploaded(fake_sandboxes) == names
    (context / "loop").symlink_to("loop")
    with pytest.raises(exceptions.InvalidError, match=r"'loo\*' is not among the 3 files"):
        build(context, "COPY loo* inside /x/")


def test_links_and_directories_are_copied_as_at_docker(
    fake_sandboxes: FakeSandboxes, context: Path
) -> None:
    (context / "empty").mkdir(mode=0o750)
    (context / "dir").symlink_to("sub")
    for line in ("COPY . /x", "COPY sub dir inside /y/", "COPY empty /z"):
        image = Image.debian_slim().dockerfile_commands(line, context_dir=context)
        sandbox = Sandbox.create(image=image)
        if line == "COPY . /x":
            assert sandbox.run("readlink", "/x/dir", "/x/inside", "/x/out").stdout.split() == [
                "sub",
                "sub/file",
                str(context.parent / "home/secret"),
            ]
            assert sandbox.run("cat", "/x/inside").stdout == "file"
            assert sandbox.filesystem.stat("/x/empty").mode & 0o777 == 0o750
        elif "dir" in line:
            assert sandbox.run("ls", "/y").stdout.split() == ["file", "inside", "out"]
            assert sandbox.run("readlink", "/y/inside").stdout == ""
        else:
            assert sandbox.run("ls", "-d", "/z").stdout == "/z\n"


def test_a_directory_that_is_added_may_have_links_out_of_it(
    fake_sandboxes: FakeSandboxes, context: Path
) -> None:
    Sandbox.create(image=Image.host().add_local_dir(context, "/x", ignore=["sub", "sibling"]))
    assert uploaded(fake_sandboxes) == ["/x/chain", "/x/inside", "/x/out"]


def test_a_file_that_becomes_a_link_is_not_read(context: Path) -> None:
    tree = directory(context, "/", lambda path: path.name != "file", as_it_is=True)
    (found,) = tree.files()
    (context / "sub/file").unlink()
    (context / "sub/file").symlink_to(context / "out")
    with pytest.raises(exceptions.InvalidError, match="sub/file' leads out of the build context"):
        found.open()


def test_a_link_that_is_turned_back_after_it_was_opened_is_not_read(
    context: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real = context / "out", os.path.realpath

    def turned(name: Path) -> str:
        path.unlink()
        path.symlink_to("sub/file")
        return str(real(name))

    monkeypatch.setattr("os.path.realpath", turned)
    with pytest.raises(exceptions.InvalidError, match="out of the build context"):
        TreeFile(path, "/out", context).open()


@pytest.mark.parametrize("added", [False, True])
def test_a_name_that_is_not_utf8_is_refused(
    fake_sandboxes: FakeSandboxes, tmp_path: Path, added: bool
) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff")).write_text("")
    image = (
        Image.host().add_local_dir(tmp_path, "/x")
        if added
        else Image.debian_slim().dockerfile_commands("COPY . /x", context_dir=tmp_path)
    )
    with pytest.raises(exceptions.InvalidError, match=r"bad\\xff' is not UTF-8.*ignore"):
        Sandbox.create(image=image)
    (tmp_path / "good").write_text("")
    build(tmp_path, "COPY . /x", ["bad*"])
    assert uploaded(fake_sandboxes) == ["/good"]
