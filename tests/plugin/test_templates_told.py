"""What people are told of templates: why one failed, what cannot be one, and what they cost."""

import re

import pytest

from .templates import Project


def test_a_failure_is_told_to_all_and_not_tried_again(project: Project) -> None:
    result = project.run(
        """
        @sandbox_template
        def prepared(sandbox):
            log("built")
            sandbox.run("sh", "-c", "echo no such release >&2; exit 3", check=True)

        @sandbox_template
        def layer(prepared): ...

        def test_one(prepared): ...
        def test_two(prepared): ...
        def test_three(layer): ...
        """
    )

    result.assert_outcomes(errors=3)
    assert project.log == ["built"]
    assert str(result.stdout).count("no such release") >= 3
    result.stdout.fnmatch_lines(
        [
            "*ERROR at setup of test_one*",
            "*sandbox.run(*",
            "*sandbox sb-*",
            "[[]1] sh -c *",
            "*ERROR at setup of test_two*",
            "the template 'prepared' could not be built, so all tests that use it fail:",
            "*in prepared",
            "*sandbox.run(*",
            "*ERROR at setup of test_three*",
            "*the template 'prepared' could not be built*",
            "prepared: not built, after *",
        ]
    )


def test_what_a_template_cannot_have_skips_its_tests(project: Project) -> None:
    result = project.run(
        """
        @sandbox_template
        def prepared(sandbox):
            log("built")
            pytest.skip("no licence")

        def test_one(prepared): ...
        def test_two(prepared): ...
        """,
        "-rs",
    )

    result.assert_outcomes(skipped=2)
    assert project.log == ["built"]
    result.stdout.fnmatch_lines(["SKIPPED*no licence"])


def test_a_template_that_takes_longer_than_its_sandbox_lives_says_so(project: Project) -> None:
    result = project.run(
        """
        @sandbox_template(timeout=5)
        def prepared(sandbox):
            sandbox.run("sleep", "1000")

        def test_one(prepared): ...
        def test_two(prepared): ...
        """
    )

    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*'prepared' reached its timeout=5;*"] * 2)


def test_a_template_that_ends_its_sandbox_is_told_that_nothing_is_left_to_keep(
    project: Project,
) -> None:
    result = project.run(
        """
        @sandbox_template
        def prepared(sandbox):
            sandbox.terminate()

        def test_one(prepared): ...
        def test_two(prepared): ...
        """
    )

    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*'prepared' ended before its snapshot*terminate it*"] * 2)


def test_an_interrupted_template_ends_the_run_and_its_sandbox(project: Project) -> None:
    project.write(
        """
        @sandbox_template
        def prepared(sandbox):
            raise KeyboardInterrupt

        def test_one(prepared): ...
        def test_two(prepared): log("ran")
        """
    )

    result = project.pytester.runpytest_subprocess("--sandbox-engine=fake")

    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert project.log == []


def test_what_a_template_returns_would_be_lost(project: Project) -> None:
    result = project.run(
        """
        @sandbox_template
        def prepared(sandbox):
            return 42

        def test_it(prepared): ...
        """
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["the template 'prepared' returned 42*write it to*"])


def test_the_parent_of_a_template_must_be_one(project: Project) -> None:
    result = project.run(
        """
        @sandbox_template
        def prepared(tmp_path_factory): ...

        def test_it(prepared): ...
        """
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["the template 'prepared' starts from 'tmp_path_factory', *no template of that name*"]
    )
    result.stdout.no_fnmatch_line("*sandbox_template_*")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("@sandbox_template\ndef it(sandbox): yield", "TypeError: *on it: *cannot yield*"),
        ("@sandbox_template\nasync def it(sandbox): yield", "TypeError: *on it: *cannot yield*"),
        ("@sandbox_template\ndef it(): ...", "TypeError: *on it: it takes no sandbox*"),
        ("sandbox_template(7)", "TypeError: *decorates a function, not 7"),
        (
            "class A:\n    @sandbox_template\n    def it(self, sandbox): ...",
            "TypeError: *on it: *not a method",
        ),
        (
            "@sandbox_template(scope='function')\ndef it(sandbox): ...",
            "ValueError: *scope='function' is none of 'session', 'module', 'class'",
        ),
        (
            "@sandbox_template(memory=512)\ndef it(sandbox): ...",
            "ValueError: *memory=512: *a limit is memory_limit=*",
        ),
        (
            "@sandbox_template(memory=True, cache=True)\ndef it(sandbox): ...",
            "ValueError: *do not outlive the run",
        ),
        (
            "@sandbox_template(cache_key='a')\ndef it(sandbox): ...",
            "ValueError: *cache_key= is for cache=True",
        ),
        (
            "@sandbox_template(image='host')\ndef it(base): ...",
            "ValueError: *image= is for a fresh sandbox, and this is a copy of base",
        ),
        (
            "@sandbox_template(name='a-b')\ndef it(sandbox): ...",
            "ValueError: *name='a-b' cannot be the name of a fixture",
        ),
        (
            "@sandbox_template(timout=5)\ndef it(sandbox): ...",
            "ValueError: *no key 'timout'; did you mean 'timeout'*",
        ),
        (
            "@sandbox_template(memory_limit='much')\ndef it(sandbox): ...",
            "ValueError: *memory must be a whole number*",
        ),
    ],
)
def test_a_template_that_cannot_be_is_an_error_of_the_collection(
    project: Project, code: str, told: str
) -> None:
    result = project.run(code)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"E *{told}"])


# What it costs


def test_the_summary_tells_what_templates_cost(project: Project) -> None:
    result = project.run(
        """
        @sandbox_template(params=["red", "blue"])
        def prepared(sandbox, request): ...

        @sandbox_template
        def once(sandbox): ...

        def test_one(prepared): ...
        def test_two(prepared, once): ...
        """,
        "-k",
        "red",
    )

    result.assert_outcomes(passed=2, deselected=2)
    result.stdout.fnmatch_lines(
        [
            "*= sandbox templates =*",
            "once: built in 0.?? s - used once, *.? ms",
            "prepared[[]red]: built in 0.?? s - used 2 times, *.? ms each (median)",
        ]
    )


def test_the_summary_names_the_parameters_of_templates_as_the_ids_of_tests_do(
    project: Project,
) -> None:
    result = project.run(
        """
        import pytest

        @sandbox_template(params=[object(), 3], ids=["a-b", None])
        def base(sandbox, request): ...

        @sandbox_template(params=["red"])
        def above(base, request): ...

        @pytest.mark.parametrize("other", ["x", "y"])
        def test_it(other, above): ...

        @pytest.mark.parametrize(("one", "two"), [(1, 2)])
        def test_together(one, two, base): ...
        """,
        "-v",
    )

    result.assert_outcomes(passed=6)
    summary = [line.partition(":")[0] for line in result.outlines if ": built in" in line]
    names = ["above[red-a-b]", "above[red-3]", "base[a-b]", "base[3]"]
    assert sorted(summary) == sorted(names)


def test_what_cannot_be_kept_is_built_and_the_summary_says_so(project: Project) -> None:
    result = project.run(
        """
        from pytest_sandbox import exceptions
        from pytest_sandbox.client.extensions import Extensions

        @pytest.fixture(scope="session")
        def full():
            def keep_image(self, image, key):
                raise exceptions.ResourceExhaustedError("the disk is full")
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Extensions, "keep_image", keep_image)
                yield

        @sandbox_template(cache=True)
        def prepared(sandbox): ...

        def test_it(full, prepared): ...
        """
    )

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["prepared: built in * - not stored for later runs: the disk is full"]
    )


def test_without_templates_there_is_no_summary(project: Project) -> None:
    result = project.run("def test_it(sandbox): ...")

    result.stdout.no_fnmatch_line("*sandbox templates*")


def test_the_build_is_part_of_the_setup_of_the_first_test(project: Project) -> None:
    result = project.run(
        """
        import time

        @sandbox_template
        def prepared(sandbox):
            time.sleep(0.3)

        def test_one(prepared): ...
        def test_two(prepared): ...
        """,
        "--durations=0",
    )

    shown = re.search(r"([0-9.]+)s setup +\S+::test_one", result.stdout.str())
    assert shown is not None
    assert float(shown[1]) >= 0.3
