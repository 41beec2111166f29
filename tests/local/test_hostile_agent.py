"""Whatever sits at the other end of a sandbox's socket: nothing hurts the engine, nothing hangs."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from pytest_sandbox.engine import ExitStatus, TaskEnded
from pytest_sandbox.local.engine.files import LocalFiles
from pytest_sandbox.local.engine.links.agent_link import AgentLink, BuildFailed
from pytest_sandbox.local.engine.ports import LocalPorts

pytestmark = pytest.mark.asyncio


class Peer:
    """The hostile end."""

    def __init__(self, link: AgentLink, sock: socket.socket) -> None:
        self.link = link
        self.sock = sock
        self.lost = 0

    def say(self, message: Any, *fds: int) -> None:
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        socket.send_fds(self.sock, [data], list(fds))


@pytest_asyncio.fixture
async def peer() -> AsyncIterator[Peer]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    peers: list[Peer] = []

    def lost() -> None:
        peers[0].lost += 1

    peers.append(Peer(AgentLink(ours, set(), lost), theirs))
    yield peers[0]
    peers[0].link.task_ended()
    theirs.close()


async def ask(peer: Peer) -> "asyncio.Future[Any]":
    """A request that is under way; its number is 1."""
    future = asyncio.ensure_future(peer.link.request("stat", path="/"))
    await asyncio.sleep(0)
    return future


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"nonsense",
        b"[1]",
        b"x" * 100_000,
        {"unknown": 1},
        {"ready": "yes"},
        {"id": 1},
        {"id": [1], "ok": {}},
        {"id": 1, "error": 5},
        {"id": 1, "error": {"errno": "many", "text": "", "path": ""}},
        {"id": 1, "error": {"errno": 1e400, "text": "", "path": ""}},
        {"exit": {}, "status": 0},
        {"exit": 1},
        {"exit": 1, "status": None},
        {"failed": None},
    ],
)
async def test_who_breaks_the_protocol_is_not_talked_to_any_more(peer: Peer, message: Any) -> None:
    pending = await ask(peer)
    peer.say(message)
    with pytest.raises(TaskEnded):
        await asyncio.wait_for(pending, 30)
    assert peer.lost == 1
    with pytest.raises(TaskEnded):
        await peer.link.request("stat", path="/")


@pytest.mark.parametrize("value", [None, 1, "x", []])
async def test_an_answer_that_is_no_object_ends_that_call(peer: Peer, value: Any) -> None:
    pending = await ask(peer)
    peer.say({"id": 1, "ok": value})
    with pytest.raises(TaskEnded):
        await asyncio.wait_for(pending, 30)


async def test_answers_to_nobody_are_ignored(peer: Peer) -> None:
    pending = await ask(peer)
    peer.say({"id": 77, "ok": {}})
    peer.say({"id": -1, "error": {"errno": 1, "text": "", "path": ""}})
    peer.say({"exit": 99, "status": 0})
    peer.say({"id": 1, "ok": {"entry": "x"}})
    assert await asyncio.wait_for(pending, 30) == {"entry": "x"}


@pytest.mark.parametrize(
    "message",
    [{"id": 1, "ok": {}}, {"id": 50, "ok": {}}, {"exit": 5, "status": 0}, {"ready": True}, b"bad"],
)
async def test_descriptors_that_nobody_asked_for_are_closed(peer: Peer, message: Any) -> None:
    pending = await ask(peer)
    read, write = os.pipe()
    peer.say(message, write, write)
    os.close(write)
    peer.sock.close()
    await asyncio.wait([pending])
    pending.exception()
    os.set_blocking(read, False)
    assert os.read(read, 1) == b""  # the end: nobody holds the other side
    os.close(read)


async def test_descriptors_that_come_just_when_their_caller_leaves_are_closed(peer: Peer) -> None:
    pending = asyncio.ensure_future(peer.link.request_descriptors("open", path="/"))
    await asyncio.sleep(0)
    read, write = os.pipe()
    peer.say({"id": 1, "ok": {}}, write)
    os.close(write)
    peer.link.drain()
    pending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pending
    await asyncio.sleep(0)
    os.set_blocking(read, False)
    assert os.read(read, 1) == b""  # the end: nobody holds the other side
    os.close(read)


async def test_a_terminal_instead_of_a_file_is_refused(peer: Peer) -> None:
    pending = asyncio.ensure_future(LocalFiles(peer.link).open("/f", os.O_RDONLY))
    await asyncio.sleep(0)
    read, write = os.pipe()
    peer.say({"id": 1, "ok": {}}, read)
    with pytest.raises(OSError, match="something else"):
        await asyncio.wait_for(pending, 30)
    os.close(read)
    os.close(write)


@pytest.mark.parametrize("kinds", [[], ["file"], ["unix"], ["udp"], ["tcp6"], ["tcp", "tcp"]])
async def test_what_is_no_connection_is_refused(peer: Peer, kinds: list[str]) -> None:
    make = {
        "file": lambda: os.open("/dev/null", os.O_RDWR),
        "unix": lambda: socket.socket(socket.AF_UNIX).detach(),
        "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).detach(),
        "tcp": lambda: socket.socket(socket.AF_INET).detach(),
        "tcp6": lambda: socket.socket(socket.AF_INET6).detach(),
    }
    pending = asyncio.ensure_future(LocalPorts(peer.link).connect(80))
    await asyncio.sleep(0)
    fds = [make[kind]() for kind in kinds]
    peer.say({"id": 1, "ok": {}}, *fds)
    for fd in fds:
        os.close(fd)
    await asyncio.wait_for(answered(peer, {"id": 2, "error": _REFUSED}), 30)
    with pytest.raises(ConnectionRefusedError, match="something else than the connection"):
        await asyncio.wait_for(pending, 30)


_REFUSED = {"errno": 111, "text": "refused", "path": ""}


async def answered(peer: Peer, answer: dict[str, Any]) -> None:
    """Give an answer once it is asked for."""
    while True:
        await asyncio.sleep(0)
        try:
            data = peer.sock.recv(100_000, socket.MSG_DONTWAIT)
        except BlockingIOError:
            continue
        if json.loads(data)["id"] == answer["id"]:
            peer.say(answer)
            return


@pytest.mark.parametrize("entry", [None, [], {}, [1] * 7, ["x"] * 8, [1e400] * 8])
async def test_a_description_that_makes_no_sense_is_an_error(peer: Peer, entry: Any) -> None:
    pending = asyncio.ensure_future(LocalFiles(peer.link).stat("/f"))
    await asyncio.sleep(0)
    peer.say({"id": 1, "ok": {"entry": entry}})
    with pytest.raises(OSError, match="makes no sense"):
        await asyncio.wait_for(pending, 30)


async def test_names_that_are_paths_are_refused_in_a_listing(peer: Peer) -> None:
    """Somebody may join them to a folder of the machine."""
    for name in ("../../etc/passwd", "/etc/passwd", "..", "a/b", ""):
        pending = asyncio.ensure_future(LocalFiles(peer.link).listdir("/d"))
        await asyncio.sleep(0)
        request, (job_fd,) = socket_receive(peer.sock)
        job = socket.socket(fileno=job_fd)
        peer.say({"id": request["id"], "ok": {}})
        entry = [name, 0o100644, 0, 0, 0, "root", "root", 0, None]
        job.send(json.dumps({"entries": [entry]}).encode())
        with pytest.raises(OSError, match="makes no sense"):
            await asyncio.wait_for(pending, 30)
        job.close()


def socket_receive(sock: socket.socket) -> tuple[dict[str, Any], list[int]]:
    data, fds, _, _ = socket.recv_fds(sock, 100_000, 8)
    return json.loads(data), fds


class Listener:
    def __init__(self) -> None:
        self.status: ExitStatus | None = None
        self.over = False

    def exited(self, status: ExitStatus) -> None:
        self.status = status

    def task_ended(self) -> None:
        self.over = True


async def test_a_broken_exit_message_leaves_the_process_to_the_end_of_the_task(peer: Peer) -> None:
    listener = Listener()
    peer.link.exec(listener, {}, ())
    peer.say({"exit": 1, "status": "soon"})
    peer.link.drain()
    assert peer.lost == 1
    peer.link.task_ended()
    assert listener.status is None
    assert listener.over


async def test_a_sandbox_that_cannot_be_built_says_why(peer: Peer) -> None:
    pending = await ask(peer)
    peer.say({"failed": {"errno": 28, "text": "no space", "path": "/box"}})
    with pytest.raises(BuildFailed, match="no space"):
        await asyncio.wait_for(pending, 30)
