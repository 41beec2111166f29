"""Which devices a sandbox with GPUs may open: cgroup-v1/devices.rst, cgroup-v2.rst, "Device".

A second wall: a sandbox has no nodes of other devices, and can make none.
"""

from __future__ import annotations

import ctypes
import os
import struct

from ..syscalls import call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Number = tuple[int, int | None]

#: Devices that every sandbox has: `/dev/null`, `zero`, `full`, `random`, `urandom`, `tty`, `ptmx`,
#: and terminals of devpts, whatever their minor: admin-guide/devices.txt.
_USUAL: list[Number] = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2), (136, None)]

# include/uapi/linux/bpf.h
_PROG_LOAD, _PROG_ATTACH = 5, 8
_PROG_TYPE_CGROUP_DEVICE, _CGROUP_DEVICE = 15, 6
_F_ALLOW_MULTI = 2
_DEVCG_ACC_MKNOD, _DEVCG_DEV_CHAR = 1, 2
# Instructions, include/uapi/linux/bpf_common.h and bpf.h: load of 32 bits from memory, and of
# numbers; jump if not equal, or equal; exit.
_LOAD, _AND, _SHIFT_RIGHT, _SET, _NOT_EQUAL, _EQUAL, _EXIT = (
    *(0x61, 0x57, 0x77, 0xB7),
    *(0x55, 0x15, 0x95),
)


def control_files(gpus: Iterable[Number]) -> dict[str, str]:
    """What to write to the files of a group of version 1, one line after the other."""
    rules = [f"c {major}:{'*' if minor is None else minor} rw" for major, minor in (*_USUAL, *gpus)]
    # To make nodes is refused elsewhere; and overlayfs makes whiteouts, which are devices too.
    return {"devices.deny": "a", "devices.allow": "\n".join([*rules, "c *:* m"])}


def attach_filter(group: int, gpus: Iterable[Number]) -> None:
    """Have a group of version 2 refuse other devices, by a program that the kernel runs.

    Args:
        group: a descriptor of its folder.
        gpus: numbers of the devices that it may open besides the usual ones.

    Raises:
        OSError: the kernel refused it, as it does for all but root of the machine.
    """
    program = filter_program(gpus)
    code, licence = ctypes.create_string_buffer(program), ctypes.create_string_buffer(b"GPL")
    load = struct.pack(
        "=IIQQ",
        *(_PROG_TYPE_CGROUP_DEVICE, len(program) // 8),
        *(ctypes.addressof(code), ctypes.addressof(licence)),
    )
    fd = _bpf(_PROG_LOAD, load)
    try:
        # Beside a program of a container's engine: each has to allow a device.
        _bpf(_PROG_ATTACH, struct.pack("=IIII", group, fd, _CGROUP_DEVICE, _F_ALLOW_MULTI))
    finally:
        os.close(fd)  # the group holds it


def filter_program(gpus: Iterable[Number]) -> bytes:
    """The program: its argument is a `struct bpf_cgroup_dev_ctx`, and 1 means yes."""
    code = [
        # r2 is what is to be done, r3 the kind of device, r4 and r5 its numbers.
        _instruction(_LOAD, 2, 1, 0),
        _instruction(_LOAD, 3, 1, 0),
        _instruction(_LOAD, 4, 1, 4),
        _instruction(_LOAD, 5, 1, 8),
        _instruction(_SHIFT_RIGHT, 2, number=16),
        _instruction(_AND, 3, number=0xFFFF),
        _instruction(_NOT_EQUAL, 2, skip=2, number=_DEVCG_ACC_MKNOD),
        *_answer(1),
        _instruction(_EQUAL, 3, skip=2, number=_DEVCG_DEV_CHAR),
        *_answer(0),
    ]
    for major, minor in (*_USUAL, *gpus):
        if minor is None:
            code += [_instruction(_NOT_EQUAL, 4, skip=2, number=major), *_answer(1)]
        else:
            code += [
                _instruction(_NOT_EQUAL, 4, skip=3, number=major),
                _instruction(_NOT_EQUAL, 5, skip=2, number=minor),
                *_answer(1),
            ]
    return b"".join([*code, *_answer(0)])


def _answer(value: int) -> list[bytes]:
    return [_instruction(_SET, 0, number=value), _instruction(_EXIT)]


def _instruction(
    code: int, target: int = 0, source: int = 0, skip: int = 0, number: int = 0
) -> bytes:
    """`struct bpf_insn`; `skip` is the offset of a jump, or of a load."""
    return struct.pack("=BBhi", code, target | source << 4, skip, number)


def _bpf(command: int, attributes: bytes) -> int:
    padded = ctypes.create_string_buffer(attributes, 128)  # zeros are the defaults of the rest
    return call("bpf", command, ctypes.byref(padded), len(padded))
