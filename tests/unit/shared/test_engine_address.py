"""Addresses of engines on other machines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sandbox._shared.network.engine_address import (
    InvalidAddress,
    RemoteAddress,
    hidden,
    is_remote,
)

PRINT = "ab" * 32
TLS = f"grpc+tls://s3cret@gpu-box:4433?fingerprint={PRINT}"


def test_an_address_has_all_that_is_needed() -> None:
    address = RemoteAddress.parse(TLS)
    assert (address.host, address.port, address.token) == ("gpu-box", 4433, "s3cret")
    assert address.fingerprint == PRINT
    assert address.lease == 30
    assert address.whole == TLS
    assert address.public == TLS.replace("s3cret@", "")
    assert "s3cret" not in repr(address)


def test_fingerprints_are_taken_as_other_programs_print_them() -> None:
    pairs = ":".join(["AB"] * 32)
    address = RemoteAddress.parse(f"grpc+tls://t@h:1?fingerprint=sha256:{pairs}")
    assert address.fingerprint == PRINT


def test_ssh_has_a_user_and_a_program() -> None:
    address = RemoteAddress.parse("ssh://me@box:2222?program=/opt/v/bin/pytest-sandbox")
    assert (address.user, address.host, address.port) == ("me", "box", 2222)
    assert address.program == "/opt/v/bin/pytest-sandbox"
    assert RemoteAddress.parse("ssh://box") == RemoteAddress("ssh", "box")


def test_ipv6_is_written_in_brackets() -> None:
    address = RemoteAddress.parse("grpc://t@[::1]:5")
    assert address.host == "::1"
    assert address.whole == "grpc://t@[::1]:5"


@given(
    st.sampled_from(["a", "gpu-box.example.com", "10.0.0.1", "fe80::1"]),
    st.integers(1, 65535),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20),
    st.sampled_from(["", PRINT]),
    st.integers(1, 3600),
)
def test_what_is_written_is_read_again(
    host: str, port: int, token: str, fingerprint: str, lease: int
) -> None:
    address = RemoteAddress("grpc+tls", host, port, token, "", fingerprint, lease=float(lease))
    assert RemoteAddress.parse(address.whole) == address


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("grpc+tls://s3cret@gpu-box", "it has no port"),
        ("grpc+tls://s3cret@:80", "it has no host"),
        ("grpc+tls://s3cret@h:80/path", "it ends with a path"),
        ("grpc+tls://s3cret:x@h:80", "':' before the '@'"),
        ("grpc+tls://s3cret@h:80?fingerprint=12", "'12' is no SHA-256"),
        ("grpc+tls://s3cret@h:80?fingerprnt=12", "did you mean 'fingerprint'?"),
        ("grpc+tls://s3cret@h:80?lease=0", "lease=0 is no number of seconds, 1 to 3600"),
        ("grpc+tls://s3cret@h:99999", "Port out of range"),
        ("grpc://s3cret@gpu-box:80", "grpc:// is not encrypted"),
        ("ssh://me:s3cret@h", "ssh://me:PASSWORD@h' is no address of an engine: it has a ':'"),
        ("ssh://-oProxyCommand=x@h", "ssh would take it for an option"),
        ("ssh://-oProxyCommand", "ssh would take it for an option"),
        ("ssh://h?program=a;b", "no program has the name"),
        ("http://s3cret@h:80", "is no address of an engine"),
        ("grpc+tls://x/s3cret@h:22", "is written %2F"),
        ("grpc+tls://x:s3cret/@h:22", "is written %2F"),
        ("grpc+tls://x?s3cret@h:22", "is written %2F"),
        ("grpc+tls://s3cret\u2100@h:22", "invalid characters"),
    ],
)
def test_what_is_none_is_refused_without_its_token(text: str, why: str) -> None:
    with pytest.raises(InvalidAddress) as caught:
        RemoteAddress.parse(text)
    assert why in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_only_addresses_are_remote() -> None:
    assert is_remote(TLS)
    assert is_remote("ssh://box")
    assert not is_remote("local")
    assert not is_remote("ssh")
    assert not is_remote("http://box")


def test_a_token_is_hidden_in_what_is_no_address_either() -> None:
    assert hidden("grpc+tls://s3cret@@h:x") == "grpc+tls://TOKEN@h:x"
    assert hidden("grpc+tls://s3/cr?et#@h:22") == "grpc+tls://TOKEN@h:22"
    assert hidden("s3cret@h:22?lease=3") == "TOKEN@h:22?lease=3"
