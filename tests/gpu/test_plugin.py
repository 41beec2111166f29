"""The marker, the fixture and the options for GPUs, in runs without a sandbox."""

import os
import re
from pathlib import Path

import pytest

from .conftest import FakeMachine
from .machines import specification, write
from .programs import holding

#: Without the plugins that take most of the start of pytest.
ADDOPTS = (
    "-p no:hypothesispytest -p no:anyio -p no:asyncio -p no:fakefs -p no:time_machine -p no:socket "
    "-p no:rerunfailures"
)


@pytest.fixture(autouse=True)
def own_settings(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", ADDOPTS)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("PYTEST_SANDBOX_ENGINE", raising=False)


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


def test_simulated_ones(pytester: pytest.Pytester, no_gpus: FakeMachine) -> None:
    pytester.makepyfile(
        """
        import pytest

        def told(sandbox):
            query = ("--query-gpu=uuid,name", "--format=csv,noheader")
            return sandbox.run("nvidia-smi", *query).stdout

        @pytest.mark.gpu("H100", count=2)
        def test_in_memory(gpu, fake_sandboxes, sandbox):
            assert told(sandbox) == "".join(f"{each.uuid}, {each.name}\\n" for each in gpu)

        @pytest.mark.fake_sandboxes(gpus=["L4", "H100"])
        @pytest.mark.gpu(["A100", "H100"])
        def test_listed(gpu, fake_sandboxes, sandbox):
            assert told(sandbox) == f"{gpu.uuid}, {gpu.name}\\n"

        @pytest.mark.gpu("A100-80GB")
        def test_alone(gpu):
            assert gpu.name == "NVIDIA A100-SXM4-80GB"
        """
    )

    result = pytester.runpytest("--gpu=fake")

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        [
            "2 with GPUs in a sandbox",
            "*::test_alone: simulated GPU 0 (NVIDIA A100-SXM4-80GB) in the process of pytest",
        ]
    )


def test_which_has_simulated_ones_in_memory(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import os
        import pytest
        from pytest_sandbox import Sandbox, sandbox_template

        pytestmark = pytest.mark.gpu("L4")

        def has(sandbox):
            return "NVIDIA L4" in sandbox.run("nvidia-smi", "-L").stdout

        @sandbox_template(memory=True)
        def running(sandbox): ...

        def test_none_taken(gpu):
            assert os.environ["CUDA_VISIBLE_DEVICES"] == gpu.uuid
            assert not has(Sandbox.create())

        def test_resumed(running, gpu):
            assert os.environ["CUDA_VISIBLE_DEVICES"] == gpu.uuid
            assert not has(running)

        def test_created(fake_sandboxes, gpu):
            assert "CUDA_VISIBLE_DEVICES" not in os.environ
            assert has(Sandbox.create())
            assert not has(Sandbox.create(gpu=None))
            assert has(Sandbox.create(gpu="L4"))

        def test_made(sandbox_factory):
            assert has(sandbox_factory()) and not has(sandbox_factory(gpu=None))
        """
    )

    result = pytester.runpytest("--gpu=fake", "--sandbox-engine=fake")

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        [
            "2 with GPUs in a sandbox",
            "*::test_none_taken: simulated GPU 0 (NVIDIA L4) in the process of pytest",
            "*::test_resumed: simulated GPU 0 (NVIDIA L4) in the process of pytest",
        ]
    )
    listed = pytester.runpytest("--gpu=fake", "--collect-only").stdout.str()
    assert "test_resumed: needs 1 x L4: would run in the process of pytest with" in listed
    assert "test_created: needs 1 x L4: would run in its sandbox with" in listed


def test_what_cannot_be_simulated_fails(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.gpu("H1O0")
        def test_misspelt(): ...

        @pytest.mark.gpu("H100:9")
        def test_many(): ...

        @pytest.mark.gpu("L4", memory=10**7)
        def test_large(): ...

        @pytest.mark.gpu(["H100:9", "L4"])
        def test_next(gpu):
            assert (len(gpu), gpu.name) == (1, "NVIDIA L4")

        @pytest.mark.gpu(["T4", "H100"], memory=20000)
        def test_large_enough(fake_sandboxes, sandbox):
            assert "H100" in sandbox.run("nvidia-smi", "-L").stdout

        @pytest.mark.fake_sandboxes(gpus=["A100-40GB", "A100-80GB"])
        @pytest.mark.gpu("A100", memory=50000)
        def test_the_one_with_enough(fake_sandboxes, sandbox, gpu):
            assert gpu.uuid in sandbox.run("nvidia-smi", "-L").stdout
        """
    )

    result = pytester.runpytest("--gpu=fake")

    result.assert_outcomes(passed=3, errors=3)
    result.stdout.fnmatch_lines(
        [
            "needs 1 x H1O0; of simulated ones there are T4, *; did you mean 'H100'?",
            "needs 9 x H100; of simulated ones a sandbox can have 8 at most",
            "needs 1 x L4 with 10000000 MiB; of simulated ones each L4 has 23034 MiB",
        ]
    )


def test_sandboxes_in_memory_need_no_gpu(pytester: pytest.Pytester, no_gpus: FakeMachine) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.gpu("H100")
        def test_it(fake_sandboxes, sandbox):
            assert "H100" in sandbox.run("nvidia-smi", "-L").stdout
        """
    )

    pytester.runpytest().assert_outcomes(passed=1)


def test_no_test_with_gpus_costs_nothing(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import sys
        def pytest_unconfigure(config):
            print("loaded:", *(m for m in ("pynvml", "pytest_sandbox.gpus") if m in sys.modules))
        """
    )
    pytester.makepyfile("def test_it(): ...")

    result = pytester.runpytest_subprocess("-s")

    assert "loaded:" in [line.strip() for line in result.outlines]


def test_the_name_may_be_that_of_something_else(
    pytester: pytest.Pytester, gpus: FakeMachine
) -> None:
    pytester.makepyfile(
        """
        import os
        import pytest

        @pytest.mark.parametrize("gpu", ["a"])
        def test_an_argument(gpu):
            assert gpu == "a" and "CUDA_VISIBLE_DEVICES" not in os.environ

        class TestTheirs:
            @pytest.fixture
            def gpu(self): return "b"

            def test_it(self, gpu):
                assert gpu == "b" and "CUDA_VISIBLE_DEVICES" not in os.environ

        class TestOver:
            @pytest.fixture
            def gpu(self, gpu): return gpu.uuid

            def test_it(self, gpu):
                assert os.environ["CUDA_VISIBLE_DEVICES"] == gpu
        """
    )

    pytester.runpytest().assert_outcomes(passed=3)
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


@pytest.fixture
def with_devices(gpus: FakeMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cdi"
    folder.mkdir()
    write(folder, specification(folder))
    monkeypatch.setenv("PYTEST_SANDBOX_CDI", str(folder))


def test_sandboxes_have_the_gpus_of_their_test(
    pytester: pytest.Pytester, with_devices: None
) -> None:
    pytester.makepyfile(
        """
        import os
        import pytest
        from pytest_sandbox import exceptions

        def nodes(sandbox):
            return sandbox.run("sh", "-c", "ls -d /dev/nvidia[0-9]*").stdout.split()

        @pytest.mark.gpu("L4")
        def test_marked(sandbox, sandbox_factory, gpu):
            assert nodes(sandbox) == nodes(sandbox_factory()) == ["/dev/nvidia2"] == [gpu.node]
            assert sandbox.run("printenv", "CUDA_VISIBLE_DEVICES").stdout.strip() == gpu.uuid
            assert "CUDA_VISIBLE_DEVICES" not in os.environ

        @pytest.mark.gpu("H100", memory=1000)
        @pytest.mark.parametrize("number", range(4))
        def test_shared(sandbox, number, gpu):
            assert nodes(sandbox) == [gpu.node]

        @pytest.mark.sandbox(gpu=["A100", "H100:2"])
        def test_of_the_sandbox(sandbox):
            assert nodes(sandbox) == ["/dev/nvidia0", "/dev/nvidia1"]

        def test_refused(sandbox_factory):
            with pytest.raises(exceptions.UnimplementedError, match="H1O0.*did you mean 'H100'"):
                sandbox_factory(gpu="H1O0")
            with pytest.raises(exceptions.UnimplementedError, match="needs 4 x L4"):
                sandbox_factory(gpu="L4:4")
            with pytest.raises(exceptions.InvalidError, match="no|nobody"):
                sandbox_factory(gpu="lease:GPU-1@0+1")

        def test_none(sandbox):
            assert nodes(sandbox) == []
        """
    )

    result = pytester.runpytest_subprocess("-n2")

    result.assert_outcomes(passed=8)
    result.stdout.fnmatch_lines("5 with GPUs in a sandbox")
