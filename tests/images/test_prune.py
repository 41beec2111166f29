"""`prune --images` and `doctor` know the store of images."""

import os
from pathlib import Path

import pytest

from pytest_sandbox.cli import main
from pytest_sandbox.images import ImageStore

from .made import digest


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImageStore:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PYTEST_SANDBOX_IMAGES", str(tmp_path / "images"))
    return ImageStore(tmp_path / "images")


def test_nothing_is_stored(store: ImageStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prune", "--images", "--remove"]) == 0
    assert capsys.readouterr().out == ""
    assert not store.folder.exists()


def test_it_lists_and_removes(store: ImageStore, capsys: pytest.CaptureFixture[str]) -> None:
    data = [b"x" * 1500, b"in use"]
    for each in data:
        store.add_document(digest(each), each)
    os.utime(store.blob(digest(data[0])), (1, 1))
    store.remember("alpine:3.21", digest(data[0]))
    user = ImageStore(store.folder)
    user.use([digest(data[1])])

    assert main(["prune", "--images"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"alpine:3.21 is {digest(data[0])}"
    assert lines[1].startswith(f"blob {digest(data[0])}, 1.5 kB, used 1970-01-01")
    assert lines[2].startswith(f"blob {digest(data[1])}, 6 bytes, used ")
    assert lines[2].endswith(": in use by a run")

    assert main(["prune", "--images", "--remove"]) == 1
    assert ": removed" in capsys.readouterr().out
    user.close()
    assert main(["prune", "--images", "--remove"]) == 0
    assert store.parts() == []
    assert store.tags() == {}


@pytest.mark.parametrize("arguments", [[], ["--images", "/tmp/volumes"]])
def test_either_volumes_or_images(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prune", *arguments]) == 2
    assert "either a FOLDER of volumes or --images" in capsys.readouterr().err


def test_doctor_says_what_is_stored(store: ImageStore, capsys: pytest.CaptureFixture[str]) -> None:
    store.add_document(digest(b"x" * 1500), b"x" * 1500)

    main(["doctor"])

    # Without spaces: long paths are wrapped.
    said = "".join(capsys.readouterr().out.split())
    told = f"images of registries 0 names of images, 1.5 kB of at most 10.7 GB in {store.folder}"
    assert told.replace(" ", "") in said
