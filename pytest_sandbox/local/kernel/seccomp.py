"""A filter of system calls (seccomp(2)): allows what programs need, and nothing that is newer.

It refuses calls that no sandbox needs and that had bugs, and all numbers that this list does not
know, which a later kernel may give to anything. The rest of the isolation does not depend on it; it
makes less of the kernel reachable. `docs/security.md` compares it with Docker's. A filter is
a BPF program that sees a call's number and its arguments as numbers, but not what pointers point
to, and it stays with the process and all its descendants for good
(Documentation/userspace-api/seccomp_filter.rst).

Debuggers and sanitizers work: ptrace(2), process_vm_readv(2) and process_vm_writev(2) are allowed.
The kernel lets them at a process on the same condition as it opens `/proc/PID/mem` for writing, so
they reach nothing that a program could not change before: ptrace(2), "Ptrace access mode checking".
What a tracer changes in a call of its tracee is filtered like any other call, since Linux 4.8:
seccomp(2). `pidfd_getfd` stays refused: debuggers do not use it.
"""

from __future__ import annotations

import ctypes
import errno

from . import bpf
from .calls import NOW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .calls import PreparedCalls

#: Numbers that have no meaning yet, or only on other architectures: from, and up to before.
#: Documentation/process/adding-syscalls.rst; the last known call is listns, of Linux 6.19.
UNKNOWN: dict[str, tuple[tuple[int, int], ...]] = {
    "x86_64": ((337, 424), (471, 1 << 32)),
    "aarch64": ((244, 260), (295, 424), (471, 1 << 32)),
}
#: Calls that are refused as if the kernel did not have them, so that programs use the older ones:
#: name to number on (x86_64, aarch64), None where there is no such call.
ABSENT: dict[str, tuple[int | None, int | None]] = {
    "afs_syscall": (183, None),  # as getpmsg, putpmsg, security, tuxcall, vserver: never made
    "clone3": (435, 435),  # its flags are behind a pointer, where no filter sees them
    "file_getattr": (468, 468),  # sets flags of inodes, as FS_IOC_SETFLAGS does
    "file_setattr": (469, 469),
    "getpmsg": (181, None),
    "listns": (470, 470),  # lists the namespaces of the machine
    "lsm_get_self_attr": (459, 459),  # this and the next two: security modules of the machine
    "lsm_list_modules": (461, 461),
    "lsm_set_self_attr": (460, 460),
    "putpmsg": (182, None),
    "security": (185, None),
    "tuxcall": (184, None),
    "uprobe": (336, None),  # only the kernel's own code may call it
    "vserver": (236, None),
}
#: Calls that are refused as forbidden, by name as above.
DENIED: dict[str, tuple[int | None, int | None]] = {
    "_sysctl": (156, None),
    "acct": (163, 89),  # records the end of every process of the machine
    "add_key": (248, 217),  # as keyctl, request_key: keyrings(7) belong to users, not containers
    "bpf": (321, 280),  # loads programs into the kernel
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),  # of the machine: time_namespaces(7) leave it out
    "create_module": (174, None),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),  # watches whole file systems: fanotify(7)
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),  # the newer calls for mounts, besides mount(2)
    "fspick": (433, 433),
    "get_kernel_syms": (177, None),
    "get_mempolicy": (239, 236),  # as mbind, set_mempolicy: where memory of the machine lies
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),  # makes further calls where no filter sees them
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),  # tells the order of addresses in the kernel: kcmp(2)
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "mbind": (237, 235),
    "migrate_pages": (256, 238),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),  # moves memory of other processes, as migrate_pages
    "name_to_handle_at": (303, 264),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),  # opens files by inode, outside of the root too
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "perf_event_open": (298, 241),  # measures other processes, and is a large part of the kernel
    "pidfd_getfd": (438, 438),  # takes descriptors out of other processes
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),  # evicts memory of other processes
    "query_module": (178, None),
    "quotactl": (179, 60),  # of whole file systems of the machine
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "set_mempolicy": (238, 237),
    "set_mempolicy_home_node": (450, 450),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),  # see _NEW_NAMESPACES: other namespaces may have more rights
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "sysfs": (139, None),  # obsolete: sysfs(2)
    "syslog": (103, 116),  # the kernel's messages, of the whole machine
    "umount2": (166, 39),
    "unshare": (272, 97),  # see _NEW_NAMESPACES
    "uselib": (134, None),
    "userfaultfd": (323, 282),  # stops the kernel in the middle of a copy, which attacks use
    "ustat": (136, None),
    "vhangup": (153, 58),
}

# Calls whose arguments decide.
_CLONE = (56, 220)
_FCNTL = (72, 25)
_IOCTL = (16, 29)
_PERSONALITY = (135, 92)
_PRLIMIT = (302, 261)
#: sched_setaffinity, sched_setattr, sched_setparam, sched_setscheduler.
_SCHEDULE = ((203, 122), (314, 274), (142, 118), (144, 119))
_SETPRIORITY = (141, 140)
_SETRLIMIT = (160, 164)
_SOCKET = (41, 198)
#: sendto, sendmsg, sendmmsg, and which of their arguments has the flags.
_SENDING = (((44, 206), 3), ((46, 211), 2), ((307, 269), 3))

#: Column in the tables above, and AUDIT_ARCH_... of include/uapi/linux/audit.h.
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
#: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. In a user namespace of its own a
#: program would have all capabilities, and with them most of the kernel's faults in reach. The bit
#: of CLONE_NEWTIME belongs to the exit signal in clone(2); only clone3(2) takes it.
_NEW_NAMESPACES = 0x7E020000
#: F_SETLEASE, and F_SETDELEG of Linux 6.19. Whoever opens or executes the file of a lease waits for
#: its holder, up to 45 seconds: fcntl(2), "Leases". That includes our own processes.
_LEASES = (1024, 1040)
#: TIOCSTI and TIOCLINUX put input into a terminal as if it had been typed: ioctl_tty(2),
#: ioctl_console(2). TIOCSETD loads modules of the kernel that are seldom tested.
_TERMINAL_CALLS = (0x5412, 0x541C, 0x5423)
#: Linux, for 32 bits too, an old number of the kernel, and both; without random addresses, for
#: debuggers and ThreadSanitizer; and asking: personality(2). The others weaken a program's own
#: protection, such as READ_IMPLIES_EXEC.
_PERSONALITIES = (0, 8, 0x20000, 0x20008, 0x40000, 0xFFFFFFFF)
#: Has the user of its programs, so that they could have it scheduled after them: then a sandbox of
#: busy programs ends only minutes after it was killed, since PID 1 has to run to end the others.
#: Or they could take its limits away, so that it fails in the middle of a command.
_PID_1 = 1
#: PRIO_USER: sets the priority of all processes of a user, and so of PID 1: setpriority(2).
_ALL_OF_A_USER = 2
#: AF_UNIX, AF_INET, AF_INET6, AF_NETLINK. Others need modules of the kernel that are seldom
#: tested, or reach further than the network namespace, as vsock(7) does.
_FAMILIES = (1, 2, 10, 16)
_AF_INET, _AF_INET6, _AF_NETLINK = 2, 10, 16
#: The bits of a socket's type that are no flags: SOCK_TYPE_MASK of include/linux/net.h.
_SOCKET_TYPE, _SOCK_STREAM = 0xF, 1
#: Connects while it sends, for which security modules are not asked: tcp_sendmsg_fastopen in
#: net/ipv4/tcp.c.
_MSG_FASTOPEN = 0x20000000
#: The usual protocol, and IPPROTO_TCP; streams of MPTCP and SCTP are others.
_TCP = (0, 6)
#: NETLINK_ROUTE, NETLINK_SOCK_DIAG. Others write records of audit(8), tell of the machine's
#: devices (where there is no user namespace), or are large parts of the kernel: netlink(7).
_NETLINK = (0, 4)
#: See `agent/harden.py`, which sets it.
_RLIMIT_CORE = 4

# Offsets in `struct seccomp_data`; its arguments are 8 bytes each, the low half first.
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW = 0x7FFF0000  # SECCOMP_RET_ALLOW
_ERRNO = 0x00050000  # SECCOMP_RET_ERRNO; the error's number is added
_SUCCEED = 0  # as an error's number: the call does nothing and returns 0
_SECCOMP_SET_MODE_FILTER = 1
_ANYTHING = 0xFFFFFFFF  # all bits
_LAST = 0xFFFFFFFF  # the largest number of a call
_ALLOWED = [bpf.instruction(bpf.RETURN, _ALLOW)]


def program(machine: str, *, tcp_only: bool = False, shared_user: bool = False) -> bytes:
    """The filter for a machine as `os.uname` names it, as `struct sock_filter[]`.

    Args:
        machine: the machine.
        tcp_only: whether sockets of IPv4 and IPv6 are those of TCP only, and connect by connect(2).
        shared_user: whether processes outside of the sandbox have the user of its programs, which
            could set the limits of those.

    Raises:
        KeyError: there is none for this machine.
    """
    column, audit = _ARCHITECTURES[machine]
    return b"".join(
        [
            # A process may make calls of another architecture, whose numbers mean others:
            # seccomp(2).
            bpf.instruction(bpf.LOAD, _ARCHITECTURE),
            bpf.instruction(bpf.JUMP_IF_EQUAL, audit, skip_true=1),
            *_error(errno.ENOSYS),
            bpf.instruction(bpf.LOAD, _NUMBER),
            *_search(_ranges(_verdicts(machine, column, tcp_only, shared_user))),
        ]
    )


def _verdicts(
    machine: str, column: int, tcp_only: bool, shared_user: bool
) -> dict[tuple[int, int], list[bytes]]:
    """What becomes of calls, by their numbers: from, and up to before. Others are allowed."""
    # Among the unknown are the calls of x32 programs, which have a bit of their own in their
    # number; a list that did not refuse these would be bypassed: seccomp(2).
    verdicts = dict.fromkeys(UNKNOWN[machine], _error(errno.ENOSYS))
    some_sockets = [*_only(_FAMILIES, errno.EAFNOSUPPORT), *_some_netlink()]
    not_of_others = _only((0,), errno.EPERM) if shared_user else _refuse_each(_PID_1)
    if tcp_only:
        some_sockets += _only_tcp()
    one = {
        **{numbers[column]: _error(errno.ENOSYS) for numbers in ABSENT.values()},
        **{numbers[column]: _error(errno.EPERM) for numbers in DENIED.values()},
        _CLONE[column]: _when(_refuse(bpf.JUMP_IF_ANY_BIT, _NEW_NAMESPACES, errno.EPERM)),
        # As on a file system that has no leases.
        _FCNTL[column]: _when(_refuse_each(*_LEASES, error=errno.EINVAL), argument=1),
        _IOCTL[column]: _when(_refuse_each(*_TERMINAL_CALLS), argument=1),
        _PERSONALITY[column]: _when(_only(_PERSONALITIES, errno.EPERM)),
        **{numbers[column]: _when(_refuse_each(_PID_1)) for numbers in _SCHEDULE},
        _SETPRIORITY[column]: _when(_keep_priority()),
        _SETRLIMIT[column]: _when(_refuse(bpf.JUMP_IF_EQUAL, _RLIMIT_CORE, _SUCCEED)),
        _PRLIMIT[column]: _when([*not_of_others, _argument(1), *_keep_core_limit()]),
        _SOCKET[column]: _when(some_sockets),
    }
    if tcp_only:
        fast_open = _refuse(bpf.JUMP_IF_ANY_BIT, _MSG_FASTOPEN, errno.EOPNOTSUPP)
        one |= {numbers[column]: _when(fast_open, flags) for numbers, flags in _SENDING}
    verdicts.update(
        {(number, number + 1): verdict for number, verdict in one.items() if number is not None}
    )
    return verdicts


def _ranges(verdicts: dict[tuple[int, int], list[bytes]]) -> list[tuple[int, list[bytes]]]:
    """All numbers, in ranges with one verdict each: where it begins, and that."""
    ranges = [(0, _ALLOWED)]
    for (first, after), verdict in sorted(verdicts.items()):
        if ranges[-1][0] == first:
            ranges.pop()
        # Neighbours with the same verdict are one range.
        if not ranges or ranges[-1][1] != verdict:
            ranges.append((first, verdict))
        if after <= _LAST:
            ranges.append((after, _ALLOWED))
    return ranges


def _search(ranges: list[tuple[int, list[bytes]]]) -> list[bytes]:
    """Find the range of a number, by halves, and apply its verdict.

    As each filter is installed, the kernel tries it on every number: seccomp_cache_prepare in
    kernel/seccomp.c. To compare with one number after the other doubled the time of that.
    """
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    below, above = _search(ranges[:middle]), _search(ranges[middle:])
    jump = bpf.instruction(bpf.JUMP_IF_GREATER_OR_EQUAL, ranges[middle][0], skip_true=len(below))
    return [jump, *below, *above]


class _SockFprog(ctypes.Structure):
    """`struct sock_fprog` of seccomp(2)."""

    _fields_ = [
        ("len", ctypes.c_ushort),
        ("filter", ctypes.c_char_p),
    ]


def install(filter_program: bytes, calls: PreparedCalls = NOW) -> None:
    """Filter the calls of this process, and of all that it will start, from now on.

    Raises:
        OSError: the kernel refused it; `EACCES` before `prctl.forbid_new_privileges`.
    """
    argument = _SockFprog(len(filter_program) // bpf.SIZE, filter_program)
    calls.add_number("seccomp", _SECCOMP_SET_MODE_FILTER, 0, ctypes.byref(argument))


def _error(error: int) -> list[bytes]:
    return [bpf.instruction(bpf.RETURN, _ERRNO | error)]


def _refuse(test: int, k: int, error: int) -> list[bytes]:
    return [bpf.instruction(test, k, skip_false=1), *_error(error)]


def _refuse_each(*values: int, error: int = errno.EPERM) -> list[bytes]:
    return [op for value in values for op in _refuse(bpf.JUMP_IF_EQUAL, value, error)]


def _only(values: tuple[int, ...], error: int) -> list[bytes]:
    allow = [
        bpf.instruction(bpf.JUMP_IF_EQUAL, value, skip_true=len(values) - n)
        for n, value in enumerate(values)
    ]
    return [*allow, *_error(error)]


def _some_netlink() -> list[bytes]:
    """Of the sockets of netlink(7), whose family was just found, allow those of some protocols."""
    body = [_argument(2), *_only(_NETLINK, errno.EPROTONOSUPPORT)]
    return [bpf.instruction(bpf.JUMP_IF_EQUAL, _AF_NETLINK, skip_false=len(body)), *body]


def _only_tcp() -> list[bytes]:
    """Of the sockets of IPv4 and IPv6, allow those of TCP, after what is above.

    That leaves the family, or a protocol of netlink, which no family of these has for a number.
    """
    body = [
        _argument(1),
        bpf.instruction(bpf.AND, _SOCKET_TYPE),
        *_only((_SOCK_STREAM,), errno.EACCES),
        _argument(2),
        *_only(_TCP, errno.EPROTONOSUPPORT),
    ]
    return [
        bpf.instruction(bpf.JUMP_IF_EQUAL, _AF_INET, skip_true=1),
        bpf.instruction(bpf.JUMP_IF_EQUAL, _AF_INET6, skip_false=len(body)),
        *body,
    ]


def _keep_priority() -> list[bytes]:
    """Let setpriority(2), whose kind of target was just loaded, leave out PID 1 and its group."""
    return [*_refuse_each(_ALL_OF_A_USER), _argument(1), *_refuse_each(_PID_1)]


def _keep_core_limit() -> list[bytes]:
    """Let prlimit(2), whose resource was just loaded, read the limit of core dumps only.

    A call that sets it does nothing and succeeds: programs that turn core dumps off, such as
    ssh-agent(1), give up where they cannot. One that also wants the old value is refused.
    """
    set_it = [
        _argument(3),
        *_refuse(bpf.JUMP_IF_ANY_BIT, _ANYTHING, errno.EPERM),
        _argument(3, high=True),
        *_refuse(bpf.JUMP_IF_ANY_BIT, _ANYTHING, errno.EPERM),
        *_error(_SUCCEED),
    ]
    body = [
        _argument(2),
        bpf.instruction(bpf.JUMP_IF_ANY_BIT, _ANYTHING, skip_true=2),
        _argument(2, high=True),
        bpf.instruction(bpf.JUMP_IF_ANY_BIT, _ANYTHING, skip_false=len(set_it)),
        *set_it,
    ]
    return [bpf.instruction(bpf.JUMP_IF_EQUAL, _RLIMIT_CORE, skip_false=len(body)), *body]


def _argument(index: int, *, high: bool = False) -> bytes:
    return bpf.instruction(bpf.LOAD, _FIRST_ARGUMENT + 8 * index + 4 * high)


def _when(body: list[bytes], argument: int = 0) -> list[bytes]:
    """Test the low half of an argument; what `body` falls through to is an allow."""
    # The high half cannot hide anything: these calls ignore it.
    return [_argument(argument), *body, *_ALLOWED]
