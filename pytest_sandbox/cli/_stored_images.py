"""What the commands say about the store of images, and removing what is in it."""

import asyncio
import contextlib
import importlib.util
import os
import sys
from datetime import datetime
from pathlib import Path

from pytest_sandbox._shared.install_command import install_command
from pytest_sandbox._shared.on_disk.stored_snapshots import folder_of, remove_all, stored_snapshots
from pytest_sandbox.engine import EngineError
from pytest_sandbox.images import ImageError, ImageStore, StoredPart


def describe_store() -> str:
    """One line about the store: how much is in it, where, and what it can read."""
    try:
        store = ImageStore.of_environment(os.environ)
    except ImageError as error:
        return str(error)
    total = _size(sum(part.size for part in store.parts()))
    images = len(store.tags())
    named = f"{images} name{'' if images == 1 else 's'} of images"
    zstd = "" if _reads_zstd() else f"; no zstd: {install_command('images')}"
    return f"{named}, {total} of at most {_size(store.limit)} in {store.folder}{zstd}"


def prune_images(*, remove: bool) -> int:
    """List what is stored, the least recently used first, and remove it if that is asked for.

    That is images of registries, and what runs have stored of builds and templates.

    Returns:
        0; 1 if something was to be removed and is in use, or cannot be removed.
    """
    try:
        store = ImageStore.of_environment(os.environ)
    except ImageError as error:
        print(f"pytest-sandbox prune: {error}", file=sys.stderr)
        return 1
    for name, digest in store.tags().items():
        print(f"{name} is {digest}")
    parts = store.parts()
    try:
        removed = {part.digest for part in _remove(store)} if remove else set()
    except (OSError, EngineError) as error:
        print(f"pytest-sandbox prune: {store.folder} cannot be emptied: {error}", file=sys.stderr)
        return 1
    for part in parts:
        used = _moment(part.used)
        state = ": in use by a run" if part.in_use else ""
        state = ": removed" if part.digest in removed else state
        print(f"{part.kind} {part.digest}, {_size(part.size)}, used {used}{state}")
    try:
        _prune_snapshots(remove=remove)
    except OSError as error:
        print(f"pytest-sandbox prune: {error}", file=sys.stderr)
        return 1
    return 1 if remove and any(part.digest not in removed for part in parts) else 0


def _prune_snapshots(*, remove: bool) -> None:
    folder = folder_of(os.environ)
    stored = stored_snapshots(folder)
    if remove:
        remove_all(folder)
    for each in stored:
        kind = "layer of a build" if each.is_layer else "image of a template"
        state = ": removed" if remove else ""
        print(f"{kind} {each.name[:12]}, {_size(each.size)}, used {_moment(each.used)}{state}")


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")


def _remove(store: ImageStore) -> list[StoredPart]:
    """Remove all that nothing uses."""
    has_layers = any(part.kind == "layer" for part in store.parts())
    if os.geteuid() == 0 or not has_layers:
        return store.shrink(0)
    # Files of unpacked layers are those of other user ids, which only an engine can act as.
    return asyncio.run(_remove_by_engine(store.folder))


async def _remove_by_engine(folder: Path) -> list[StoredPart]:
    from pytest_sandbox.local import LocalEngine

    engine = LocalEngine()
    await engine.start()
    try:
        store = engine.image_store
        assert store.folder == folder
        return await asyncio.to_thread(store.shrink, 0)
    finally:
        await engine.close()


def _reads_zstd() -> bool:
    if sys.version_info >= (3, 14):
        return True
    with contextlib.suppress(ModuleNotFoundError):  # there is no `backports` at all
        return importlib.util.find_spec("backports.zstd") is not None
    return False


def _size(count: int) -> str:
    """Bytes as people read them."""
    amount = float(count)
    for unit in ("bytes", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} GB"
