"""Registries that are busy, break off, or do not answer."""

import socket
import time
from typing import Any

import pytest

from pytest_sandbox.images import (
    ImageStore,
    RegistryUnreachable,
)

from .made import Made, image
from .pulling import LARGE, check, pull, settings
from .registry import Handler, Registry, always, times


@pytest.mark.parametrize(
    ("status", "headers", "waited"),
    [
        (429, {"Retry_After": "7"}, [7.0, 7.0]),
        (503, {}, [0.25, 0.5]),
        (429, {"Retry_After": "soon"}, [0.25, 0.5]),
    ],
)
def test_a_busy_registry_is_asked_again(
    registry: Registry,
    store: ImageStore,
    status: int,
    headers: Any,
    waited: list[float],
) -> None:
    name = registry.add("x:1", image())
    registry.answers["/v2/x/manifests"] = times(2, always(status, **headers))
    waits: list[float] = []

    pull(name, store, settings(wait=waits.append))

    assert waits == waited


def test_a_registry_that_is_always_busy(registry: Registry, store: ImageStore) -> None:
    name = registry.add("x:1", image())
    said = b'{"errors": [{"code": "TOOMANYREQUESTS", "message": "slow down"}]}'
    registry.answers["/v2/x/manifests"] = always(429, said, Retry_After="3600")

    with pytest.raises(RegistryUnreachable, match=r"limits how often.*slow down.*log in"):
        pull(name, store)
    assert len(registry.asked) == 1

    registry.answers["/v2/x/manifests"] = always(500)
    with pytest.raises(RegistryUnreachable, match="answers with status 500"):
        pull(name, store)


def cut(at: int) -> Any:
    """An answer that breaks off."""

    def answer(handler: Handler) -> bool:
        made = handler.registry.images["x:1"]
        data = made.blobs[handler.path.rpartition("/")[2]]
        start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
        if len(data) < 1000:
            return False
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Length", str(len(data) - start))
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        handler.end_headers()
        handler.wfile.write(data[start : start + at])
        handler.wfile.flush()
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True
        return True

    return answer


def test_a_download_goes_on_where_it_broke_off(registry: Registry, store: ImageStore) -> None:
    made = image({"large": LARGE}, compress=lambda data: data)
    name = registry.add("x:1", made)
    registry.answers["/v2/x/blobs"] = times(3, cut(1000))

    check(pull(name, store), made)

    ranges = [each.headers.get("Range") for each in registry.asked if made.layers[0] in each.path]
    assert ranges == [None, "bytes=1000-", "bytes=2000-"]


def test_a_registry_that_cannot_continue_begins_again(
    registry: Registry, store: ImageStore
) -> None:
    made = image({"large": LARGE}, compress=lambda data: data)
    name = registry.add("x:1", made)

    def without_ranges(handler: Handler) -> bool:
        del handler.headers["Range"]
        return False

    registry.answers["/v2/x/blobs/" + made.layers[0]] = times(1, cut(1000))
    registry.answers["/v2/x/blobs"] = without_ranges

    check(pull(name, store), made)


def test_a_download_that_breaks_off_for_ever(registry: Registry, store: ImageStore) -> None:
    made = image({"large": LARGE}, compress=lambda data: data)
    registry.answers["/v2/x/blobs"] = cut(1)

    with pytest.raises(RegistryUnreachable, match="cannot be reached: "):
        pull(registry.add("x:1", made), store)
    assert not store.has_blob(made.layers[0])
    assert len(registry.paths(made.layers[0])) == 5


def test_a_registry_that_is_not_there(store: ImageStore) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        name = f"127.0.0.1:{taken.getsockname()[1]}/x:1"
        with pytest.raises(
            RegistryUnreachable, match=r"127.0.0.1:\d+/x:1: the registry .*cannot be reached.*proxy"
        ):
            pull(name, store)


def test_a_registry_that_does_not_answer(store: ImageStore) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        name = f"127.0.0.1:{silent.getsockname()[1]}/x:1"
        with pytest.raises(RegistryUnreachable, match="timed out"):
            pull(name, store, settings(timeout=0.05))


@pytest.mark.parametrize("path", ["manifests", "blobs"])
def test_a_registry_that_sends_a_byte_now_and_then(
    registry: Registry, store: ImageStore, path: str
) -> None:
    def drip(handler: Handler) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        while True:
            handler.wfile.write(b" ")
            time.sleep(0.005)

    made = image({"large": LARGE}, compress=lambda data: data)
    registry.answers[f"/v2/x/{path}"] = drip if path == "manifests" else drip_layer(made, drip)

    with pytest.raises(RegistryUnreachable, match=r"bytes in 0 seconds"):
        pull(registry.add("x:1", made), store, settings(timeout=0.05))


def drip_layer(made: Made, drip: Any) -> Any:
    return lambda handler: handler.path.endswith(made.layers[0]) and drip(handler)
