"""Runs of pytest with `--sandbox-engine=modal`."""

from collections.abc import Callable

import pytest

from ..support.cloud import Cloud, CloudOptions, running

pytestmark = pytest.mark.usefixtures("few_plugins")


def test_fixtures(pytester: pytest.Pytester, cloud_environment: Callable[[Cloud], None]) -> None:
    pytester.makepyfile(
        """
        import os
        import pytest
        from pytest_sandbox import sandbox_template

        @sandbox_template
        def prepared(sandbox):
            sandbox.filesystem.write_text("ready", "/tmp/state")

        def test_sandbox(sandbox, sandbox_engine, sandbox_rpcs):
            assert sandbox_engine.name == "modal" and sandbox_engine.mode == "cloud"
            assert sandbox.run("echo", "hi").stdout == "hi\\n"
            assert sandbox_rpcs.of("SandboxCreate").one().definition.timeout_secs == 300
            assert not any("as-cloud" in str(each) for each in sandbox_rpcs)

        def test_template(prepared):
            assert prepared.filesystem.read_text("/tmp/state") == "ready"

        def test_fault(sandbox, sandbox_faults):
            sandbox_faults.on("TaskExecStart", nth=1).status("UNAVAILABLE")
            assert sandbox.run("echo", "again").stdout == "again\\n"

        def test_failure(sandbox):
            sandbox.run("sh", "-c", "echo words; exit 4", check=True)

        def test_local_things(sandbox):
            with pytest.raises(Exception, match="Modal's cloud does not have Sandbox.usage"):
                sandbox.usage()
        """
    )
    with running(CloudOptions(warnings={"SandboxCreateV2": "the café closes"})) as cloud:
        cloud_environment(cloud)
        result = pytester.runpytest("--sandbox-engine=modal", "-rA", "-W", "default::UserWarning")
        result.assert_outcomes(passed=4, failed=1, warnings=1)
        result.stdout.fnmatch_lines(
            [
                "sandbox: modal (option --sandbox-engine)*",
                "*sandbox sb-*",
                "*sh -c 'echo words; exit 4'*",
                "*words*",
                "*ServerWarning: the café closes*",
            ]
        )
        assert cloud.app.state.sandboxes.running() == []
        assert len(cloud.app.state.sandboxes.all()) >= 6


def test_what_this_machine_has_alone_is_refused_by_name(
    pytester: pytest.Pytester, cloud_environment: Callable[[Cloud], None]
) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_sandbox import Image, Sandbox, sandbox_template

        @sandbox_template(memory=True)
        def with_programs(sandbox):
            pass

        def test_memory(with_programs):
            pass

        @pytest.mark.sandbox(project=True)
        def test_project(sandbox):
            pass

        def test_host():
            Sandbox.create(image=Image.host())

        def test_gpu_fixture(gpu):
            pass

        @pytest.mark.gpu("H100", memory=1024)
        def test_gpu_memory(sandbox):
            pass

        @pytest.mark.gpu("H100", count=2)
        def test_gpu(sandbox):
            pass

        @pytest.mark.sandbox(network="test")
        def test_network(sandbox):
            pass

        @sandbox_template(network="test", alias="db")
        def in_network(sandbox):
            pass

        def test_template_in_network(in_network):
            pass

        def test_usage(modal_server):
            pass
        """
    )
    with running() as cloud:
        cloud_environment(cloud)
        result = pytester.runpytest("--sandbox-engine=modal", "-rA", "--tb=line")
        assert cloud.app.state.sandboxes.all() == []
    result.assert_outcomes(failed=1, errors=8)
    refusal = "network='test' does not work with --sandbox-engine=modal: sandboxes in Modal's cloud"
    assert result.stdout.str().count(f"{refusal} cannot see each other by an alias. Let") == 1
    result.stdout.fnmatch_lines_random(
        [
            "*the template 'in_network' has network='test', which does not work with*",
            "*the template 'with_programs' has memory=True, which does not work with*",
            "*Modal's cloud does not have project=True*",
            "*Modal's cloud does not have Image.host()*",
            "*the test needs 1 x GPU, and takes no sandbox*",
            "*Modal gives whole GPUs only*",
            "*the fixture modal_server does not work with --sandbox-engine=modal: it stands in*",
            # The cloud that is played has none: it was asked.
            "*SandboxCreate is of the first version*",
        ]
    )


def test_what_the_cloud_does_not_have_is_refused_when_a_test_asks_for_it(
    pytester: pytest.Pytester, cloud_environment: Callable[[Cloud], None]
) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_sandbox import sandbox_template

        @sandbox_template(network="test", alias="db")
        def in_network(sandbox):
            raise AssertionError("it was prepared")

        @sandbox_template(memory=True)
        def with_programs(sandbox):
            raise AssertionError("it was prepared")

        @pytest.mark.parametrize("name", ["in_network", "with_programs", "sandbox_network"])
        def test_it(request, name):
            request.getfixturevalue(name)

        @pytest.fixture
        def sandbox_network_log():
            return "mine"

        def test_own(request):
            assert request.getfixturevalue("sandbox_network_log") == "mine"
        """
    )
    with running() as cloud:
        cloud_environment(cloud)
        result = pytester.runpytest("--sandbox-engine=modal", "-rA", "--tb=line")
        assert cloud.app.state.sandboxes.all() == []
    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines(
        [
            "*the template 'in_network' has network='test', which does not work with*",
            "*the template 'with_programs' has memory=True, which does not work with*",
            "*the fixture sandbox_network does not work with --sandbox-engine=modal*",
        ]
    )


def test_block_cloud(pytester: pytest.Pytester, cloud_environment: Callable[[Cloud], None]) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.cloud
        def test_marked(sandbox):
            assert sandbox.run("true").returncode == 0

        def test_unmarked(sandbox):
            pass

        def test_swallows(request):
            try:
                request.getfixturevalue("sandbox")
            except Exception:
                pass

        @pytest.mark.cloud
        def test_needless():
            pass

        def test_elsewhere(fake_sandboxes, sandbox):
            assert sandbox.run("true").returncode == 0

        def test_network(sandbox_network):
            pass
        """
    )
    with running() as cloud:
        cloud_environment(cloud)
        result = pytester.runpytest("--sandbox-engine=modal", "--sandbox-block-cloud", "-rA")
    result.assert_outcomes(passed=3, failed=1, errors=2)
    result.stdout.fnmatch_lines(
        [
            "*PermissionDeniedError: this test would reach Modal's cloud, which *-cloud does*",
            "*- if it is meant to, mark it: @pytest.mark.cloud",
            "*the fixture sandbox_network does not work with --sandbox-engine=modal*",
            "*= tests marked with cloud that did not reach it =*",
            "  test_block_cloud.py::test_needless",
        ]
    )
    assert len(cloud.app.state.sandboxes.all()) == 1


def test_in_ci_with_a_token_all_tests_reach_the_cloud(
    pytester: pytest.Pytester,
    cloud_environment: Callable[[Cloud], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytester.makepyfile("def test_unmarked(sandbox): pass")
    with running() as cloud:
        cloud_environment(cloud)
        monkeypatch.setenv("CI", "1")
        pytester.runpytest("--sandbox-engine=modal").assert_outcomes(passed=1)
        monkeypatch.delenv("MODAL_TOKEN_ID")
        monkeypatch.delenv("MODAL_TOKEN_SECRET")
        result = pytester.runpytest("--sandbox-engine=modal", "--sandbox-block-cloud=off")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*there is no token for Modal*", "What to do: Set MODAL_TOKEN_ID*"]
    )


def test_in_ci_without_a_token_only_marked_tests_reach_the_cloud(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "1")
    monkeypatch.setenv("MODAL_CONFIG_PATH", "/no/file")
    monkeypatch.delenv("MODAL_TOKEN_ID", raising=False)
    pytester.makepyfile("def test_unmarked(sandbox): pass")

    result = pytester.runpytest("--sandbox-engine=modal")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*which is not done in CI without a token for Modal"])
