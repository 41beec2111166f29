"""Programs that run in sandboxes, and the same as scripts for the engine in memory."""

import asyncio
from functools import partial

from pytest_sandbox.fakes import Call, Peer

#: Listens on ports of the loopback interface, says so, and answers every connection with a word
#: for its port: `python3 -c LISTEN 8000 one 8001 two`.
LISTEN = """
import socket, sys, threading
def answer(server, word):
    while True:
        peer, _ = server.accept()
        peer.sendall(word.encode())
        peer.close()
pairs = list(zip(sys.argv[1::2], sys.argv[2::2]))
servers = [socket.create_server(("127.0.0.1", int(port))) for port, _ in pairs]
print("ready", flush=True)
for server, (_, word) in zip(servers, pairs):
    threading.Thread(target=answer, args=(server, word)).start()
"""


def answer(word: str, peer: Peer) -> bytes:
    """What is said to each connection."""
    return word.encode()


async def listen(call: Call) -> None:
    """The same for sandboxes in memory."""
    words = call.argv[3:]
    for port, word in zip(words[::2], words[1::2], strict=True):
        call.listen(int(port), partial(answer, word))
    call.out("ready\n")
    await call.flush()
    await asyncio.get_running_loop().create_future()


#: Prints what is said at a host and a port, or what went wrong: `python3 -c ASK db 8000`.
ASK = """
import socket, sys
try:
    print(socket.create_connection((sys.argv[1], int(sys.argv[2]))).recv(100).decode())
except OSError as error:
    print(type(error).__name__)
"""


async def ask(call: Call) -> str:
    """The same for sandboxes in memory."""
    try:
        connection = await call.connect(call.argv[3], int(call.argv[4]))
        return f"{(await connection.read()).decode()}\n"
    except OSError as error:
        return f"{type(error).__name__}\n"


#: Counts the lines that it is given.
COUNT = ("sh", "-c", "n=0; while read -r line; do n=$((n + 1)); echo $n; done")


async def count(call: Call) -> None:
    """The same for sandboxes in memory."""
    while await call.read():
        call.state["n"] = call.state.get("n", 0) + 1
        call.out(f"{call.state['n']}\n")
        await call.flush()
