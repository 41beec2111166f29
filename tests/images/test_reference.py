"""Names of images are read as Docker reads them, and refused with the reason."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sandbox.images import InvalidReference, Reference, parse_reference

DIGEST = f"sha256:{'0a' * 32}"


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("alpine", "docker.io", "library/alpine", "latest", ""),
        ("alpine:3.21", "docker.io", "library/alpine", "3.21", ""),
        ("python:3.12-alpine", "docker.io", "library/python", "3.12-alpine", ""),
        ("user/image", "docker.io", "user/image", "latest", ""),
        ("docker.io/alpine", "docker.io", "library/alpine", "latest", ""),
        ("index.docker.io/library/alpine", "docker.io", "library/alpine", "latest", ""),
        ("localhost/a", "localhost", "a", "latest", ""),
        ("localhost:5000/a/b:c", "localhost:5000", "a/b", "c", ""),
        ("[::1]:5000/a:b", "[::1]:5000", "a", "b", ""),
        ("ghcr.io/a/b__c/d-e.f:V_1", "ghcr.io", "a/b__c/d-e.f", "V_1", ""),
        (f"alpine@{DIGEST}", "docker.io", "library/alpine", "", DIGEST),
        (f"ghcr.io/a/b:c@{DIGEST}", "ghcr.io", "a/b", "c", DIGEST),
    ],
)
def test_parts(text: str, registry: str, repository: str, tag: str, digest: str) -> None:
    assert parse_reference(text) == Reference(registry, repository, tag, digest)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "lower case"),
        ("Alpine", "lower case"),
        ("a b", "lower case"),
        ("a//b", "lower case"),
        ("../a", "not a host"),
        ("-host.x/a", "not a host"),
        ("localhost:99999/a", "no port 99999"),
        ("alpine:", "a tag has"),
        (f"alpine:{'x' * 129}", "a tag has"),
        ("alpine@sha256:00", "64 hexadecimal"),
        (f"alpine@{DIGEST.upper()}", "64 hexadecimal"),
        ("https://docker.io/alpine", "leave out"),
        (f"localhost/{'a' * 250}", "longer than 255"),
        ("a" * 65536, "too long"),
    ],
)
def test_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidReference, match=reason) as caught:
        parse_reference(text)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "text",
    [
        "user:pass@host/a",
        "user:p@ss@host/a",
        f"user:pass@host/a@{DIGEST}",
        "user:pass@host/a@sha256:1",
        "https://user:pass@host/a",
    ],
)
def test_a_login_in_a_name_is_not_shown(text: str) -> None:
    with pytest.raises(InvalidReference, match=r"'\.\.\.@host/a") as caught:
        parse_reference(text)
    assert "pass" not in str(caught.value)
    assert "user" not in str(caught.value)


@given(st.text(alphabet=string.printable, max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse_reference(text)
    except InvalidReference:
        return
    assert parse_reference(str(found)) == found
    assert "/" not in found.tag
    assert ".." not in found.repository


LABEL = st.from_regex(r"[a-z0-9]{1,8}([._-][a-z0-9]{1,8})?", fullmatch=True)


@given(
    st.sampled_from(["", "localhost/", "localhost:5000/", "registry.example.com/"]),
    st.lists(LABEL, min_size=1, max_size=4),
    st.sampled_from(["", ":1", ":latest", f"@{DIGEST}", f":x@{DIGEST}"]),
)
def test_what_is_shown_is_read_as_the_same(host: str, parts: list[str], version: str) -> None:
    found = parse_reference(host + "/".join(parts) + version)

    assert parse_reference(str(found)) == found
    assert parse_reference(str(found.pinned(DIGEST))).digest == DIGEST
