"""Ids of the machine that only one sandbox at a time has."""

import socket

import pytest

from pytest_sandbox.local.kernel import idmap
from pytest_sandbox.local.zygote import id_ranges
from pytest_sandbox.local.zygote.id_ranges import IdRanges, MachineIdRanges


def test_a_range_is_given_out_once_until_it_comes_back() -> None:
    ranges = IdRanges(1000, 10, 3)
    taken = [ranges.take() for _ in range(3)]
    assert sorted(taken) == [1000, 1010, 1020]

    ranges.give_back(1010)

    assert ranges.take() == 1010


def test_one_that_came_back_is_used_again_last() -> None:
    """So that what the kernel still counts for it is gone."""
    ranges = IdRanges(1000, 10, 3)
    ranges.give_back(ranges.take())

    assert ranges.take() == 1010


def test_if_there_are_too_few_the_least_shared_is_shared() -> None:
    ranges = IdRanges(0, 1, 2)

    taken = [ranges.take() for _ in range(6)]

    assert [taken.count(first) for first in (0, 1)] == [3, 3]
    ranges.give_back(1)
    assert ranges.take() == 1


def test_two_runs_have_different_ranges() -> None:
    runs = [MachineIdRanges() for _ in range(10)]
    firsts = {run.take() for run in runs}

    for run in runs:
        run.lock.close()
    assert len(firsts) == 10
    for first in firsts:
        assert first % idmap.COUNT == 0
        assert 1 << 30 <= first < idmap.SHIFT


def test_a_run_starts_also_if_somebody_holds_all_names() -> None:
    squatters = []
    for block in range(id_ranges._BLOCKS):
        squatters.append(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        try:
            squatters[-1].bind(f"\0pytest-sandbox ids {block}")
        except OSError:
            continue  # a run's
    try:
        run = MachineIdRanges()
        run.lock.close()
        assert run.take() >= 1 << 30
    finally:
        for squatter in squatters:
            squatter.close()


@pytest.mark.parametrize("last", [id_ranges._FIRST + id_ranges._BLOCKS * 256 * idmap.COUNT])
def test_the_last_range_ends_below_the_shared_one(last: int) -> None:
    assert last <= idmap.SHIFT
