"""Options, their twins in the ini file, and the header."""

import pytest

from pytest_sandbox.plugin.options import settings

HEADER = "sandbox: "


def header(result: pytest.RunResult) -> str:
    (line,) = [line for line in result.outlines if line.startswith(HEADER)]
    return line.removeprefix(HEADER)


def test_auto_means_local_and_the_header_says_so(pytester: pytest.Pytester) -> None:
    assert header(pytester.runpytest()) == "local (auto, default)"


@pytest.mark.parametrize(
    ("ini", "variable", "option", "expected"),
    [
        ("", "", "local", "local (option --sandbox-engine)"),
        ("", "local", "", "local (environment variable PYTEST_SANDBOX_ENGINE)"),
        ("local", "", "", "local (ini sandbox_engine)"),
        ("modal", "local", "", "local (environment variable PYTEST_SANDBOX_ENGINE)"),
        ("modal", "modal", "auto", "local (auto, option --sandbox-engine)"),
    ],
)
def test_option_wins_over_environment_over_ini_over_default(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    ini: str,
    variable: str,
    option: str,
    expected: str,
) -> None:
    pytester.makeini(f"[pytest]\nsandbox_engine = {ini}")
    monkeypatch.setenv("PYTEST_SANDBOX_ENGINE", variable)

    result = pytester.runpytest(*([f"--sandbox-engine={option}"] if option else []))

    assert header(result) == expected


@pytest.mark.parametrize(
    ("engine", "hint"),
    [
        ("locall", "did you mean 'local'?"),
        (
            "docker",
            "there are local, fake, modal, process and ray, and addresses as of *--listen`",
        ),
    ],
)
def test_an_unknown_engine_is_refused_with_the_nearest(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, engine: str, hint: str
) -> None:
    monkeypatch.setenv("PYTEST_SANDBOX_ENGINE", engine)

    result = pytester.runpytest()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(f"*'{engine}' (environment variable *) does not exist; {hint}")


def test_an_address_without_its_scheme_is_refused_without_its_token(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_SANDBOX_ENGINE", "s3cret@h:22?fingerprint=12")

    result = pytester.runpytest()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        "*'TOKEN@h:22[?]fingerprint=12' (*) does not exist; an address begins with grpc+tls://*"
    )
    assert "s3cret" not in result.stderr.str() + result.stdout.str()


def test_an_engine_of_an_installed_package_is_accepted_and_asked_for(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = pytester.mkdir("package")
    info = package / "other_engine-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-engine\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[pytest_sandbox]\nother = other_engine\n")
    (package / "other_engine.py").write_text(
        "from pytest_sandbox.engine import EngineUnavailable\n"
        "from pytest_sandbox.engines import hookimpl\n"
        "def make(options): raise EngineUnavailable('it is only a test')\n"
        "@hookimpl\n"
        "def pytest_sandbox_engines(): return {'other': make}\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(package))
    pytester.makepyfile("def test_it(sandbox): ...")

    result = pytester.runpytest_subprocess("--sandbox-engine=other")

    assert header(result) == "other (option --sandbox-engine)"
    result.stdout.fnmatch_lines("no sandbox engine: it is only a test")


def test_options_reach_the_engine_those_of_the_command_line_first(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_SANDBOX_CRIU", "/none/of/environment")
    pytester.makepyfile("""
        import os

        def test_it(sandbox_engine):
            reason = sandbox_engine.details["no memory snapshot"]
            expected = os.environ["EXPECTED"]
            assert os.geteuid() or expected in reason  # others than root lack more than CRIU
    """)

    def check(expected: str, *arguments: str) -> None:
        monkeypatch.setenv("EXPECTED", expected)
        pytester.runpytest_inprocess(*arguments).assert_outcomes(passed=1)

    check("/none/of/environment")
    pytester.makeini("[pytest]\nsandbox_engine_options =\n    criu=/none/of/ini\n    disk=9000000")
    check("/none/of/ini")
    check("/none/of/option", "--sandbox-engine-option=criu=/none/of/option")


def test_an_option_that_the_engine_does_not_have_fails_the_first_test(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile("def test_it(sandbox): ...")

    result = pytester.runpytest_inprocess("--sandbox-engine-option", "dsik=1")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*the engine 'local' has no option 'dsik', got dsik=1*", "*did you mean 'disk'?*"]
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["disk"], "expected name=value, not 'disk'"),
        (["=1"], "expected name=value, not '=1'"),
        (["disk=1", "disk=2"], "'disk' is given twice"),
    ],
)
def test_options_that_are_not_name_and_value_are_refused(
    pytester: pytest.Pytester, arguments: list[str], told: str
) -> None:
    given = [f"--sandbox-engine-option={each}" for each in arguments]

    result = pytester.runpytest(*given)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(f"ERROR: option --sandbox-engine-option: {told}")

    pytester.makeini("[pytest]\nsandbox_engine_options =\n    " + "\n    ".join(arguments))
    result = pytester.runpytest()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(f"ERROR: ini sandbox_engine_options: {told}")


def test_the_engine_in_memory_has_no_options(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--sandbox-engine=fake", "--sandbox-engine-option=criu=/x")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines("ERROR: the sandbox engine 'fake' has no options, got criu=/x")


def test_an_image_that_does_not_exist_is_refused(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--sandbox-image=a b")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        "*image 'a b' (option --sandbox-image) cannot exist*host*alpine:3.21"
    )


def test_the_image_and_strictness_show_when_they_are_chosen(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nsandbox_image = host\nsandbox_strict = true")

    assert header(pytester.runpytest()) == "local (auto, default), host (ini sandbox_image), strict"
    chosen = ("--sandbox-image=host", "--sandbox-engine-option=tunnels=everybody")
    assert header(pytester.runpytest(*chosen)).endswith(
        "(option --sandbox-image), strict, tunnels open to all users of this machine"
    )


def test_an_ini_value_that_is_no_truth_value_is_refused(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nsandbox_strict = perhaps")

    result = pytester.runpytest()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines("ERROR: ini sandbox_strict: *perhaps*")


def test_help_works_on_a_broken_configuration_and_shows_the_options(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeini("[pytest]\nsandbox_strict = perhaps\nsandbox_engine = nonsense")
    monkeypatch.setenv("PYTEST_SANDBOX_ENGINE", "nonsense")

    result = pytester.runpytest("--help", "--sandbox-engine=nonsense")

    assert result.ret == 0
    result.stdout.fnmatch_lines(["*--sandbox-engine=ENGINE*", "*sandbox_engine (string)*"])


def test_every_option_has_the_prefix_and_a_twin(pytester: pytest.Pytester) -> None:
    config = pytester.parseconfig()
    options = {name for name in vars(config.option) if name.startswith("sandbox")}

    names = (
        *(
            "block_cloud",
            "engine",
            "engine_options",
            "image",
            "image_lock",
            "network",
            "pool",
            "project",
        ),
        *("report_lines", "strict"),
    )
    assert options == {f"sandbox_{name}" for name in names}
    for name in options:
        config.getini(name)
    assert config.getini("sandbox_early_start") is True  # which is only there


def test_settings_about_images_become_options_of_the_server(pytester: pytest.Pytester) -> None:
    pytester.makeini(
        "[pytest]\nsandbox_image_lock = on\n"
        "sandbox_image_aliases =\n    python:3.* = host\n    base=ghcr.io/a/b:1\n"
    )
    path = str(pytester.path / "sandbox-image.lock")
    on = {"image_aliases": "python:3.* = host,base=ghcr.io/a/b:1", "image_lock": path}

    def of_images(*arguments: str) -> dict[str, str]:
        found = settings(pytester.parseconfig(*arguments)).engine_options
        return {name: value for name, value in found.items() if name.startswith("image")}

    assert of_images() == on
    assert of_images("--sandbox-image-lock=update") == {**on, "image_lock_update": "yes"}
    assert of_images("--sandbox-image-lock=off") == {"image_aliases": on["image_aliases"]}
    assert of_images("--sandbox-engine=fake") == {}


def test_without_a_pool_the_engine_makes_none_ahead(pytester: pytest.Pytester) -> None:
    def pool(*arguments: str) -> str | None:
        return settings(pytester.parseconfig(*arguments)).engine_options.get("pool")

    assert pool() is None
    assert pool("--sandbox-pool=off") == "off"
    assert pool("--sandbox-pool=off", "--sandbox-engine-option=pool=auto") == "auto"
    assert pool("--sandbox-pool=off", "--sandbox-engine=fake") is None


@pytest.mark.parametrize(
    ("ini", "reason"),
    [
        ("sandbox_image_lock = yes", "*'yes' (ini sandbox_image_lock)*off, on, update*"),
        ("sandbox_image_aliases = python", "*sandbox_image_aliases: expected NAME = IMAGE*python*"),
        ("sandbox_image_aliases = a = b c", "*expected NAME = IMAGE*'a = b c'*"),
    ],
)
def test_settings_about_images_that_make_no_sense(
    pytester: pytest.Pytester, ini: str, reason: str
) -> None:
    pytester.makeini(f"[pytest]\n{ini}")

    result = pytester.runpytest_inprocess()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(reason)


def test_a_network_that_does_not_exist_is_refused(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--sandbox-network=lan")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*network 'lan' (option --sandbox-network)*there are none and open*"]
    )


def test_a_pool_that_does_not_exist_is_refused(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--sandbox-pool=large")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*pool 'large' (option --sandbox-pool)*there are auto and off*"])


@pytest.mark.parametrize("lines", ["0", "many", "801", "-1"])
def test_an_impossible_number_of_report_lines_is_refused(
    pytester: pytest.Pytester, lines: str
) -> None:
    result = pytester.runpytest(f"--sandbox-report-lines={lines}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        "ERROR: sandbox report lines (option --sandbox-report-lines) must be a number from 1 to "
        f"800, got '{lines}'"
    )
