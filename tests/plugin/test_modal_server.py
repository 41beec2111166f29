"""The fixture `modal_server`, with a caller that is not the `modal` package.

`tests/modal_clients` uses it with that.
"""

import pytest

pytestmark = pytest.mark.usefixtures("shared_engine")

#: Calls the server as a client of Modal in another process does.
HEAD = """
import asyncio
import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from grpclib.client import Channel

from pytest_sandbox._proto import apps_pb2, common_pb2, images_pb2, sandboxes_pb2, secrets_pb2
from pytest_sandbox._proto.control_grpc import ModalClientStub

pytestmark = pytest.mark.modal_server(in_process=False)


def create(*argv, name="", secret=""):
    return asyncio.run(_create(argv, name, secret))


async def _create(argv, name, secret):
    url = urlsplit(os.environ["MODAL_SERVER_URL"])
    token = {
        "x-modal-token-id": os.environ["MODAL_TOKEN_ID"],
        "x-modal-token-secret": os.environ["MODAL_TOKEN_SECRET"],
    }
    async with Channel(url.hostname, url.port) as channel:
        stub = ModalClientStub(channel)
        app = await stub.AppGetOrCreate(
            apps_pb2.AppGetOrCreateRequest(
                app_name="a",
                object_creation_type=common_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING,
            ),
            metadata=token,
        )
        made = await stub.SecretGetOrCreate(
            secrets_pb2.SecretGetOrCreateRequest(
                env_dict={"SECRET": secret},
                object_creation_type=common_pb2.OBJECT_CREATION_TYPE_ANONYMOUS_OWNED_BY_APP,
            ),
            metadata=token,
        )
        image = await stub.ImageGetOrCreate(
            images_pb2.ImageGetOrCreateRequest(
                app_id=app.app_id, image={"dockerfile_commands": ["FROM debian:bookworm"]}
            ),
            metadata=token,
        )
        definition = sandboxes_pb2.Sandbox(
            entrypoint_args=argv,
            timeout_secs=60,
            name=name or None,
            secret_ids=[made.secret_id],
            image_id=image.image_id,
        )
        response = await stub.SandboxCreate(
            sandboxes_pb2.SandboxCreateRequest(app_id=app.app_id, definition=definition),
            metadata=token,
        )
        await stub.SandboxWait(
            sandboxes_pb2.SandboxWaitRequest(
                sandbox_id=response.sandbox_id, timeout=0 if argv[0] == "sleep" else 10
            ),
            metadata=token,
        )
    return response.sandbox_id

"""


def run(pytester: pytest.Pytester, code: str, *options: str, head: str = HEAD) -> pytest.RunResult:
    pytester.makepyfile(head + "\n\n" + "\n".join(line[8:] for line in code.split("\n")))
    return pytester.runpytest(*options)


def test_sandboxes_of_a_test_are_in_its_report_without_secrets(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        def test_it(modal_server):
            create("sh", "-c", "echo about $SECRET; exit 3", secret="hush-" * 2)
            create("sleep", "60")
            assert len(modal_server.sandbox_ids) == 2
            raise RuntimeError("after all")
        """,
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*RuntimeError: after all",
            "*- sandbox sb-*",
            "*exited with code 3*",
            "*about [[]secret[]]*",
            "*- sandbox sb-*",
            "*sleep 60*",
        ]
    )
    assert "hush-hush-" not in result.stdout.str()


def test_what_a_test_leaves_running_is_ended_and_reported(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        ids = []

        def test_it(modal_server):
            ids.append(create("sleep", "60"))

        def test_next(modal_server):
            description = modal_server.client.batch(ids).describe(0)[ids[0]]
            assert not description.running
        """,
        "--sandbox-strict",
    )

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*sandbox sb-*, which the test created and did not terminate"])


def test_the_environment_is_that_of_a_client_and_then_as_before(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODAL_SERVER_URL", "https://cloud.example")
    monkeypatch.setenv("MODAL_OAUTH_CLIENT_ID", "of-the-user")
    monkeypatch.setenv("MODAL_ENVIRONMENT", "dev")
    result = run(
        pytester,
        """
        def test_it(modal_server):
            assert os.environ["MODAL_SERVER_URL"] == modal_server.url
            assert os.environ["MODAL_TOKEN_ID"] == modal_server.token_id
            assert os.environ["MODAL_TOKEN_SECRET"] == modal_server.token_secret
            assert os.environ["MODAL_CONFIG_PATH"] == os.devnull
            assert "BEGIN CERTIFICATE" in Path(os.environ["SSL_CERT_FILE"]).read_text()
            assert "MODAL_OAUTH_CLIENT_ID" not in os.environ
            assert "MODAL_ENVIRONMENT" not in os.environ

        def test_after():
            assert os.environ["MODAL_SERVER_URL"] == "https://cloud.example"
            assert os.environ["MODAL_OAUTH_CLIENT_ID"] == "of-the-user"
            assert "MODAL_TOKEN_SECRET" not in os.environ
        """,
    )

    result.assert_outcomes(passed=2)


def test_tests_with_engines_in_memory_share_nothing(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        pytestmark = [pytestmark, pytest.mark.modal_server(engine="fake", allow=["unused-scripts"])]
        urls = []

        @pytest.mark.parametrize("turn", [1, 2])
        def test_it(modal_server, fake_sandboxes, turn):
            assert modal_server.fake is fake_sandboxes
            modal_server.fake.on_exec("make").reply(code=3)
            sandbox_id = create("make", name="same")
            assert modal_server.sandbox_ids == [sandbox_id]
            assert modal_server.rpcs.of("SandboxWait").one().response.result.exitcode == 3
            urls.append(modal_server.url)

        def test_after():
            with pytest.raises(OSError):
                os.environ["MODAL_SERVER_URL"] = urls[0]
                os.environ["MODAL_TOKEN_ID"] = os.environ["MODAL_TOKEN_SECRET"] = ""
                create("true")
        """,
    )

    result.assert_outcomes(passed=3)


def test_rules_of_the_engine_in_memory_hold(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        @pytest.mark.modal_server(engine="fake")
        def test_it(modal_server):
            modal_server.fake.on_exec("make").reply()
        """,
    )

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*scripts that were not used as often as required*"])


def test_a_fault_that_does_not_fire_fails_the_test(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        def test_it(modal_server):
            modal_server.faults.on("SandboxTerminate").status("UNAVAILABLE")

        def test_next(modal_server):
            create("true")
            with pytest.raises(RuntimeError, match='modal_server.engine="fake"'):
                modal_server.fake
        """,
    )

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*faults that did not fire as often as planned*"])


def test_the_option_gives_every_test_an_engine_in_memory(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        def test_it(modal_server):
            create("true")
            assert modal_server.engine == "fake"
        """,
        "--sandbox-engine=fake",
    )

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        ("'fake'", "takes keywords only"),
        ("engine='docker'", "there are 'fake' and 'local'"),
        ("in_process=1", "it must be True or False"),
        ("preset=1", "it must be the path of a file"),
        ("preset='no.toml'", "no.toml': No such file or directory"),
        ("engine='fake', file={}", "did you mean 'files'"),
        ("engin='fake'", "there is no key 'engin'; did you mean 'engine'"),
        ("engine='local'", "the engine of this test is in memory"),
    ],
)
def test_a_marker_that_is_wrong(pytester: pytest.Pytester, marker: str, words: str) -> None:
    in_memory = ", fake_sandboxes" if "local" in marker else ""
    result = run(
        pytester,
        f"""
        @pytest.mark.modal_server({marker})
        def test_it(modal_server{in_memory}): ...
        """,
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*{words}*"])


def test_modal_is_missing(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_sandbox.plugin.modal.serving.modal_is_installed", lambda: False)

    result = run(pytester, "\n        def test_it(modal_server): ...\n", head="")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "*the package modal is not installed*",
            "*pip install *[[]modal[]]*",
            "*pytest.mark.modal_server(in_process=False)*",
        ]
    )
