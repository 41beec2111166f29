"""The store of images: whole or not at all, within its limit, and nothing goes that is used."""

import os
from pathlib import Path

import pytest

from pytest_sandbox.images import DamagedImage, ImageError, ImageStore, ImageTooLarge

from .made import digest


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "store", limit=100)


def add(store: ImageStore, data: bytes, *, used: float) -> str:
    store.add_document(digest(data), data)
    os.utime(store.blob(digest(data)), (used, used))
    return digest(data)


def layer(store: ImageStore, name: bytes, size: int, *, used: float) -> str:
    with store.new_layer() as folder:
        (folder / "files" / "name").write_bytes(name)
        store.publish_layer(digest(name), folder, size)
    os.utime(store.layer(digest(name)).parent, (used, used))
    return digest(name)


@pytest.mark.parametrize(
    ("size", "data", "reason"),
    [(3, b"abcd", "more came"), (5, b"abcd", "4 came"), (4, b"abce", "the digest sha256:")],
)
def test_a_blob_is_what_its_name_says(
    store: ImageStore, size: int, data: bytes, reason: str
) -> None:
    name = digest(b"abcd")

    with pytest.raises(DamagedImage, match=reason), store.writer(name, size) as write:
        write(data)

    assert not store.has_blob(name)
    assert list((store.folder / "new").iterdir()) == []


def test_what_is_larger_than_the_store_is_refused_at_once(store: ImageStore) -> None:
    with (
        pytest.raises(ImageTooLarge, match="PYTEST_SANDBOX_IMAGES_SIZE"),
        store.writer(digest(b""), 101),
    ):
        pytest.fail("it was begun")


def test_a_damaged_blob_is_removed(store: ImageStore) -> None:
    whole, damaged = add(store, b"abcd", used=1), add(store, b"abce", used=1)
    store.blob(damaged).write_bytes(b"abcf")

    assert [store.remove_damaged(each) for each in (whole, damaged, digest(b""))] == [
        False,
        True,
        False,
    ]
    assert (store.has_blob(whole), store.has_blob(damaged)) == (True, False)
    assert (store.has_blob(whole, 4), store.has_blob(whole, 5)) == (True, False)


def test_a_document_that_changed_on_disk_is_not_there(store: ImageStore) -> None:
    name = add(store, b"abcd", used=1)
    store.blob(name).write_bytes(b"abce")

    assert store.document(name, 100) is None


def test_the_least_recently_used_goes_first(store: ImageStore) -> None:
    oldest = add(store, b"a" * 40, used=1)
    tree = layer(store, b"tree", 40, used=2)
    newest = add(store, b"c" * 40, used=3)
    store.remember("old", oldest)
    store.remember("new", newest)

    assert [part.digest for part in store.shrink()] == [oldest]
    assert store.has_layer(tree)
    assert store.tags() == {"new": newest}
    assert [part.digest for part in store.shrink(0)] == [tree, newest]
    assert store.tags() == {}
    assert list((store.folder / "new").iterdir()) == []


def test_what_another_process_uses_stays(store: ImageStore) -> None:
    used, other = add(store, b"a" * 80, used=1), add(store, b"b" * 80, used=2)
    user = ImageStore(store.folder, store.limit)
    user.use([used])
    os.utime(store.blob(used), (1, 1))

    assert [part.in_use for part in store.parts()] == [True, False]
    assert [part.digest for part in store.shrink(0)] == [other]

    user.close()
    assert [part.digest for part in store.shrink(0)] == [used]
    assert list((store.folder / "users").iterdir()) == []


def test_what_a_dead_process_has_left_is_removed(store: ImageStore) -> None:
    with store.new_layer():
        pass
    (store.folder / "new" / "dead").touch()
    (store.folder / "new" / "dead.layer" / "files").mkdir(parents=True)
    (store.folder / "users").mkdir()
    (store.folder / "users" / "dead").write_text(f"{'0' * 64}\n")

    store.shrink()
    store.parts()

    assert list((store.folder / "new").iterdir()) == []
    assert list((store.folder / "users").iterdir()) == []


def test_what_is_being_written_is_not_swept(store: ImageStore) -> None:
    with store.new_layer() as folder:
        store.shrink()
        assert (folder / "files").is_dir()
        store.publish_layer(digest(b""), folder, 7)
    assert store.has_layer(digest(b""))
    with store.new_layer() as folder:
        store.publish_layer(digest(b""), folder, 8)
    assert [part.size for part in store.parts()] == [7]


def test_the_environment_names_folder_and_limit(tmp_path: Path) -> None:
    home = {"XDG_CACHE_HOME": str(tmp_path)}
    named = {**home, "PYTEST_SANDBOX_IMAGES": "/there", "PYTEST_SANDBOX_IMAGES_SIZE": "7"}

    assert ImageStore.of_environment(home).folder == tmp_path / "pytest-sandbox" / "oci"
    assert ImageStore.of_environment(named).folder == Path("/there")
    assert ImageStore.of_environment(named, "/other").folder == Path("/other")
    assert ImageStore.of_environment(named).limit == 7
    with pytest.raises(ImageError, match="'x' is not a number"):
        ImageStore.of_environment({"PYTEST_SANDBOX_IMAGES_SIZE": "x"})


def test_a_name_leads_to_a_digest(store: ImageStore) -> None:
    store.remember("alpine:3.21", digest(b"a"))

    assert store.remembered("alpine:3.21") == digest(b"a")
    assert store.remembered("alpine:3.20") is None
