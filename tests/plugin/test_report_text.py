"""What a report says about a sandbox."""

import pytest

from pytest_sandbox._proto.inspector_pb2 import InspectorDescribeResponse, SandboxCommand
from pytest_sandbox.plugin.reports import report


@pytest.fixture(autouse=True)
def own_settings() -> None:
    """No pytest runs inside these tests."""


def described(
    *commands: SandboxCommand, hidden: tuple[str, ...] = (), name: str = "", end: str = ""
) -> str:
    told = InspectorDescribeResponse(
        sandbox_id="sb-1",
        name=name,
        image="host",
        running=not end,
        end=end,
        commands=commands,
        seconds=1.5,
    )
    return report.describe(told, report.hidden_values(hidden), 25)


def wrote(
    stdout: bytes, total: int | None = None, argv: tuple[str, ...] = ("x",)
) -> SandboxCommand:
    return SandboxCommand(
        argv=argv, stdout_tail=stdout, stdout_bytes=len(stdout) if total is None else total
    )


def test_a_sandbox_is_shown_with_its_commands_their_outcomes_and_the_end_of_their_output() -> None:
    main = SandboxCommand(argv=["sleep", "60"], running=True, seconds=1.5)
    failed = SandboxCommand(
        argv=["sh", "-c", "echo no >&2; exit 3"],
        seconds=0.0312,
        returncode=3,
        stderr_tail=b"no\n",
        stderr_bytes=3,
    )
    killed = SandboxCommand(
        argv=["yes"],
        seconds=1,
        returncode=137,
        stdout_tail=b"y\ny\n",
        stdout_bytes=5000,
        ended_by="timeout",
    )

    assert described(main, failed, killed).splitlines() == [
        "image host, running for 1.500 s",
        "[1] sleep 60",
        "    running for 1.500 s",
        "[2] sh -c 'echo no >&2; exit 3'",
        "    exit code 3 after 0.031 s",
        "    stderr:",
        "        no",
        "[3] yes",
        "    exit code 137 (SIGKILL) after 1.000 s, ended by timeout",
        "    stdout, the last 4 of 5000 bytes:",
        "        y",
        "        y",
    ]


def test_the_heading_has_the_id_and_the_name() -> None:
    assert report.title(InspectorDescribeResponse(sandbox_id="sb-1")) == "sandbox sb-1"
    assert report.title(InspectorDescribeResponse(sandbox_id="sb-1", name="web")) == (
        "sandbox sb-1 'web'"
    )


def test_how_a_sandbox_ended_is_shown() -> None:
    assert described(end="timeout") == "image host, timeout after 1.500 s"


def test_what_a_sandbox_could_not_commit_is_shown() -> None:
    told = InspectorDescribeResponse(image="host", end="terminated", seconds=1.5)
    told.lost.add(path="/vol", reason="No space left on device: 'key-1\x1b'")
    assert report.describe(told, ["key-1"], 25).splitlines()[1] == (
        "lost, not committed to the volume at /vol: No space left on device: '[secret]\\x1b'"
    )


def test_what_a_sandbox_used_is_shown_as_far_as_it_is_known() -> None:
    told = InspectorDescribeResponse(image="host", running=True, seconds=1.5)
    told.used.cpu_seconds = 0.421
    told.used.bytes_written = 512
    assert report.describe(told, [], 25).splitlines()[1] == (
        "used 0.42 s of processors, wrote 512 bytes"
    )

    told.used.peak_processes = 0
    assert "0 processes" not in report.describe(told, [], 25)

    told.used.peak_memory = 5 * 1024 * 1024
    told.used.peak_processes = 3
    assert report.describe(told, [], 25).splitlines()[1] == (
        "used 0.42 s of processors, at most 5.0 MiB of memory, at most 3 processes, wrote 512 bytes"
    )

    told.used.oom_kills = 1
    assert (
        report.describe(told, [], 25)
        .splitlines()[1]
        .endswith("wrote 512 bytes, had 1 process killed for using too much memory")
    )


def test_a_command_that_nobody_reads_is_pointed_out() -> None:
    stuck = SandboxCommand(argv=["yes"], running=True, paused=True, seconds=9)

    assert "running for 9.000 s, waiting until its output is read" in described(stuck)


def test_of_many_commands_the_first_and_the_last_are_shown() -> None:
    text = described(*(SandboxCommand(argv=["run", str(n)]) for n in range(1, 101)))

    shown = [line.partition("] ")[2] for line in text.splitlines() if line.startswith("[")]
    assert shown == ["run 1", *(f"run {n}" for n in range(82, 101))]
    assert "(80 commands not shown)" in text


def test_of_many_commands_those_that_failed_are_shown() -> None:
    commands = [SandboxCommand(argv=["run", str(n)]) for n in range(1, 201)]
    commands[41].returncode = 1
    commands[99].start_error = "no such program"

    text = described(*commands)

    shown = [line.partition("] ")[2] for line in text.splitlines() if line.startswith("[")]
    assert shown == ["run 1", "run 42", "run 100", *(f"run {n}" for n in range(184, 201))]
    gaps = [line for line in text.splitlines() if line.endswith("not shown)")]
    assert gaps == [f"({n} commands not shown)" for n in (40, 57, 83)]


def test_many_failures_leave_room_for_the_last_commands() -> None:
    commands = [SandboxCommand(argv=["run", str(n)], returncode=1) for n in range(1, 196)]
    commands += [SandboxCommand(argv=["run", str(n)]) for n in range(196, 201)]

    assert described(*commands).count("exit code 0") == 5


def test_output_of_many_short_lines_is_cut_to_the_last_lines() -> None:
    text = described(wrote(b"y\n" * 1000))

    assert text.count("        y") == 25
    assert "stdout, the last 50 of 2000 bytes:" in text


def test_a_long_command_line_is_cut() -> None:
    command = SandboxCommand(argv=["echo", "x" * 100_000])

    assert len(report.command_line(command, [])) == 201


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        (b"\x1b[2J\x1b]0;owned\x07", r"\x1b[2J\x1b]0;owned\x07"),
        (b"50%\r100%", r"50%\r100%"),
        (b"\x00\x08\x7f", r"\x00\x08\x7f"),
        ("\u202eevil\u2066".encode(), r"\u202eevil\u2066"),
        ("\u009b31m".encode(), r"\x9b31m"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"a\tb", "a    b"),
        ("größe 漢字".encode(), "größe 漢字"),
    ],
)
def test_control_characters_are_escaped_and_letters_are_not(output: bytes, shown: str) -> None:
    assert described(wrote(output)).endswith(f"        {shown}")


def test_control_characters_in_a_command_line_and_a_name_are_escaped() -> None:
    assert r"\x1b[31m" in described(wrote(b"", argv=("echo", "\x1b[31m")))
    assert "\x1b" not in report.title(InspectorDescribeResponse(name="\x1b[31m"))


def test_values_of_secrets_are_hidden_in_output_and_command_lines() -> None:
    text = described(wrote(b"token=hunter22!\n", argv=("login", "hunter22")), hidden=("hunter22",))

    assert "hunter22" not in text
    assert "[1] login '[secret]'" in text or "[1] login [secret]" in text
    assert "token=[secret]!" in text


def test_a_secret_with_quotes_is_hidden_in_a_command_line_too() -> None:
    value = "it's a secret"

    text = described(wrote(b"", argv=("login", value)), hidden=(value,))

    assert "secret" not in text.replace("[secret]", "")


def test_every_line_of_a_secret_of_many_lines_is_hidden() -> None:
    text = described(wrote(b"begin key\r\nMIIEow\r\n"), hidden=("begin key\nMIIEow\n",))

    assert "MIIEow" not in text


def test_a_longer_secret_is_hidden_before_one_that_it_contains() -> None:
    text = described(wrote(b"password-and-more"), hidden=("password", "password-and-more"))

    assert text.endswith("        [secret]")


def test_what_a_cut_left_of_a_secret_is_hidden() -> None:
    text = described(wrote(b"ter22 and on", total=100), hidden=("hunter22",))

    assert text.endswith("        [secret] and on")


def test_values_that_are_everywhere_are_not_hidden() -> None:
    assert described(wrote(b"1 on"), hidden=("1", "on", "")).endswith("1 on")


def test_the_reason_why_a_command_did_not_start_is_cut() -> None:
    command = SandboxCommand(argv=["x"], start_error="cannot start " + "x" * 5000)

    assert max(map(len, described(command).splitlines())) < 300
