"""An exported snapshot that was damaged, or made up, is refused as such."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox.engine import InvalidSpec, TaskSpec

from .conftest import shell

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from pytest_sandbox.local import LocalEngine

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: The first line of an exported snapshot.
MAGIC = b"pytest-sandbox image FILES\n"
NONSENSE: tuple[object, ...] = ([], {}, "", "..", "a/b", "\ud800", "n" * 300, -1, 2**70, 1.5, None)


def damaged(stream: bytes) -> Iterator[bytes]:
    """An exported snapshot with nonsense in each field of each record, and a right checksum."""
    records = parsed(stream)
    done = set()
    for number, (record, data) in enumerate(records[:-1]):
        for keys in fields(record):
            if (shape := (*record, "", *keys)) in done:
                continue  # that of another record of the kind
            done.add(shape)
            for value in NONSENSE:
                changed = json.loads(json.dumps(record))
                where = changed
                for key in keys[:-1]:
                    where = where[key]
                where[keys[-1]] = value
                yield written([*records[:number], (changed, data), *records[number + 1 : -1]])
        yield written([*records[:number], *records[number + 1 : -1]])
        yield written([*records[:number], (record, data), *records[number:-1]])


def fields(record: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value in a record."""
    entries = record.items() if isinstance(record, dict) else enumerate(record)
    for key, value in entries:
        yield (*above, key)
        if isinstance(value, dict | list):
            yield from fields(value, (*above, key))


def parsed(stream: bytes) -> list[tuple[dict[str, Any], bytes]]:
    """The records of an exported snapshot, and the data behind each."""
    place = len(MAGIC)
    records = []
    while place < len(stream):
        end = place + 4 + int.from_bytes(stream[place : place + 4], "big")
        record = json.loads(stream[place + 4 : end])
        data = (
            sum(size for _, size in record["parts"])
            if "name" in record and "parts" in record
            else 0
        )
        place = end + data
        records.append((record, stream[end:place]))
    return records


def written(records: list[tuple[Any, bytes]]) -> bytes:
    body = b"".join(encoded(record) + data for record, data in records)
    return MAGIC + body + encoded({"end": zlib.crc32(body)})


def encoded(record: Any) -> bytes:
    data = json.dumps(record).encode("ascii")
    return len(data).to_bytes(4, "big") + data


async def test_a_damaged_export_is_refused_as_such(engine: LocalEngine) -> None:
    """Not as one for which there is no room: then others would be evicted for it."""
    task = await engine.create(TaskSpec())
    script = "cd /srv; mkdir d; echo text >d/f; ln d/f g; ln -s /etc l; mkfifo p"
    assert (await shell(task, script)).code == 0
    image = await task.snapshot(end=True)
    stream = b"".join([data async for data in engine.export(image)])
    deep = len(b"[" * 200_000).to_bytes(4, "big") + b"[" * 200_000
    seen: Counter[str] = Counter()

    for data in [MAGIC + deep, stream[:-1], stream + b"x", *damaged(stream)]:
        try:
            loaded = await engine.load(once(data))
        except InvalidSpec:  # noqa: PERF203 - each turn is a stream
            seen["refused"] += 1
        else:
            seen["loaded"] += 1
            await engine.forget(loaded)

    assert seen["refused"] > 5 * seen["loaded"] > 0
    await engine.forget(await engine.load(once(stream)))  # it works as before
    await engine.forget(image)
    assert engine.factory.store.layers == 0


async def once(data: bytes) -> AsyncIterator[bytes]:
    yield data
