"""Runs on the engine of processes say so, and tests that need isolation do not run."""

import pytest

from pytest_sandbox._shared.engine_options import NOT_ISOLATED

ENGINE = "--sandbox-engine=process"
#: As in pytest's header and in reports; `fnmatch_lines` would take brackets for a pattern.
WORDS = NOT_ISOLATED["process"]


def test_the_header_and_the_report_of_a_failure_say_what_it_is(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import os

        def test_relative_paths(sandbox):
            sandbox.mkdir("notes", parents=True)
            with sandbox.open("notes/a", "w") as file:
                file.write("text")
            assert sandbox.run("cat", "notes/a").stdout == "text"
            script = 'echo x > "$TMPDIR/f"; cat $HOME/notes/a'
            assert sandbox.run("sh", "-c", script).stdout == "text"

        def test_failing(sandbox):
            sandbox.filesystem.write_text("text", "/root/a")

        def test_refused(sandbox_factory):
            sandbox_factory(block_network=True)

        def test_of_something_else():
            assert False

        def test_in_memory(fake_sandboxes, sandbox):
            assert False
        """
    )

    result = pytester.runpytest(ENGINE)

    result.assert_outcomes(passed=1, failed=4)
    result.stdout.fnmatch_lines(
        [
            f"sandbox: process (option --sandbox-engine): {WORDS}",
            "*not below the sandbox's folder /*",
            "*- sandbox engine -*",
            f"process: {WORDS}",
            "*block_network=True: *",
            "*- sandbox engine -*",
            f"process: {WORDS}",
        ]
    )
    assert str(result.stdout).count("- sandbox engine -") == 2


MARKED = """
    import pytest

    @pytest.mark.sandbox(isolation="full")
    class TestMarked:
        def test_it(self, sandbox): ...

        @pytest.mark.sandbox(isolation=None)
        def test_undone(self): ...

        def test_in_memory(self, fake_sandboxes): ...
"""


def test_a_test_that_needs_isolation_is_an_error_of_the_collection(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(MARKED)

    result = pytester.runpytest(ENGINE)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [f"*::TestMarked::test_it: @pytest.mark.sandbox(isolation='full'): *: {WORDS}; *"]
    )
    result.stdout.no_fnmatch_line("*::test_undone: *")
    result.stdout.no_fnmatch_line("*::test_in_memory: *")


def test_isolation_is_no_keyword_of_a_sandbox(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.sandbox(isolation="full", timeout=77)
        def test_it(sandbox): assert sandbox.run("true").returncode == 0
        """
    )
    pytester.runpytest("--sandbox-engine=fake").assert_outcomes(passed=1)


def test_an_engine_of_another_package_is_asked_once_it_has_started(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_sandbox.plugin.isolation.NOT_ISOLATED", {})
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.sandbox(isolation="full")
        def test_it(sandbox): ...
        """
    )

    result = pytester.runpytest(ENGINE)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the engine 'process' does not isolate: NO ISOLATION, *"])


def test_an_open_network_is_refused(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest(ENGINE, "--sandbox-network=open")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*is not for the engine 'process', whose sandboxes have the *"])


def test_what_it_lacks_is_refused_by_the_names_of_users(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import re

        import pytest

        from pytest_sandbox import Image, Volume
        from pytest_sandbox.client.exceptions import UnimplementedError

        @pytest.mark.parametrize(("keywords", "words"), [
            ({"block_network": True}, "block_network=True: the engine 'process'"),
            ({"network": "open"}, "its sandboxes have the network of this machine"),
            ({"outbound_domain_allowlist": ["a.example"]}, "outbound_domain_allowlist="),
            ({"gpu": "H100"}, "gpu="),
            ({"memory": (64, 128)}, "memory=(request, limit): the engine 'process'"),
            ({"image": "alpine:3.21"}, "alpine:3.21: the engine 'process'"),
            ({"workdir": "/no/such/folder"}, "workdir: /no/such/folder"),
            ({"network": "test"}, "the network of this machine"),
        ])
        def test_it(sandbox_factory, keywords, words):
            with pytest.raises(UnimplementedError, match=re.escape(words)):
                sandbox_factory(**keywords)

        def test_snapshots(sandbox):
            with pytest.raises(UnimplementedError, match="snapshot"):
                sandbox.snapshot_filesystem()
        """
    )

    pytester.runpytest(ENGINE).assert_outcomes(passed=9)
