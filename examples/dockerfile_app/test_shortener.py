"""The image of the Dockerfile, as it would be deployed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_sandbox import Image, Sandbox, exceptions

HERE = Path(__file__).parent
IMAGE = Image.from_dockerfile(HERE / "Dockerfile", context_dir=HERE)

ASK = """
import sys
from http.client import HTTPConnection

connection = HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=10)
connection.request("GET", sys.argv[2])
answer = connection.getresponse()
print(answer.status, answer.getheader("Location"))
"""


def ask(sandbox: Sandbox, path: str, port: str = "8000") -> str:
    return sandbox.run("python3", "-c", ASK, port, path).stdout.strip()


@pytest.mark.sandbox(image=IMAGE)
def test_the_command_of_the_image_serves_its_links(sandbox_factory: Callable[..., Sandbox]) -> None:
    sandbox = sandbox_factory()
    assert next(iter(sandbox.stdout)) == "listening on 8000\n"

    assert ask(sandbox, "/docs/page") == "302 https://docs.example.com/page"
    assert ask(sandbox, "/port") == "302 http://127.0.0.1:8000/"
    assert ask(sandbox, "/nothing") == "404 None"


@pytest.mark.sandbox(image=IMAGE)
def test_the_health_check_sees_whether_it_serves(sandbox: Sandbox) -> None:
    assert next(iter(sandbox.stdout)) == "listening on 8000\n"
    assert sandbox.run("shortener", "--check").returncode == 0
    assert sandbox.run("env", "PORT=8001", "shortener", "--check", check=False).returncode == 1


@pytest.mark.sandbox(image=IMAGE)
def test_nothing_of_the_build_is_in_the_image(sandbox: Sandbox) -> None:
    there = sandbox.run("sh", "-c", "ls -d /src /shortener.pyz /report", check=False)
    assert there.stdout == ""


def test_another_port_is_an_argument(sandbox_factory: Callable[..., Sandbox]) -> None:
    dockerfile = HERE / "Dockerfile"
    image = Image.from_dockerfile(dockerfile, context_dir=HERE, build_args={"PORT": "9000"})
    sandbox = sandbox_factory(image=image)

    assert next(iter(sandbox.stdout)) == "listening on 9000\n"
    assert ask(sandbox, "/port", "9000") == "302 http://127.0.0.1:9000/"


def test_the_checks_of_the_image_pass(sandbox_factory: Callable[..., Sandbox]) -> None:
    image = Image.from_dockerfile(HERE / "Dockerfile", context_dir=HERE, target="check")

    assert sandbox_factory("cat", "/report", image=image).stdout.read() == "links: OK\n"


def test_a_build_that_fails_says_where(
    sandbox_factory: Callable[..., Sandbox], tmp_path: Path
) -> None:
    text = (HERE / "Dockerfile").read_text().replace("compileall", "nosuchmodule")
    (tmp_path / "Dockerfile").write_text(text)
    image = Image.from_dockerfile(tmp_path / "Dockerfile", context_dir=HERE)

    with pytest.raises(
        exceptions.ImageBuildError, match=r"RUN (?s:.*)No module named nosuchmodule"
    ):
        sandbox_factory(image=image)
