"""The filter, run by an interpreter of its own; tests/security runs it in the kernel."""

import errno
import itertools
import resource
import struct

import pytest

from pytest_sandbox.local.kernel import seccomp

ALLOW = 0x7FFF0000
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def refused(error: int) -> int:
    return 0x00050000 | error


def verdict(machine: str, number: int, *args: int, arch: int | None = None) -> int:
    """What the filter answers to a system call."""
    return run(machine, number, *args, arch=arch)[0]


def run(
    machine: str, number: int, *args: int, arch: int | None = None, **options: bool
) -> tuple[int, int]:
    """The answer, and how many steps it took: bpf(4), the six instructions that it uses."""
    audit = ARCHITECTURES[machine] if arch is None else arch
    data = struct.pack("=IIQ6Q", number, audit, 0, *args, *[0] * (6 - len(args)))
    program = list(struct.iter_unpack("=HBBI", seccomp.program(machine, **options)))
    accumulator = position = 0
    for step in itertools.count(1):
        code, skip_true, skip_false, k = program[position]
        position += 1
        if code == 0x06:
            return int(k), step
        if code == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, k)
            continue
        if code == 0x54:
            accumulator &= k
            continue
        tests = {0x15: accumulator == k, 0x35: accumulator >= k, 0x45: bool(accumulator & k)}
        position += skip_true if tests[code] else skip_false
    raise AssertionError("unreachable")


NUMBERS = [
    (machine, name, numbers[column])
    for column, machine in enumerate(ARCHITECTURES)
    for name, numbers in seccomp.DENIED.items()
    if numbers[column] is not None
]


@pytest.mark.parametrize(("machine", "name", "number"), NUMBERS)
def test_denied_calls_are_refused(machine: str, name: str, number: int) -> None:
    assert verdict(machine, number) == refused(errno.EPERM), name


#: What Docker's default profile refuses to a container without further capabilities, and what
#: kernels since Linux 6.17 have that it does not know: from its documentation, moby/profiles.
REFUSED_BY_DOCKER = """
    _sysctl acct add_key afs_syscall bpf clock_settime clone3 create_module delete_module
    fanotify_init file_getattr file_setattr finit_module fsconfig fsmount fsopen fspick
    get_kernel_syms get_mempolicy getpmsg init_module io_uring_enter io_uring_register
    io_uring_setup ioperm iopl kcmp kexec_file_load kexec_load keyctl listns lookup_dcookie
    lsm_get_self_attr lsm_list_modules lsm_set_self_attr mbind migrate_pages mount mount_setattr
    move_mount move_pages nfsservctl open_by_handle_at open_tree open_tree_attr perf_event_open
    pidfd_getfd pivot_root process_madvise putpmsg query_module quotactl quotactl_fd reboot
    request_key security set_mempolicy set_mempolicy_home_node setdomainname sethostname setns
    settimeofday swapoff swapon sysfs syslog tuxcall umount2 unshare uprobe uselib userfaultfd
    ustat vhangup vserver
""".split()  # noqa: SIM905 - easier to read and to sort


@pytest.mark.parametrize("name", REFUSED_BY_DOCKER)
def test_what_dockers_profile_refuses_is_refused(name: str) -> None:
    assert name in {**seccomp.DENIED, **seccomp.ABSENT}


ABSENT = [
    (machine, name, numbers[column])
    for column, machine in enumerate(ARCHITECTURES)
    for name, numbers in seccomp.ABSENT.items()
    if numbers[column] is not None
]


@pytest.mark.parametrize(("machine", "name", "number"), ABSENT)
def test_calls_that_have_an_older_kind_seem_not_to_exist(
    machine: str, name: str, number: int
) -> None:
    assert verdict(machine, number) == refused(errno.ENOSYS), name


@pytest.mark.parametrize(
    ("machine", "last", "first"),
    [("x86_64", 334, 424), ("aarch64", 243, 260), ("aarch64", 293, 424)],
)
def test_numbers_of_the_future_are_refused(machine: str, last: int, first: int) -> None:
    assert verdict(machine, last) == verdict(machine, first) == ALLOW
    unknown = {
        verdict(machine, number)
        for start, after in seccomp.UNKNOWN[machine]
        for number in range(start, min(after, 5000))
    }
    assert unknown == {refused(errno.ENOSYS)}
    assert verdict(machine, 466) == ALLOW  # removexattrat, the last that programs need
    assert verdict(machine, 0xFFFFFFFF) == refused(errno.ENOSYS)


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


@pytest.mark.parametrize(("machine", "socket"), [("x86_64", 41), ("aarch64", 198)])
def test_netlink_tells_of_the_sandboxs_own_network_only(machine: str, socket: int) -> None:
    protocols = range(32)
    allowed = [kind for kind in protocols if verdict(machine, socket, 16, 3, kind) == ALLOW]
    assert allowed == [0, 4]
    # What libraries take for a kernel without audit(8), and go on.
    assert verdict(machine, socket, 16, 3, 9) == refused(errno.EPROTONOSUPPORT)
    assert {verdict(machine, socket, 2, 1, kind) for kind in protocols} == {ALLOW}


@pytest.mark.parametrize(("machine", "personality"), [("x86_64", 135), ("aarch64", 92)])
def test_a_program_may_not_weaken_its_own_protection(machine: str, personality: int) -> None:
    asked, without_random_addresses, old_kernel = 0xFFFFFFFF, 0x40000, 0x20000
    for harmless in (0, 8, asked, without_random_addresses, old_kernel, old_kernel | 8):
        assert verdict(machine, personality, harmless) == ALLOW
    for bit in (0x100000, 0x400000, 0x4000000, 0x40000 | 0x400000):
        assert verdict(machine, personality, bit) == refused(errno.EPERM)


@pytest.mark.parametrize(
    ("machine", "setrlimit", "prlimit"), [("x86_64", 160, 302), ("aarch64", 164, 261)]
)
def test_the_limit_of_core_dumps_stays(machine: str, setrlimit: int, prlimit: int) -> None:
    core, files, pointer, high_pointer = 4, 7, 0x7FFF, 0x5500000000
    ignored = 0x00050000
    assert verdict(machine, setrlimit, core, pointer) == ignored
    assert verdict(machine, setrlimit, files, pointer) == ALLOW
    for new in (pointer, high_pointer):
        assert verdict(machine, prlimit, 0, core, new, 0) == ignored
        for old in (pointer, high_pointer):
            assert verdict(machine, prlimit, 0, core, new, old) == refused(errno.EPERM)
            assert verdict(machine, prlimit, 0, core, 0, old) == ALLOW
        assert verdict(machine, prlimit, 0, files, new, 0) == ALLOW


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
    assert verdict(machine, ioctl, 0, 0x5423) == refused(errno.EPERM)  # TIOCSETD
    assert verdict(machine, ioctl, 0, 0x5413) == ALLOW


@pytest.mark.parametrize(("machine", "fcntl"), [("x86_64", 72), ("aarch64", 25)])
def test_nobody_waits_for_the_holder_of_a_lease(machine: str, fcntl: int) -> None:
    assert verdict(machine, fcntl, 3, 1024) == refused(errno.EINVAL)  # F_SETLEASE
    assert verdict(machine, fcntl, 3, 1040) == refused(errno.EINVAL)  # F_SETDELEG
    for harmless in (1, 4, 6, 1025, 1026, 1033):  # flags, locks, F_GETLEASE, F_NOTIFY, seals
        assert verdict(machine, fcntl, 3, harmless) == ALLOW


@pytest.mark.parametrize(
    ("machine", "schedule", "setpriority"),
    [("x86_64", (203, 314, 142, 144), 141), ("aarch64", (122, 274, 118, 119), 140)],
)
def test_pid_1_runs_before_programs(
    machine: str, schedule: tuple[int, ...], setpriority: int
) -> None:
    for call in schedule:
        assert verdict(machine, call, 1) == refused(errno.EPERM)
        assert {verdict(machine, call, pid) for pid in (0, 2, 10)} == {ALLOW}
    process, group, user = 0, 1, 2
    assert verdict(machine, setpriority, process, 1) == refused(errno.EPERM)
    assert verdict(machine, setpriority, group, 1) == refused(errno.EPERM)
    assert verdict(machine, setpriority, user, 0) == refused(errno.EPERM)
    assert {verdict(machine, setpriority, process, pid) for pid in (0, 2)} == {ALLOW}
    assert {verdict(machine, setpriority, group, pid) for pid in (0, 2)} == {ALLOW}


@pytest.mark.parametrize(("machine", "prlimit"), [("x86_64", 302), ("aarch64", 261)])
def test_programs_set_no_limits_of_pid_1(machine: str, prlimit: int) -> None:
    files, new = resource.RLIMIT_NOFILE, 0x7FFF_0000_0000
    assert verdict(machine, prlimit, 1, files, new, 0) == refused(errno.EPERM)
    assert {verdict(machine, prlimit, pid, files, new, 0) for pid in (0, 2)} == {ALLOW}


def test_an_unknown_machine_has_no_filter() -> None:
    with pytest.raises(KeyError):
        seccomp.program("m68k")


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_no_call_is_compared_with_all_others(machine: str) -> None:
    """Each filter that is installed is tried on all calls, and each sandbox has one."""
    numbers = range(500)
    assert max(run(machine, number)[1] for number in numbers) <= 24
    assert sum(run(machine, number)[1] for number in numbers) / len(numbers) <= 12


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_a_filter_can_leave_tcp_as_the_only_protocol(machine: str) -> None:
    column = list(ARCHITECTURES).index(machine)
    stream, datagram, flags = 1, 2, 0o2004000

    def answer(call: tuple[int, int], *args: int) -> int:
        return run(machine, call[column], *args, tcp_only=True)[0]

    socket, sendto, sendmsg = (41, 198), (44, 206), (46, 211)
    for family in (2, 10):
        assert answer(socket, family, stream | flags, 0) == ALLOW
        assert answer(socket, family, stream, 6) == ALLOW
        assert answer(socket, family, stream, 262) == refused(errno.EPROTONOSUPPORT)
        assert answer(socket, family, datagram | flags, 0) == refused(errno.EACCES)
    assert answer(socket, 1, datagram, 0) == answer(socket, 16, 3, 4) == ALLOW
    assert answer(socket, 16, 3, 9) == refused(errno.EPROTONOSUPPORT)
    fast = 0x20000000 | 0x4000
    assert answer(sendto, 3, 0, 0, fast) == answer(sendmsg, 3, 0, fast) == refused(errno.EOPNOTSUPP)
    assert answer(sendto, 3, 0, 0, 0x4000) == answer(sendmsg, 3, fast, 0) == ALLOW


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_a_filter_can_keep_the_limits_of_all_others(machine: str) -> None:
    number, files = (302, 261)[list(ARCHITECTURES).index(machine)], 7
    answers = [run(machine, number, pid, files, shared_user=True)[0] for pid in (0, 1, 2, 4000)]
    assert answers == [ALLOW, *[refused(errno.EPERM)] * 3]
