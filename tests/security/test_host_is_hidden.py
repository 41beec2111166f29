"""Nothing of the machine shows: no home, no credential, no process, no socket, no other user."""

import json
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_sandbox.engine import Engine, ProcessSpec, Task, TaskSpec

pytestmark = pytest.mark.asyncio(loop_scope="module")

Inside = Callable[..., Awaitable[Any]]

CHECKOUT = Path(__file__).parents[2]
#: The running Python environment and the installation that it is made from: these show.
ENVIRONMENT = sorted({os.path.realpath(path) for path in (sys.prefix, sys.base_prefix)})
#: What else shows of the machine, at its own path: the package, if it is installed as editable.
SHOWN = [*ENVIRONMENT, str(CHECKOUT / "pytest_sandbox")]
#: Below these, an environment shows at another path.
SCRATCH = ("/tmp", "/var/tmp", "/run", "/dev/shm")

#: Directories that lead there.
WAY = {str(path) for each in SHOWN for path in (Path(each), *Path(each).parents)}

EXIST = """
import json, os, sys
print(json.dumps([path for path in sys.argv[1:] if os.path.lexists(path)]))
"""


@pytest.fixture
def planted() -> Iterator[tuple[str, list[str]]]:
    """A file of one name in every place of the machine that this user can write to."""
    name = "planted-" + secrets.token_hex(16)
    folders = [
        tempfile.gettempdir(),
        "/tmp",
        "/var/tmp",
        "/dev/shm",
        str(Path.home()),
        "/run",
        "/mnt",
    ]
    folders += ["/srv", "/opt", "/etc", "/var/lib", "/var/log", "/media", "/boot", "/"]
    paths = [f"{folder}/{name}" for folder in dict.fromkeys(folders) if os.access(folder, os.W_OK)]
    assert len(paths) >= 3
    for path in paths:
        Path(path).write_text("secret")
    yield name, paths
    for path in paths:
        os.unlink(path)


async def test_files_of_the_machine_do_not_exist(
    inside: Inside, planted: tuple[str, list[str]]
) -> None:
    _, paths = planted
    assert await inside(EXIST, *paths) == []


async def test_a_search_finds_nothing_either(
    inside: Inside, planted: tuple[str, list[str]]
) -> None:
    code = """
import json, os, sys
found = []
for folder, folders, names in os.walk("/"):
    if folder == "/":
        folders[:] = [name for name in folders if name not in ("proc", "sys")]
    found += [os.path.join(folder, name) for name in (*folders, *names) if sys.argv[1] in name]
print(json.dumps(found))
"""
    name, _ = planted
    assert await inside(code, name) == []


async def test_the_checkout_is_hidden(inside: Inside) -> None:
    paths = [str(path) for path in (CHECKOUT / "pyproject.toml", CHECKOUT / ".git", CHECKOUT)]
    assert await inside(EXIST, *paths[:2]) == []


async def test_credentials_and_sockets_of_the_machine_are_hidden(inside: Inside) -> None:
    home = str(Path.home())
    names = ".ssh .aws .config .netrc .gnupg .bash_history .docker .kube .modal.toml .pypirc"
    paths = [f"{home}/{name}" for name in names.split(" ")]
    names = "ssh sudoers sudoers.d gshadow shadow- passwd- krb5.keytab crontab cron.d"
    paths += [f"/etc/{name}" for name in names.split(" ")]
    names = "docker.sock systemd dbus user containerd log secrets credentials"
    paths += [f"/run/{name}" for name in names.split(" ")]
    paths += ["/var/lib/docker", "/var/lib/systemd", "/var/backups", "/lost+found"]
    assert await inside(EXIST, *paths) == []


LIST = """
import json, os, sys
folders, shown = json.loads(sys.argv[1])
found = []
for folder in folders:
    for parent, names, files in os.walk(folder):
        found += [os.path.join(parent, name) for name in (*names, *files)]
        names[:] = [name for name in names if os.path.join(parent, name) not in shown]
print(json.dumps(found))
"""


async def test_homes_are_empty_but_for_the_way_to_python(inside: Inside) -> None:
    seen = await inside(LIST, json.dumps([["/home", "/root", str(Path.home())], SHOWN]))

    assert [path for path in seen if path not in WAY] == []


async def test_folders_for_temporary_files_are_empty(inside: Inside) -> None:
    if sys.base_prefix.startswith(SCRATCH):
        pytest.skip(f"Python itself is installed in {sys.base_prefix}, and shows there")

    seen = await inside(LIST, json.dumps([SCRATCH, SHOWN]))
    assert [path for path in seen if path not in WAY] == ["/run/lock"]


async def test_no_password_hash_shows(inside: Inside) -> None:
    code = """
import json
print(json.dumps([line.split(":")[1] for line in open("/etc/shadow")]))
"""
    hashes = await inside(code)
    assert set(hashes) <= {"*", "!", "!*"}


async def test_people_of_the_machine_do_not_exist(inside: Inside) -> None:
    code = """
import json, pwd
print(json.dumps([[p.pw_name, p.pw_uid] for p in pwd.getpwall()]))
"""
    people = [name for name, uid in await inside(code) if 1000 <= uid < 65534]
    assert people == []


async def test_the_environment_of_the_machine_is_hidden(inside: Inside, canary: str) -> None:
    code = """
import glob, json, os
texts = [repr(dict(os.environ))]
for path in glob.glob("/proc/*/environ") + glob.glob("/proc/*/cmdline"):
    try:
        texts.append(open(path, errors="replace").read())
    except OSError:
        pass
print(json.dumps(texts))
"""
    assert canary in os.environ["SECRET_CANARY"]
    texts = await inside(code)
    assert [text for text in texts if canary in text or "SECRET_CANARY" in text] == []


async def test_only_its_own_processes_exist(inside: Inside) -> None:
    code = """
import json, os
pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
alive = []
for pid in range(1, 40000):
    try:
        os.kill(pid, 0); alive.append(pid)
    except ProcessLookupError:
        pass
    except PermissionError:
        alive.append(pid)
print(json.dumps([os.getpid(), sorted(pids), alive]))
"""
    own, listed, alive = await inside(code)
    assert set(listed) <= {1, own, own - 1}
    assert set(alive) <= {1, own, own - 1}


@pytest.mark.parametrize(
    "name", ["environ", "mem", "maps", "fd/0", "fd/3", "root", "cwd", "exe", "auxv", "stack"]
)
async def test_process_1_cannot_be_looked_into(inside: Inside, name: str) -> None:
    code = """
import json, os, sys
path = "/proc/1/" + sys.argv[1]
def attempt(action):
    try:
        return repr(action())[:100]
    except OSError as error:
        return None
print(json.dumps([
    attempt(lambda: os.readlink(path)),
    attempt(lambda: os.listdir(path)),
    attempt(lambda: open(path, "rb").read(16)),
]))
"""
    assert await inside(code, name) == [None, None, None]


async def test_process_1_cannot_be_killed(task: Task, inside: Inside) -> None:
    code = """
import json, os
for number in list(range(1, 32)) + [34, 64]:
    try:
        os.kill(1, number)
    except OSError:
        pass
print(json.dumps("alive"))
"""
    assert await inside(code) == "alive"
    assert await inside("print('\"still alive\"')") == "still alive"
    assert task.poll() is None


async def test_killing_everything_spares_the_sandbox(task: Task, inside: Inside) -> None:
    code = """
import json, os
pid = os.fork() or os.kill(-1, 9) or os._exit(0)
os.waitpid(pid, 0)
print(json.dumps("alive"))
"""
    with pytest.raises(AssertionError):  # it killed its own reader too
        await inside(code)
    assert await inside("print('\"still alive\"')") == "still alive"


DESCRIPTORS = """
import json, os
links = {}
for name in os.listdir("/proc/self/fd"):
    try:
        links[name] = os.readlink("/proc/self/fd/" + name)
    except OSError:
        pass  # the listing itself
print(json.dumps(links))
"""


async def test_no_descriptor_is_inherited(inside: Inside) -> None:
    links = await inside(DESCRIPTORS)
    assert set(links) == {"0", "1", "2"}
    assert all(link.startswith("pipe:") for link in links.values())


async def test_no_descriptor_is_inherited_on_a_terminal(inside: Inside) -> None:
    links = await inside(DESCRIPTORS, pty=True)
    assert set(links) == {"0", "1", "2"}
    assert all(link.startswith("/dev/pts/") for link in links.values())


async def test_no_descriptor_is_inherited_by_the_main_process(engine: Engine) -> None:
    script = "ls -l /proc/$$/fd; :"
    task = await engine.create(TaskSpec(main=ProcessSpec(("/bin/sh", "-c", script))))
    assert task.main is not None
    await task.wait()
    listed = b"".join([chunk async for chunk in task.main.stdout.follow()]).decode()
    numbers = [line.split()[-3] for line in listed.splitlines() if "->" in line]
    assert numbers == ["0", "1", "2"], listed


async def test_the_machines_mounts_are_hidden(
    inside: Inside, planted: tuple[str, list[str]]
) -> None:
    code = "import json; print(json.dumps(open('/proc/self/mountinfo').read()))"
    text = await inside(code)
    # Which are mounted, wherever they are.
    for path in SHOWN:
        text = text.replace(f" {path} ", " ").replace(f" {path} ", " ")  # from where, and to where
    assert "pytest-sandbox-" not in text
    assert str(CHECKOUT) not in text


async def test_the_kernel_log_is_hidden(inside: Inside) -> None:
    assert (
        await inside(EXIST, "/dev/kmsg", "/dev/mem", "/dev/kvm", "/dev/fuse", "/dev/net/tun") == []
    )


async def test_an_abstract_socket_of_the_machine_cannot_be_reached(inside: Inside) -> None:
    name = "pytest-sandbox-test-" + secrets.token_hex(8)
    code = """
import json, socket, sys
try:
    socket.socket(socket.AF_UNIX).connect("\\0" + sys.argv[1]); print(json.dumps("reached"))
except OSError as error:
    print(json.dumps(type(error).__name__))
"""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0" + name)
        server.listen()
        assert await inside(code, name) == "ConnectionRefusedError"
