"""What is wrong with names, commands, environments and working directories."""

import pytest

from pytest_sandbox._shared import checks


@pytest.mark.parametrize("name", ["a", "a-b_c.D9", "x" * 64, "ap-short"])
def test_valid_names(name: str) -> None:
    assert checks.name_problem(name, "volume") is None


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "a/b", "\u00e4", "a\n", 7, None])
def test_invalid_names(name: object) -> None:
    problem = checks.name_problem(name, "volume")
    assert problem is not None
    assert problem.startswith(f"{name!r} is not a valid volume name: use 1 to 64 letters")


def test_a_name_in_the_shape_of_an_app_id_is_invalid() -> None:
    problem = checks.name_problem("ap-" + "x" * 22, "app")
    assert problem is not None
    assert problem.endswith("looks like the id of an app")


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        ((), None),
        (("a", ""), None),
        (("a", 7), "argument 1 is 7, which is a int, not a str"),
        (("a", "b\0c"), "argument 1 contains a NUL character: 'b\\x00c'"),
    ],
)
def test_arguments(argv: tuple[object, ...], problem: str | None) -> None:
    assert checks.arguments_problem(argv) == problem


def test_the_size_of_a_command_is_counted_in_bytes() -> None:
    most = checks.MAX_ARGUMENT_BYTES
    assert checks.command_size_problem(["a", "b" * (most - 1)]) is None
    assert checks.command_size_problem(["a", "\udcff" * (most - 1)]) is None
    problem = checks.command_size_problem(["a", "\u00e4" * (most // 2)])
    assert problem is not None
    assert f"take {most + 1} bytes, more than the {most} allowed" in problem


@pytest.mark.parametrize("workdir", [None, "/", "/a b/c"])
def test_valid_working_directories(workdir: str | None) -> None:
    assert checks.workdir_problem(workdir) is None


@pytest.mark.parametrize("workdir", ["", "a", "./a", "/a\0", b"/a"])
def test_invalid_working_directories(workdir: object) -> None:
    assert checks.workdir_problem(workdir) == f"workdir must be an absolute path, not {workdir!r}"


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("A", "", None),
        ("", "x", "'' cannot be the name of an environment variable"),
        ("A=B", "x", "'A=B' cannot be the name of an environment variable"),
        ("A\0", "x", "'A\\x00' cannot be the name of an environment variable"),
        (7, "x", "7 cannot be the name of an environment variable"),
        ("A", 7, "the environment variable 'A' is 7, which is a int, not a str"),
        ("A", "\0", "the value of the environment variable 'A' contains a NUL character"),
    ],
)
def test_environments(name: object, value: object, problem: str | None) -> None:
    assert checks.environment_problem([("OK", "fine"), (name, value)]) == problem
