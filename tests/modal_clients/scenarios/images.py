"""Images that are built from steps."""

import modal
import pytest


def printed(create, image, command):
    return create("sh", "-c", command, image=image).stdout.read()


def test_each_step_is_made_on_the_one_before(create):
    image = (
        modal.Image.debian_slim()
        .run_commands("echo one > /srv/a", "echo two >> /srv/a")
        .env({"NAME": "a value"})
        .workdir("/app")
        .run_commands('echo "$NAME" > here')
        .cmd(["cat", "/srv/a", "/app/here"])
    )

    assert create(image=image).stdout.read() == "one\ntwo\na value\n"


def test_a_secret_is_there_for_a_step_only(create):
    image = modal.Image.debian_slim().run_commands(
        "test $TOKEN = abc && echo yes > /srv/a",
        secrets=[modal.Secret.from_dict({"TOKEN": "abc"})],
    )

    assert printed(create, image, "cat /srv/a; echo $TOKEN") == "yes\n\n"


def test_a_step_that_fails_shows_its_line_and_its_output(create):
    image = modal.Image.debian_slim().run_commands("echo it is broken; exit 3")

    with pytest.raises(Exception, match=r"RUN echo it(?s:.*)exit code 3(?s:.*)it is broken"):
        create("true", image=image)


def test_local_files_are_copied_into_an_image_or_added_to_the_sandbox(create, tmp_path):
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "sub" / "two").write_text("2")
    (tmp_path / "one").write_text("1")
    (tmp_path / "large").write_bytes(bytes(5 * 1024 * 1024))
    (tmp_path / "greeting.py").write_text("print('hi')")
    image = (
        modal.Image.debian_slim()
        .add_local_file(tmp_path / "one", "/opt/", copy=True)
        .run_commands("cp /opt/one /opt/copy")
        .add_local_dir(tmp_path / "tree", "/opt/tree")
        .add_local_file(tmp_path / "large", "/opt/large")
    )

    seen = "cat /opt/one /opt/copy /opt/tree/sub/two; stat -c ' %s' /opt/large"
    assert printed(create, image, seen) == "112 5242880\n"


def test_python_sources_are_where_programs_start(create, tmp_path, monkeypatch):
    (tmp_path / "greeting_of_a_test.py").write_text("print('hi')")
    monkeypatch.syspath_prepend(tmp_path)
    image = modal.Image.debian_slim().add_local_python_source("greeting_of_a_test")

    assert printed(create, image, "python3 -m greeting_of_a_test") == "hi\n"


def test_lines_of_a_dockerfile(create, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").write_text("1")
    monkeypatch.chdir(tmp_path)
    image = modal.Image.debian_slim().dockerfile_commands(
        ["ARG WHAT=x", "COPY data /data", "RUN echo $WHAT >> /data/a", 'ENTRYPOINT ["cat"]']
    )

    assert create("/data/a", image=image).stdout.read() == "1x\n"


def test_a_dockerfile_of_one_stage(create, tmp_path, monkeypatch):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a").write_text("hi\n")
    (tmp_path / "Dockerfile").write_text(
        "# syntax=docker/dockerfile:1\n"
        "ARG VERSION=3.12\n"
        "FROM python:${VERSION}-slim\n"
        "ENV APP=/app\n"
        "WORKDIR $APP\n"
        "COPY src/ ./src/\n"
        "RUN cat src/a \\\n"
        "    > out\n"
        "EXPOSE 8000\n"
        'CMD ["cat", "out"]\n'
    )
    monkeypatch.chdir(tmp_path)

    assert create(image=modal.Image.from_dockerfile("Dockerfile")).stdout.read() == "hi\n"


def test_a_dockerfile_of_several_stages(create, tmp_path, monkeypatch):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a").write_text("hi\n")
    (tmp_path / "src" / "b").write_text("not this\n")
    (tmp_path / ".dockerignore").write_text("**/b\n")
    (tmp_path / "Dockerfile").write_text(
        "ARG VERSION=3.12\n"
        "FROM python:${VERSION}-slim AS build\n"
        "COPY src /src\n"
        "RUN --mount=type=cache,target=/root/.cache <<EOT\n"
        "ls /src > /listed\n"
        "EOT\n"
        "FROM python:${VERSION}-slim\n"
        "ARG TARGETOS\n"
        "COPY --from=build /listed /src/a /app/\n"
        "RUN echo $TARGETOS $WHAT >> /app/a\n"
        "HEALTHCHECK CMD true\n"
        'CMD ["cat", "/app/listed", "/app/a"]\n'
    )
    monkeypatch.chdir(tmp_path)

    secrets = [modal.Secret.from_dict({"WHAT": "x"})]
    image = modal.Image.from_dockerfile("Dockerfile", secrets=secrets)

    assert create(image=image).stdout.read() == "a\nhi\nlinux x\n"


def test_python_is_added_to_an_image(create):
    image = modal.Image.from_registry("debian:12", add_python="3.13")

    assert printed(create, image, "/usr/local/bin/python") == "standalone\n"
    with pytest.raises(Exception, match=r"add_python='3\.10' .*`uv python install 3\.10`"):
        create("true", image=modal.Image.from_registry("debian:12", add_python="3.10"))


def test_a_step_that_calls_a_function_is_refused_by_name(create):
    image = modal.Image.debian_slim().run_function(printed)

    with pytest.raises(Exception, match=r"Image\.run_function is not implemented.*run_commands"):
        create("true", image=image)
