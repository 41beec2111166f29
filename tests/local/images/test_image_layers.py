"""Layers of images, and what they become when they are unpacked."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox.engine import (
    InvalidSpec,
)

from ..layers import (
    BUSYBOX,
    Entry,
    blob,
    busybox,
    emptied,
    file,
    folder,
    hard_link,
    image,
    link,
    removed,
    tar,
)
from .programs import _gzip, sh

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_sandbox.local import LocalEngine

    from .conftest import Make

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not BUSYBOX.exists(), reason="busybox-static is not installed"),
]


async def test_layers_are_merged(make: Make, tmp_path: Path) -> None:
    lower = blob(tmp_path, busybox(file("a/gone"), file("a/kept", b"1"), file("b/x"), file("c/y")))
    upper = blob(
        tmp_path,
        tar(
            *(removed("a/gone"), emptied("b"), file("b/new"), removed("c"), file("c/z")),
            hard_link("again", "a/kept"),
        ),
    )
    task = await make(image(lower, upper))
    assert (await sh(task, "$b find /a /b /c -type f")).split() == ["/a/kept", "/b/new", "/c/z"]
    assert await sh(task, "$b cat /again; $b stat -c %h /a/kept /again") == "1" + "2\n2\n"


async def test_a_layer_is_the_same_whichever_image_came_first(make: Make, tmp_path: Path) -> None:
    """It has files in directories that it does not have itself: they are those below."""
    lower = blob(tmp_path, tar(file("lower")))
    folders = blob(tmp_path, tar(folder("sec", 0o700), folder("tmp", 0o1777)))
    for order in ("alone lower folders", "folders lower alone"):
        layer = blob(tmp_path, busybox(file("sec/x", order.encode()), file("tmp/y")))
        images = {
            "alone": (image(layer), "755\n755\n"),
            "lower": (image(lower, layer), "755\n755\n"),
            "folders": (image(folders, layer), "700\n1777\n"),
        }
        for name in order.split():
            made, expected = images[name]
            assert await sh(await make(made), "$b stat -c %a /sec /tmp") == expected, (order, name)


async def test_a_layer_without_a_byte(make: Make, tmp_path: Path) -> None:
    """It is a tar without members."""
    for empty in (blob(tmp_path, b"", b""), blob(tmp_path, b"")):
        task = await make(image(empty, blob(tmp_path, busybox())))
        assert await sh(task, "echo fine") == "fine\n"


async def test_an_image_has_a_layer_twice(make: Make, tmp_path: Path) -> None:
    """Many images have the empty one more than once."""
    again = blob(tmp_path, tar(folder("d"), file("d/f", b"again"), removed("d/g")))
    between = blob(tmp_path, busybox(file("d/f", b"between"), file("d/g"), file("d/h")))
    task = await make(image(again, between, again, blob(tmp_path, tar()), blob(tmp_path, tar())))
    assert await sh(task, "$b ls /d; $b cat /d/f") == "f\nh\nagain"


async def test_a_layer_that_hides_all_below(make: Make, tmp_path: Path) -> None:
    lower = blob(tmp_path, tar(file("old")))
    task = await make(image(lower, blob(tmp_path, busybox(Entry(".wh..wh..opq")))))
    assert "old" not in (await sh(task, "$b ls /")).split()


async def test_what_the_image_has_where_the_kernel_shows_something(
    make: Make, tmp_path: Path
) -> None:
    """Names of hosts are the sandbox's; devices of an image are never there."""
    layer = busybox(
        link("etc/hosts", "/proc/self/environ"),
        link("etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf"),
        file("dev/null", b"not null"),
        Entry("dev/kmsg", kind=b"3", device=(1, 11), mode=0o666),
        file("proc/x"),
        folder("tmp", 0o700),
    )
    task = await make(image(blob(tmp_path, layer)))
    assert (await sh(task, "$b cat /etc/hosts")).startswith("127.0.0.1\tlocalhost")
    assert await sh(task, "$b cat /etc/resolv.conf; $b stat -c %a /tmp; $b cat /dev/null") == (
        "700\n"
    )
    assert await sh(task, "test -e /dev/kmsg || echo none; test -e /proc/x || echo none") == (
        "none\n" * 2
    )


@pytest.mark.parametrize("name", ["proc", "dev", "sys"])
async def test_a_link_in_place_of_a_mount_point(make: Make, tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidSpec, match=f"cannot be a root: '/{name}.*' of the image"):
        await make(image(blob(tmp_path, busybox(link(name, "/busybox")))))


async def test_files_of_other_owners(engine: LocalEngine, make: Make, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    capability = bytes([1, 0, 0, 2, 0, 4, 0, 0, *bytes(12)]).decode()
    layer = busybox(
        file("f", uid=1000, gid=65534),
        Entry("nc", BUSYBOX.read_bytes(), mode=0o755, records={_CAPABILITY: capability}),
    )
    task = await make(image(blob(tmp_path, layer)))
    assert await sh(task, "$b stat -c %u:%g /f /busybox") == "1000:65534\n0:0\n"
    assert await sh(task, "echo new > /f; $b stat -c %u:%g /f") == "1000:65534\n"


_CAPABILITY = "SCHILY.xattr.security.capability"


async def test_compressions(make: Make, tmp_path: Path) -> None:
    data = busybox(file("f", b"x" * 3_000_000))
    half = len(data) // 2
    halves = data[:half], data[half:]
    members = b"".join(map(_gzip, halves)) + bytes(512)
    skipped = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"note"
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    frames = skipped + b"".join(map(pytest.importorskip(name).compress, halves))
    for packed in (data, members, frames):
        task = await make(image(blob(tmp_path, data, packed), blob(tmp_path, tar(file("g")))))
        assert await sh(task, "$b wc -c < /f") == "3000000\n"
