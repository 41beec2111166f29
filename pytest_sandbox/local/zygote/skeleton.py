"""The skeleton of the `host` image: all of the machine that a sandbox sees outside of `/usr`.

By allow-list: a name that is not mentioned here does not exist in a sandbox, so nothing that
turns up later on the machine can show. Only files that everybody may read are copied.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat

from ..filesystem import mount_points

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: Names in /etc that programs need and that hold no secrets.
ETC = frozenset(
    """
    adduser.conf alpine-release alternatives apt bash.bashrc bash_completion.d
    bindresvport.blacklist ca-certificates ca-certificates.conf crypto-policies debconf.conf
    debian_version deluser.conf dpkg fonts gai.conf host.conf inputrc issue java-11-openjdk
    java-17-openjdk java-21-openjdk ld.so.cache ld.so.conf ld.so.conf.d libaudit.conf
    locale.alias locale.conf localtime login.defs lsb-release magic magic.mime mailcap
    mime.types nanorc netconfig networks nsswitch.conf os-release pam.conf pam.d perl pki
    postgresql-common profile protocols python3 python3.10 python3.11 python3.12 python3.13
    python3.14 python3.9 redhat-release rpc security services shells skel ssl system-release
    terminfo timezone ucf.conf vim vimrc xattr.conf
    """.split()  # noqa: SIM905 - easier to read and to sort
)
#: Names that are left out wherever they appear below those: keys and passwords live there.
_SECRET_NAMES = re.compile(r"private|.*auth\.conf.*|opasswd|entitlement|consumer")
#: What tells a file with a secret, whatever its name is: user information in a URL, which may be a
#: token without a password; the line of netrc(5), which apt reads too; keys of stores on the web.
_SECRET_TEXTS = (
    re.compile(rb"://[^/\s@]+@"),
    re.compile(rb"login\s+\S+\s+password\s"),
    re.compile(rb"PRIVATE KEY-----"),
    re.compile(rb"ecretAccessKey"),
)
#: What else tells one below `/etc/apt`. Other settings mention passwords, such as pam(8).
_SECRET_TEXTS_OF_APT = (
    # A proxy without a scheme: `"user:password@proxy:3128"`.
    re.compile(rb":(?<=[\w.%+-]:)[^\s\"'/:@]{1,200}@[\w\[]"),
    # The fields of netrc(5) have any order, and may be on lines of their own.
    re.compile(rb"machine\s+\S.{0,500}?\spassword\s+\S", re.DOTALL),
    re.compile(rb"default\s+password\s+\S"),
)
#: Keys with values, in any syntax of settings. Looking for them takes longer than for the words.
_SECRET_WORDS = (b"secret", b"token", b"passw", b"apikey", b"api_key", b"api-key")
_SECRET_KEY = re.compile(
    rb"(?:secret|token|passw(?:or)?d|api[_-]?key)[\w-]{0,40}[\"']?\s{0,40}[=:\"']\s{0,40}[^\s;]"
)
#: What follows the host in a URL; and what looks like a token in it: a query, and names that look
#: random. The time of a snapshot of Debian is none: `20240101T000000Z`.
_PATH_OF_URL = re.compile(rb"://[^\s\"/?]+([/?][^\s\"]*)")
_TOKEN = re.compile(
    rb"\?.|/[\da-fA-F]{8}-[\da-fA-F]{4}-"
    rb"|(?<![a-zA-Z\d])(?!\d{8}T\d{6}Z)(?=[a-zA-Z]*\d)(?=\d*[a-zA-Z])[a-zA-Z\d]{16}"
)
_LARGEST = 4 * 1024 * 1024
#: Bytes of a module that is one file: compiled ones are large.
_LARGEST_MODULE = 64 * 1024 * 1024
#: Where the kernel's own file systems are mounted.
FOLDERS_OF_KERNEL = {
    "dev": 0o755,
    "dev/pts": 0o755,
    "dev/shm": 0o1777,
    "proc": 0o555,
    "sys": 0o555,
}
_DIRECTORIES = {
    **FOLDERS_OF_KERNEL,
    "boot": 0o755,
    "etc": 0o755,
    "home": 0o755,
    "media": 0o755,
    "mnt": 0o755,
    "opt": 0o755,
    "root": 0o755,
    "run": 0o755,
    "run/lock": 0o1777,
    "srv": 0o755,
    "tmp": 0o1777,
    "usr": 0o755,
    "var": 0o755,
    "var/cache": 0o755,
    "var/lib": 0o755,
    "var/local": 0o755,
    "var/log": 0o755,
    "var/mail": 0o755,
    "var/opt": 0o755,
    "var/spool": 0o755,
    "var/tmp": 0o1777,
}
#: Links to what the kernel shows.
LINKS_TO_KERNEL = {
    "dev/fd": "/proc/self/fd",
    "dev/ptmx": "pts/ptmx",
    "dev/stderr": "/proc/self/fd/2",
    "dev/stdin": "/proc/self/fd/0",
    "dev/stdout": "/proc/self/fd/1",
    "etc/mtab": "/proc/self/mounts",  # for libraries that read it: getmntent(3)
}
_LINKS = {
    **LINKS_TO_KERNEL,
    "var/lock": "/run/lock",
    "var/run": "/run",
}
#: Files about the names of hosts.
HOST_FILES = {
    "etc/hostname": "sandbox\n",
    "etc/hosts": "127.0.0.1\tlocalhost sandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n",
    "etc/resolv.conf": "",  # there is no network to ask a name server by
}
_FILES = {
    **HOST_FILES,
    "etc/fstab": "",
    "etc/machine-id": "",  # empty until something wants one: machine-id(5)
}
# The overflow id, which unmapped owners show as, user_namespaces(7), and the least number of
# people's accounts, UID_MIN of login.defs(5).
_NOBODY = 65534
_FIRST_PERSON = 1000


def build(
    root: str, etc: Chosen, devices: tuple[str, ...], links: dict[str, str], points: list[str]
) -> None:
    """Fill the empty directory `root`.

    Args:
        root: where.
        etc: what shows of the machine's `/etc`.
        devices: names in `/dev` that will be mounted over.
        links: top-level symbolic links, name to target.
        points: absolute paths of directories that will be mounted over.
    """
    for name, mode in _DIRECTORIES.items():
        make_folder(f"{root}/{name}", mode)
    for name, target in {**_LINKS, **links}.items():
        os.symlink(target, f"{root}/{name}")
    for name, text in {**_FILES, **_accounts()}.items():
        make_file(f"{root}/{name}", text.encode(), 0o644)
    os.chmod(f"{root}/etc/shadow", 0o600)
    for name in devices:
        make_file(f"{root}/dev/{name}", b"", 0o666)
    etc.write(f"{root}/etc")
    mount_points.prepare(root, points, [])


def add_scripts(folder: str, scripts: dict[str, bytes]) -> None:
    """Make a directory of programs, name to content."""
    os.makedirs(folder, 0o755)
    for name, content in scripts.items():
        make_file(f"{folder}/{name}", content, 0o755)


def read_files(paths: list[str]) -> dict[str, tuple[bytes, int]]:
    """Content and mode of regular files that can be read and are not too large, by path."""
    found = {}
    for path in paths:
        with contextlib.suppress(OSError):
            # O_NONBLOCK: opening a pipe would wait for a writer.
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(fd, "rb") as file:
                info = os.fstat(fd)
                if stat.S_ISREG(info.st_mode) and info.st_size <= _LARGEST_MODULE:
                    found[path] = file.read(_LARGEST_MODULE), info.st_mode & 0o755
    return found


def add_files(root: str, files: dict[str, tuple[bytes, int]], links: dict[str, str]) -> None:
    """Make files at their own paths, and symbolic links, where there is nothing yet.

    Args:
        root: where the paths begin.
        files: content and mode by path.
        links: targets by path.
    """
    for path, (content, mode) in files.items():
        mount_points.prepare(root, [os.path.dirname(path)], [])
        with contextlib.suppress(FileExistsError):
            make_file(root + path, content, mode)
    for path, target in links.items():
        # Not if something is on the way that the skeleton has of its own, such as a link.
        with contextlib.suppress(OSError):
            mount_points.prepare(root, [os.path.dirname(path)], [])
            os.symlink(target, root + path)


def give_to(root: str, owner: int) -> None:
    """Make `owner` own all of the skeleton."""
    os.lchown(root, owner, owner)
    with os.scandir(root) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                give_to(entry.path, owner)
            else:
                os.lchown(entry.path, owner, owner)


def _accounts() -> dict[str, str]:
    """The machine's system accounts, locked; people's accounts do not exist in a sandbox."""
    users = [line for line in _lines("/etc/passwd") if line[0] != "root"]
    users = [["root", "x", "0", "0", "root", "/root", "/bin/sh"], *filter(_is_system, users)]
    names = {line[0] for line in users}
    groups = [line for line in _lines("/etc/group") if line[0] != "root"]
    groups = [["root", "x", "0", ""], *filter(_is_system, groups)]
    for line in groups:
        line[3] = ",".join(name for name in line[3].split(",") if name in names)
    return {
        "etc/passwd": _text(users),
        "etc/group": _text(groups),
        "etc/shadow": _text(
            # No password matches "*", and one that was changed at day 0 would have to be changed:
            # shadow(5).
            [[name, "*", "19000", "0", "99999", "7", "", "", ""] for name in names]
        ),
    }


def _lines(path: str) -> list[list[str]]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = [line.rstrip("\n").split(":") for line in file]
    except OSError:
        return []
    return [line for line in lines if len(line) >= 4 and line[2].isdigit()]


def _is_system(line: list[str]) -> bool:
    number = int(line[2])
    return number < _FIRST_PERSON or number == _NOBODY


def _text(lines: list[list[str]]) -> str:
    return "".join(":".join(line) + "\n" for line in lines)


class Chosen:
    """What may show of a folder, in memory: what is in a folder comes after it.

    The zygote reads `/etc` while it waits for the engine, which takes about as long as to write it.

    Attributes:
        folders: paths below it.
        links: paths to targets.
        files: paths to contents, and modes.
    """

    def __init__(self) -> None:
        self.folders: list[str] = []
        self.links: dict[str, str] = {}
        self.files: dict[str, tuple[bytes, int]] = {}

    @classmethod
    def read(cls, source: str) -> Chosen:
        """Read those names of a folder that may show."""
        chosen = cls()
        with os.scandir(source) as entries:
            for entry in entries:
                if entry.name in ETC:
                    chosen._add(entry, entry.name)
        return chosen

    def write(self, target: str) -> None:
        """Copy it, as far as `target` has none of its names yet."""
        there = set(os.listdir(target))
        for path in filter(_not_in(there), self.folders):
            make_folder(f"{target}/{path}", 0o755)
        for path in filter(_not_in(there), self.links):
            os.symlink(self.links[path], f"{target}/{path}")
        for path in filter(_not_in(there), self.files):
            make_file(f"{target}/{path}", *self.files[path])

    def _add(self, entry: os.DirEntry[str], path: str) -> None:
        """Add a file, link or directory if everybody may read it; anything else is left out."""
        try:
            if entry.is_symlink():
                self.links[path] = os.readlink(entry.path)
            else:
                self._add_as(entry.stat(follow_symlinks=False), entry.path, path)
        except (FileNotFoundError, NotADirectoryError):
            pass  # a package manager may be at work on the machine, and replace files meanwhile

    def _add_as(self, info: os.stat_result, source: str, path: str) -> None:
        if stat.S_ISDIR(info.st_mode) and info.st_mode & 0o005 == 0o005:
            self.folders.append(path)
            with os.scandir(source) as entries:
                for entry in entries:
                    if not is_secret_name(entry.name):
                        self._add(entry, f"{path}/{entry.name}")
        elif stat.S_ISREG(info.st_mode) and info.st_mode & 0o004 and info.st_size <= _LARGEST:
            content = _content(source, info.st_size)
            if not has_secret(content, of_apt="/etc/apt/" in source):
                self.files[path] = content, info.st_mode & 0o755


def _not_in(names: set[str]) -> Callable[[str], bool]:
    return lambda path: path.partition("/")[0] not in names


def is_secret_name(name: str) -> bool:
    """Whether what has this name below `/etc` is left out."""
    return _SECRET_NAMES.fullmatch(name) is not None


def has_secret(content: bytes, *, of_apt: bool = False) -> bool:
    """Whether a file with this content is left out; `of_apt`: whether it is below `/etc/apt`."""
    # Each begins with letters, which `re` looks for faster than for one of several.
    if any(text.search(content) for text in _SECRET_TEXTS):
        return True
    # Files with a NUL are keyrings in the binary format: chance makes anything in them.
    return of_apt and b"\0" not in content and _has_secret_of_apt(content)


def _has_secret_of_apt(content: bytes) -> bool:
    if any(text.search(content) for text in _SECRET_TEXTS_OF_APT):
        return True
    lower = content.lower()
    if any(word in lower for word in _SECRET_WORDS) and _SECRET_KEY.search(lower):
        return True
    return any(_TOKEN.search(path) for path in _PATH_OF_URL.findall(content))


# There are hundreds of files and links in /etc, and an engine starts with a copy of them: so here
# are as few system calls as it takes.
def _content(path: str, size: int) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, size)
    finally:
        os.close(fd)


def make_folder(path: str, mode: int) -> None:
    """Make a directory with this mode, whatever the umask is."""
    os.mkdir(path)
    os.chmod(path, mode)


def make_file(path: str, content: bytes, mode: int) -> None:
    """Make a new file."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC)
    try:
        while content:
            content = content[os.write(fd, content) :]
        os.fchmod(fd, mode)
    finally:
        os.close(fd)
