"""An engine in memory for each test."""

import pytest


@pytest.fixture(autouse=True)
def no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine process that is started is an error."""

    def start(*_: object, **__: object) -> None:
        raise AssertionError("an engine process was started")

    monkeypatch.setattr("pytest_sandbox._run.Run.start", start)


def test_sandboxes_are_made_in_memory_wherever_the_test_makes_them(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        from pytest_sandbox import Sandbox

        def test_it(sandbox, sandbox_factory, fake_sandboxes):
            fake_sandboxes.on_exec("make", "test").reply(stdout="ok\\n").times(3)
            for each in (sandbox, sandbox_factory(), Sandbox.create()):
                process = each.exec("make", "test")
                assert process.stdout.read() == "ok\\n"
                assert process.wait() == 0
            assert fake_sandboxes.rpcs.of("SandboxCreate").count == 3
            assert fake_sandboxes.info.name == "fake"
        """
    )

    pytester.runpytest().assert_outcomes(passed=1)


def test_the_default_client_is_what_it_was_afterwards(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_sandbox import Client

        before = Client("/no/such/socket")

        @pytest.fixture
        def outer():
            found = Client.set_default(before)
            yield
            assert Client.set_default(found) is before

        def test_it(outer, fake_sandboxes):
            assert Client.default() is fake_sandboxes.client
        """
    )

    pytester.runpytest().assert_outcomes(passed=1)


def test_nothing_is_shared_between_tests(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_sandbox import Sandbox

        @pytest.mark.parametrize("number", [1, 2])
        def test_it(fake_sandboxes, number):
            assert list(Sandbox.list()) == []
            assert fake_sandboxes.clock.monotonic() == 0
            sandbox = Sandbox.create(name="the-only-one")
            sandbox.filesystem.write_text("x", "/tmp/x")
            fake_sandboxes.on_exec("deploy").reply()
            assert sandbox.run("deploy").returncode == 0
            fake_sandboxes.clock.advance(10)
        """
    )

    pytester.runpytest().assert_outcomes(passed=2)


STABLE = """
    import pytest
    from pytest_sandbox import Sandbox

    @pytest.mark.parametrize("number", [1, 2, 3, 4])
    def test_it(fake_sandboxes, number, request):
        ids = [Sandbox.create().object_id for _ in range(2)]
        with open(request.config.rootpath / "ids", "a") as file:
            file.write(f"{number} {ids}\\n")
"""


def test_ids_are_those_of_the_test_in_every_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(STABLE)
    ids = pytester.path / "ids"

    told = []
    for extra in ([], [], ["-n", "2"]):
        pytester.runpytest(*extra).assert_outcomes(passed=4)
        told.append(sorted(ids.read_text().splitlines()))
        ids.unlink()

    assert told[0] == told[1] == told[2]
    assert len({line.partition(" ")[2] for line in told[0]}) == 4


def test_the_engine_of_a_run_can_be_in_memory(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_sandbox import Sandbox

        @pytest.fixture(scope="session")
        def wide(sandbox_engine):
            return Sandbox.create(name="wide")

        def test_one(sandbox, wide):
            assert sandbox.run("echo", "hi").stdout == "hi\\n"
            wide.filesystem.write_text("x", "/tmp/x")

        def test_two(sandbox, sandbox_rpcs, sandbox_faults, wide, sandbox_engine):
            sandbox_rpcs.of("SandboxCreate").one()
            sandbox_faults.on("TaskExecStart").status("UNAVAILABLE")
            assert sandbox.run("true").returncode == 0
            assert wide.filesystem.read_text("/tmp/x") == "x"
            assert sandbox_engine.name == "fake"

        def test_rules_hold(sandbox):
            sandbox.exec("sleep", "1d")
        """
    )

    result = pytester.runpytest("--sandbox-engine=fake")

    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["sandbox: fake (option --sandbox-engine)", "*sleep 1d*still runs"])


def test_each_test_has_its_own_engine_whether_it_asks_for_one_or_not(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_sandbox import Sandbox

        made = []

        @pytest.fixture(scope="module")
        def wide():
            return Sandbox.create(name="wide")

        @pytest.fixture
        def tidy():
            yield
            made[-1].terminate()

        @pytest.mark.parametrize("number", range(2))
        def test_sandboxes_do_not_meet(tidy, number):
            made.append(Sandbox.create(name="same"))
            assert len(list(Sandbox.list())) == 1

        def test_what_is_wider_outlives_the_test_that_asked_first(request):
            request.getfixturevalue("wide")

        def test_and_serves_the_next(wide):
            assert wide.run("echo", "hi").stdout == "hi\\n"
            assert wide.object_id not in [each.object_id for each in Sandbox.list()]

        def test_rules_hold():
            Sandbox.create().exec("sleep", "1d")
        """
    )

    result = pytester.runpytest("--sandbox-engine=fake")

    result.assert_outcomes(passed=5, errors=1)
    result.stdout.fnmatch_lines(["*sleep 1d*still runs"])


def test_a_day_passes_at_once_when_the_test_waits_for_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_sandbox import Sandbox
        from pytest_sandbox.client.exceptions import SandboxTimeoutError

        DAY = 24 * 60 * 60

        def test_it(fake_sandboxes):
            sandbox = Sandbox.create("sleep", "inf", timeout=DAY)
            with pytest.raises(SandboxTimeoutError):
                sandbox.wait()
            assert fake_sandboxes.clock.monotonic() == DAY
            # A wait for that long is one call.
            fake_sandboxes.rpcs.of("SandboxWait").one()
        """
    )

    pytester.runpytest().assert_outcomes(passed=1)


def test_time_passes_when_it_is_told_to(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_sandbox import Sandbox

        def test_it(fake_sandboxes):
            sandbox = Sandbox.create(idle_timeout=60)
            fake_sandboxes.clock.advance(59)
            assert sandbox.poll() is None
            fake_sandboxes.clock.advance(61)
            assert sandbox.poll() is not None

        def test_never_back(fake_sandboxes):
            with pytest.raises(ValueError, match="0 seconds or more, not -1"):
                fake_sandboxes.clock.advance(-1)

        def test_a_token_of_a_day_is_renewed(fake_sandboxes):
            sandbox = Sandbox.create(timeout=3 * 86400)
            assert sandbox.run("true").returncode == 0
            fake_sandboxes.clock.advance(2 * 86400)
            assert sandbox.run("true").returncode == 0
            fake_sandboxes.rpcs.of("TaskGetCommandRouterAccess").one()
        """
    )

    pytester.runpytest().assert_outcomes(passed=3)


def test_a_client_that_tries_again_waits_on_the_clock_of_the_test(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        from pytest_sandbox import Sandbox

        def test_it(fake_sandboxes):
            fake_sandboxes.faults.on("SandboxCreate").rate_limit(retry_after=30)
            fake_sandboxes.faults.on("SandboxTerminate").delay(90)
            sandbox = Sandbox.create()
            assert fake_sandboxes.clock.monotonic() == 30
            sandbox.terminate()
            first, second = fake_sandboxes.rpcs.of("SandboxTerminate")
            assert (first.seconds, second.status) == (60, "OK")
        """
    )

    pytester.runpytest().assert_outcomes(passed=1)


def test_calls_are_told_by_the_phase_of_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def ends(fake_sandboxes):
            yield
            fake_sandboxes.rpcs.in_phase("teardown").of("SandboxTerminate").one()

        @pytest.fixture
        def made(ends, sandbox):
            yield sandbox
            sandbox.terminate()

        def test_it(made, fake_sandboxes):
            made.run("true")
            rpcs = fake_sandboxes.rpcs
            assert rpcs.of("SandboxCreate").one().phase == "setup"
            assert rpcs.of("TaskExecStart").one().phase == "call"
        """
    )

    pytester.runpytest().assert_outcomes(passed=1)


def test_the_marker_shapes_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.fake_sandboxes(files={"/srv/data": "theirs"}, gpus=["H100"])

        from pytest_sandbox import Volume

        @pytest.mark.fake_sandboxes(
            files={"/srv/data": "mine"}, autojump=False, volume_semantics="modal"
        )
        @pytest.mark.sandbox(env={"MODE": "test"}, gpu="H100")
        def test_it(sandbox, sandbox_factory, fake_sandboxes):
            files = fake_sandboxes.filesystem(sandbox)
            assert files.read_text("/srv/data") == "mine"
            files.write("/srv/new", "new")
            assert sandbox.run("sh", "-c", "cat /srv/new; echo $MODE").stdout == "newtest\\n"
            assert files.listdir("/srv") == ["data", "new"]
            assert "H100" in sandbox.run("nvidia-smi", "-L").stdout
            assert not fake_sandboxes.clock.autojump

            with Volume.ephemeral() as volume:
                writer = sandbox_factory(gpu=None, volumes={"/vol": volume})
                writer.filesystem.write_text("new", "/vol/f")
                assert volume.listdir("/") == []
                volume.commit()
                assert [entry.path for entry in volume.listdir("/")] == ["f"]
        """
    )

    pytester.runpytest().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("filse={}", "there is no key 'filse'; did you mean 'files'?"),
        ("autojump=1", "autojump must be True or False, not int"),
        ("volume_semantics='model'", "'model' is neither modal nor shared"),
        ("'fast'", "takes keywords only, not ('fast',)"),
        ("allow=['unused-script']", "did you mean 'unused-scripts'?"),
    ],
)
def test_a_marker_that_cannot_be_meant_is_an_error(
    pytester: pytest.Pytester, marker: str, message: str
) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.fake_sandboxes({marker})
        def test_it(fake_sandboxes):
            pass
        """
    )

    result = pytester.runpytest()

    result.assert_outcomes(errors=1)
    assert message in result.stdout.str()


def test_a_test_that_fails_shows_its_sandboxes(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(fake_sandboxes, sandbox):
            def build(call):
                raise KeyError("no such target")

            fake_sandboxes.on_exec("make").calls(build)
            assert sandbox.run("make").returncode == 0
        """
    )

    result = pytester.runpytest()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*fake sandboxes*",
            "the handler of make raised:",
            '*raise KeyError("no such target")',
            "*- sandbox sb-*",
            "[[]1[]] make",
            "    exit code 70 after *",
        ]
    )


@pytest.mark.usefixtures("all_plugins")
def test_async_tests_wait_on_the_clock_too(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import asyncio

        import pytest
        from pytest_sandbox import Sandbox

        @pytest.mark.asyncio
        async def test_it(fake_sandboxes):
            sandbox = await Sandbox.create.aio()

            async def nap(seconds):
                process = await sandbox.exec.aio("sleep", str(seconds))
                return await process.wait.aio()

            assert await asyncio.gather(*map(nap, (30, 10, 20))) == [0, 0, 0]
            await sandbox.terminate.aio()
            assert 30 <= fake_sandboxes.clock.monotonic() < 31
            await fake_sandboxes.clock.advance.aio(5)
            assert 35 <= fake_sandboxes.clock.monotonic() < 36
        """
    )

    pytester.runpytest().assert_outcomes(passed=1)


def test_a_handler_that_never_returns_ends_with_its_sandbox(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import asyncio

        import pytest
        from pytest_sandbox import Sandbox

        def test_it(fake_sandboxes):
            fake_sandboxes.on_exec("forever").calls(lambda call: asyncio.Event().wait())
            process = Sandbox.create(timeout=600).exec("forever")
            assert process.wait() == 137
            assert fake_sandboxes.clock.monotonic() == 600
        """
    )

    pytester.runpytest().assert_outcomes(passed=1)


def test_a_time_limit_for_tests_shows_the_plain_handler_that_never_returns(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import pytest
        from time import sleep

        # Only the function is timed: fixtures that import all of a client can take that long.
        @pytest.mark.timeout(2, func_only=True)
        def test_it(fake_sandboxes, sandbox):
            def build(call):
                while True:
                    sleep(0.1)

            fake_sandboxes.on_exec("build").calls(build)
            sandbox.run("build")
        """
    )

    # The other method of pytest-timeout interrupts the main thread, where no handler runs.
    result = pytester.runpytest_subprocess("--timeout-method=thread")

    assert result.ret == 1
    result.stdout.re_match_lines([r".* Timeout .*", r".*, line 9, in build", r".* Timeout .*"])


def test_a_handler_cannot_block_what_it_runs_on(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(fake_sandboxes, sandbox):
            fake_sandboxes.on_exec("build").calls(lambda call: sandbox.run("true").stdout)
            sandbox.run("build")
        """
    )

    result = pytester.runpytest()

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*the handler of build raised:", "*await its .aio form*"])


def test_scripts_of_one_sandbox_do_not_hold_in_others(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from pytest_sandbox import Sandbox

        def test_it(fake_sandboxes):
            web, db = Sandbox.create(name="web"), Sandbox.create(name="db")
            other = Sandbox.create()
            other.set_tags({"role": "other"})
            fake_sandboxes.on_exec("who").reply(stdout="anybody")
            fake_sandboxes.on_exec("who", sandbox="web").reply(stdout="web")
            fake_sandboxes.on_exec("who", sandbox=db).reply(stdout="db")
            fake_sandboxes.on_exec("who", tags={"role": "other"}).reply(stdout="other")
            fourth = Sandbox.create()
            told = [each.run("who").stdout for each in (web, db, other, fourth)]
            assert told == ["web", "db", "other", "anybody"]
        """
    )

    pytester.runpytest().assert_outcomes(passed=1)
