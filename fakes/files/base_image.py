"""What a fresh sandbox in memory holds: the folders of a small Linux, and its programs."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import lru_cache

from .disk import Disk, DiskSnapshot
from .trees import put
from .vfs import Filesystem

_FOLDERS = (
    *("/bin", "/dev", "/etc", "/home", "/opt", "/proc", "/root", "/run", "/sbin", "/srv", "/sys"),
    *("/usr", "/usr/bin", "/usr/lib", "/usr/local", "/usr/local/bin", "/usr/local/sbin"),
    *("/usr/sbin", "/usr/share", "/var", "/var/lib", "/var/log"),
)
_DEVICES = {
    **{name: name for name in ("null", "zero", "full", "random", "tty")},
    "urandom": "random",
}
_OPEN_TO_ALL = ("/tmp", "/var/tmp", "/dev/shm")
#: What the files of built-in programs begin with; the name of the program follows.
MAGIC = b"\x7fpytest-sandbox program "
_FILES = {
    "/etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "/etc/hosts": "127.0.0.1\tlocalhost\n",
    "/etc/passwd": (
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    ),
}


def base_image(
    programs: Iterable[str], files: Mapping[str, bytes], now_ns: int, disk: int
) -> DiskSnapshot:
    """The filesystem that every task of an engine starts with.

    Args:
        programs: names of the built-in programs.
        files: further files, absolute path to content; folders above are made.
        now_ns: what they are stamped with, nanoseconds since the epoch.
        disk: bytes of file content that there is room for.
    """
    bare = _bare_image(tuple(programs), now_ns, disk)
    if not files:
        return bare
    fs = Filesystem(bare.restore(lambda: now_ns))
    for path, data in files.items():
        put(fs, path, data)
    return fs.disk.snapshot()


@lru_cache(maxsize=8)  # what is never changed can be shared, by all engines of a run of tests
def _bare_image(programs: tuple[str, ...], now_ns: int, disk: int) -> DiskSnapshot:
    fs = Filesystem(Disk(lambda: now_ns, size=disk))
    for folder in _FOLDERS:
        fs.mkdir(folder, 0o755)
    for folder in _OPEN_TO_ALL:
        fs.mkdir(folder, 0o777)
        fs.chmod(folder, 0o1777)
    fs.chmod("/root", 0o700)
    add_devices(fs)
    for name in programs:
        # A shell is in /bin, and so is everything else; /usr/bin has the same names.
        put(fs, f"/bin/{name}", MAGIC + name.encode() + b"\n", 0o755)
        fs.link(f"/bin/{name}", f"/usr/bin/{name}")
    for path, text in _FILES.items():
        put(fs, path, text.encode())
    return fs.disk.snapshot()


def add_devices(fs: Filesystem) -> None:
    """Make the devices that are not there."""
    for name, device in _DEVICES.items():
        with suppress(OSError):
            fs.mknod(f"/dev/{name}", device)


def filesystem(start: DiskSnapshot, now_ns: Callable[[], int]) -> Filesystem:
    """What a sandbox sees that starts with these files: shared memory has a disk of its own."""
    fs = Filesystem(start.restore(now_ns))
    with suppress(OSError):  # an image may have something else there
        fs.mount("/dev/shm", Disk(now_ns, size=start.size, mode=0o1777), permanent=True)
    return fs
