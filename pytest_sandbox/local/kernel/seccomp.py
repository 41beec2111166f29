"""A filter of system calls (seccomp(2)): those that no sandbox needs and that had bugs.

The rest of the isolation does not depend on it; it makes less of the kernel reachable.
"""

from __future__ import annotations

import errno
import struct

#: Calls that are refused: name to number on (x86_64, aarch64), None where there is no such call.
DENIED: dict[str, tuple[int | None, int | None]] = {
    "_sysctl": (156, None),
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "create_module": (174, None),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "get_kernel_syms": (177, None),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "migrate_pages": (256, 238),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "name_to_handle_at": (303, 264),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "query_module": (178, None),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "uselib": (134, None),
    "userfaultfd": (323, 282),
    "ustat": (136, None),
    "vhangup": (153, 58),
}

#: Calls whose first or second argument decides.
_CLONE = (56, 220)
_CLONE3 = (435, 435)
_IOCTL = (16, 29)
_PTRACE = (101, 117)
_SOCKET = (41, 198)

_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # AUDIT_ARCH_*
_X32 = 0x40000000
#: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET; NEWTIME is only clone3's.
_NEW_NAMESPACES = 0x7E020000
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_PTRACE_ATTACH, _PTRACE_SEIZE = 16, 0x4206
#: AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: those that a network namespace confines. vsock is not.
_FAMILIES = (1, 2, 10, 16)

_LOAD, _JEQ, _JGE, _JSET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data; arguments are 8 bytes each
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000


def program(machine: str) -> bytes:
    """The filter for a machine as `platform.machine` names it, as `struct sock_filter[]`.

    Raises:
        KeyError: there is none for this machine.
    """
    column, audit = _ARCHITECTURES[machine]
    code = [
        _op(_LOAD, _ARCH),
        _op(_JEQ, audit, skip_true=1),
        _op(_RETURN, _ERRNO | errno.ENOSYS),
        _op(_LOAD, _NUMBER),
        *([] if column else _refuse(_JGE, _X32, errno.ENOSYS)),
        *_refuse(_JEQ, _CLONE3[column], errno.ENOSYS),  # its flags are out of a filter's sight
    ]
    for numbers in DENIED.values():
        number = numbers[column]
        if number is not None:
            code += _refuse(_JEQ, number, errno.EPERM)
    code += _when(_CLONE[column], 0, _refuse(_JSET, _NEW_NAMESPACES, errno.EPERM))
    code += _when(_IOCTL[column], 1, _refuse_each(_TIOCSTI, _TIOCLINUX))
    code += _when(_PTRACE[column], 0, _refuse_each(_PTRACE_ATTACH, _PTRACE_SEIZE))
    code += _when(_SOCKET[column], 0, _only(_FAMILIES, errno.EAFNOSUPPORT))
    code.append(_op(_RETURN, _ALLOW))
    return b"".join(code)


def _op(code: int, k: int, skip_true: int = 0, skip_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, skip_true, skip_false, k)


def _refuse(test: int, k: int, error: int) -> list[bytes]:
    return [_op(test, k, skip_false=1), _op(_RETURN, _ERRNO | error)]


def _refuse_each(*values: int) -> list[bytes]:
    return [op for value in values for op in _refuse(_JEQ, value, errno.EPERM)]


def _only(values: tuple[int, ...], error: int) -> list[bytes]:
    allow = [_op(_JEQ, value, skip_true=len(values) - n) for n, value in enumerate(values)]
    return [*allow, _op(_RETURN, _ERRNO | error)]


def _when(number: int, argument: int, body: list[bytes]) -> list[bytes]:
    """For one call, test the low half of an argument; falls through to an allow."""
    return [
        _op(_JEQ, number, skip_false=len(body) + 2),
        _op(_LOAD, _ARGUMENT + 8 * argument),
        *body,
        _op(_RETURN, _ALLOW),
    ]
