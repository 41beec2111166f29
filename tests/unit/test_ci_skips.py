"""In CI a skip is a failure, unless its reason is a fair one."""

import os
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
#: Plugins that have nothing to say here.
OTHERS = ("-p", "no:asyncio", "-p", "no:xdist")


@pytest.fixture(autouse=True)
def same_conftest(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST.read_text())


def test_a_skip_is_a_failure_in_ci(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile("import pytest\ndef test_it(): pytest.skip('no such thing here')")

    result = pytester.runpytest(*OTHERS)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no such thing here*", "A skip in CI is a failure*"])


def test_a_fair_skip_stays_one_in_ci(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    reason = "needs an ordinary user" if os.geteuid() == 0 else "needs root"
    pytester.makepyfile(f"import pytest\ndef test_it(): pytest.skip({reason!r})")

    pytester.runpytest(*OTHERS).assert_outcomes(skipped=1)


def test_an_expected_failure_is_no_skip(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile("import pytest\n@pytest.mark.xfail\ndef test_it(): assert False")

    pytester.runpytest(*OTHERS).assert_outcomes(xfailed=1)


def test_a_skipped_module_is_an_error_in_ci(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile("import pytest\npytest.importorskip('no_such_module')\ndef test_it(): ...")

    pytester.runpytest(*OTHERS).assert_outcomes(errors=1)


def test_elsewhere_a_skip_is_a_skip(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    pytester.makepyfile("import pytest\ndef test_it(): pytest.skip('no such thing here')")

    pytester.runpytest(*OTHERS).assert_outcomes(skipped=1)
