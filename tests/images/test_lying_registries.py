"""Registries that lie, or never end."""

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_sandbox.images import (
    DamagedImage,
    ImageDenied,
    ImageNotFound,
    ImageStore,
    ImageTooLarge,
    RegistryUnreachable,
    parse_reference,
)
from pytest_sandbox.images.registry import Puller, PullInterrupted

from .made import digest, image
from .pulling import LARGE, pull, settings
from .registry import Handler, Registry, always


@pytest.mark.parametrize(
    ("path", "answer", "error", "reason"),
    [
        ("manifests", always(404), ImageNotFound, "has none"),
        ("manifests", always(403), ImageDenied, "without a login"),
        ("manifests", always(200, b"<html>"), DamagedImage, "not JSON"),
        ("manifests", always(200, b"[" * 99999), DamagedImage, "not JSON"),
        ("manifests", always(200, b"{}"), DamagedImage, "neither an image nor an index"),
        ("manifests", always(200, b'{"schemaVersion": 1}'), DamagedImage, "first format"),
        ("manifests", always(200, b" " * (5 << 20)), ImageTooLarge, "without an end"),
        (
            "manifests",
            always(200, b"{}", Docker_Content_Digest=digest(b"x")),
            DamagedImage,
            "something else",
        ),
        (
            "manifests",
            always(200, json.dumps({"manifests": [{}] * 1001}).encode()),
            ImageTooLarge,
            "1001 manifests",
        ),
        (
            "manifests",
            always(200, json.dumps({"layers": [{}] * 128, "config": {}}).encode()),
            ImageTooLarge,
            "128 layers",
        ),
        ("manifests", always(401, WWW_Authenticate="Basic"), ImageDenied, "without a login"),
        ("manifests", always(401), ImageDenied, "without a login"),
        (
            "manifests",
            always(401, WWW_Authenticate='Bearer realm="file:///x"'),
            RegistryUnreachable,
            "not an address of HTTP",
        ),
        (
            "manifests",
            always(401, WWW_Authenticate='Bearer realm="http://169.254.169.254/latest"'),
            RegistryUnreachable,
            "not encrypted",
        ),
        ("blobs", always(404), ImageNotFound, "has none"),
        ("blobs", always(200, b""), DamagedImage, "0 bytes, not"),
        ("blobs", always(200, b"x"), DamagedImage, "1 bytes, not"),
        ("blobs", always(200, b"x" * 9999), DamagedImage, "9999 bytes, not"),
        ("blobs", always(206, b"x", Content_Range="bytes 7-8/9"), DamagedImage, "1 bytes, not"),
    ],
)
def test_lies(
    registry: Registry, store: ImageStore, path: str, answer: Any, error: Any, reason: str
) -> None:
    name = registry.add("x:1", image())
    registry.answers[f"/v2/x/{path}"] = answer

    with pytest.raises(error, match=reason) as caught:
        pull(name, store)

    assert name in str(caught.value)
    assert len(registry.asked) < 20
    assert store.tags() == {}


def test_a_layer_with_another_digest(registry: Registry, store: ImageStore) -> None:
    made = image({"a": b"1"})
    name = registry.add("x:1", made)
    size = len(made.blobs[made.layers[0]])
    registry.answers[f"/v2/x/blobs/{made.layers[0]}"] = always(200, b"x" * size)

    with pytest.raises(DamagedImage, match=f"{made.layers[0]} came with the digest sha256:"):
        pull(name, store)
    assert not store.has_blob(made.layers[0])


def test_a_layer_without_an_end(registry: Registry, store: ImageStore) -> None:
    made = image({"a": b"1"})
    name = registry.add("x:1", made)

    def endless(handler: Handler) -> bool:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        while True:
            handler.wfile.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")

    registry.answers[f"/v2/x/blobs/{made.layers[0]}"] = endless
    with pytest.raises(DamagedImage, match="more came"):
        pull(name, store)


def test_a_login_that_is_asked_for_again_and_again(registry: Registry, store: ImageStore) -> None:
    registry.answers["/v2"] = always(
        401, WWW_Authenticate=f'Bearer realm="http://{registry.host}/token"'
    )

    with pytest.raises(ImageDenied):
        pull(registry.add("x:1", image()), store)

    assert len(registry.paths("/token")) == 1


def test_an_image_that_is_larger_than_the_store(registry: Registry, tmp_path: Path) -> None:
    name = registry.add("x:1", image({"a": LARGE}, compress=lambda data: data))
    store = ImageStore(tmp_path / "small", limit=4000)

    with pytest.raises(ImageTooLarge, match="PYTEST_SANDBOX_IMAGES_SIZE"):
        pull(name, store)
    assert not any(path for path in registry.paths("blobs") if "layer" in path)
    store.close()


def test_a_pull_can_be_stopped(registry: Registry, store: ImageStore) -> None:
    name = registry.add("x:1", image())
    puller = Puller(parse_reference(name), store, settings())
    found = puller.resolve()

    def stop(handler: Handler) -> bool:
        puller.stop()
        return False

    registry.answers["/v2/x/blobs"] = stop

    with pytest.raises(PullInterrupted):
        puller.download(found)
    registry.answers.clear()
    puller.download(found)
    assert puller.missing(found) == []
