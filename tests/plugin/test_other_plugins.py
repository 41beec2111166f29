"""Without the plugin, and with each test in a process of its own, nothing is left behind."""

from pathlib import Path

import pytest

#: What pytest-forked does; its last release, 1.7.5, fails with pytest 9.2.
FORKING = """
import os
import pickle
import pytest
from _pytest.runner import runtestprotocol

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    hook, config = item.config.hook, item.config
    read, write = os.pipe()
    if (pid := os.fork()) == 0:
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        to_send = [hook.pytest_report_to_serializable(config=config, report=one) for one in reports]
        with os.fdopen(write, "wb") as file:
            pickle.dump(to_send, file)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as file:
        sent = pickle.load(file)
    os.waitpid(pid, 0)
    for each in sent:
        report = hook.pytest_report_from_serializable(config=config, data=each)
        item.ihook.pytest_runtest_logreport(report=report)
    return True
"""
TESTS = """
import pytest
from pytest_sandbox import Sandbox, sandbox_template

@sandbox_template
def prepared(sandbox):
    sandbox.run("touch", "/x", check=True)

def test_passes(sandbox):
    assert sandbox.run("echo", "hi").stdout == "hi\\n"

def test_fails(sandbox):
    assert sandbox.run("false").returncode == 0

def test_copy(prepared):
    assert prepared.filesystem.stat("/x")

def test_another_copy(prepared):
    assert prepared.filesystem.stat("/x")

def test_creates_one_itself():
    assert Sandbox.create().run("echo", "hi").stdout == "hi\\n"

@pytest.mark.fake_sandboxes
def test_fake():
    assert Sandbox.create().run("echo", "hi").stdout == "hi\\n"
"""


def test_each_test_in_a_fork(pytester: pytest.Pytester, temporary: Path) -> None:
    pytester.makeconftest(FORKING)
    pytester.makepyfile(TESTS)

    result = pytester.runpytest_subprocess()

    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(["*--- sandbox sb-* ---*", "*false", "    exit code 1 after *"])
    assert list(temporary.iterdir()) == []


def test_without_the_plugin(pytester: pytest.Pytester, temporary: Path) -> None:
    pytester.makepyfile(TESTS)

    result = pytester.runpytest_subprocess("-p", "no:sandbox")

    result.assert_outcomes(passed=2, errors=4, warnings=1)
    result.stdout.fnmatch_lines(["E *fixture 'sandbox' not found"])
    result.stdout.fnmatch_lines(["*Unknown pytest.mark.fake_sandboxes*"])
    assert list(temporary.iterdir()) == []


def test_where_plugins_are_not_loaded_by_themselves(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile("def test_it(sandbox): ...")

    pytester.runpytest_subprocess().assert_outcomes(errors=1)
    pytester.runpytest_subprocess("-p", "pytest_sandbox.plugin").assert_outcomes(passed=1)


def test_others_find_the_name_and_the_file_of_each_part(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import sys
        def pytest_plugin_registered(plugin, plugin_name):
            if plugin_name.startswith("pytest_sandbox.plugin."):
                assert plugin.__name__ == plugin_name
                assert plugin.__file__ == sys.modules[plugin_name].__file__
        """
    )
    pytester.makepyfile("def test_it(fake_sandboxes): pass")

    pytester.runpytest_subprocess().assert_outcomes(passed=1)
