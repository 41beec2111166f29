"""The marker, the fixture and the options for GPUs, in runs without a sandbox."""

import os

import pytest

from .conftest import FakeMachine
from .programs import holding

pytestmark = pytest.mark.usefixtures("own_settings")

TWO = """
import os
import pytest

pytestmark = pytest.mark.gpu("H100")

@pytest.mark.gpu(count=2)
def test_two(gpu):
    assert [each.index for each in gpu] == [0, 1]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ",".join(each.uuid for each in gpu)
    with pytest.raises(ValueError, match=r"has 2 GPUs: say which, as in gpu\\[0\\]"):
        gpu.uuid

def test_one(gpu):
    assert (gpu.name, gpu.memory, gpu.driver) == ("NVIDIA H100 80GB HBM3", 81559, "580.95.05")
    assert os.environ["NVIDIA_VISIBLE_DEVICES"] == gpu.uuid == gpu[0].uuid
    assert len(gpu) == 1 and gpu.index in (0, 1)

class TestL4:
    pytestmark = pytest.mark.gpu("l4", memory=2000)

    def test_it(self):
        assert os.environ["CUDA_VISIBLE_DEVICES"].endswith("2")
"""


def test_tests_have_the_devices_that_they_ask_for(
    pytester: pytest.Pytester, gpus: FakeMachine
) -> None:
    pytester.makepyfile(TWO)

    result = pytester.runpytest("--strict-markers")

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        [
            "*= GPUs =*",
            "*::test_two: GPU 0 (NVIDIA H100 *), GPU 1 (NVIDIA H100 *) in the process of pytest",
        ]
    )
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_a_fixture_without_a_marker_is_one_of_any_kind(
    pytester: pytest.Pytester, gpus: FakeMachine
) -> None:
    pytester.makepyfile("def test_it(gpu): assert len(gpu) == 1")

    pytester.runpytest().assert_outcomes(passed=1)


def test_what_cuda_hides_is_not_had(
    pytester: pytest.Pytester, gpus: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,2")
    pytester.makepyfile(
        """
        import os
        def test_it(gpu):
            assert gpu.index == 1
            assert os.environ["CUDA_VISIBLE_DEVICES"] == gpu.uuid
            assert os.environ["PYTEST_SANDBOX_CUDA_VISIBLE_DEVICES"] == "1,2"
        """
    )

    pytester.runpytest().assert_outcomes(passed=1)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1,2"


SKIPPED = """
import pytest

@pytest.mark.gpu("H200", count=2)
def test_it(gpu): raise AssertionError
"""


def test_what_is_missing_is_said(pytester: pytest.Pytester, gpus: FakeMachine) -> None:
    pytester.makepyfile(SKIPPED)

    result = pytester.runpytest("-rs")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(
        "SKIPPED [[]1[]] test_what_is_missing_is_said.py:3: needs 2 x H200; this machine has 2 x "
        "NVIDIA H100 80GB HBM3, 1 x NVIDIA L4"
    )


def test_why_there_is_none_is_said(pytester: pytest.Pytester, no_gpus: FakeMachine) -> None:
    no_gpus.say("fail nvmlInitWithFlags 9")
    pytester.makepyfile(SKIPPED)

    result = pytester.runpytest("-rs")

    result.stdout.fnmatch_lines("*needs 2 x H200; this machine has none: the driver is not loaded*")


def test_require_makes_a_skip_an_error(pytester: pytest.Pytester, gpus: FakeMachine) -> None:
    pytester.makepyfile(SKIPPED)

    result = pytester.runpytest("--gpu=require")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["gpu: require (option)", "--gpu=require: needs 2 x H200; *"])


def test_skip_skips_and_asks_nobody(pytester: pytest.Pytester, no_gpus: FakeMachine) -> None:
    no_gpus.say("hang nvmlInitWithFlags")
    pytester.makeini("[pytest]\ngpu = skip")
    pytester.makepyfile(SKIPPED)

    result = pytester.runpytest("-rs")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines("*gpu = skip: needs 2 x H200")


def test_a_misspelt_kind_fails_and_is_never_skipped(
    pytester: pytest.Pytester, no_gpus: FakeMachine
) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.gpu('H1O0')\ndef test_it(): ...")

    result = pytester.runpytest()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("'H1O0' is no kind: did you mean 'H100'?")


def test_who_has_a_device_is_said_when_the_time_is_up(
    pytester: pytest.Pytester, gpus: FakeMachine
) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.gpu('L4')\ndef test_it(): ...")

    with holding("L4", "their test") as holder:
        result = pytester.runpytest("--gpu-wait=0.1")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        f"no 1 x L4 within 0.1 s: GPU 2 (NVIDIA L4): their test (pid {holder.process.pid} of *"
    )
    assert "During handling" not in result.stdout.str()


def test_locks_that_cannot_be_used_are_no_reason_to_skip(
    pytester: pytest.Pytester, gpus: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_SANDBOX_GPU_LOCKS", "/no/such/folder")
    pytester.makepyfile("import pytest\n@pytest.mark.gpu('L4')\ndef test_it(): ...")

    result = pytester.runpytest()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("the locks of the GPUs cannot be used: /no/such/folder: *")


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        ("gpu('H100:')", "@pytest.mark.gpu('H100:'): '' is not a number of GPUs"),
        ("gpu('H100', 2)", "takes one kind, not ('H100', 2); for 2 of a kind, give count=2"),
        ("gpu('H100', 'L4')", "takes one kind, not ('H100', 'L4'); for one of several kinds, give"),
        ("gpu('H100,L4')", "is not a kind of GPU, as in 'H100' or 'A100-80GB'; for one of several"),
        ("gpu(nr=2)", "there is no key 'nr'; there are kind, count, memory"),
        ("gpu(mem=2)", "there is no key 'mem'; did you mean 'memory'?"),
        ("gpu(count=0)", "count must be a number of at least 1, not 0"),
        ("gpu(count='2')", "count must be a number of at least 1, not '2'"),
        ("gpu('H100:2', count=2)", "gives the count twice"),
        ("gpu(memory=True)", "memory must be a number of MiB above 0, not True"),
    ],
)
def test_an_invalid_marker_is_an_error_of_the_collection(
    pytester: pytest.Pytester, no_gpus: FakeMachine, marker: str, words: str
) -> None:
    pytester.makepyfile(f"import pytest\n@pytest.mark.{marker}\ndef test_it(): ...")

    result = pytester.runpytest("--collect-only")

    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert words in result.stdout.str()


def test_two_markers_that_ask_for_gpus(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.sandbox(gpu="T4")

        @pytest.mark.gpu("L4")
        def test_both(sandbox): ...

        def test_fixture(sandbox, gpu): ...

        @pytest.mark.gpu("L4")
        def test_without_sandbox(): ...

        @pytest.mark.gpu("L4")
        @pytest.mark.sandbox(gpu=None)
        def test_reset(sandbox): ...
        """
    )

    result = pytester.runpytest("--collect-only")

    assert result.ret == pytest.ExitCode.INTERRUPTED
    other = "and @pytest.mark.sandbox(gpu='T4') for GPUs too"
    result.stdout.fnmatch_lines(
        [
            f"*::test_both: @pytest.mark.gpu asks for 1 x L4, {other}: say it once, by *",
            f"*::test_fixture: the fixture gpu asks for 1 x GPU, {other}*",
        ]
    )
    assert "test_without_sandbox" not in result.stdout.str()
    assert "test_reset" not in result.stdout.str()


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--gpu=requires", "the GPU mode 'requires' (option gpu) does not exist; did you mean"),
        ("--gpu-wait=soon", "gpu wait (option) must be a number of seconds of at least 0"),
        ("--gpu-wait=-1", "gpu wait (option) must be a number of seconds of at least 0"),
    ],
)
def test_an_invalid_option_is_refused(pytester: pytest.Pytester, option: str, words: str) -> None:
    result = pytester.runpytest(option)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert words in result.stderr.str()


def test_two_workers_that_want_one_device(pytester: pytest.Pytester, gpus: FakeMachine) -> None:
    pytester.makepyfile(
        """
        import os, time, pytest

        @pytest.mark.gpu("L4")
        @pytest.mark.parametrize("number", range(4))
        def test_it(number, tmp_path_factory):
            mine = tmp_path_factory.getbasetemp().parent / "in-use"
            mine.mkdir()
            time.sleep(0.1)
            mine.rmdir()
        """
    )

    result = pytester.runpytest_subprocess("-n2")

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines("*= GPUs =*")
    assert result.stdout.str().count("GPU 2 (NVIDIA L4) in the process of pytest") == 4
