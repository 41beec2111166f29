"""GPUs of copies of templates, and of sandboxes that ask for some without the marker."""

import pytest

from .conftest import FakeMachine

pytestmark = pytest.mark.usefixtures("own_settings")

TESTS = """
import os
import pytest
from pytest_sandbox import sandbox_template

def nodes(sandbox):
    return sandbox.run("sh", "-c", "ls -d /dev/nvidia[0-9]*").stdout.split()

@sandbox_template
def plain(sandbox):
    assert nodes(sandbox) == []

@sandbox_template(gpu="L4")
def compiled(sandbox):
    assert nodes(sandbox) == ["/dev/nvidia2"]

@sandbox_template(scope="module")
def shared(sandbox): ...

@sandbox_template(scope="module", gpu="L4")
def shared_with_gpu(sandbox): ...

@pytest.mark.gpu("L4")
def test_prepared_with_the_gpu_of_the_test(compiled, gpu):
    assert nodes(compiled) == ["/dev/nvidia2"] == [gpu.node]
    assert "CUDA_VISIBLE_DEVICES" not in os.environ

@pytest.mark.gpu("H100")
def test_the_marker_wins(compiled, plain, gpu):
    assert nodes(compiled) == nodes(plain) == [gpu.node]

def test_that_of_the_template(compiled, plain):
    assert nodes(compiled) == ["/dev/nvidia2"] and nodes(plain) == []

@pytest.mark.gpu("L4")
def test_what_tests_share_has_none(shared, gpu):
    assert nodes(shared) == []
    assert os.environ["CUDA_VISIBLE_DEVICES"] == gpu.uuid

@pytest.mark.gpu("L4")
def test_refused(shared_with_gpu): ...

@pytest.mark.sandbox(gpu="H200")
def test_of_the_sandbox(sandbox): ...

@sandbox_template(gpu="A100:4")
def large(sandbox): ...

def test_of_the_template(large): ...

@pytest.mark.sandbox(gpu="H1O0")
def test_misspelt(sandbox): ...
"""


def test_copies_of_templates(pytester: pytest.Pytester, with_devices: None) -> None:
    pytester.makepyfile(TESTS)

    result = pytester.runpytest_subprocess("--gpu-wait=1", "-rs")

    result.assert_outcomes(passed=4, skipped=2, errors=2)
    has = "this machine has 2 x NVIDIA H100 80GB HBM3, 1 x NVIDIA L4"
    result.stdout.fnmatch_lines(
        [
            "*template 'shared_with_gpu', which all tests of a module share, has GPUs by gpu='L4'*",
            "'H1O0' is no kind: did you mean 'H100'?",
            "2 with GPUs in a sandbox",
            f"SKIPPED * needs 1 x H200; {has}",
            f"SKIPPED * needs 4 x A100; {has}",
        ]
    )


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("--gpu=skip", "* --gpu=skip: needs 1 x L4"),
        ("--gpu=require", "--gpu=require: needs 1 x L4; this machine has none: *"),
    ],
)
def test_the_marker_of_sandboxes_follows_the_option(
    pytester: pytest.Pytester, no_gpus: FakeMachine, option: str, line: str
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.sandbox(gpu="L4")
        def test_it(sandbox): raise AssertionError

        @pytest.mark.sandbox(gpu="L4")
        def test_takes_none(): ...
        """
    )

    result = pytester.runpytest(option, "-rs")

    result.assert_outcomes(passed=1, **{"errors" if "require" in option else "skipped": 1})
    result.stdout.fnmatch_lines(line)


def test_copies_in_memory(pytester: pytest.Pytester, no_gpus: FakeMachine) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_sandbox import sandbox_template

        @sandbox_template(gpu="L4")
        def prepared(sandbox): ...

        @pytest.mark.gpu("H100", count=2)
        @pytest.mark.parametrize("number", range(2))
        def test_it(prepared, gpu, number):
            listed = prepared.run("nvidia-smi", "-L").stdout
            assert [each.uuid in listed for each in gpu] == [True, True]
        """
    )

    result = pytester.runpytest("--sandbox-engine=fake")

    result.assert_outcomes(passed=2)


def test_processes_cannot_keep_what_is_in_a_gpu(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from pytest_sandbox import sandbox_template

        @sandbox_template(memory=True, gpu="L4")
        def running(sandbox): ...
        """
    )

    result = pytester.runpytest()

    result.stdout.fnmatch_lines(
        "E   ValueError: @sandbox_template on running: memory=True and gpu=: no snapshot has *"
    )


def test_copies_with_processes_have_none(pytester: pytest.Pytester, no_gpus: FakeMachine) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_sandbox import sandbox_template

        @sandbox_template(memory=True)
        def running(sandbox): ...

        @pytest.mark.sandbox(gpu="L4")
        def test_refused(running): ...
        """
    )

    result = pytester.runpytest("--sandbox-engine=fake", "--gpu=fake")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        "gpu='L4' cannot change a copy of the template 'running', which resumes its processes; use "
        "a template without memory=True: no snapshot has what is in a GPU"
    )
