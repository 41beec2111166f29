"""Dockerfiles are read as Docker reads them."""

import importlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_sandbox._shared.dockerfile.instruction import DockerfileError, Heredoc, exec_form
from pytest_sandbox._shared.dockerfile.source import directive_for, heredoc_name, parse
from pytest_sandbox._shared.dockerfile.words import expand, raw_words, words

VARIABLES = {"A": "a value", "EMPTY": ""}


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["run echo hi"], ["RUN echo hi"]),
        (["RUN a \\", "  b"], ["RUN a   b"]),
        (["RUN a && \\\n# about b\n\n  b"], ["RUN a &&   b"]),
        (["RUN a \\ \t", " b \\\\", "RUN c"], ["RUN a  b \\\\", "RUN c"]),
        (["# about", "", "  ENV A=1  "], ["ENV A=1"]),
        (["RUN a \\"], ["RUN a"]),
        (["# escape=`", "RUN a `", " b\\", "RUN c"], ["RUN a  b\\", "RUN c"]),
        (["# syntax=docker/dockerfile:1", "# ESCAPE = `", "RUN a `", "b"], ["RUN a b"]),
        (["# about", "# escape=`", "RUN a \\", "b"], ["RUN a b"]),
        (["\ufeffFROM a\r", "RUN b\r"], ["FROM a", "RUN b"]),
        (["COPY --chmod=755 --link a b"], ["COPY --chmod=755 --link a b"]),
        (
            ["RUN --mount=type=cache,target=/c --mount='type=tmpfs,target=/a b' a --b=c"],
            ["RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/a b a --b=c"],
        ),
        (["RUN -- --x"], ["RUN --x"]),
    ],
)
def test_instructions(lines: list[str], found: list[str]) -> None:
    assert list(map(str, parse(lines).instructions)) == found


@pytest.mark.parametrize(
    ("text", "rest", "heredocs"),
    [
        ("RUN <<EOT\na\n\nEOT\n", "<<EOT", [Heredoc("EOT", "a\n\n")]),
        ("RUN cat <<-'E' > /a\n\tb\n\t$E\n\tE", "cat <<-'E' > /a", None),
        ('COPY <<a <<"b" /c/\n# 1\na\n\\\nb', '<<a <<"b" /c/', None),
        ("ONBUILD RUN <<E\nx\nE", "RUN <<E", [Heredoc("E", "x\n")]),
        ("RUN 3<<E cat <&3\nx\nE", "3<<E cat <&3", [Heredoc("E", "x\n")]),
    ],
)
def test_heredocs(text: str, rest: str, heredocs: list[Heredoc] | None) -> None:
    (found,) = parse([text]).instructions
    assert found.rest == rest
    assert heredocs is None or list(found.heredocs) == heredocs


def test_the_text_of_a_heredoc() -> None:
    first, second = (
        parse(["COPY <<-a <<'b' /c/\n\t\t1\n\t a\n\ta\n\t2\nb"]).instructions[0].heredocs
    )
    assert (first.content, first.expand) == ("1\n a\n", True)
    assert (second.content, second.expand) == ("\t2\n", False)
    assert heredoc_name("<<-'b'") == "b"
    assert heredoc_name("<b") is None


@pytest.mark.parametrize(
    "line",
    ["RUN cat <<<word", "RUN echo $((1<<4))", "RUN echo 1 << 2", 'RUN ["a", "<<b"]', "ENV A=<<b"],
)
def test_what_looks_like_a_heredoc_is_none(line: str) -> None:
    assert list(map(str, parse([line]).instructions)) == [line]


@pytest.mark.parametrize("text", ["RUN <<E\nx\n", "COPY <<-E /a\n E", "# escape=x\nRUN a"])
def test_what_is_no_dockerfile(text: str) -> None:
    with pytest.raises(DockerfileError):
        parse([text])


def test_a_target_is_a_directive_of_ours() -> None:
    lines = [directive_for("build"), "# syntax=x", "# escape=`", "FROM a `", "AS build"]
    assert parse(lines).target == "build"
    assert len(parse(lines).instructions) == 1
    assert parse(["FROM a", *lines]).target == ""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a  b", ["a", "b"]),
        ("A='b c' D=\"e f\"", ["A=b c", "D=e f"]),
        (r"a\ b \$A", ["a b", "$A"]),
        ("$A ${A}s x$EMPTY", ["a value", "a values", "x"]),
        ('"$A" \'$A\' "\\$A" "\\n"', ["a value", "$A", "$A", "\\n"]),
        ("${NONE:-b} ${EMPTY:-$A} ${A:-b}", ["b", "a value", "a value"]),
        ("${NONE-b} x${EMPTY-b} ${NONE:-${EMPTY:-c d}}", ["b", "x", "c d"]),
        ("${A:+b} x${EMPTY:+b} x${EMPTY+b} x${NONE+b}", ["b", "x", "xb", "x"]),
        ("${A:?no} ${NONE:-'}'}", ["a value", "}"]),
        ("''", [""]),
        ("$ a$ $1x $?", ["$", "a$", "x", ""]),
        ("it''s", ["its"]),
    ],
)
def test_words(text: str, found: list[str]) -> None:
    assert words(text, VARIABLES) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("'a", "partner"),
        ('"a', "partner"),
        ("${", "known"),
        ("${A", "known"),
        ("${A:-b", "partner"),
        ("${A#b}", "known"),
        ("${NONE:?it is missing}", "NONE: it is missing"),
        ("${EMPTY:?}", "not set"),
        ("${X:-" * 99, "50"),
    ],
)
def test_a_word_that_is_none(text: str, why: str) -> None:
    with pytest.raises(DockerfileError, match=why):
        expand(text, VARIABLES)


def test_another_escape() -> None:
    assert words('a` b c\\ d `$A "`$A"', VARIABLES, "`") == ["a b", "c\\", "d", "$A", "$A"]


@pytest.mark.parametrize(
    ("text", "found"),
    [('["a", "b c"]', ("a", "b c")), ("[]", ()), ("a b", None), ("[1]", None), ("[" * 9999, None)],
)
def test_a_command_is_a_list_of_words_or_a_line(text: str, found: tuple[str, ...] | None) -> None:
    assert exec_form(text) == found


# With Docker's own parser as the reference

PIECES = st.sampled_from(
    [
        *(
            "RUN ",
            "COPY ",
            "run",
            "FROM a",
            "--link ",
            "--mount=a ",
            "--a='b c' ",
            "-- ",
            "a",
            "b ",
        ),
        *("b ", "\\\n", "\\", "`\n", "\n", "#", "# c\n", " ", "\t", "'", '"', "$A", "${A}"),
        *("<<E", "<<-E", "<<'E'", '<<"E"', "3<<E", "\nE\n", "\n\tE\n", "<", '["a"]\n', "\\\\\n"),
        *("# escape=`\n", "# syntax=x\n", "ONBUILD ", "é", "\r\n"),
    ]
)


@settings(deadline=None)  # the first call loads a library
@given(st.lists(PIECES, max_size=12).map("".join))
def test_lines_against_the_parser_of_docker(text: str) -> None:
    reference = importlib.import_module("dockerfile")  # it has no types
    try:
        commands = reference.parse_string(text)
    except reference.GoParseError:
        return
    if any(each.cmd not in ("RUN", "COPY", "FROM") for each in commands):
        return  # others are split into words there
    found = [
        (
            each.verb,
            tuple(f"--{name}{value and f'={value}'}" for name, value in each.flags),
            " ".join(exec_form(each.rest) or each.rest.split()),
            tuple((one.name, one.content) for one in each.heredocs),
            each.number,
        )
        for each in parse([text]).instructions
    ]
    assert found == [
        (
            each.cmd,
            each.flags,
            " ".join(each.value if each.json else " ".join(each.value).split()),
            tuple((one.name, one.content) for one in each.heredocs),
            each.start_line,
        )
        for each in commands
    ]


@given(st.text(alphabet="ab \"'\\$", max_size=12))
def test_a_line_of_raw_words_loses_nothing_but_spaces(text: str) -> None:
    assert "".join(raw_words(text)).replace(" ", "") == text.replace(" ", "")
