"""Run inside a sandbox: calls what must be refused, with arguments that do no harm.

Prints JSON, name of the call to the errno it gave: EPERM or ENOSYS where it was refused; EFAULT,
EBADF, EINVAL, or 0 where the kernel went as far as looking at the arguments. The numbers are those
of x86-64.
"""

import ctypes
import errno
import json
import mmap
import os
import sys
from collections.abc import Callable

BAD = 1  # no pointer, and no descriptor that is worth anything to these calls
CLONE_NEWUSER = 0x10000000
SIGCHLD = 17
ADJ_OFFSET = 1
libc = ctypes.CDLL(None, use_errno=True)

NAMESPACES = {
    "NEWTIME": 0x80,
    "NEWNS": 0x20000,
    "NEWCGROUP": 0x2000000,
    "NEWUTS": 0x4000000,
    "NEWIPC": 0x8000000,
    "NEWUSER": 0x10000000,
    "NEWPID": 0x20000000,
    "NEWNET": 0x40000000,
}

CALLS = {
    "acct": (163, BAD),
    "add_key": (248, BAD, BAD, BAD, BAD, 0),
    "bpf": (321, 0, BAD, 128),
    "clock_adjtime": (305, 0, BAD),
    "clock_settime": (227, 0, BAD),
    "clone3": (435, BAD, 64),
    "delete_module": (176, BAD, 0),
    "fanotify_init": (300, 0xFFFFFFFF, 0),
    "finit_module": (313, -1, BAD, 0),
    "fsconfig": (431, -1, 0, BAD, BAD, 0),
    "fsmount": (432, -1, 0, 0),
    "fsopen": (430, BAD, 0),
    "fspick": (433, -1, BAD, 0),
    "file_getattr": (468, -1, BAD, BAD, 24, 0),
    "file_setattr": (469, -1, BAD, BAD, 24, 0),
    "get_mempolicy": (239, BAD, 0, 0, 0, 99),
    "init_module": (175, BAD, 1, BAD),
    "io_uring_enter": (426, -1, 0, 0, 0, 0, 0),
    "io_uring_register": (427, -1, 0, BAD, 0),
    "io_uring_setup": (425, 1, BAD),
    "ioperm": (173, 0x80, 1, 1),
    "iopl": (172, 3),
    "kcmp": (312, os.getpid(), os.getpid(), 99, 0, 0),
    "kexec_file_load": (320, -1, -1, 0, BAD, 0),
    "kexec_load": (246, 0, 99, BAD, 0),
    "keyctl": (250, 0, -3, 0, 0, 0),
    "listns": (470, BAD, BAD, 0, 0),
    "lsm_list_modules": (461, BAD, BAD, 0),
    "mbind": (237, BAD, 0, 99, 0, 0, 0),
    "migrate_pages": (256, 0, 1, BAD, BAD),
    "mount": (165, BAD, BAD, BAD, 0, 0),
    "mount_setattr": (442, -1, BAD, 0, BAD, 32),
    "move_mount": (429, -1, BAD, -1, BAD, 0),
    "move_pages": (279, 0, 1, BAD, BAD, BAD, 99),
    "name_to_handle_at": (303, -1, BAD, BAD, BAD, 0),
    "open_by_handle_at": (304, -1, BAD, 0),
    "open_tree": (428, -1, BAD, 0),
    "perf_event_open": (298, BAD, 0, -1, -1, 0),
    "pidfd_getfd": (438, -1, 0, 0),
    "pivot_root": (155, BAD, BAD),
    "personality READ_IMPLIES_EXEC": (135, 0x400000),
    "process_madvise": (440, -1, BAD, 0, 0, 0),
    "quotactl": (179, 0x800007, BAD, 0, BAD),
    "reboot": (169, 0, 0, 0, 0),
    "request_key": (249, BAD, BAD, BAD, 0),
    "set_mempolicy": (238, 99, 0, 0),
    "set_mempolicy_home_node": (450, BAD, 0, 99, 0),
    "setdomainname": (171, BAD, 5),
    "sethostname": (170, BAD, 5),
    "setns": (308, -1, 0),
    "settimeofday": (164, BAD, BAD),
    "sysfs": (139, 3),
    "swapoff": (168, BAD),
    "swapon": (167, BAD, 0),
    "syslog": (103, 3, BAD, 10),
    "umount2": (166, BAD, 0),
    "userfaultfd": (323, 0xDEAD),
    "vhangup": (153,),
    # On a real terminal, see test_terminals.py; here the number alone is enough.
    "ioctl TIOCSTI": (16, 0, 0x5412, BAD),
    "ioctl TIOCSTI, disguised": (16, 0, 0x100005412, BAD),
    "ioctl TIOCLINUX": (16, 0, 0x541C, BAD),
    "ioctl TIOCSETD": (16, 0, 0x5423, BAD),
    "number 500": (500,),
    "getpid as x32": (0x40000027,),
    "mount as x32": (0x400000A5, BAD, BAD, BAD, 0, 0),
    **{f"unshare {name}": (272, flag) for name, flag in NAMESPACES.items()},
    **{
        f"clone {name}": (56, flag | SIGCHLD, 0, 0, 0, 0)
        for name, flag in NAMESPACES.items()
        if name != "NEWTIME"  # in clone(2) that bit is part of the signal's number
    },
}

FAMILIES = {
    "AF_KEY": 15,
    "AF_PACKET": 17,
    "AF_RDS": 21,
    "AF_CAN": 29,
    "AF_TIPC": 30,
    "AF_BLUETOOTH": 31,
    "AF_ALG": 38,
    "AF_NFC": 39,
    "AF_VSOCK": 40,
    "AF_KCM": 41,
    "AF_SMC": 43,
    "AF_XDP": 44,
}
#: Of AF_NETLINK, which tell of the machine or change it.
PROTOCOLS = {"NETLINK_AUDIT": 9, "NETLINK_KOBJECT_UEVENT": 15, "NETLINK_GENERIC": 16}


def call(*arguments: int) -> int:
    """Make a system call; its errno, 0 if it succeeded. A child that it made ends at once."""
    before = os.getpid()
    result = libc.syscall(*(ctypes.c_long(argument) for argument in arguments))
    if os.getpid() != before:
        os._exit(0)
    return ctypes.get_errno() if result == -1 else 0


def set_the_clock() -> int:
    """Ask adjtimex(2), which everybody may call to read, to change something."""
    timex = (ctypes.c_uint * 64)(ADJ_OFFSET)
    return ctypes.get_errno() if libc.adjtimex(timex) == -1 else 0


def call_as_32_bit(number: int) -> int:
    """Make a call of the 32-bit kind, `int 0x80`, whose numbers mean other calls."""
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    # push rbx; mov eax, number; mov ebx, 1; mov ecx, 1; int 0x80; pop rbx; ret
    code.write(
        b"\x53\xb8" + number.to_bytes(4, "little") + b"\xbb\1\0\0\0\xb9\1\0\0\0\xcd\x80\x5b\xc3"
    )
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    result = ctypes.CFUNCTYPE(ctypes.c_int)(address)()
    return -result if result < 0 else 0


def in_a_child(probe: Callable[..., int], *arguments: int) -> str:
    """What a probe gave, or the signal that the kernel killed it with."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(write, b"%d" % probe(*arguments))
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        answer = pipe.read()
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return f"killed by signal {os.WTERMSIG(status)}"
    return errno.errorcode.get(int(answer), answer)


results = {name: in_a_child(call, *arguments) for name, arguments in CALLS.items()}
results |= {f"socket {name}": in_a_child(call, 41, n, 3, 0) for name, n in FAMILIES.items()}
results |= {f"socket {name}": in_a_child(call, 41, 16, 3, n) for name, n in PROTOCOLS.items()}
results["adjtimex"] = in_a_child(set_the_clock)
results["mount as 32 bit"] = in_a_child(call_as_32_bit, 21)
results["getpid as 32 bit"] = in_a_child(call_as_32_bit, 20)
json.dump(results, sys.stdout)
