"""Which test would run where, as `--collect-only` and its like list it."""

import re

import pytest

from .conftest import FakeMachine

pytestmark = pytest.mark.usefixtures("own_settings")

LISTED = """
import pytest

@pytest.mark.gpu("H100", count=2)
def test_two(): ...

@pytest.mark.gpu(["A100", "L4"])
def test_one(sandbox): ...

@pytest.mark.gpu("H200")
def test_other(): ...

@pytest.mark.gpu
def test_any(): ...

@pytest.mark.gpu("H1O0")
def test_misspelt(): ...

@pytest.mark.sandbox(gpu="L4")
def test_of_the_sandbox(sandbox): ...

def test_without(): ...
"""


def test_what_would_run_where_is_listed(pytester: pytest.Pytester, gpus: FakeMachine) -> None:
    pytester.makepyfile(LISTED)

    result = pytester.runpytest("--gpu=skip", "--collect-only")

    lines = [re.sub(r"^gpu: .*::", "", line) for line in result.outlines if "gpu: test" in line]
    else_it = "skipped by --gpu=skip; else it would"
    two, one, other, some, misspelt, of_sandbox = lines
    assert two == (
        f"test_two: needs 2 x H100: {else_it} run in the process of pytest on "
        "GPU 0 (NVIDIA H100 80GB HBM3), GPU 1 (NVIDIA H100 80GB HBM3)"
    )
    assert one == (
        f"test_one: needs 1 x A100 or 1 x L4: {else_it} run in its sandbox on GPU 2 (NVIDIA L4)"
    )
    assert other == (
        f"test_other: needs 1 x H200: {else_it} be skipped: needs 1 x H200; this machine has "
        "2 x NVIDIA H100 80GB HBM3, 1 x NVIDIA L4"
    )
    assert f"{else_it} run in the process of pytest on 1 of GPU 0 (NVIDIA H100 80GB HBM3)" in some
    assert f"{else_it} fail: needs 1 x H1O0; this machine has" in misspelt
    assert f"{else_it} run in its sandbox on GPU 2 (NVIDIA L4)" in of_sandbox
    marked = pytester.runpytest("--gpu=skip", "-m", "gpu", "--collect-only")
    assert sum("gpu: test" in line for line in marked.outlines) == 5


def test_an_invalid_marker_is_listed_with_its_test_and_leaves_the_others(
    pytester: pytest.Pytester, gpus: FakeMachine
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.modal_server(engine="nosuch")
        @pytest.mark.gpu("L4")
        def test_engine(sandbox, modal_server): ...

        @pytest.mark.fake_sandboxes(gpus=1)
        @pytest.mark.gpu("L4")
        def test_names(fake_sandboxes): ...

        def test_late(gpu): ...

        @pytest.mark.gpu("L4")
        def test_fine(): ...
        """
    )
    pytester.makeconftest(
        """
        import pytest

        def pytest_collection_modifyitems(items):
            items[2].add_marker(pytest.mark.gpu(mem=1))
        """
    )

    result = pytester.runpytest("--collect-only")

    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        [
            "gpu: *::test_engine: would fail: *(engine='nosuch'): there are 'fake' and 'local'",
            "gpu: *::test_names: needs 1 x L4: would fail: *(gpus=1): gpus must be a list of names",
            "gpu: *::test_late: would fail: @pytest.mark.gpu: there is no key 'mem'*",
            "gpu: *::test_fine: needs 1 x L4: would run in the process of pytest on *",
        ]
    )
