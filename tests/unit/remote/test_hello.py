"""What a stranger may say first, at either end."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from pytest_sandbox.remote.link.hello import (
    DamagedHello,
    Hello,
    Welcome,
    decode_answer,
    decode_hello,
)

HELLO = asdict(Hello("t", "1", "p"))
WELCOME = asdict(Welcome("s", 0))


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 4000,
        json.dumps({**HELLO, "token": "\ud800"}).encode(),
        json.dumps({**HELLO, "lease": float("nan")}).encode(),
        json.dumps({**HELLO, "lease": float("-inf")}).encode(),
        json.dumps({**HELLO, "lease": 0}).replace("0}", "1e999}").encode(),
        json.dumps({**HELLO, "received": True}).encode(),
    ],
    ids=["nested", "no text", "nan", "infinite", "too large", "truth"],
)
def test_a_hello_that_nobody_says_is_refused(text: bytes) -> None:
    with pytest.raises(DamagedHello):
        decode_hello(text)


@pytest.mark.parametrize(
    "text",
    [b"[" * 4000, json.dumps({**WELCOME, "session": "\udfff"}).encode()],
    ids=["nested", "no text"],
)
def test_an_answer_that_nobody_gives_is_refused(text: bytes) -> None:
    with pytest.raises(DamagedHello):
        decode_answer(text)
