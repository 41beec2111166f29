"""`pytest-sandbox bench --compare`: two versions are measured in turn, and their ratio is sure."""

import importlib
import itertools
import json
import shlex
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sandbox.cli import main
from pytest_sandbox.cli.benchmarks import FIGURES, comparison
from pytest_sandbox.cli.benchmarks.comparison import (
    ROUNDS,
    Environment,
    NoEnvironment,
    VersionFailed,
    find_environment,
)
from pytest_sandbox.cli.benchmarks.comparison.ratio import (
    CONFIDENCE,
    _rejected,
    ratio,
)

#: A version with little of the package, and no engine. It notes what is done in it.
STUB = """
import os
class Client:
    default = None
    def __init__(self, socket): pass
    def close(self): pass
    @classmethod
    def set_default(cls, client): pass
class Sandbox:
    returncode = 0
    @classmethod
    def create(cls): return cls()
    def terminate(self): pass
"""
RUNS = """
    def run(self, command):
        with open({notes!r}, "a") as file:
            file.write({name!r})
        return self
"""
STUB_RUN = """
import os
class EngineStartError(Exception): pass
class EngineProcess:
    pid, socket, engine = 2 ** 22 + 1, "", {"capabilities": []}
class Run:
    directory = "/no/such/directory"
    create = classmethod(lambda cls: cls())
    def start(self, engine): return EngineProcess()
    def close(self): pass
"""

values = st.floats(0.1, 1000)


def stub(folder: Path, text: str) -> Path:
    package = folder / "pytest_sandbox"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(text)
    (package / "_run.py").write_text(STUB_RUN)
    return folder


@given(st.lists(st.tuples(values, values), min_size=1, max_size=30))
def test_a_ratio_is_between_its_bounds_and_the_other_way_round_inverse(
    pairs: list[tuple[float, float]],
) -> None:
    found, inverse = (
        ratio(*zip(*each, strict=True)) for each in (pairs, [pair[::-1] for pair in pairs])
    )

    assert found is not None
    assert inverse is not None
    assert found.value * inverse.value == pytest.approx(1)
    assert (found.low is None) == (len(pairs) < 8)
    if found.low is not None and found.high is not None:
        assert found.low <= found.value * 1.000001
        assert found.value <= found.high * 1.000001
        assert inverse.high == pytest.approx(1 / found.low)


@given(st.lists(values, min_size=8, max_size=30), st.floats(0.1, 10))
def test_the_ups_and_downs_of_the_machine_are_in_both(blocks: list[float], factor: float) -> None:
    found = ratio([each * factor for each in blocks], blocks)

    assert found is not None
    assert found.value == pytest.approx(factor)
    assert found.low == pytest.approx(factor)
    assert found.high == pytest.approx(factor)
    assert found.differs == (abs(found.value - 1) > 0.02)


@pytest.mark.parametrize("count", [7, 8, 11])
def test_the_interval_is_as_sure_as_it_says(count: int) -> None:
    """Without a difference, each sign of each pair is as likely as the other one."""
    sums = [
        sum(rank for rank, sign in enumerate(signs, 1) if sign)
        for signs in itertools.product((False, True), repeat=count)
    ]

    def beyond(rank: int) -> float:
        return 2 * sum(each < rank for each in sums) / len(sums)

    assert beyond(_rejected(count)) <= 1 - CONFIDENCE < beyond(_rejected(count) + 1)


def test_noise_is_no_difference_and_zeros_have_no_ratio() -> None:
    noise = [9.0, 11, 10, 12, 8, 10, 11, 9, 10, 12]
    found = ratio(noise, noise[::-1])

    assert found is not None
    assert found.differs is False
    assert ratio([0.0], [1.0]) is ratio([], []) is None


def test_what_people_name_is_found(tmp_path: Path) -> None:
    python = Path(sys.prefix, "bin", "python")
    checkout = stub(tmp_path / "checkout", "")
    for name in (sys.prefix, f"{sys.prefix}/bin", str(python)):
        assert find_environment(name) == Environment(python)
    assert find_environment(str(checkout)) == Environment(Path(sys.executable), checkout)

    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to(sys.executable)
    own = Environment(checkout / ".venv" / "bin" / "python", checkout)
    assert find_environment(str(checkout)) == own


def test_a_version_has_its_own_paths_and_compiled_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    installed, checkout = Environment(Path("python")), Environment(Path("python"), Path("/it"))

    assert not {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"} & set(installed.variables())
    assert checkout.variables() == {**installed.variables(), "PYTHONPATH": "/it"}


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("no/such/folder", "there is no "),
        ("", "neither a virtual environment, with bin/python, nor a checkout"),
        ("file", "is a file, and not a Python to run"),
    ],
)
def test_what_is_no_version_is_explained(
    name: str, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")

    assert main(["bench", "--compare", str(tmp_path / name)]) == 2
    assert problem in capsys.readouterr().err
    with pytest.raises(NoEnvironment):
        find_environment(str(tmp_path / name))


def test_help_has_the_names_and_the_least_number(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    with pytest.raises(SystemExit):
        main(["bench", "--help"])

    out = capsys.readouterr().out
    assert f"one of {', '.join(FIGURES)}\n" in out
    assert f"with --compare at least {ROUNDS} " in out


def test_too_few_samples_to_compare_are_refused_at_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["bench", "-n", str(ROUNDS - 1), "--compare", "no/such/folder"]) == 2

    assert f"-n 7 with --compare must be at least {ROUNDS}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        (f'exec {shlex.quote(sys.executable)} -I -S "$@"', "No module named 'pytest_sandbox'"),
        ("exit 3", "status 3"),
    ],
)
def test_a_python_that_lacks_the_package_is_named(
    script: str, problem: str, tmp_path: Path
) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)

    for name, side in (("this", "this version"), ("other", "the other version")):
        with pytest.raises(VersionFailed, match=rf"^{side}: {python} ended: .*{problem}"):
            comparison.MeasuredVersion(name, find_environment(str(tmp_path)), {}).__enter__()


def test_versions_take_turns_and_what_one_lacks_is_left_out_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "notes"
    texts = {name: RUNS.format(notes=str(notes), name=name) for name in "AB"}
    this = stub(tmp_path / "this", STUB + texts["A"])
    other = stub(tmp_path / "other", STUB + texts["B"])
    module = importlib.import_module("pytest_sandbox.cli.benchmarks.comparison.compare")
    monkeypatch.setattr(module, "own_environment", lambda: find_environment(str(this)))

    monkeypatch.setattr(module, "ROUNDS", 2)
    settings = {"samples": 8, "live": 1}
    result = comparison.compare(
        find_environment(str(other)), ["run", "exec"], settings, lambda name: None
    )

    # The first of each is before the first turn.
    assert notes.read_text() == "ABABBAABBA" + "BABAABBAAB"
    assert [row["name"] for row in result["rows"]] == ["run /bin/true -> output, exit code", "run"]
    assert {row["verdict"] for row in result["rows"]} == {"too few to say"}
    assert result["this"]["location"] == str(this / "pytest_sandbox")
    lacks = "cannot: AttributeError: 'Sandbox' object has no attribute 'exec'"
    reasons = [f"exec: this version {lacks}", f"exec: the other version {lacks}"]
    assert result["not_compared"] == reasons
    assert f"not compared: {reasons[0]}" in comparison.render_comparison(result)


@pytest.mark.parametrize("late", [True, False])
def test_what_was_measured_is_printed_before_the_error(
    late: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other version dies in the second figure, or in the first one."""
    run = "    def run(self, command): return self\n"
    dies = "    def exec(self, *command): os.write(2, b'out of luck\\n'); os._exit(3)\n"
    this = stub(tmp_path / "this", STUB + run + "    exec = run\n")
    other = stub(tmp_path / "other", STUB + run + dies)
    module = importlib.import_module("pytest_sandbox.cli.benchmarks.comparison.compare")
    monkeypatch.setattr(module, "own_environment", lambda: find_environment(str(this)))

    names = ["--only=run", "--only=exec"] if late else ["--only=exec", "--only=run"]
    code = main(["bench", "-n", "8", *names, "--json", "--compare", str(other)])
    captured = capsys.readouterr()

    reason = f"the other version: {sys.executable} ended: out of luck"
    assert (code, captured.err) == (1, f"pytest-sandbox bench --compare: {reason}\n")
    if not late:
        assert captured.out == ""
        return
    result = json.loads(captured.out)
    assert [row["name"] for row in result["rows"]][-1] == "run"
    assert {row["verdict"] for row in result["rows"]} == {"too few to say"}
    assert result["failed"] == reason
    assert "run" in comparison.render_comparison(result)


def test_a_version_is_compared_with_itself(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("pytest_sandbox.cli.benchmarks.comparison.compare")
    monkeypatch.setattr(module, "ROUNDS", 1)
    code = main(
        ["bench", "-n", "8", "--only", "exec", "--json", "--compare", sys.prefix],
    )
    result = json.loads(capsys.readouterr().out)

    assert (code, result["left_behind"], result["not_compared"]) == (0, [], [])
    assert result["this"] == result["other"]
    assert [row["kind"] for row in result["rows"]] == ["time", "time", "processor time"]
    assert all(row["this"] > 0 < row["other"] for row in result["rows"])
