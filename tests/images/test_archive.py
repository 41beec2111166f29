"""Archives of images: OCI layouts and what `docker save` writes, whole or damaged."""

import contextlib
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sandbox.images import (
    DamagedImage,
    ImageError,
    ImageNotFound,
    ImageStore,
    ImageTooLarge,
    ResolvedImage,
)
from pytest_sandbox.images import manifest as documents
from pytest_sandbox.images.archive import read_docker_archive, read_oci_archive

from .made import MACHINE, OTHER, Made, digest, image, index, layer, layout, packed, saved

CONFIG = {
    "Env": ["PATH=/bin", "A=b=c"],
    "WorkingDir": "/srv",
    "Entrypoint": ["/run"],
    "Cmd": ["a", "b"],
    "User": "1000",
}


def check(found: ResolvedImage, made: Made) -> None:
    """The image is the made one, and its layers are in the store."""
    assert [each.diff_id for each in found.layers] == made.diff_ids
    for each in found.layers:
        assert digest(each.path.read_bytes()) == each.digest
        assert each.path.stat().st_size == each.size


@pytest.mark.parametrize("form", ["folder", "tar", "tar.gz"])
def test_an_oci_layout(tmp_path: Path, store: ImageStore, form: str) -> None:
    made = image({"a": b"1"}, {"b": b"2" * 5000}, config=CONFIG)
    path = layout(tmp_path / "layout", made)
    if form != "folder":
        path = packed(path, tmp_path / f"image.{form}", "w:gz" if form == "tar.gz" else "w")

    found = read_oci_archive(path, store)

    check(found, made)
    assert found.digest == found.pin == made.digest
    assert dict(found.config.env) == {"PATH": "/bin", "A": "b=c"}
    assert (found.config.workdir, found.config.user) == ("/srv", "1000")
    assert (found.config.entrypoint, found.config.cmd) == (("/run",), ("a", "b"))


def test_an_index_in_a_layout(tmp_path: Path, store: ImageStore) -> None:
    mine, other = image({"a": b"mine"}), image({"a": b"other"})
    attestation = image({"a": b"x"}).descriptor(
        platform={"os": "unknown", "architecture": "unknown"}
    )
    both = index({f"linux/{OTHER}": other, f"linux/{MACHINE}": mine}, attestation)

    found = read_oci_archive(layout(tmp_path / "layout", both), store)

    check(found, mine)
    assert (found.digest, found.pin) == (mine.digest, both.digest)


def test_only_another_architecture(tmp_path: Path, store: ImageStore) -> None:
    other = index({f"linux/{OTHER}": image(), "windows/amd64": image({"a": b"x"})})

    with pytest.raises(ImageNotFound, match=f"for linux/{MACHINE}, only for .*{OTHER}"):
        read_oci_archive(layout(tmp_path / "layout", other), store)


def test_a_tag_chooses(tmp_path: Path, store: ImageStore) -> None:
    one, two = image({"a": b"1"}), image({"a": b"2"})
    path = layout(tmp_path / "layout", [("1", one), ("docker.io/library/x:2", two)])

    check(read_oci_archive(path, store, "1"), one)
    check(read_oci_archive(path, store, "2"), two)
    with pytest.raises(ImageNotFound, match=r"several images.*tag=.*1, docker.io"):
        read_oci_archive(path, store)
    with pytest.raises(ImageNotFound, match=r"no image '3'; there is 1, docker.io"):
        read_oci_archive(path, store, "3")


def test_docker_save(tmp_path: Path, store: ImageStore) -> None:
    made, other = image({"a": b"1"}, {"b": b"2"}, config=CONFIG), image({"a": b"2"})

    found = read_docker_archive(saved(tmp_path / "one.tar", ("x:1", made)), store)
    check(found, made)
    assert found.config.cmd == ("a", "b")
    assert found.layers[0].digest == found.layers[0].diff_id

    path = saved(tmp_path / "two.tar", ("x:1", made), ("x:2", other))
    check(read_docker_archive(path, store, "x:2"), other)
    with pytest.raises(ImageNotFound, match=r"several images.*x:1, x:2"):
        read_docker_archive(path, store)


def test_docker_save_of_today_has_an_index(tmp_path: Path, store: ImageStore) -> None:
    made = image({"a": b"1"})
    folder = layout(tmp_path / "layout", made)
    (folder / "manifest.json").write_text("[]")

    check(read_docker_archive(packed(folder, tmp_path / "image.tar"), store), made)


def test_a_link_stands_for_a_layer_that_is_there_twice(tmp_path: Path, store: ImageStore) -> None:
    made = image({"a": b"1"})
    plain, config = layer({"a": b"1"}), {"rootfs": {"diff_ids": made.diff_ids * 2}}
    names = {"one/layer.tar": plain, "c.json": json.dumps(config).encode()}
    names["manifest.json"] = json.dumps(
        [{"Config": "c.json", "Layers": ["one/layer.tar", "two/layer.tar"]}]
    ).encode()
    path = tmp_path / "image.tar"
    with tarfile.open(path, "w") as tar:
        for name, data in names.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("two/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../one/layer.tar"
        tar.addfile(link)

    found = read_docker_archive(path, store)
    assert [each.diff_id for each in found.layers] == made.diff_ids * 2


def test_what_the_store_has_unpacked_is_not_copied(tmp_path: Path, store: ImageStore) -> None:
    made = image({"a": b"1"})
    with store.new_layer() as folder:
        store.publish_layer(made.diff_ids[0], folder, 1)

    found = read_oci_archive(layout(tmp_path / "layout", made), store)

    assert not found.layers[0].path.exists()


def test_a_file_that_is_no_archive_is_not_quoted(tmp_path: Path, store: ImageStore) -> None:
    (tmp_path / "shadow").write_text("root:$6$secret:19999:0:99999:7:::\n" * 20)

    with pytest.raises(DamagedImage, match=r"is not a tar, or is a damaged one$"):
        read_oci_archive(tmp_path / "shadow", store)
    with pytest.raises(DamagedImage, match="'/proc/self/mem' cannot be read: Input/output error"):
        read_oci_archive("/proc/self/mem", store)


def broken(tmp_path: Path, name: str, data: bytes | None) -> Path:
    path = layout(tmp_path / "layout", image({"a": b"1"}))
    target = path / (f"blobs/sha256/{name[7:]}" if name.startswith("sha256:") else name)
    target.unlink() if data is None else target.write_bytes(data)
    return path


LAYER, MANIFEST = image({"a": b"1"}).layers[0], image({"a": b"1"}).digest


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("index.json", None, "no index.json"),
        ("index.json", b"{", "not JSON"),
        ("index.json", b"[" * 100_000, "not JSON"),
        ("index.json", b"[]", "not what the format says"),
        ("index.json", b"{}", "lists no images"),
        ("index.json", b'{"manifests": [{"digest": "sha256:../../x"}]}', "not a SHA-256 digest"),
        (LAYER, None, "no file"),
        (LAYER, b"x", "1 came"),
        (LAYER, b"x" * 4096, "more came"),
        (MANIFEST, b"{}", "has the digest"),
    ],
)
def test_damaged_layouts(
    tmp_path: Path, store: ImageStore, name: str, data: bytes | None, reason: str
) -> None:
    with pytest.raises(DamagedImage, match=reason):
        read_oci_archive(broken(tmp_path, name, data), store)


def test_a_document_cannot_be_large(tmp_path: Path, store: ImageStore) -> None:
    with pytest.raises(ImageTooLarge, match="more than 4 MiB"):
        read_oci_archive(broken(tmp_path, "index.json", b" " * (5 << 20)), store)


def test_indexes_do_not_nest_for_ever(tmp_path: Path, store: ImageStore) -> None:
    made = image()
    for _ in range(4):
        made = index({f"linux/{MACHINE}": made})

    with pytest.raises(DamagedImage, match="index in an index"):
        read_oci_archive(layout(tmp_path / "layout", made), store)


@pytest.mark.parametrize("kind", ["nothing", "text", "fifo", "half"])
def test_what_is_no_archive(tmp_path: Path, store: ImageStore, kind: str) -> None:
    path = tmp_path / "image.tar.gz"
    if kind == "text":
        path.write_bytes(b"x" * 1000)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "half":
        whole = packed(layout(tmp_path / "layout", image()), path, "w:gz")
        path.write_bytes(whole.read_bytes()[:-50])
    for read in (read_oci_archive, read_docker_archive):
        with pytest.raises(ImageError, match=str(path)):
            read(path, store)


@pytest.mark.parametrize(
    "config",
    [
        {"Env": ["A=\0"]},
        {"Env": ["A=\ud800"]},
        {"Env": "A=1"},
        {"Cmd": [1]},
        {"Entrypoint": "x"},
        {"WorkingDir": 1},
        {"User": [1]},
    ],
    ids=str,
)
def test_configurations_that_no_program_can_get(
    tmp_path: Path, store: ImageStore, config: dict[str, Any]
) -> None:
    with pytest.raises(DamagedImage, match=f"{next(iter(config))} of .* is not what the format"):
        read_oci_archive(layout(tmp_path / "layout", image(config=config)), store)


def test_a_relative_working_directory_is_one_of_the_root(tmp_path: Path, store: ImageStore) -> None:
    path = layout(tmp_path / "layout", image(config={"WorkingDir": "srv"}))

    assert read_oci_archive(path, store).config.workdir == "/srv"


KEYS = "layers config manifests digest size rootfs diff_ids platform os Env Cmd User annotations"
BAD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("linux"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS.split()), inner, max_size=5)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "read",
    [
        lambda value: documents.configuration(json.dumps(value).encode(), 1, "x"),
        lambda value: documents.manifest(documents.document(json.dumps(value).encode(), "x"), "x"),
        lambda value: documents.manifests({"manifests": value}, "x"),
        lambda value: documents.manifests({"manifests": [value]}, "x"),
    ],
    ids=["configuration", "manifest", "index", "entry"],
)
@given(value=BAD)
def test_any_document_is_read_or_refused(read: Callable[[Any], object], value: Any) -> None:
    with contextlib.suppress(ImageError):
        read(value)
