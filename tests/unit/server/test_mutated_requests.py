"""Requests of the second version of the API with several mistakes at once end in no fault of ours.

Fields that are wrong one at a time are tested for every call; here a few random ones are wrong
together, or bytes of the request are.
"""

import random

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from .harness import serve
from .test_any_message import OURS, RPCS, World, fill, is_map, part_of, put, wrong_values

#: In CI; 10,000 with the same seed and others end as these do.
REQUESTS = 150
_CHOSEN = ("V2", "TaskContainer", "TaskMount", "TaskSnapshot", "Secret", "Proxy", "SetName")
PATHS = [path for path in RPCS if any(part in path for part in _CHOSEN)]


def damaged(rng: random.Random, request: Message, world: World) -> bytes:
    """The bytes of a request in which up to four things are wrong."""
    for _ in range(rng.randint(1, 4)):
        message = request
        while fields := [each for each in message.DESCRIPTOR.fields if not is_map(each)]:
            entry = fields[rng.randrange(len(fields))]
            if entry.cpp_type != FieldDescriptor.CPPTYPE_MESSAGE:
                values = wrong_values(entry, world.known)
                put(message, entry, values[rng.randrange(len(values))])
                break
            message = part_of(message, entry)
        if rng.random() < 0.1:
            message.Clear()
    data = bytearray(request.SerializeToString())
    if data and rng.random() < 0.3:
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        del data[rng.randint(1, len(data)) :]
    return bytes(data)


@pytest.mark.asyncio
async def test_several_mistakes_at_once_are_the_fault_of_the_caller() -> None:
    rng = random.Random(11)
    failed: dict[str, bytes] = {}
    async with serve() as server:
        world = World(server)
        for _ in range(REQUESTS):
            path = rng.choice(PATHS)
            await world.prepare(path)
            handler = RPCS[path]
            request = fill(handler.request_type(), world.known, everything=rng.random() < 0.3)
            data = damaged(rng, request, world)
            error = await world.status(path, handler, data)
            if error is not None and error.status in OURS:
                failed.setdefault(f"{path} {error.status.name} {error.message}", data)
    assert failed == {}
