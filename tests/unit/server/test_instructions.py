"""Lines of a Dockerfile are read as Docker reads them."""

import pytest
from grpclib import Status

from pytest_sandbox.server.builds.instructions import exec_form, instructions, words
from pytest_sandbox.server.builds.masking import Mask

from .harness import refused

VARIABLES = {"A": "a value", "EMPTY": ""}


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["run echo hi"], ["RUN echo hi"]),
        (["RUN a \\", "  b"], ["RUN a   b"]),
        (["RUN a && \\\n# about b\n\n  b"], ["RUN a &&   b"]),
        (["# about", "", "  ENV A=1  "], ["ENV A=1"]),
        (["RUN a \\"], ["RUN a"]),
        (["COPY --chmod=755 --link a b"], ["COPY --chmod=755 --link= a b"]),
        (
            ["RUN --mount=type=cache,target=/c a --b=c"],
            ["RUN --mount=type=cache,target=/c a --b=c"],
        ),
    ],
)
def test_instructions(lines: list[str], found: list[str]) -> None:
    assert list(map(str, instructions(lines))) == found


@pytest.mark.parametrize("line", ["RUN <<EOF", "RUN cat <<-'EOF' > /a", "COPY <<a /b"])
def test_a_heredoc_is_refused_by_its_line(line: str) -> None:
    with refused(Status.UNIMPLEMENTED, "heredoc", line):
        list(instructions([line, "EOF"]))


@pytest.mark.parametrize("line", ["RUN cat <<<word", "RUN echo $((1<<4))", "RUN echo 1 << 2"])
def test_what_looks_like_a_heredoc_is_none(line: str) -> None:
    assert list(map(str, instructions([line]))) == [line]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a  b", ["a", "b"]),
        ("A='b c' D=\"e f\"", ["A=b c", "D=e f"]),
        (r"a\ b \$A", ["a b", "$A"]),
        ("$A ${A}s x$EMPTY", ["a value", "a values", "x"]),
        ('"$A" \'$A\' "\\$A" "\\n"', ["a value", "$A", "$A", "\\n"]),
        ("${NONE:-b} ${EMPTY:-$A} ${A:-b}", ["b", "a value", "a value"]),
        ("${A:+b} x${EMPTY:+b}", ["b", "x"]),
        ("''", [""]),
        ("$ ${ a$", ["$", "${", "a$"]),
        ("it''s", ["its"]),
    ],
)
def test_words(text: str, found: list[str]) -> None:
    assert words(text, VARIABLES) == found


def test_a_quotation_mark_needs_a_partner() -> None:
    with pytest.raises(ValueError, match="partner"):
        words("'a", {})


@pytest.mark.parametrize(
    ("text", "found"),
    [('["a", "b c"]', ("a", "b c")), ("[]", ()), ("a b", None), ("[1]", None), ("[" * 9999, None)],
)
def test_a_command_is_a_list_of_words_or_a_line(text: str, found: tuple[str, ...] | None) -> None:
    assert exec_form(text) == found


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_a_secret_is_hidden_also_in_parts(size: int) -> None:
    text = b"secret1 secre secret12 s\nabcdefghij abcdef secret"
    mask = Mask(["secret1", "secret12", "abcdef", "efghij", "se"])
    parts = [text[start : start + size] for start in range(0, len(text), size)]
    shown = b"".join([*(mask.hide(part) for part in parts), mask.hide(b"", last=True)])
    assert shown == b"[secret] secre [secret] s\n[secret]ghij [secret] secret"
