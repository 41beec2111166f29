"""Steps of builds that install packages of Debian, and the package database that they get."""

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from pytest_sandbox.engine import OPEN_NETWORK, PackageDatabase, SupportsPackages
from pytest_sandbox.fakes import Call
from pytest_sandbox.local.engine.machine.packages import Packages
from pytest_sandbox.local.zygote import skeleton
from pytest_sandbox.server.builds.packages import uses_packages
from pytest_sandbox.server.builds.steps import RunStep, TemporaryFile

from .building import begin, built, failure, join, mount, printed
from .engines import GatedEngine, GatedTask
from .harness import Harness, serve
from .test_images_and_secrets import DEBIAN_SLIM


class Debian(GatedEngine, SupportsPackages):
    """An engine in memory that shows a machine with packages."""

    has_packages = True

    def package_database(self) -> PackageDatabase:
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as archive:
            member = tarfile.TarInfo("var/lib/dpkg/status")
            member.size = 2
            archive.addfile(member, io.BytesIO(b"1\n"))

        async def content() -> AsyncIterator[bytes]:
            yield data.getvalue()

        return PackageDatabase(content(), ("/etc/apt/auth.conf",))


@pytest.mark.parametrize(
    ("command", "uses"),
    [
        ("apt-get update", True),
        ("cd /x && apt install -y git", True),
        ("sudo dpkg -i a.deb", True),
        ("npx playwright install --with-deps", True),
        ("echo x | debconf-set-selections", True),
        ("pip install python-apt aptly", False),
        ("adapt-get", False),
    ],
)
def test_a_step_uses_packages_if_its_command_or_script_names_what_does(
    command: str, uses: bool
) -> None:
    assert uses_packages(RunStep(("/bin/sh", "-c", command))) is uses
    script = TemporaryFile("/x", f"#!/bin/sh\n{command}\n".encode())
    assert uses_packages(RunStep(("/x",), files=(script,))) is uses


@pytest_asyncio.fixture
async def debian() -> AsyncIterator[Harness]:
    engine = Debian()
    for program in ("apt-get", "dpkg"):
        engine.on_exec(program, ...).reply()
    async with serve(engine) as server:
        yield server


async def log_of(server: Harness, *lines: str, **fields: Any) -> tuple[str, str]:
    """The id of an image that is built, and what its build said."""
    response = await begin(server, *lines, **fields)
    result, log = await join(server, response.image_id)
    assert result.status == result.GENERIC_STATUS_SUCCESS, result.exception
    return response.image_id, log


@pytest.mark.asyncio
async def test_an_image_gets_the_database_before_the_first_step_that_uses_it(
    debian: Harness,
) -> None:
    image_id, log = await log_of(debian, "RUN true", "RUN apt-get update", "RUN dpkg -l")
    assert log == (
        "=> Step 1: RUN true\n"
        "=> Step 2: the packages of this machine, for apt-get\n"
        "   (without /etc/apt/auth.conf, which may hold a password)\n"
        "   (what is installed on this machine counts as installed, but its settings in /etc and "
        "its data in /var mostly do not show: docs/reference/images.md says how to have them)\n"
        "=> Step 3: RUN apt-get update\n"
        "=> Step 4: RUN dpkg -l\n"
    )
    above, log = await log_of(debian, "RUN apt-get install a", base=image_id)
    assert log == "=> Step 1: RUN apt-get install a\n"
    assert await printed(debian, above, "cat", "/var/lib/dpkg/status") == "1\n"


@pytest.mark.asyncio
async def test_lists_that_were_not_had_are_had_once_there_is_a_network(debian: Harness) -> None:
    commands = "RUN true", "RUN apt-get update"
    _, first = await log_of(debian, *commands)
    state = debian.app.state
    state.info_at_start = replace(state.info, network=OPEN_NETWORK)
    _, second = await log_of(debian, "# another definition", *commands)
    assert first.count("\n") == 5
    assert second.count("(from the cache)") == 2
    assert second.endswith("Step 3: RUN apt-get update\n")


@pytest.mark.asyncio
async def test_a_package_that_is_in_no_list_says_what_helps(debian: Harness) -> None:
    def install(call: Call) -> int:
        call.err("E: Unable to locate package a\n")
        return 100

    debian.engine.on_exec("apt-get", "install", "a").calls(install)
    assert "--sandbox-network=open" in await failure(debian, "RUN apt-get install a")
    state = debian.app.state
    state.info_at_start = replace(state.info, network=OPEN_NETWORK)
    assert "force_build=True" in await failure(debian, "RUN apt-get install a")


@pytest.mark.asyncio
async def test_the_lines_of_modals_own_image_do_nothing_and_others_do(debian: Harness) -> None:
    image_id, log = await log_of(debian, *DEBIAN_SLIM[1:], "RUN apt-get update")
    assert log.endswith("=> Step 2: RUN apt-get update\n")
    _, log = await log_of(debian, "RUN apt-get update", "RUN true")
    assert "RUN apt-get update" in log
    assert await printed(debian, image_id, "true") == ""


@pytest.mark.asyncio
async def test_installers_fail_at_once_without_a_network(debian: Harness) -> None:
    async def environment() -> str:
        task = debian.engine.tasks[-1]
        assert isinstance(task, GatedTask)
        env = {**task.spec.env, **task.processes[-1].spec.env}  # as programs get it
        return env.get("PIP_RETRIES", "")

    await built(debian, "RUN true")
    assert await environment() == "0"
    await built(debian, "ENV PIP_RETRIES=3", "RUN echo")
    assert await environment() == "3"
    state = debian.app.state
    state.info_at_start = replace(state.info, network=OPEN_NETWORK)
    await built(debian, "RUN echo 2")
    assert await environment() == ""
    await built(debian, "RUN --network=none echo 3")
    assert await environment() == "0"


@pytest.mark.asyncio
async def test_lists_that_cannot_be_fetched_fail_the_step_where_there_is_a_network(
    debian: Harness,
) -> None:
    update = "RUN cat $APT_CONFIG && apt-get update"
    _, offline = await log_of(debian, update)
    assert "Error-Mode" not in offline
    state = debian.app.state
    state.info_at_start = replace(state.info, network=OPEN_NETWORK)
    _, online = await log_of(debian, "# another definition", update)
    assert 'APT::Update::Error-Mode "any";' in online


NO_TMP = "RUN rm -rf /tmp && ln -s gone /tmp", "RUN cat $APT_CONFIG # apt", "RUN ls /dev/shm; : apt"


@pytest.mark.asyncio
async def test_an_image_may_have_no_temporary_directory(debian: Harness) -> None:
    _, log = await log_of(debian, *NO_TMP)
    assert 'APT::Sandbox::User "root";' in log


@pytest.mark.asyncio
async def test_an_image_of_the_machine_may_have_no_temporary_directory(local: Harness) -> None:
    image_id, log = await log_of(local, *NO_TMP)
    assert 'APT::Sandbox::User "root";' in log
    assert await printed(local, image_id, "ls", "-A", "/dev/shm") == ""


# The database


def files_of(packages: Packages) -> dict[str, bytes]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(packages.tar())) as archive:
        for member in archive:
            file = archive.extractfile(member)
            found[member.name] = file.read() if file else b""
    return found


def machine(root: Path, files: dict[str, str]) -> Packages:
    for name, text in {"usr/bin/dpkg": "", "var/lib/dpkg/status": "s\n", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Packages(own_programs=True, root=str(root))


def test_the_database_has_what_everybody_may_read(tmp_path: Path) -> None:
    listed = "/usr/bin/a\n/var/lib/a\n/var/run/a\n/var/lib/absent\n"
    files = {
        "var/lib/dpkg/info/a.list": listed,
        "var/lib/dpkg/info/a.md5sums": "x",
        "var/lib/dpkg/info/b.postinst": "secret",
        "var/lib/dpkg/lock": "",
        "var/lib/a/content": "x",
        "etc/passwd": "_apt:x:42:65534::/nonexistent:/usr/sbin/nologin\n",
    }
    packages = machine(tmp_path, files)
    (tmp_path / "var/lib/dpkg/info/b.postinst").chmod(0o700)
    (tmp_path / "var/lib/dpkg/info/c.list").symlink_to("/etc/shadow")
    found = files_of(packages)
    assert packages.there
    assert found["var/lib/dpkg/status"] == b"s\n"
    assert found["var/lib/dpkg/info/a.list"] == listed.encode()
    assert found["var/lib/a"] == b""
    assert found["usr/sbin/policy-rc.d"].endswith(b"exit 101\n")
    absent = {*files, "var/lib/dpkg/info/c.list", "var/run/a", "var/lib/absent"}
    assert absent & set(found) == {"var/lib/dpkg/info/a.list"}
    with tarfile.open(fileobj=io.BytesIO(packages.tar())) as archive:
        assert archive.getmember("var/lib/apt/lists/partial").uid == 42


def test_a_machine_without_dpkg_has_no_database(tmp_path: Path) -> None:
    assert not Packages(own_programs=True, root=str(tmp_path)).there


def test_settings_that_may_hold_a_password_are_named(tmp_path: Path) -> None:
    packages = machine(
        tmp_path,
        {
            "etc/apt/auth.conf": "machine x",
            "etc/apt/auth.conf.d/mine.conf": "machine x",
            "etc/apt/apt.conf.d/proxy": 'Acquire::http::Proxy "http://me:word@proxy:3128";',
            "etc/apt/apt.conf.d/plain": 'Acquire::http::Proxy "http://proxy:3128";',
            "etc/apt/keys/a.pem": "-----BEGIN RSA PRIVATE KEY-----",
            "etc/apt/other": "machine x login me password word\n",
            "etc/apt/s3auth.conf": "",
            "etc/apt/sources.list": "deb https://deb.debian.org/debian bookworm main\n",
            "etc/apt/sources.list.d/token.list": "deb https://token@host/debian bookworm main\n",
        },
    )
    (tmp_path / "etc/apt/sources.list.d/secret.list").write_text("")
    (tmp_path / "etc/apt/sources.list.d/secret.list").chmod(0o600)
    assert packages.hidden_settings() == [
        "/etc/apt/apt.conf.d/proxy",
        "/etc/apt/auth.conf",
        "/etc/apt/auth.conf.d",
        "/etc/apt/keys/a.pem",
        "/etc/apt/other",
        "/etc/apt/s3auth.conf",
        "/etc/apt/sources.list.d/secret.list",
        "/etc/apt/sources.list.d/token.list",
    ]


@pytest.mark.parametrize(
    "text",
    [
        'Acquire::http::Proxy "me:word@proxy:3128";',
        "machine x password word login me",
        "machine x\n  account me\n  password word\n",
        "default password word login me",
        "[store]\naws_secret_access_key = word\n",
        'Acquire::store::Token "word";',
        "deb https://dl.cloudsmith.io/aB3dE6gH9jK2mN5p/me/mine/deb/debian bookworm main",
        "URIs: https://packagecloud.io/priv/0123456789abcdef0123456789abcdef/me/mine",
        "deb https://host/b0f7a5d2-1c3e-4a5b-8c7d-0123456789ab/debian bookworm main",
        "deb https://host/debian?sig=word bookworm main",
    ],
)
def test_secrets_in_settings_of_apt_do_not_show(tmp_path: Path, text: str) -> None:
    packages = machine(tmp_path, {"etc/apt/sources.list": text})
    assert packages.hidden_settings() == ["/etc/apt/sources.list"]
    (tmp_path / "seen").mkdir()
    skeleton.Chosen.read(str(tmp_path / "etc")).write(str(tmp_path / "seen"))
    assert os.listdir(tmp_path / "seen/apt") == []


@pytest.mark.parametrize(
    "text",
    [
        'Acquire::http::Proxy "http://proxy:3128";',
        "# http://snapshot.debian.org/archive/debian/20240101T000000Z\nURIs: http://host/debian\n",
        "deb [signed-by=/etc/apt/keyrings/a.gpg] https://me-apt.pkg.dev/projects/packages-2024 a b",
        "Types: deb\nURIs: https://packages.microsoft.com/ubuntu/22.04/prod\nSuites: jammy\n",
        "# ask for a password, or a token\nAPT::Get::Assume-Yes false;\n",
    ],
)
def test_settings_of_apt_without_a_secret_show(tmp_path: Path, text: str) -> None:
    assert machine(tmp_path, {"etc/apt/sources.list": text}).hidden_settings() == []


# With a real kernel, and a repository of one package

CONTROL = """Package: tiny-of-a-test
Version: 1.0
Architecture: all
Maintainer: nobody <nobody@example.com>
Depends: debconf
Description: of a test
"""
#: Runs as root, gives a file to a user of its own, and may not start a service.
POSTINST = """#!/bin/sh
set -e
chown daemon:daemon /opt/tiny/file
echo "configured with $DPKG_MAINTSCRIPT_PACKAGE" > /opt/tiny/log
"""


def repository(folder: Path) -> dict[str, bytes]:
    """The files of a repository, by their paths."""
    package = folder / "tiny"
    for name, text, mode in (
        ("DEBIAN/control", CONTROL, 0o644),
        ("DEBIAN/postinst", POSTINST, 0o755),
        ("opt/tiny/file", "1\n", 0o644),
        ("usr/bin/tiny-of-a-test", "#!/bin/sh\ncat /opt/tiny/log\n", 0o755),
    ):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
        (package / name).chmod(mode)
    built = folder / "tiny.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Znone", "--build", package, built],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    content = built.read_bytes()
    index = (
        f"{CONTROL}Filename: ./tiny.deb\nSize: {len(content)}\n"
        f"SHA256: {hashlib.sha256(content).hexdigest()}\n\n"
    )
    source = "deb [trusted=yes] file:/repository ./\n"
    return {
        "/repository/tiny.deb": content,
        "/repository/Packages": index.encode(),
        "/etc/apt/sources.list.d/tiny.list": source.encode(),
    }


@pytest.mark.asyncio
@pytest.mark.skipif(shutil.which("apt-get") is None, reason="needs apt-get, of Debian or Ubuntu")
async def test_packages_are_installed_in_a_view_of_this_machine(
    local: Harness, tmp_path: Path
) -> None:
    plain = await printed(
        local, await built(local, "ENV A=b"), "sh", "-c", "ls -A /var/lib/dpkg 2>&1 || true"
    )
    assert "No such file" in plain
    context = await mount(local, repository(tmp_path))
    install = (
        "COPY . /",
        "RUN find /etc/apt -name '*.sources' -delete; apt-get update",
        "RUN apt-get install -y dpkg tiny-of-a-test && apt-mark showmanual tiny-of-a-test",
    )
    response = await begin(local, *install, context_mount_id=context)
    result, log = await join(local, response.image_id)
    assert "dpkg is already the newest version" in log
    if result.status == result.GENERIC_STATUS_FAILURE:
        # An ordinary user cannot have a layer over the machine's programs.
        assert "by root only" in result.exception
        return
    seen = "tiny-of-a-test; stat -c %U /opt/tiny/file; dpkg-query -W tiny-of-a-test"
    assert await printed(local, response.image_id, "sh", "-c", seen) == (
        "configured with tiny-of-a-test\ndaemon\ntiny-of-a-test\t1.0\n"
    )
