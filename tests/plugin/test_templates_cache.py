"""`cache=True`: a later run has the image, unless it would be another one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from .templates import logged, write

TEMPLATE = """
    INPUT = "one"

    @pytest.fixture(scope="session")
    def release():
        return (HERE / "release").read_text()

    @sandbox_template(cache=True, env={"MODE": "test"}, cache_key=pathlib.Path("input"))
    def base(sandbox, release):
        log("base")
        write(sandbox, release)

    @sandbox_template(cache=True)
    def layer(base):
        log("layer")
        write(base, read(base) + "+layer")

    def test_it(base, layer):
        assert read(layer) == read(base) + "+layer"
"""


#: What is changed in `TEMPLATE`, and what is built then.
CHANGES = {
    "source": (('log("base")', 'log("base"); ...'), ["base", "layer"]),
    "source of the layer": (('log("layer")', 'log("layer"); ...'), ["layer"]),
    "spec": (('"MODE": "test"', '"MODE": "other"'), ["base", "layer"]),
    "nothing of it": (('INPUT = "one"', 'INPUT = "two"'), []),
}


@pytest.fixture
def files(pytester: pytest.Pytester) -> list[Path]:
    """Files that the templates depend on."""
    paths = [pytester.path / name for name in ("release", "input")]
    for path in paths:
        path.write_text("1")
    return paths


def run(pytester: pytest.Pytester, code: str = TEMPLATE) -> list[str]:
    """What one run, with an engine process of its own, built."""
    return built(pytester, code, pytester.runpytest_inprocess)


def built(
    pytester: pytest.Pytester, code: str, start: Callable[..., pytest.RunResult], *shown: str
) -> list[str]:
    (pytester.path / "log").unlink(missing_ok=True)
    write(pytester, code)
    result = start("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(shown)
    return sorted(logged(pytester))


@pytest.mark.usefixtures("files")
def test_a_later_run_recalls_the_image_and_says_so(pytester: pytest.Pytester) -> None:
    start, recalled = pytester.runpytest_subprocess, "base: recalled in * s - used once, *"

    assert built(pytester, TEMPLATE, start) == ["base", "layer"]
    assert built(pytester, TEMPLATE, start, recalled) == []


def test_what_it_is_made_of_counts(pytester: pytest.Pytester, files: list[Path]) -> None:
    run(pytester)

    for file in files:
        file.write_text("2")
        assert (file.name, run(pytester)) == (file.name, ["base", "layer"])
        file.write_text("1")


@pytest.mark.usefixtures("files")
def test_source_and_spec_count(pytester: pytest.Pytester) -> None:
    run(pytester)

    found = {what: run(pytester, TEMPLATE.replace(*to)) for what, (to, _) in CHANGES.items()}

    assert found == {what: expected for what, (_, expected) in CHANGES.items()}


def test_what_cannot_be_compared_must_be_told(pytester: pytest.Pytester) -> None:
    write(
        pytester,
        """
        @pytest.fixture(scope="session")
        def release():
            return object()

        @sandbox_template(cache=True)
        def prepared(sandbox, release): ...

        def test_it(prepared): ...
        """,
    )

    result = pytester.runpytest_inprocess()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*cache=True: release is <object object *give cache_key=*"])
