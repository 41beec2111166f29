"""Dockerfiles that the local engine builds, and packages that it installs."""

import gzip
import io
import os
import shutil
import sysconfig
import zipfile

import pytest

from .building import built, dockerfile, failure, mount, printed, secret, tar_of
from .harness import Harness

DOCKERFILE = r"""
# syntax=docker/dockerfile:1
FROM debian AS build
RUN mkdir -p /out/sub && echo 1 > /out/one && ln -s one /out/link && chmod 751 /out/sub

FROM debian
RUN --mount=type=cache,target=/c,mode=711 --mount=type=tmpfs,target=/scratch \
    --mount=type=secret,id=TOKEN --mount=type=bind,source=r.txt,target=/r.txt \
    --mount=type=bind,from=build,source=/out,target=/b \
    echo x > /c/x && echo x > /scratch/x && \
    cat /run/secrets/TOKEN > /dev/null && cat /r.txt /b/one > /srv/a && stat -c %a /c >> /srv/a
COPY --from=build /out /srv/out
ENV PATH=/srv/own:$PATH
RUN <<EOT
#!/usr/bin/env python3
with open("/srv/a", "a") as file:
    file.write("py\n")
EOT
RUN python3 - <<'EOT' >> /srv/a
print("$0")
EOT
ADD a.tar.gz /srv/added
"""


@pytest.mark.asyncio
async def test_a_dockerfile_on_a_view_of_this_machine(local: Harness) -> None:
    files = {"/r.txt": b"r\n", "/a.tar.gz": gzip.compress(tar_of(a="t\n"))}
    image_id = await dockerfile(
        local,
        DOCKERFILE,
        context_mount_id=await mount(local, files),
        secret_ids=[await secret(local, TOKEN="hunter2-and-more")],
    )
    seen = "cat /srv/a /srv/added/in/a; readlink /srv/out/link; stat -c %a /srv/out/sub"
    gone = "ls -A /c /scratch /b; ls /r.txt /tmp/.heredoc /run/secrets/*; grep -r hunter2 /srv"
    assert await printed(local, image_id, "sh", "-c", f"{seen}; {{ {gone}; }} 2>/dev/null") == (
        "r\n1\n711\npy\n$0\nt\none\n751\n/b:\n\n/c:\n\n/scratch:\n"
    )


@pytest.mark.asyncio
async def test_what_cannot_be_changed_says_where_files_may_go(local: Harness) -> None:
    there = await mount(local, {"/a": b"a\n"})
    for line in ("COPY a /sys/a", "RUN mkdir /sys/a"):
        text = await failure(local, line, context_mount_id=there)
        assert "Read-only file system" in text
        assert "ENV PATH=/app:$PATH" in text


@pytest.mark.asyncio
async def test_steps_and_files_of_another_user(local: Harness) -> None:
    base_id = await dockerfile(local, "FROM debian\n")
    ids = (await printed(local, base_id, "cat", "/proc/self/uid_map")).split()
    if sum(map(int, ids[2::3])) < 1237:
        pytest.skip("the engine cannot do this here: users besides root need more ids")
    image_id = await dockerfile(
        local,
        "FROM debian\n"
        "RUN echo app:x:1234:1235:app:/home/app:/bin/sh >> /etc/passwd; mkdir -m 777 /home/app\n"
        "RUN echo app:x:1235: >> /etc/group; echo more:x:1236:app >> /etc/group\n"
        "COPY --chown=app:more --chmod=640 a /srv/a\n"
        "USER app\n"
        "RUN id > ~/who; cat /srv/a >> ~/who || true\n"
        "USER 77:78\n"
        "RUN id -u >> /tmp/who; id -g >> /tmp/who; id -G >> /tmp/who\n",
        context_mount_id=await mount(local, {"/a": b"a\n"}),
    )
    seen = "cat /home/app/who /tmp/who; stat -c '%u %g %a' /srv/a; id -u"
    text = await printed(local, image_id, "sh", "-c", seen)
    if text.startswith("uid=1234"):
        assert text == (
            "uid=1234(app) gid=1235(app) groups=1235(app),1236(more)\na\n"
            "77\n78\n78\n1234 1236 640\n0\n"
        )
    assert "no user 'nosuch'" in await failure(local, "USER nosuch", "RUN true")
    # Its line is the last one of a large file.
    line = "last:x:77:78::/:/bin/sh"
    many = f"{{ yes x:x:1:1:::/bin/sh | head -c 2000000; echo; echo {line}; }} >> /etc/passwd"
    lines = f"RUN {many}", "USER last", "RUN exit $(($(id -u) - 70))"
    assert "exit code 7" in await failure(local, *lines)


#: Where a Python environment has it, and others.
_WITH_UV = os.pathsep.join((sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)))


def wheel() -> bytes:
    """A package with one module and one program."""
    files = {
        "tiny_of_a_test.py": "def main():\n    print('tiny')\n",
        "tiny_of_a_test-1.0.dist-info/METADATA": (
            "Metadata-Version: 2.1\nName: tiny-of-a-test\nVersion: 1.0\n"
        ),
        "tiny_of_a_test-1.0.dist-info/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
        "tiny_of_a_test-1.0.dist-info/entry_points.txt": (
            "[console_scripts]\ntiny-of-a-test = tiny_of_a_test:main\n"
        ),
    }
    record = "tiny_of_a_test-1.0.dist-info/RECORD"
    listed = "".join(f"{name},,\n" for name in [*files, record])
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in {**files, record: listed}.items():
            archive.writestr(name, text)
    return data.getvalue()


@pytest.mark.asyncio
async def test_packages_are_installed_from_an_index(local: Harness) -> None:
    name = "tiny_of_a_test-1.0-py3-none-any.whl"
    folder = "/index/tiny-of-a-test"
    index = {
        f"{folder}/{name}": wheel(),
        f"{folder}/index.html": f'<a href="{name}">{name}</a>'.encode(),
    }
    image_id = await built(
        local,
        "COPY . /",
        "RUN python -m pip install tiny-of-a-test --index-url file:///index",
        context_mount_id=await mount(local, index),
    )
    assert await printed(local, image_id, "tiny-of-a-test") == "tiny\n"
    text = await failure(local, "RUN python -m pip install nosuch --no-index")
    assert "No matching distribution found for nosuch" in text


@pytest.mark.asyncio
@pytest.mark.skipif(shutil.which("uv", path=_WITH_UV) is None, reason="needs uv: pip install uv")
async def test_uv_of_this_machine_installs_packages(local: Harness) -> None:
    # As Image.uv_pip_install of Modal's clients has it.
    run = "RUN /.uv/uv pip install --python $(command -v python) --compile-bytecode"
    copy = "COPY --from=ghcr.io/astral-sh/uv:latest /uv /.uv/uv"
    name = "tiny_of_a_test-1.0-py3-none-any.whl"
    image_id = await built(
        local,
        copy,
        "COPY . /",
        f"{run} --no-index --find-links /index tiny-of-a-test",
        context_mount_id=await mount(local, {f"/index/{name}": wheel()}),
    )
    assert await printed(local, image_id, "tiny-of-a-test") == "tiny\n"
    text = await failure(local, copy, f"{run} nosuch-of-a-test")
    assert "--sandbox-network=open" in text
