"""System calls that the standard library does not wrap, called through the C library.

Imported by the zygote and by every sandbox's PID 1, so it imports next to nothing.
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MACHINE = platform.machine()

# mount(2)
MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 0x2
UMOUNT_NOFOLLOW = 0x8

# clone(2)
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_INTO_CGROUP = 0x200000000

# open_tree(2), move_mount(2), mount_setattr(2)
AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
OPEN_TREE_CLONE = 0x1
OPEN_TREE_CLOEXEC = 0x80000
MOVE_MOUNT_F_EMPTY_PATH = 0x4
MOVE_MOUNT_T_EMPTY_PATH = 0x40
MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_IDMAP = 0x100000

# prctl(2)
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NAME = 15
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

#: Numbers that differ between architectures; those above 400 are the same everywhere.
_NUMBERS = {
    "x86_64": {"pivot_root": 155, "capset": 126, "seccomp": 317, "setns": 308},
    "aarch64": {"pivot_root": 41, "capset": 91, "seccomp": 277, "setns": 268},
}
SUPPORTED_MACHINES = frozenset(_NUMBERS)
_OPEN_TREE, _MOVE_MOUNT, _CLOSE_RANGE, _MOUNT_SETATTR = 428, 429, 436, 442
_CLONE3 = 435

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong]
_libc.mount.argtypes += [ctypes.c_char_p]
_libc.umount2.argtypes = [ctypes.c_char_p, ctypes.c_int]
_libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
_libc.syscall.restype = ctypes.c_long
# A fork must not release the interpreter's lock between the parent and the child.
_held = ctypes.PyDLL(None, use_errno=True)
_held.syscall.restype = ctypes.c_long


def _number(name: str) -> int:
    return _NUMBERS[MACHINE][name]


def _check(result: int, what: str) -> int:
    if result < 0:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno), what)
    return result


def _syscall(what: str, number: int, *args: object) -> int:
    return _check(
        _libc.syscall(
            ctypes.c_long(number),
            *(ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args),
        ),
        what,
    )


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """`mount(2)`; the error names the target."""
    result = _libc.mount(
        os.fsencode(source), os.fsencode(target), kind.encode(), flags, os.fsencode(data)
    )
    _check(result, target)


def umount(target: str, flags: int = 0) -> None:
    """`umount2(2)`."""
    _check(_libc.umount2(os.fsencode(target), flags), target)


def pivot_root(new: str, old: str) -> None:
    """`pivot_root(2)`."""
    _syscall(new, _number("pivot_root"), os.fsencode(new), os.fsencode(old))


def prctl(option: int, arg2: int = 0, arg3: int = 0, arg4: int = 0, arg5: int = 0) -> int:
    """`prctl(2)`."""
    return _check(_libc.prctl(option, arg2, arg3, arg4, arg5), f"prctl {option}")


def unshare(flags: int) -> None:
    """`unshare(2)`."""
    _check(_libc.unshare(ctypes.c_int(flags)), f"unshare {flags:#x}")


def setns(namespace: int, kind: int) -> None:
    """Enter a namespace, `setns(2)`; `kind` is its `CLONE_NEW...`."""
    _syscall("setns", _number("setns"), namespace, kind)


def close_from(first: int, last: int = 0xFFFFFFFF) -> None:
    """Close all descriptors from `first` to `last`, `close_range(2)`."""
    if first <= last:
        _syscall("close_range", _CLOSE_RANGE, first, last, 0)


class _CloneArgs(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_uint64)
        for name in (
            *("flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size"),
            *("tls", "set_tid", "set_tid_size", "cgroup"),
        )
    ]


def clone(
    flags: int, child: Callable[[], object], cgroup: int | None = None, pid: int | None = None
) -> int:
    """Fork into new namespaces: `child` runs in the new process, which ends when it returns.

    The interpreter is told of the fork as `os.fork` would tell it. Returns the child's pid.

    Args:
        flags: `CLONE_NEW...`.
        child: what the new process does.
        cgroup: folder of the cgroup, version 2, that it starts in; `None` for ours.
        pid: its number in the innermost pid namespace; `None` for the next one.
    """
    args = _CloneArgs(flags=flags, exit_signal=signal.SIGCHLD)
    number_wanted = ctypes.c_int(pid or 0)
    if pid is not None:
        args.set_tid, args.set_tid_size = ctypes.addressof(number_wanted), 1
    if cgroup is not None:
        args.flags |= CLONE_INTO_CGROUP
        args.cgroup = cgroup
    number, pointer, size = _clone_call(args)
    ctypes.pythonapi.PyOS_BeforeFork()
    pid = _held.syscall(number, pointer, size)
    if pid == 0:
        try:
            ctypes.pythonapi.PyOS_AfterFork_Child()
            child()
        finally:
            os._exit(70)
    errno = ctypes.get_errno()
    ctypes.pythonapi.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(errno, os.strerror(errno), "clone")
    return int(pid)


def _clone_call(args: _CloneArgs) -> tuple[object, object, object]:
    """Ready-made arguments: nothing may be allocated between the fork and its hooks."""
    size = ctypes.sizeof(args)
    return ctypes.c_long(_CLONE3), ctypes.byref(args), ctypes.c_size_t(size)


def open_tree(path: str, *, recursive: bool = False) -> int:
    """A detached copy of the mount at `path`, as a descriptor."""
    flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (AT_RECURSIVE if recursive else 0)
    return _syscall(path, _OPEN_TREE, AT_FDCWD, os.fsencode(path), flags)


def move_mount(
    tree: int, target: str, *, source: str = "", folder: int = AT_FDCWD, name: str = ""
) -> None:
    """Attach a detached mount, or move an attached one.

    Args:
        tree: the mount; or a folder, if `source` is given.
        target: where to; the folder `folder` itself if empty.
        source: the mount, below `tree`.
        folder: where a relative `target` begins.
        name: what an error names instead of `target`.
    """
    flags = 0 if source else MOVE_MOUNT_F_EMPTY_PATH
    flags |= 0 if target else MOVE_MOUNT_T_EMPTY_PATH
    paths = os.fsencode(source), os.fsencode(target)
    _syscall(name or target, _MOVE_MOUNT, tree, paths[0], folder, paths[1], flags)


class _MountAttr(ctypes.Structure):
    _fields_ = [
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    ]


def mount_setattr(tree: int, attributes: int, *, userns: int = 0, recursive: bool = False) -> None:
    """Set attributes of a detached mount; with `MOUNT_ATTR_IDMAP`, map ids as `userns` does."""
    attr = _MountAttr(attributes, 0, 0, userns)
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    size = ctypes.sizeof(attr)
    _syscall("mount_setattr", _MOUNT_SETATTR, tree, b"", flags, ctypes.byref(attr), size)


def capset(keep: int) -> None:
    """Reduce the effective and permitted sets to the bits of `keep`; inherit none."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    low, high = keep & 0xFFFFFFFF, keep >> 32
    data = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    _syscall("capset", _number("capset"), header, data)


class _SockFprog(ctypes.Structure):
    _fields_ = [
        ("len", ctypes.c_ushort),
        ("filter", ctypes.c_char_p),
    ]


def seccomp(program: bytes) -> None:
    """Install a BPF program as a filter of system calls."""
    mode_filter = 1
    prog = _SockFprog(len(program) // 8, program)
    _syscall("seccomp", _number("seccomp"), mode_filter, 0, ctypes.byref(prog))


@functools.cache  # a fork has it where its parent had it
def _argument_memory() -> tuple[int, int]:
    """Where the kernel put the arguments of this process: proc_pid_stat(5), fields 48 and 49."""
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    return int(fields[45]), int(fields[46])


def set_title(title: str) -> None:
    """Be shown under another name: the command line names files of the machine.

    The kernel shows whatever is in the memory where it put the arguments (proc(5), cmdline).
    """
    start, end = _argument_memory()
    if 0 < start < end:
        text = title.encode()[: end - start - 1]
        ctypes.memmove(start, text.ljust(end - start, b"\0"), end - start)
    prctl(PR_SET_NAME, ctypes.addressof(ctypes.create_string_buffer(title.encode()[:15])))
