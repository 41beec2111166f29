"""The tool as it is, with Modal's client, and without Modal."""

import asyncio
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("modal", reason="the package modal is not installed")

from interpreter import PATIENCE, interpret, interpret_all

if TYPE_CHECKING:
    from pytest_sandbox.plugin import ModalServer

PLOT = """
total = sum(int(line) for line in open("numbers"))
open("/tmp/output/plot.txt", "w").write("#" * total)
print("done")
"""


def test_code_has_inputs_and_makes_files(modal_server: "ModalServer") -> None:
    answer = asyncio.run(interpret(PLOT, inputs={"numbers": b"1\n2\n"}))

    assert (answer.stdout, answer.code) == ("done\n", 0)
    assert answer.files == {"plot.txt": b"###"}


def test_code_that_fails_says_why(modal_server: "ModalServer") -> None:
    answer = asyncio.run(interpret("1 / 0"))

    assert answer.code == 1
    assert "ZeroDivisionError" in answer.stderr


def test_code_has_no_network_and_no_files_of_ours(modal_server: "ModalServer") -> None:
    code = (
        f"import os, socket; print(os.path.exists({__file__!r}));"
        "socket.create_connection(('1.1.1.1', 80))"
    )

    answer = asyncio.run(interpret(code))

    assert answer.stdout == "False\n"
    assert answer.code == 1


def test_many_at_once(modal_server: "ModalServer") -> None:
    answers = asyncio.run(interpret_all([f"print({number})" for number in range(5)]))

    assert [answer.stdout for answer in answers] == [f"{number}\n" for number in range(5)]
    assert len(set(modal_server.sandbox_ids)) == 5


@pytest.mark.modal_server(engine="fake")
def test_code_that_never_ends_is_ended(modal_server: "ModalServer") -> None:
    modal_server.fake.on_exec("python3", "-c", ...).hang()

    answer = asyncio.run(interpret("while True: pass"))

    assert answer.code != 0
    assert PATIENCE <= modal_server.fake.clock.monotonic() < 120
