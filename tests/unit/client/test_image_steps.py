"""Images from steps: their methods, and the local files that they take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox import Image, Sandbox, Secret, exceptions
from pytest_sandbox.client.images.patterns import ignoring

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_sandbox.inmemory import FakeSandboxes


def printed(image: Image, *argv: str) -> str:
    return str(Sandbox.create(image=image).run(*argv).stdout)


def lines(fake: FakeSandboxes) -> list[str]:
    """The lines of the last image that was asked for."""
    return list(fake.rpcs.of("ImageGetOrCreate").last.image.dockerfile_commands)


def test_steps_without_more_are_asked_for_in_one_call(fake_sandboxes: FakeSandboxes) -> None:
    image = (
        Image.debian_slim()
        .run_commands("echo one > /a", ["cat /a > /b"])
        .env({"A": "b c"})
        .workdir("/app")
        .cmd(["sleep", "inf"])
    )
    assert printed(image, "sh", "-c", "cat /b; pwd; echo $A") == "one\n/app\nb c\n"
    assert len(fake_sandboxes.rpcs.of("ImageGetOrCreate")) == 2
    assert lines(fake_sandboxes) == [
        "FROM base",
        "RUN echo one > /a",
        "RUN cat /a > /b",
        "ENV A='b c'",
        "WORKDIR /app",
        'CMD ["sleep", "inf"]',
    ]
    assert Image.host().is_host
    assert not image.is_host


def test_uv_is_a_command_that_is_scripted(fake_sandboxes: FakeSandboxes) -> None:
    image = Image.debian_slim().uv_pip_install("flask")
    with pytest.raises(exceptions.ImageBuildError, match="no command is scripted"):
        image.build()
    assert any(each.startswith("unscripted command: ") for each in fake_sandboxes.problems)
    fake_sandboxes.allow("unscripted-commands")
    fake_sandboxes.on_exec("uv", "pip", "install", ...).reply()
    image.build()
    in_path = ["COPY --from=ghcr.io/astral-sh/uv:latest /uv /bin/", "RUN uv pip install a"]
    Image.debian_slim().dockerfile_commands(in_path).build()
    fake_sandboxes.on_exec("/.uv/uv", "pip", "install", ...).reply()
    Image.from_registry("alpine").uv_pip_install("six").build()


def test_scripts_answer_the_commands_of_steps(fake_sandboxes: FakeSandboxes) -> None:
    fake_sandboxes.on_exec("python", "-m", "pip", ...).reply(stdout="installed\n")
    fake_sandboxes.on_exec("make", ...).reply(stdout="no rule\n", code=2)
    image = Image.debian_slim().pip_install("flask>=3", ["six"], pre=True, index_url="http://x")
    assert printed(image, "echo", "hi") == "hi\n"
    assert lines(fake_sandboxes)[1:] == [
        "RUN python -m pip install 'flask>=3' six --index-url http://x --pre"
    ]
    with pytest.raises(
        exceptions.ImageBuildError, match=r"RUN make(?s:.*)code 2(?s:.*)no rule"
    ) as e:
        Sandbox.create(image=image.run_commands("make"))
    assert e.value.image_id.startswith("im-")


def test_a_secret_and_an_argument_are_there_for_the_step(fake_sandboxes: FakeSandboxes) -> None:
    secrets = [Secret.from_dict({"TOKEN": "hunter2-and-more"})]
    image = Image.host().run_commands("echo $TOKEN-$X > /a", env={"X": "1"}, secrets=secrets)
    image = image.dockerfile_commands("ARG B", "RUN echo $B >> /a", build_args={"B": "2"})
    assert printed(image, "sh", "-c", "cat /a; echo $TOKEN") == "hunter2-and-more-1\n2\n\n"
    assert "hunter2" not in fake_sandboxes.rpcs.to_json()


def test_local_files(
    fake_sandboxes: FakeSandboxes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package_of_a_test"
    (package / "__pycache__").mkdir(parents=True)
    for name in ("__init__.py", "a.py", "data.json", "__pycache__/a.pyc", ".hidden.py"):
        (package / name).write_text(name)
    (tmp_path / "large").write_bytes(b"x" * (5 * 1024**2))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dockerignore").write_text("**/a.py\n")
    image = (
        Image.host()
        .add_local_dir(package, "/c", copy=True, ignore=["*.json", "__pycache__"])
        .run_commands("ls /c > /listed")
        .dockerfile_commands("COPY package_of_a_test/*.py /d/")
        .add_local_python_source("package_of_a_test")
        .add_local_file(tmp_path / "large", "/opt/")
    )
    sandbox = Sandbox.create(image=image)
    assert sandbox.run("cat", "/listed").stdout == "__init__.py\na.py\n"
    assert sandbox.run("ls", "-A", "/d").stdout == ".hidden.py\n__init__.py\n"
    assert sandbox.run("ls", "-A", "/root/package_of_a_test").stdout == "__init__.py\na.py\n"
    assert sandbox.filesystem.stat("/opt/large").size == 5 * 1024**2
    uploads = len(fake_sandboxes.rpcs.of("MountPutFile"))
    Sandbox.create(image=image)
    assert len(fake_sandboxes.rpcs.of("MountPutFile")) == uploads


DOCKERFILE = """\
# syntax=docker/dockerfile:1
ARG VERSION=1
FROM python:3.12-slim AS build
ARG VERSION
WORKDIR /build
COPY --chmod=644 \\
    src/*.py ./
RUN --mount=type=bind,source=requirements.txt,target=r.txt cat r.txt *.py > all
RUN echo $VERSION >> all

FROM python:3.12-slim
COPY --from=build /build/all /app/all
ADD "data" /app/data/
"""


def test_a_dockerfile(
    fake_sandboxes: FakeSandboxes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (
        ("src/a.py", "a\n"),
        ("src/not.txt", "not"),
        ("src/ignored.py", "not"),
        ("requirements.txt", "six\n"),
        ("data/one", "1\n"),
        ("Dockerfile", DOCKERFILE),
        (".dockerignore", "**/not\n"),
        ("Dockerfile.dockerignore", "src/i*\n"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    image = Image.from_dockerfile("Dockerfile", build_args={"VERSION": "2"})
    assert printed(image, "sh", "-c", "cat /app/all /app/data/one") == "six\na\n2\n1\n"
    uploaded = fake_sandboxes.rpcs.of("MountGetOrCreate").last.files
    names = ["/data", "/data/one", "/requirements.txt", "/src/a.py"]
    assert [each.filename for each in uploaded] == names
    ran = image.run_commands("cat /app/data/one > /app/two")
    assert printed(ran, "cat", "/app/two") == "1\n"

    build = Image.from_dockerfile(tmp_path / "Dockerfile", target="build", context_dir=tmp_path)
    assert printed(build, "sh", "-c", "pwd; ls") == "/build\na.py\nall\n"
    with pytest.raises(exceptions.InvalidError, match=r"'nosuch' is no stage.*'build', '1'"):
        Sandbox.create(image=Image.from_dockerfile("Dockerfile", target="nosuch"))


def test_a_secret_is_a_file_for_a_step(fake_sandboxes: FakeSandboxes, tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text(
        "FROM debian\nRUN --mount=type=secret,id=TOKEN wc -c < /run/secrets/TOKEN > /srv/a\n"
    )
    secrets = [Secret.from_dict({"TOKEN": "hunter2-and-more"})]
    image = Image.from_dockerfile(file, secrets=secrets, env={"X": "1"})
    assert printed(image, "cat", "/srv/a").strip() == "16"


@pytest.mark.parametrize(
    ("patterns", "path", "out"),
    [
        (["*.txt"], "a.txt", True),
        (["*.txt"], "b/a.txt", False),
        (["**/*.txt"], "b/c/a.txt", True),
        (["**/*.txt"], "a.txt", True),
        (["b"], "b/c/a.txt", True),
        (["/b/"], "b/a", True),
        (["b"], "bc", False),
        (["b", "!b/a"], "b/a", False),
        (["# b", ""], "b", False),
        (["**"], "b/a", True),
        (["b/**"], "b/a", True),
        (["a?[xy]"], "abx", True),
    ],
)
def test_patterns(patterns: list[str], path: str, out: bool) -> None:
    assert ignoring(patterns)(Path(path)) is out


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Image.host().pip_install("-r", "x"), "extra_options"),
        (lambda: Image.host().run_commands(3), "run_commands: 3"),  # type: ignore[arg-type]
        (lambda: Image.host().cmd("sleep"), "cmd='sleep'"),  # type: ignore[arg-type]
        (lambda: Image.host().env({"A": None}).env({"=": "x"}), "vars"),  # type: ignore[dict-item]
        (lambda: Image.host().add_local_file("x", "y"), "add_local_file.*'y'"),
        (lambda: Image.host().add_local_dir("x", "y"), "add_local_dir.*'y'"),
        (lambda: Image.host().add_local_python_source("no_such"), "no_such"),
        (lambda: Image.host().add_local_file("x", "/y").run_commands("ls"), "copy=True"),
        (lambda: Image.host().add_local_file("x", "/y").add_local_dir("x", "/", copy=True), "copy"),
        (lambda: Image.host().run_commands("ls").object_id, "no id here"),
        (lambda: Image.host().dockerfile_commands("RUN <<E"), "heredoc 'E'"),
        (lambda: Image.from_registry("a", add_python="3"), "add_python='3' is no version"),
    ],
)
def test_what_makes_no_sense(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(exceptions.InvalidError, match=words):
        make()


def test_python_is_added_to_an_image(fake_sandboxes: FakeSandboxes, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian\n")
    of_a_file = Image.from_dockerfile(tmp_path / "Dockerfile", add_python="3.12t")
    of_a_registry = Image.from_registry(
        "debian", add_python="3.12", setup_dockerfile_commands=["ENV A=1"]
    )

    added = ["COPY /python/. /usr/local", "ENV TERMINFO_DIRS=/etc/terminfo"]
    for image, around in ((of_a_file, ("FROM base",)), (of_a_registry, ("FROM debian", "ENV A=1"))):
        (program,) = printed(image, "ls", "/usr/local/bin").split()
        assert program == ("python3.12t" if image is of_a_file else "python3.12")
        first, copy, env, *more = lines(fake_sandboxes)
        assert ([copy, env.partition(":")[0]], (first, *more)) == (added, around)


def test_an_image_without_files(fake_sandboxes: FakeSandboxes) -> None:
    assert printed(Image.from_scratch(), "echo", "hi") == "hi\n"  # all images are alike there
    assert lines(fake_sandboxes) == ["FROM scratch"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Image.host().run_function(print), "run_function"),
        (lambda: Image.host().pip_install("x", gpu="any"), "gpu='any'"),
        (lambda: Image.host().run_commands("x", volumes={"/v": None}), "volumes="),
        (lambda: Image.from_dockerfile("Dockerfile", gpu="any"), "gpu='any'"),
    ],
)
def test_what_is_refused_by_name(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(exceptions.UnimplementedError, match=words):
        make()


def test_a_step_that_cannot_be_is_refused_where_the_sandbox_is_created(
    fake_sandboxes: FakeSandboxes,
) -> None:
    fake_sandboxes.allow("unexpected-rpcs")
    with pytest.raises(exceptions.UnimplementedError, match="ADD http"):
        Sandbox.create(image=Image.host().dockerfile_commands("ADD http://x /x"))
