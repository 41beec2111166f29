"""The filter, run by an interpreter of its own; tests/security runs it in the kernel."""

import errno
import struct

import pytest

from pytest_sandbox.local.kernel import seccomp

ALLOW = 0x7FFF0000
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def refused(error: int) -> int:
    return 0x00050000 | error


def verdict(machine: str, number: int, *args: int, arch: int | None = None) -> int:
    """What the filter answers to a system call: bpf(4), the five instructions that it uses."""
    audit = ARCHITECTURES[machine] if arch is None else arch
    data = struct.pack("=IIQ6Q", number, audit, 0, *args, *[0] * (6 - len(args)))
    program = list(struct.iter_unpack("=HBBI", seccomp.program(machine)))
    accumulator = position = 0
    while True:
        code, skip_true, skip_false, k = program[position]
        position += 1
        if code == 0x06:
            return int(k)
        if code == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, k)
            continue
        tests = {0x15: accumulator == k, 0x35: accumulator >= k, 0x45: bool(accumulator & k)}
        position += skip_true if tests[code] else skip_false


NUMBERS = [
    (machine, name, numbers[column])
    for column, machine in enumerate(ARCHITECTURES)
    for name, numbers in seccomp.DENIED.items()
    if numbers[column] is not None
]


@pytest.mark.parametrize(("machine", "name", "number"), NUMBERS)
def test_denied_calls_are_refused(machine: str, name: str, number: int) -> None:
    assert verdict(machine, number) == refused(errno.EPERM), name


@pytest.mark.parametrize(
    ("machine", "numbers"),
    [("x86_64", (0, 1, 2, 59, 61, 231, 257, 202)), ("aarch64", (56, 63, 64, 93, 98, 221, 260))],
)
def test_everyday_calls_are_allowed(machine: str, numbers: tuple[int, ...]) -> None:
    assert {verdict(machine, number) for number in numbers} == {ALLOW}


@pytest.mark.parametrize(("machine", "clone"), [("x86_64", 56), ("aarch64", 220)])
def test_clone_may_fork_but_not_make_namespaces(machine: str, clone: int) -> None:
    assert verdict(machine, clone, 17) == ALLOW
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert verdict(machine, clone, flag | 17) == refused(errno.EPERM), hex(flag)


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_clone3_seems_not_to_exist_so_that_libraries_use_clone(machine: str) -> None:
    assert verdict(machine, 435) == refused(errno.ENOSYS)


def test_the_x32_numbers_of_an_x86_64_kernel_do_not_get_around_it() -> None:
    assert verdict("x86_64", 0x40000000 | 165) == refused(errno.ENOSYS)


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_another_architectures_numbers_are_refused(machine: str) -> None:
    assert verdict(machine, 1, arch=0x40000003) == refused(errno.ENOSYS)


@pytest.mark.parametrize(("machine", "socket"), [("x86_64", 41), ("aarch64", 198)])
def test_only_families_that_a_network_namespace_confines_give_sockets(
    machine: str, socket: int
) -> None:
    allowed = [family for family in range(64) if verdict(machine, socket, family) == ALLOW]
    assert allowed == [1, 2, 10, 16]
    assert verdict(machine, socket, 40) == refused(errno.EAFNOSUPPORT)


@pytest.mark.parametrize(
    ("machine", "numbers"), [("x86_64", (101, 310, 311)), ("aarch64", (117, 270, 271))]
)
def test_debuggers_may_attach_and_read_memory(machine: str, numbers: tuple[int, ...]) -> None:
    attach, seize = 16, 0x4206
    assert {verdict(machine, number, attach) for number in numbers} == {ALLOW}
    assert verdict(machine, numbers[0], seize) == ALLOW


@pytest.mark.parametrize(("machine", "ioctl"), [("x86_64", 16), ("aarch64", 29)])
def test_terminal_input_cannot_be_faked(machine: str, ioctl: int) -> None:
    assert verdict(machine, ioctl, 0, 0x5412) == refused(errno.EPERM)
    assert verdict(machine, ioctl, 0, 0x541C) == refused(errno.EPERM)
    assert verdict(machine, ioctl, 0, 0x5413) == ALLOW


def test_an_unknown_machine_has_no_filter() -> None:
    with pytest.raises(KeyError):
        seccomp.program("m68k")
