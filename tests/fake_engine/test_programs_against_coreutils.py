"""The built-in programs do what those of coreutils do, or say by name what they do not understand.

Arguments are generated: options alone and combined, long ones, `--`, operands that are missing, and
files that are binary, or have no newline at their end. All operands are names in an empty folder
that is made for each command, or mere text.
"""
# ruff: noqa: E501  a grammar is one line

import asyncio
import os
import platform
import re
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_sandbox.engine import ProcessSpec, TaskSpec
from pytest_sandbox.fakes import FakeEngine, MemoryTask

from .conftest import content

EXAMPLES = int(os.environ.get("SANDBOX_PROGRAM_EXAMPLES", "25"))
ENVIRONMENT = {"HOME": "/home/me", "PATH": "/usr/bin:/bin", "A": "one", "B": "", "LC_ALL": "C"}
FILES = {
    "a": b"one two\nthree\n\n4 -5 x\nthree",
    "b": b"\0\xff\r\nx\x0by \x80\n\n10 z\n9 z\n-0 z\n1.5.2\n",
    "e": b"",
    "d/c": b"in d\n",
    "-n": b"named as an option\n",
}
REFUSED = "is not supported by the engine in memory"


class Outcome(NamedTuple):
    """What a command wrote, how it ended, and what the folder then had: type, mode and content."""

    stdout: bytes
    code: int
    files: dict[str, tuple[int, bytes]]


def really(argv: list[str], stdin: bytes) -> Outcome:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "d").mkdir()
        (folder / "d").chmod(0o755)
        for path, data in FILES.items():
            (folder / path).write_bytes(data)
            (folder / path).chmod(0o644)
        (folder / "l").symlink_to("a")
        program = shutil.which(argv[0], path=ENVIRONMENT["PATH"])
        done = subprocess.run(
            argv,
            executable=program,
            cwd=folder,
            env=ENVIRONMENT,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            umask=0o022,
            start_new_session=True,  # a group of its own, should a signal go to that
            timeout=20,
            check=False,
        )
        stdout = done.stdout.replace(os.fsencode(folder.resolve()), b"/srv/here")
        if argv[0] == "hostname":
            stdout = stdout.replace(os.fsencode(platform.node()), b"sandbox")
        return Outcome(stdout, done.returncode, {
            str(path.relative_to(folder)): _seen(path) for path in sorted(folder.rglob("*"))
        })  # fmt: skip


def _seen(path: Path) -> tuple[int, bytes]:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return stat.S_IFLNK, os.fsencode(os.readlink(path))  # a Path would drop `./`
    return mode, path.read_bytes() if stat.S_ISREG(mode) else b""


def in_memory(argv: list[str], stdin: bytes) -> tuple[Outcome, list[str]]:
    async def main() -> tuple[Outcome, list[str]]:
        engine = FakeEngine()
        await engine.start()
        task = await engine.create(TaskSpec(workdir="/srv/here"))
        for path, data in FILES.items():
            task.view.write(f"/srv/here/{path}", data)
        task.kernel.fs.symlink("a", "/srv/here/l")
        process = await task.exec(ProcessSpec(tuple(argv), env=ENVIRONMENT))
        await process.write_stdin(stdin)
        await process.close_stdin()
        code = (await process.wait()).returncode
        output = await content(process.stdout)
        files = _tree(task, "/srv/here")
        await engine.close()
        return Outcome(output, code, files), engine.problems

    return asyncio.run(main())


def _tree(task: MemoryTask, top: str, below: str = "") -> dict[str, tuple[int, bytes]]:
    found: dict[str, tuple[int, bytes]] = {}
    for name in task.view.listdir(f"{top}/{below}"):
        path = f"{below}{name}"
        inode = task.kernel.fs.lookup(f"{top}/{path}", follow=False)
        if stat.S_ISLNK(inode.mode):
            found[path] = (stat.S_IFLNK, os.fsencode(task.kernel.fs.readlink(f"{top}/{path}")))
        elif stat.S_ISREG(inode.mode):
            found[path] = (inode.mode, task.view.read_bytes(f"{top}/{path}"))
        else:
            found[path] = (inode.mode, b"")
            found |= _tree(task, top, f"{path}/")
    return found


def check(argv: list[str], stdin: bytes = b"") -> bool:
    """Compare both; returns whether the one in memory understood the command."""
    seen, problems = in_memory(argv, stdin)
    if any(REFUSED in problem for problem in problems):
        assert seen.code == 2
        return False
    assert seen == really(argv, stdin)
    return True


class Grammar(NamedTuple):
    """What arguments of a program are made of."""

    options: tuple[str, ...]
    operands: tuple[str, ...]


NAMES = ("a", "b", "e", "d", "l", "d/c", "none", "-", "", "./-n", "a/", "none/x")
TEXTS = ("/a/b", "a/b.c", "x", "", "/", "//", "a//b//", "-a", ".c", "a b", "./", "/a/")
NUMBERS = ("1", "3", "-2", "0", "007", "+2", "1.5", "x", "", "1_0", " 2", "0x3")
GRAMMARS = {
    "basename": Grammar(("-a", "-z", "-s", "-s.c", "-as", "--suffix=.c", "--multiple", "-x"), TEXTS),
    "dirname": Grammar(("-z", "--zero", "-x", "-zz"), TEXTS),
    "printenv": Grammar(("-0", "--null", "-x"), ("A", "B", "HOME", "NONE", "A=one", "")),
    "env": Grammar(
        ("-i", "-", "-u", "-uA", "--unset=B", "-0", "-iuA", "--ignore-environment", "-x"),
        ("C=3", "A=", "=x", "printenv", "env", "basename", "/x/y", "none"),
    ),
    "sleep": Grammar(("-x", "--help"), ("0", "0s", ".0m", "0ss", "x", "", "0e1", "0x0", "s", "-0")),
    "true": Grammar(("--help", "--version", "-x"), ("x",)),
    "false": Grammar(("--help", "--version", "-x"), ("x",)),
    "echo": Grammar(("-n", "-e", "-E", "-ne", "--help", "-x"), (r"a\tb", r"\c", "", "x y", "-", r"\101\0101\1\x41", r"\e\\")),
    "pwd": Grammar(("-P", "--physical", "-x"), ()),
    "tty": Grammar(("-s", "--silent", "-x"), ("x",)),
    "uname": Grammar(("-s", "-o", "-so", "--kernel-name", "-x"), ("x",)),
    "whoami": Grammar(("--version", "-x"), ("x",)),
    "seq": Grammar(("-s", "-s,", "-w", "-f%g", "--separator=:", "-s:"), NUMBERS),
    "printf": Grammar(
        ("-x", "--help"),
        ("%s", "%d", r"\n%5s|", "%%", "%x", "%c", "%b", "x", "12", "'A", r"\101\x41", "%", "%q",
         "%-3d|", "%.1f", "1e2", "08", "-1", "%u", "%i", r"\c%o", "%+d", "% d", "%#x", "%#o", "%05d",
         "%.3d", "%5.2d", "%.0d", "0", "%-5s|", "%.2s", "%*d", "7 ", " 7", "'", "99999999999999999999",
         r"\0101\1\e", r"a\tb\cd", "%5c|", "", r"\u0041", "+5", "-0x1f", "%X"),
    ),
    "test": Grammar(
        ("-n", "-z", "-f", "-d", "-e", "-s", "-L", "!", "-a", "-o", "(", ")", "=", "!=", "-eq",
         "-lt", "-nt", "-ef", "-ot", "==", "<", "-x", "-r", "-h", "-t", "-p", "-c"),
        ("a", "d", "l", "none", "", "1", "02", " 3", "x", "--help", "1_0", "99999999999999999999", "-1"),
    ),
    "[": Grammar(
        ("-n", "-d", "!", "-a", "(", ")", "=", "-eq", "-nt", "]", "]", "]"),
        ("a", "d", "none", "", "1", "x", "]"),
    ),
    "cat": Grammar(("-u", "-n", "-A", "--number", "-un"), NAMES),
    "head": Grammar(
        ("-n", "-n2", "-c3", "-c", "-q", "-v", "-1", "-qn1", "--lines=2", "--bytes=5", "-n-1", "-z",
         "-n1k", "-n+1", "--quiet", "-vc2"),
        NAMES,
    ),
    "tail": Grammar(
        ("-n", "-n2", "-c3", "-c", "-q", "-v", "-1", "-qn1", "--lines=2", "--bytes=5", "-n+2", "-z",
         "-c+3", "-n-1", "+2", "-n0", "-c0"),
        NAMES,
    ),
    "wc": Grammar(("-l", "-w", "-c", "-lw", "-cl", "-m", "-L", "--lines", "--bytes", "-lwc"), NAMES),
    "tee": Grammar(("-a", "--append", "-x", "-i"), ("a", "e", "new", "none/x", "d", "-")),
    "sort": Grammar(
        ("-n", "-r", "-u", "-nr", "-nu", "-rnu", "-k1", "--reverse", "-f", "--unique"), NAMES
    ),
    "grep": Grammar(
        ("-F", "-i", "-v", "-c", "-q", "-n", "-h", "-x", "-e", "-ex", "-Fc", "-E", "-vc", "-qv"),
        ("three", "T", "x", "", "a.b", "a", "b", "e", "d", "none", "-"),
    ),
    "chown": Grammar(("-h", "-R", "-x", "--"), ("0", "0:0", ":0", "0:", "x", "", "a", "d", "l", "none", "+0")),
    "hostname": Grammar(("-x", "-f", "-I"), ("x",)),
    "kill": Grammar(("-0", "-s", "-TERM"), ("99999999", "99999998")),
    "stty": Grammar(("-a", "-g", "-echo"), ("size", "raw", "x", "")),
    "ls": Grammar(("-a", "-A", "-d", "-1", "-da", "-R", "--all", "-aA", "-t"), NAMES),
    "cp": Grammar(
        ("-r", "-R", "-a", "-p", "-f", "-rf", "-t", "--recursive", "-n", "-d"),
        (*NAMES, "new", "d/new", "d/.", "."),
    ),
    "mv": Grammar(("-f", "-n", "-t", "-x", "--force", "-T"), (*NAMES, "new", "d/new", ".")),
    "ln": Grammar(("-s", "-f", "-n", "-sf", "-sfn", "--symbolic", "-r", "-T"), (*NAMES, "new")),
    "mkdir": Grammar(("-p", "-m", "-m700", "--parents", "-pm", "--mode=711", "-v"), ("a", "d", "new", "new/x", "700", "u+x", "")),
    "rmdir": Grammar(("-p", "--parents", "-v"), ("a", "d", "none", "l", "")),
    "rm": Grammar(("-r", "-f", "-rf", "-R", "--recursive", "--force", "-d", "-i", "-v"), NAMES),
    "readlink": Grammar(("-f", "-n", "-e", "-z"), ("l", "a", "none", "d", "")),
    "touch": Grammar(("-c", "-t", "-t200101010000", "-x", "--no-create"), ("a", "new", "d", "none/x", "", "200101010000", "l")),
    "chmod": Grammar(("-R", "-x", "-v", "--recursive", "-w"), ("644", "u+x", "a=r", "9", "+w", "a", "d", "l", "none", "")),
    "truncate": Grammar(("-s", "-s5", "-s+1", "-c", "--size=3", "-sx", "-s1k"), ("a", "e", "new", "3", "d", "none/x", "")),
}  # fmt: skip


def _arguments(grammar: Grammar) -> st.SearchStrategy[list[str]]:
    words = [st.sampled_from(grammar.options), st.just("--")]
    operands = [st.sampled_from(grammar.operands)] if grammar.operands else []
    return st.lists(st.one_of(*operands, *words, *operands), max_size=5)


STDIN = st.sampled_from([b"", b"x\n", b"b\na\nno end", FILES["b"]])


LONG = (
    "echo x > one; head -c 12345 /dev/zero > two; ln two three; ln -s one .l; : > f\u00fc;"
    "touch -t 200102030405 one two f*; chmod 4751 two; "
)


def columns(text: bytes) -> list[bytes]:
    """A long listing without owners, which differ, and without what a filesystem allocates."""
    lines = re.sub(rb"(?m)^total [0-9]+$", b"total", text).split(b"\n")
    owners = re.compile(rb"^(\S+ +\d+) \S+ +\S+( +\d+ )")
    return [
        re.sub(rb"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d", b"now", owners.sub(rb"\1\2", line))
        for line in lines
    ]


@pytest.mark.parametrize("arguments", ["-l", "-lA", "-1l", "-l1", "-l one two .l"])
def test_a_long_listing_is_that_of_coreutils(arguments: str) -> None:
    script = f"mkdir x; cd x; {LONG} ls {arguments}"
    seen, problems = in_memory(["sh", "-c", script], b"")
    assert problems == []
    assert columns(seen.stdout) == columns(really(["sh", "-c", script], b"").stdout)


def test_the_sum_of_a_long_listing_is_of_whole_pages() -> None:
    seen, _ = in_memory(["sh", "-c", f"mkdir x; cd x; {LONG} ls -l"], b"")
    assert seen.stdout.startswith(b"total 36\n")


@pytest.mark.parametrize("program", GRAMMARS)
def test_a_program_does_what_coreutils_do_or_refuses(program: str) -> None:
    if program == "chown" and os.geteuid() != 0:
        pytest.skip("only root gives files to others")

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
    @given(arguments=_arguments(GRAMMARS[program]), stdin=STDIN)
    def compare(arguments: list[str], stdin: bytes) -> None:
        check([program, *arguments], stdin)

    compare()


UNDERSTOOD = r"""
basename -- /a/b
basename -s .c a.c b.c
basename -a /a/b c
basename --suffix=.c -- /x/a.c
dirname -- /a/b
dirname -z /a/b c
dirname a//b //a
sleep -- 0
sleep 0 0s
printenv
printenv A B
printenv A NONE
printenv -0 -- A
env -iu A B=1 -- env
env --ignore-environment A=1 printenv A
env -uA -- printenv A
head -qn1 -- a b
head -v a
head -c2 -n1 a
head a none b
tail -qn1 -- a b
tail -n +2 b
wc a b
wc -- a
wc
wc -l a b
wc a none
sort -nu b
sort -rn -- a b
tee -- new
grep -c three -- a
grep -e x -- a
pwd -P
tty -s
uname -s --
seq -- -2 1
seq -s : 3
ls -aA
ls -- -n
cat -- -n
cp -- -n new
rm -- -n
mkdir --parents -- new/x
chmod -- 600 a
touch -- -x
truncate --size=3 -- a
ln -s -- a new
mv -- -n new
mkdir -pm 700 d new
printf %b|%x|%#o|%5.3d| \101\x41 -1 8 7
echo -e \101\0101\x41\c
test 99999999999999999999 -gt 1
rm -f a/
chown 0:0 a
kill -0 99999999
""".strip().split("\n")


@pytest.mark.parametrize("command", UNDERSTOOD)
def test_usual_arguments_are_understood(command: str) -> None:
    assert check(command.split(), b"in\n")


@pytest.mark.parametrize(
    "command",
    ["hostname x", "kill", "whoami x", "uname x", "cat --show-all a", "head -n 1k a", "yes --help",
     "kill -l", "head -n x -n 2 a", "tail -n a -n2 a", "head -n -- -n2", "grep -vc x b", "mkdir -pm x d",
     "tail -n +2 -c 3 a", "printf \\u00e9", "ls -l /dev/null", "chown 0: a",
     "kill -l 9", "sort -k2 a", "echo --help", "true --version"],
)  # fmt: skip
def test_what_is_not_understood_is_refused_by_name(command: str) -> None:
    seen, problems = in_memory(command.split(), b"")
    assert seen.code == 2
    assert [problem for problem in problems if REFUSED in problem]


@pytest.mark.parametrize("flags", ["", "-a", "-n", "-sn", "-ro", "-v", "-m", "-nsr"])
def test_uname_tells_as_many_facts_in_the_same_order(flags: str) -> None:
    facts = {"-s": "Linux", "-n": "sandbox", "-r": "0.0.0-memory", "-v": "#1", "-m": "x86_64"}
    real = {
        letter: getattr(platform.uname(), name)
        for letter, name in zip(
            facts, ("system", "node", "release", "version", "machine"), strict=True
        )
    }
    argv = ["uname", *flags.split()]
    shown = really(argv, b"").stdout.decode()
    for letter in ("-v", "-r", "-n", "-m", "-s"):
        shown = re.sub(rf"(?<!\S){re.escape(real[letter])}(?!\S)", facts[letter], shown)
    assert in_memory(argv, b"")[0].stdout.decode() == shown
