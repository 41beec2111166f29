"""`cache=True`: a later run has the image, unless it would be another one."""

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


def run(pytester: pytest.Pytester, code: str = TEMPLATE, *, inprocess: bool = True) -> list[str]:
    """What one run, with an engine process of its own, built."""
    (pytester.path / "log").unlink(missing_ok=True)
    for name in ("release", "input"):
        if not (pytester.path / name).exists():
            (pytester.path / name).write_text("1")
    write(pytester, code)
    start = pytester.runpytest_inprocess if inprocess else pytester.runpytest_subprocess
    start("-p", "no:cacheprovider").assert_outcomes(passed=1)
    return sorted(logged(pytester))


def test_a_later_run_recalls_the_image(pytester: pytest.Pytester) -> None:
    assert run(pytester, inprocess=False) == ["base", "layer"]
    assert run(pytester, inprocess=False) == []


def test_the_summary_says_so(pytester: pytest.Pytester) -> None:
    run(pytester)

    result = pytester.runpytest_inprocess()

    result.stdout.fnmatch_lines(["base: recalled in * s - used once, *"])


@pytest.mark.parametrize("name", ["release", "input"])
def test_what_it_is_made_of_counts(pytester: pytest.Pytester, name: str) -> None:
    run(pytester)
    (pytester.path / name).write_text("2")

    assert run(pytester) == ["base", "layer"]


@pytest.mark.parametrize(
    ("change", "built"),
    [
        (('log("base")', 'log("base"); ...'), ["base", "layer"]),
        (('log("layer")', 'log("layer"); ...'), ["layer"]),
        (('"MODE": "test"', '"MODE": "other"'), ["base", "layer"]),
        (('INPUT = "one"', 'INPUT = "two"'), []),
    ],
    ids=["source", "source of the layer", "spec", "nothing of it"],
)
def test_source_and_spec_count(
    pytester: pytest.Pytester, change: tuple[str, str], built: list[str]
) -> None:
    run(pytester)

    assert run(pytester, TEMPLATE.replace(*change)) == built


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
