"""What a hostile program leaves in a volume, and methods that work on its files from outside."""

from __future__ import annotations

import contextlib
import io
import uuid
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox import Sandbox, Volume
from pytest_sandbox.client.exceptions import (
    AlreadyExistsError,
    ConflictError,
    InvalidError,
    NotFoundError,
    ResourceExhaustedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: What the methods may raise while a program swaps what they work on.
RACES = (InvalidError, NotFoundError, ConflictError, AlreadyExistsError, OSError)


@pytest.fixture
def volume(sandbox_factory: Callable[..., Sandbox]) -> Iterator[Volume]:
    with Volume.ephemeral() as volume:
        yield volume


#: Swaps a directory and a link until it is killed; at no moment does either not exist.
SWAP = """
import ctypes, os, sys
os.chdir("/vol")
os.mkdir("d")
open("d/f", "w").write("own")
os.symlink(sys.argv[1], "l")
libc = ctypes.CDLL(None)
print("ready", flush=True)
while True:
    libc.renameat2(-100, b"d", -100, b"l", 2)  # RENAME_EXCHANGE
"""


def test_a_link_that_comes_and_goes_is_never_followed_to_the_machine(
    sandbox_factory: Callable[..., Sandbox], volume: Volume, tmp_path: Path
) -> None:
    """The engine itself could enter the directory of the machine that the link names."""
    outside = tmp_path / "outside"
    outside.mkdir()
    secret = uuid.uuid4().hex.encode()
    (outside / "f").write_bytes(secret)
    sandbox = sandbox_factory(volumes={"/vol": volume})
    assert next(iter(sandbox.exec("python3", "-c", SWAP, str(outside)).stdout)) == "ready\n"
    seen = set()
    for _ in range(40):
        with contextlib.suppress(*RACES):
            seen.add(b"".join(volume.read_file("d/f")))
        with contextlib.suppress(*RACES), volume.batch_upload(force=True) as batch:
            batch.put_file(io.BytesIO(b"written"), "d/new")
        with contextlib.suppress(*RACES):
            volume.copy_files(["d/f"], "d/copy")
        with contextlib.suppress(*RACES):
            volume.remove_file("d/new")
        with contextlib.suppress(*RACES):
            seen |= {entry.path.encode() for entry in volume.iterdir("/")}
    assert [path.name for path in outside.iterdir()] == ["f"]
    assert (outside / "f").read_bytes() == secret
    assert secret not in seen
    assert any(path.startswith(b"d/") for path in seen)  # some calls got through


def test_a_full_volume_is_said_and_can_be_emptied(
    sandbox_factory: Callable[..., Sandbox], volume: Volume
) -> None:
    sandbox = sandbox_factory(volumes={"/vol": volume})
    sandbox.run("sh", "-c", "fallocate -l $(df --output=avail -B1 /vol | tail -n 1) /vol/all")

    def upload() -> None:
        with volume.batch_upload() as batch:
            batch.put_file(io.BytesIO(bytes(1024**2)), "more")

    with pytest.raises(ResourceExhaustedError, match="No space left"):
        upload()
    assert [entry.path for entry in volume.listdir("/")] == ["all"]
    volume.remove_file("all")
    upload()
    assert sandbox.run("stat", "-c", "%s", "/vol/more").stdout == f"{1024**2}\n"
