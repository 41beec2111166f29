"""Documents of others: what is said of a bad one is short, whatever is in it."""

import json
from typing import Any

import pytest

from pytest_sandbox.images import ImageError, manifest

LONG = "x" * 100_000
DIGEST = f"sha256:{'0' * 64}"
#: A number that has as many digits as Python reads.
NUMBER = int("9" * 4000)
PLATFORM = {"os": LONG, "architecture": LONG}


def layers(**fields: Any) -> dict[str, Any]:
    part = {"digest": DIGEST, "size": 1, **fields}
    return {"config": part, "layers": [part]}


def read(found: dict[str, Any]) -> None:
    """Read a document as what it looks like."""
    data = json.dumps(found).encode()
    document = manifest.document(data, "it")
    if "rootfs" in document:
        manifest.configuration(data, 1, "it")
    elif manifest.is_index(document):
        manifest.choose(manifest.manifests(document, "it"), "amd64", "it")
    else:
        manifest.manifest(document, "it")


@pytest.mark.parametrize(
    "found",
    [
        {"manifests": LONG},
        {"manifests": {LONG: LONG}},
        {"manifests": [LONG]},
        {"manifests": [{"digest": DIGEST, "size": 1, "platform": PLATFORM}] * 2},
        {"config": 1, "layers": LONG},
        layers(digest=LONG),
        layers(digest=[LONG]),
        layers(size=NUMBER),
        layers(size=LONG),
        layers(mediaType=f"encrypted{LONG}"),
        layers(platform=LONG),
        layers(annotations=LONG),
        {"rootfs": LONG},
        {"rootfs": {"diff_ids": LONG}},
        {"rootfs": {"diff_ids": [LONG]}},
        {"rootfs": {"diff_ids": [DIGEST]}, "os": LONG},
        {"rootfs": {"diff_ids": [DIGEST]}, "config": LONG},
        {"rootfs": {"diff_ids": [DIGEST]}, "config": {"Env": [NUMBER]}},
    ],
    ids=lambda found: json.dumps(found)[:60],
)
def test_an_error_does_not_quote_a_document(found: dict[str, Any]) -> None:
    with pytest.raises(ImageError) as caught:
        read(found)

    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "data", [b"{" + LONG.encode(), b"[" * 100_000, b"\xff" * 1000, b"9" * 5000]
)
def test_an_error_does_not_quote_what_is_not_json(data: bytes) -> None:
    with pytest.raises(ImageError) as caught:
        manifest.document(data, "it")

    assert len(str(caught.value)) < 400
