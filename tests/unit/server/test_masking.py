"""Secrets of a build are hidden in what its steps print."""

import pytest

from pytest_sandbox.server.builds.masking import Mask


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_a_secret_is_hidden_also_in_parts(size: int) -> None:
    text = b"secret1 secre secret12 s\nabcdefghij abcdef secret"
    mask = Mask(["secret1", "secret12", "abcdef", "efghij", "se"])
    parts = [text[start : start + size] for start in range(0, len(text), size)]
    shown = b"".join([*(mask.hide(part) for part in parts), mask.hide(b"", last=True)])
    assert shown == b"[secret] secre [secret] s\n[secret]ghij [secret] secret"
