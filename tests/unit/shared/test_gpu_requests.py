"""Modal's grammar of `gpu=`, and kinds that are misspelt."""

import pytest

from pytest_sandbox._shared.gpus.kinds import KINDS, is_of_kind, misspelt
from pytest_sandbox._shared.gpus.requests import GpuRequest, from_wire, parse, to_wire


@pytest.mark.parametrize(
    ("gpu", "expected"),
    [
        ("H100", [("H100", 1)]),
        ("h100:2", [("H100", 2)]),
        ("any", [("", 1)]),
        ("Any:4", [("", 4)]),
        ("H100!", [("H100!", 1)]),
        ("B200+:2", [("B200+", 2)]),
        (["H100:2", "A100-80GB:4", "any"], [("H100", 2), ("A100-80GB", 4), ("", 1)]),
        (("T4",), [("T4", 1)]),
    ],
)
def test_what_is_asked_for(gpu: object, expected: list[tuple[str, int]]) -> None:
    requests = parse(gpu)

    assert requests == tuple(GpuRequest(*each) for each in expected)
    assert from_wire(*to_wire(requests)) == requests


@pytest.mark.parametrize(
    ("gpu", "words"),
    [
        ("", "names no kind"),
        (":2", "names no kind"),
        ("H100:", "'' is not a number"),
        ("H100:two", "'two' is not a number"),
        ("H100:0", "'0' is not a number"),
        ("H100:-1", "'-1' is not a number"),
        ("H100:²", "'²' is not a number"),
        ("H100,T4", "'H100,T4' is not a kind"),
        (["H100", 1], "must be text"),
        ([], "the list is empty"),
        (1, "must be text"),
        (None, "must be text"),
    ],
)
def test_what_makes_no_sense(gpu: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse(gpu)


@pytest.mark.parametrize("kind", ["H100:2", "", "H100,", "H100,T4:x"])
def test_a_kind_that_no_client_sends(kind: str) -> None:
    with pytest.raises(ValueError, match=r"kind|number"):
        from_wire(kind, 1)


@pytest.mark.parametrize(
    ("kind", "meant"),
    [
        ("H1O0", "H100"),
        ("HI00", "H100"),
        ("A100-80G", "A100-80GB"),
        ("RTX-6000", "RTX-PRO-6000"),
        ("RTX409O", "RTX4090"),
        ("TS", "T4"),
        ("L5", "L4"),
        ("H010", "H100"),
        ("H101", "H100"),
        ("A100-90GB", "A100-80GB"),
        ("2xH100", "H100:2"),
        ("a100-80gb x 4", "A100-80GB:4"),
    ],
)
def test_a_misspelt_kind(kind: str, meant: str) -> None:
    assert misspelt(kind) == meant


@pytest.mark.parametrize(
    "kind",
    [*KINDS, "h100", "V100", "A30", "RTX-5080", "NVIDIA B400", "MI300X", "H-100", "H100-80GB"],
)
def test_a_kind_that_may_exist(kind: str) -> None:
    assert misspelt(kind) == ""


def test_a_kind_of_this_machine_is_not_misspelt() -> None:
    assert misspelt("H1O0", ["ACME H1O0"]) == ""


def test_a_kind_is_words_of_a_name() -> None:
    assert is_of_kind("a100-80gb", "NVIDIA A100-SXM4-80GB")
    assert is_of_kind("RTX4090", "NVIDIA GeForce RTX 4090")
    assert is_of_kind("", "NVIDIA L4")
    assert not is_of_kind("H10", "NVIDIA H100 80GB HBM3")
