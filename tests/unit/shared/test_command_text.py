"""Commands and exit codes as text."""

import shlex

import pytest

from pytest_sandbox._shared.command_text import command_text, exit_code_text


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (("echo", "hi"), "echo hi"),
        (("sh", "-c", "exit 3"), "sh -c 'exit 3'"),
        (("python3", "-c", "print('hi')"), "python3 -c \"print('hi')\""),
        (("sh", "-c", "echo 'a'; echo \"$B\""), "sh -c 'echo '\"'\"'a'\"'\"'; echo \"$B\"'"),
        (("touch", ""), "touch ''"),
    ],
)
def test_a_command_is_quoted_for_people_and_for_a_shell(argv: tuple[str, ...], text: str) -> None:
    assert command_text(argv) == text
    assert tuple(shlex.split(text)) == argv


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0, "exit code 0"),
        (137, "exit code 137 (SIGKILL)"),
        (139, "exit code 139 (SIGSEGV)"),
        (129, "exit code 129"),
        (255, "exit code 255"),
    ],
)
def test_an_exit_code_names_the_signal(code: int, text: str) -> None:
    assert exit_code_text(code) == text
