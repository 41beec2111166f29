"""GPUs that a run simulates or does without, and sandboxes with those of their test."""

import os

import pytest

from .conftest import FakeMachine

pytestmark = pytest.mark.usefixtures("own_settings")


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
