"""The filesystem in memory gives the answers of the real kernel, errno by errno."""

import base64
import errno
import json
import os
import stat
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pytest_sandbox.fakes.files.disk import Disk
from pytest_sandbox.fakes.files.inode import Directory, Regular, Symlink
from pytest_sandbox.fakes.files.mounts import TOP, Node
from pytest_sandbox.fakes.files.vfs import Filesystem

Operation = tuple[Any, ...]


class Kernel:
    """The real one, in a process that cannot leave an empty folder."""

    def __init__(self, folder: str, *options: str) -> None:
        program = str(Path(__file__).with_name("kernel.py"))
        self._process = subprocess.Popen(
            [sys.executable, "-S", program, folder, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.ready = self._process.stdout.readline() == "ready\n"

    def __call__(self, operations: list[Operation]) -> list[dict[str, Any]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(operations) + "\n")
        self._process.stdin.flush()
        answers: list[dict[str, Any]] = json.loads(self._process.stdout.readline())
        return answers

    def close(self) -> str:
        return self._process.communicate()[1]


class Memory:
    """Ours, with the operations of `kernel.py`."""

    def __init__(self) -> None:
        self._fs = Filesystem(Disk(lambda: 0))
        self._cwd = TOP
        self._cwd_handle = self._fs.hold(TOP)

    def __call__(self, operation: str, *arguments: Any) -> dict[str, Any]:
        try:
            return {"value": getattr(self, "do_" + operation)(*arguments)}
        except OSError as error:
            return {"errno": error.errno}

    def do_open(self, path: str, flags: int, mode: int, offset: int, data: str) -> str:
        handle = self._fs.open(path, flags, mode, base=self._cwd)
        try:
            if flags & os.O_ACCMODE != os.O_RDONLY:
                handle.pwrite(offset, data.encode())
            if flags & os.O_ACCMODE != os.O_WRONLY:
                return handle.pread(0, 1 << 20).decode()
            return ""
        finally:
            handle.close()

    def do_mkdir(self, path: str, mode: int) -> None:
        self._fs.mkdir(path, mode, base=self._cwd)

    def do_rmdir(self, path: str) -> None:
        self._fs.rmdir(path, base=self._cwd)

    def do_unlink(self, path: str) -> None:
        self._fs.unlink(path, base=self._cwd)

    def do_symlink(self, target: str, path: str) -> None:
        self._fs.symlink(target, path, base=self._cwd)

    def do_link(self, source: str, path: str) -> None:
        self._fs.link(source, path, base=self._cwd)

    def do_rename(self, old: str, new: str) -> None:
        self._fs.rename(old, new, base=self._cwd)

    def do_chmod(self, path: str, mode: int) -> None:
        self._fs.chmod(path, mode, base=self._cwd)

    def do_chown(self, path: str, uid: int, gid: int) -> None:
        self._fs.chown(path, uid, gid, base=self._cwd)

    def do_truncate(self, path: str, size: int) -> None:
        self._fs.truncate(path, size, base=self._cwd)

    def do_readlink(self, path: str) -> str:
        return self._fs.readlink(path, base=self._cwd)

    def do_lstat(self, path: str) -> int:
        return stat.S_IFMT(self._fs.lookup(path, base=self._cwd, follow=False).mode)

    def do_stat(self, path: str) -> int:
        return stat.S_IFMT(self._fs.lookup(path, base=self._cwd).mode)

    def do_listdir(self, path: str) -> list[str]:
        return self._fs.names(self._fs.folder(path, base=self._cwd))

    def do_chdir(self, path: str) -> None:
        folder = self._fs.folder(path, base=self._cwd)
        previous, self._cwd_handle = self._cwd_handle, self._fs.hold(folder)
        previous.close()
        self._cwd = folder

    def do_mount(self, path: str, read_only: bool) -> None:
        self._not_the_root(path)
        disk = Disk(lambda: 0)
        inside = Filesystem(disk)
        inside.mkdir("a", 0o755)
        handle = inside.open("b", os.O_CREAT | os.O_WRONLY, 0o644)
        handle.pwrite(0, b"x")
        handle.close()
        self._fs.mounts.add(
            disk, self._fs.folder(path, base=self._cwd), read_only=read_only, permanent=False
        )

    def do_unmount(self, path: str) -> None:
        self._not_the_root(path)
        self._fs.mounts.remove(self._fs.node(path, base=self._cwd))

    def _not_the_root(self, path: str) -> None:
        if self._fs.node(path, base=self._cwd) == TOP:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    def do_tree(self) -> dict[str, list[Any]]:
        return self._tree("/", TOP)

    def _tree(self, path: str, node: Node) -> dict[str, list[Any]]:
        inode = self._fs.inode(node)
        if isinstance(inode, Symlink):
            return {path: ["link", inode.target, inode.links]}
        if isinstance(inode, Directory):
            found: dict[str, list[Any]] = {path: ["directory", inode.mode, inode.uid, inode.gid]}
            for name in self._fs.names(node):
                found |= self._tree(os.path.join(path, name), self._fs.child(node, name))
            return found
        assert isinstance(inode, Regular)
        content = base64.b64encode(inode.content.read(0, 1 << 20)).decode()
        what = ["file", inode.mode, inode.uid, inode.gid, inode.links, inode.size, content]
        return {path: what}


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    if os.geteuid() != 0:
        pytest.skip("needs root: only root may change the root folder of a process")
    with tempfile.TemporaryDirectory() as folder:
        kernel = Kernel(folder)
        if not kernel.ready:
            pytest.skip(f"cannot confine a process to a folder: {kernel.close()}")
        yield kernel
        kernel([("clear",)])
        assert kernel.close() == ""


names = st.sampled_from(["a", "b", "c", "d"])
odd = st.sampled_from([".", "..", "", "n" * 255, "n" * 256, "e\u0301"])
parts = st.lists(st.one_of(names, names, names, odd), min_size=1, max_size=4)
paths = st.builds(
    lambda root, parts, slash: root + "/".join(parts) + slash,
    st.sampled_from(["", "", "/"]),
    parts,
    st.sampled_from(["", "", "", "/"]),
)
modes = st.sampled_from([0o644, 0o755, 0, 0o777, 0o1777, 0o2755, 0o4755, 0o6755])
access = st.sampled_from([os.O_RDONLY, os.O_WRONLY, os.O_RDWR])
extra = st.lists(
    st.sampled_from(
        [os.O_CREAT, os.O_CREAT, os.O_EXCL, os.O_TRUNC, os.O_APPEND, os.O_NOFOLLOW, os.O_DIRECTORY]
    ),
    max_size=3,
)
flags = st.builds(lambda a, more: a | sum(set(more)), access, extra)
identities = st.sampled_from([-1, 0, 1, 1000])
operations: st.SearchStrategy[Operation] = st.one_of(
    st.tuples(
        st.just("open"), paths, flags, modes, st.integers(0, 70000), st.sampled_from(["", "xyz"])
    ),
    st.tuples(st.just("mkdir"), paths, modes),
    st.tuples(st.just("mkdir"), names, modes),
    st.tuples(st.just("symlink"), paths, paths),
    st.tuples(st.just("symlink"), paths, names),
    st.tuples(st.just("link"), paths, paths),
    st.tuples(st.just("rename"), paths, paths),
    st.tuples(st.just("rename"), names, paths),
    st.tuples(st.sampled_from(["rmdir", "unlink"]), paths),
    st.tuples(st.sampled_from(["stat", "lstat", "readlink", "listdir", "chdir"]), paths),
    st.tuples(st.just("chmod"), paths, modes),
    st.tuples(st.just("chown"), paths, identities, identities),
    st.tuples(st.just("truncate"), paths, st.sampled_from([-1, 0, 2, 70000])),
)


def compare(kernel: Kernel, steps: list[Operation]) -> None:
    memory = Memory()
    steps = [*steps, ("chdir", "/"), ("tree",)]
    for step, answer in zip(steps, kernel([("clear",), *steps])[1:], strict=True):
        assert (step, memory(*step)) == (step, answer)


def compare_each(kernel: Kernel, begin: list[Operation], steps: Iterable[Operation]) -> None:
    """Compare each step alone, after those of `begin`, and the tree that it leaves.

    Making anew what `begin` makes takes most of the time, so after a step that changed nothing the
    next one continues there.
    """
    rest = deque(steps)
    while rest:
        memory = Memory()
        done = [(step, memory(*step)) for step in begin]
        while rest:
            step = rest.popleft()
            done += [(step, memory(*step)), (("tree",), memory("tree"))]
            if "value" in done[-2][1] and not only_reads(*step):
                break
        for ours, answer in zip(done, kernel([("clear",), *(s for s, _ in done)])[1:], strict=True):
            assert ours == (ours[0], answer)


def only_reads(operation: str, *arguments: Any) -> bool:
    if operation == "open":
        changing = os.O_ACCMODE | os.O_CREAT | os.O_TRUNC
        return not arguments[1] & changing
    return operation in ("stat", "lstat", "readlink", "listdir")


mounting: st.SearchStrategy[Operation] = st.one_of(
    operations,
    operations,
    st.tuples(st.just("mount"), st.one_of(names, paths), st.booleans()),
    st.tuples(st.just("unmount"), st.one_of(names, paths)),
)


LOOP = [("symlink", f"l{i}", f"l{i + 1}") for i in range(45)]


@settings(
    max_examples=int(os.environ.get("SANDBOX_VFS_EXAMPLES", "150")),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example(steps=[("mkdir", "l0", 0o755), *LOOP, ("stat", "l40"), ("stat", "l41")])
@example(steps=[("symlink", "a", "a"), ("stat", "a"), ("open", "a", os.O_CREAT, 0o644, 0, "")])
@example(
    steps=[
        ("mkdir", "a", 0o755),
        ("chdir", "a"),
        ("rmdir", "../a"),
        ("mkdir", "b", 0o755),
        ("stat", "."),
        ("stat", ".."),
        ("open", "x", os.O_CREAT | os.O_WRONLY, 0o644, 0, "x"),
    ]
)
@example(steps=[("open", "a", os.O_CREAT | os.O_WRONLY, 0o6755, 0, "x"), ("chown", "a", 1, 1)])
@example(steps=[("mkdir", "a", 0o2755), ("chown", "a", 1, 5), ("mkdir", "a/b", 0o755)])
@given(steps=st.lists(operations, min_size=1, max_size=25))
def test_every_operation_answers_as_the_kernel_does(kernel: Kernel, steps: list[Operation]) -> None:
    compare(kernel, steps)


TREE: list[Operation] = [
    ("mkdir", "d", 0o755),
    ("mkdir", "d/full", 0o755),
    ("open", "d/full/f", os.O_CREAT | os.O_WRONLY, 0o644, 0, "x"),
    ("mkdir", "empty", 0o755),
    ("open", "f", os.O_CREAT | os.O_WRONLY, 0o644, 0, "y"),
    ("link", "f", "same"),
    ("symlink", "d", "to-d"),
    ("symlink", "f", "to-f"),
    ("symlink", "nowhere", "broken"),
    ("symlink", "loop", "loop"),
]
PATHS = [
    *("d", "d/", "d/full", "d/full/f", "d/full/..", "d/.", "empty", "empty/", "f", "f/", "same"),
    *("to-d", "to-d/", "to-d/full", "to-f", "to-f/", "broken", "broken/", "loop", "loop/x"),
    *("new", "new/", "d/new", "empty/new/", "none/new", "f/new", "/", ".", "..", ""),
]


@pytest.mark.parametrize("operation", ["rename", "link", "symlink"])
def test_every_two_paths_answer_as_in_the_kernel(kernel: Kernel, operation: str) -> None:
    compare_each(kernel, TREE, [(operation, one, other) for one in PATHS for other in PATHS])


OPEN_FLAGS = [
    access | more
    for access in (os.O_RDONLY, os.O_WRONLY)
    for more in (
        *(0, os.O_CREAT, os.O_CREAT | os.O_EXCL, os.O_TRUNC, os.O_NOFOLLOW, os.O_DIRECTORY),
        *(os.O_CREAT | os.O_NOFOLLOW, os.O_NOFOLLOW | os.O_DIRECTORY),
    )
]


def operations_on(path: str) -> list[Operation]:
    return [
        *(("open", path, flags, 0o640, 1, "z") for flags in OPEN_FLAGS),
        *((name, path) for name in ("rmdir", "unlink", "stat", "lstat", "readlink", "listdir")),
        *(("mkdir", path, 0o700), ("chmod", path, 0o711), ("chown", path, 3, 4)),
        ("truncate", path, 9),
    ]


def test_every_path_answers_as_in_the_kernel(kernel: Kernel) -> None:
    for path in PATHS:
        compare_each(kernel, TREE, [*operations_on(path), ("chdir", path)])


@pytest.fixture(scope="module")
def mounts() -> Iterator[Kernel]:
    if os.geteuid() != 0:
        pytest.skip("needs root: only root may mount")
    with tempfile.TemporaryDirectory() as folder:
        kernel = Kernel(folder, "mounts")
        assert kernel.ready
        yield kernel
        assert kernel.close() == ""
        assert os.listdir(folder) == []


MOUNTED: list[Operation] = [
    ("mkdir", "m", 0o755),
    ("mkdir", "m/under", 0o755),
    ("mount", "m", False),
    ("mkdir", "m/n", 0o755),
    ("mount", "m/n", False),
    ("mkdir", "r", 0o755),
    ("mount", "r", True),
    ("mkdir", "two", 0o755),
    ("mount", "two", False),
    ("mount", "two", False),
    ("open", "f", os.O_CREAT | os.O_WRONLY, 0o644, 0, "y"),
    ("mkdir", "d", 0o755),
    ("symlink", "m", "to-m"),
    ("symlink", "../f", "m/up"),
]
MOUNTED_PATHS = [
    *(
        "m",
        "m/",
        "m/a",
        "m/b",
        "m/.",
        "m/..",
        "m/new",
        "m/n",
        "m/n/a",
        "m/n/b",
        "m/n/..",
        "m/n/../..",
    ),
    *("m/up", "r", "r/a", "r/b", "r/new", "r/b/x", "r/none/x", "two", "two/b", "two/.."),
    *("f", "d", "d/new", "to-m", "to-m/b", "to-m/..", "new", "/", "."),
]


@pytest.mark.parametrize("operation", ["rename", "link"])
def test_two_paths_among_mounts_answer_as_in_the_kernel(mounts: Kernel, operation: str) -> None:
    pairs = [(operation, one, other) for one in MOUNTED_PATHS for other in MOUNTED_PATHS]
    compare_each(mounts, MOUNTED, pairs)


def test_every_path_among_mounts_answers_as_in_the_kernel(mounts: Kernel) -> None:
    for path in MOUNTED_PATHS:
        mounting = [("unmount", path), ("mount", path, False), ("mount", path, True)]
        steps = [*operations_on(path), ("symlink", "a", path), *mounting]
        compare_each(mounts, MOUNTED, steps)
        for away in ("unmount", "rmdir"):
            steps = [
                ("chdir", path),
                (away, "two"),
                (away, "/m"),
                ("stat", ".."),
                ("listdir", ".."),
            ]
            compare(mounts, [*MOUNTED, *steps])


@settings(
    max_examples=int(os.environ.get("SANDBOX_VFS_EXAMPLES", "150")),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(mounting, min_size=1, max_size=25))
def test_every_operation_among_mounts_answers_as_the_kernel_does(
    mounts: Kernel, steps: list[Operation]
) -> None:
    compare(mounts, [("mkdir", "a", 0o755), ("mount", "a", False), *steps])
