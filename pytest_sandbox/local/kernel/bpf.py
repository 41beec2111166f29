"""Assembling classic BPF programs, the language of seccomp filters.

Such a program has an accumulator, into which it loads 32 bits of its input, and jumps forward by
comparing that with a constant: Documentation/networking/filter.rst.
"""

from __future__ import annotations

import struct

# Opcodes that are used, as sums of the parts in include/uapi/linux/bpf_common.h.
LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
JUMP_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
JUMP_IF_GREATER_OR_EQUAL = 0x35  # BPF_JMP | BPF_JGE | BPF_K
JUMP_IF_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
RETURN = 0x06  # BPF_RET | BPF_K
#: Bytes of one instruction, `struct sock_filter`.
SIZE = 8


def instruction(code: int, k: int, skip_true: int = 0, skip_false: int = 0) -> bytes:
    """One instruction.

    Args:
        code: one of the opcodes above.
        k: an offset for `LOAD`, a constant for jumps and `AND`, a verdict for `RETURN`.
        skip_true: how many instructions a jump skips if its test is true.
        skip_false: how many if it is false.
    """
    return struct.pack("=HBBI", code, skip_true, skip_false, k)
