"""Programs whose memory is kept: each holds something that a copy has to have too.

A story defines `reply`, which tells of what it holds; `LOOP` goes behind it.
"""

#: Answers each line that it reads with what `reply` returns.
LOOP = """
import sys
print("ready", flush=True)
for line in sys.stdin:
    print(reply(), flush=True)
"""

THREADS = """
import threading, time
counts = [0] * 8
def count(i):
    while True:
        counts[i] += 1
        time.sleep(0.001)
for i in range(8):
    threading.Thread(target=count, args=(i,), daemon=True).start()
def reply():
    before = list(counts)
    while any(old == new for old, new in zip(before, counts)):
        time.sleep(0.001)
    return threading.active_count()
"""
DESCENDANTS = """
import os, signal
there, back = os.pipe(), os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            os.write(back[1], os.read(there[0], 1).upper())
    signal.pause()
def reply():
    os.write(there[1], b"x")
    return os.read(back[0], 1)
"""
SOCKETS = """
import socket
pair = socket.socketpair()
server = socket.create_server(("127.0.0.1", 5001))
tcp = socket.create_connection(("127.0.0.1", 5001)), server.accept()[0]
named = socket.socket(socket.AF_UNIX)
named.bind("/tmp/socket")
named.listen()
unix = socket.socket(socket.AF_UNIX), None
unix[0].connect("/tmp/socket")
unix = unix[0], named.accept()[0]
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 5002))
udp.connect(("127.0.0.1", 5002))
def reply():
    ends = [pair, tcp, unix, (udp, udp)]
    for number, (one, _) in enumerate(ends):
        one.send(str(number).encode())
    return [other.recv(1) for _, other in ends]
"""
FILES = """
import fcntl, mmap, os, tempfile
hosts = open("/etc/hosts")
hosts.readline()
program = open("/usr/bin/env", "rb")
program.seek(100)
shared = mmap.mmap(-1, 4096)
shared[:3] = b"map"
gone = tempfile.TemporaryFile()
gone.write(b"gone")
gone.flush()
memory = os.memfd_create("x")
os.write(memory, b"memory")
fcntl.flock(hosts, fcntl.LOCK_EX)
def locked():
    try:
        fcntl.flock(open("/etc/hosts"), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
def reply():
    kept = os.pread(gone.fileno(), 4, 0), os.pread(memory, 6, 0)
    return hosts.tell(), program.tell(), shared[:3], kept, locked()
"""
EVENTS = """
import os, select, signal, ctypes
poll, pipe = select.epoll(), os.pipe()
poll.register(pipe[0], select.EPOLLIN)
signal.setitimer(signal.ITIMER_REAL, 3600)
os.makedirs("/tmp/watched", exist_ok=True)
libc = ctypes.CDLL(None)
watch = libc.inotify_init1(0)
libc.inotify_add_watch(watch, b"/tmp/watched", 0x100)
def reply():
    os.write(pipe[1], b"x")
    ready = len(poll.poll(1))
    os.close(os.open("/tmp/watched/" + os.urandom(4).hex(), os.O_CREAT))
    due = signal.getitimer(signal.ITIMER_REAL)[0] > 1
    return ready, os.read(pipe[0], 1), due, len(os.read(watch, 99)) > 0
"""
STATES = """
import os, signal
stopped, dead = os.fork(), 0
if stopped == 0:
    while True:
        signal.pause()
os.kill(stopped, signal.SIGSTOP)
os.waitpid(stopped, os.WUNTRACED)
dead = os.fork() or os._exit(7)
os.waitid(os.P_PID, dead, os.WEXITED | os.WNOWAIT)
os.makedirs("/tmp/a/b")
os.chdir("/tmp/a/b")
def state(pid):
    return open(f"/proc/{pid}/stat").read().split()[2]
def reply():
    while state(stopped) == "R":
        pass  # it is about to stop
    return state(stopped), state(dead), os.getcwd()
"""
SHARED_MEMORY = """
from multiprocessing import shared_memory
memory = shared_memory.SharedMemory(create=True, size=9999, name="hello")
memory.buf[:2] = b"hi"
def reply():
    again = shared_memory.SharedMemory("hello")
    return bytes(memory.buf[:2]), bytes(again.buf[:2])
"""
SYSTEM_V = """
import ctypes
libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
def attach(flags):
    at = libc.shmat(libc.shmget(99, 4096, flags), None, 0)
    return ctypes.cast(at, ctypes.POINTER(ctypes.c_char))
text = attach(0o1600)
text[0] = b"v"
def reply():
    return text[0], attach(0)[0]
"""
RIGHTS = """
import os
def reply():
    lines = open("/proc/self/status").read().splitlines()
    rights = [line for line in lines if line.startswith(("Cap", "NoNewPrivs", "Seccomp", "Uid"))]
    return rights, open("/proc/self/cgroup").read(), sorted(os.listdir("/proc/self/fd"))
"""
STORIES = {
    "threads": THREADS,
    "descendants": DESCENDANTS,
    "sockets": SOCKETS,
    "files": FILES,
    "events": EVENTS,
    "states": STATES,
    "shared memory": SHARED_MEMORY,
    "system v": SYSTEM_V,
    "rights": RIGHTS,
    "many megabytes": "data = bytearray(range(256)) * 245760\ndef reply(): return data[-1]",
}

PACKETS = "import os\npipe = os.pipe2(os.O_DIRECT)\ndef reply(): return 1"
ESTRANGED = """
import os
there, back = os.pipe(), os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.setsid()
        while True:
            os.write(back[1], os.read(there[0], 1))
    os._exit(0)
os.wait()
def reply():
    os.write(there[1], b"x")
    return os.read(back[0], 1)
"""


ECHO = """
import socket, threading
server = socket.create_server(("127.0.0.1", 5001))
def serve():
    connection, _ = server.accept()
    while data := connection.recv(99):
        connection.sendall(data.upper())
threading.Thread(target=serve, daemon=True).start()
def reply(): return 1
"""
ASKS_ECHO = """
import os, socket, time
connection = socket.create_connection(("127.0.0.1", 5001))
print("connected", flush=True)
while not os.path.exists("/tmp/go"):
    time.sleep(0.01)
connection.sendall(b"abc")
with open("/tmp/part", "w") as file:
    print(connection.recv(99), end="", file=file)
os.rename("/tmp/part", "/tmp/seen")
"""
