"""Classes whose methods are made with their first instance are what `dataclasses` makes of them."""

import copy
import dataclasses
import inspect
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from pytest_sandbox._shared.lazy_dataclass import dataclass


@dataclass(frozen=True)
class Base:
    """A class of a module, which pickles find."""

    number: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Derived(Base):
    """One with fields of another one."""

    more: list[int] = dataclasses.field(default_factory=list)


def lazy() -> tuple[type[Any], type[Any]]:
    """Two classes, one of them the base of the other, of which nothing has made an instance."""

    @dataclass(frozen=True)
    class Point:
        x: int
        y: int = 2

    @dataclass(frozen=True)
    class Named(Point):
        name: str = "p"

        @property
        def length(self) -> int:
            return len(self.name)

    return Point, Named


def test_nothing_is_compiled_before_the_first_instance() -> None:
    point, named = lazy()

    assert "__eq__" not in vars(point)
    assert "__eq__" not in vars(named)
    assert repr(named(1, name="q")).endswith("Named(x=1, y=2, name='q')")
    assert "__eq__" in vars(point)


def test_instances_are_frozen_and_equal() -> None:
    _, named = lazy()
    one = named(1)

    with pytest.raises(dataclasses.FrozenInstanceError):
        one.x = 3
    assert one == named(1)
    assert one != named(2)
    assert hash(one) == hash(named(1))
    assert (one.y, one.name, one.length) == (2, "p", 1)


def test_a_missing_argument_is_told_as_ever() -> None:
    point, _ = lazy()

    with pytest.raises(
        TypeError, match=r"__init__\(\) missing 1 required positional argument: 'x'"
    ):
        point()


def test_fields_are_there_without_an_instance() -> None:
    _, named = lazy()

    assert dataclasses.is_dataclass(named)
    assert [field.name for field in dataclasses.fields(named)] == ["x", "y", "name"]


def test_the_signature_is_there_without_an_instance() -> None:
    _, named = lazy()

    assert list(inspect.signature(named).parameters) == ["x", "y", "name"]


def test_a_plain_subclass_may_have_its_own_constructor() -> None:
    point, _ = lazy()

    class Origin(point):  # type: ignore[misc,valid-type]
        def __init__(self) -> None:
            super().__init__(0, 0)

    assert (Origin().x, Origin().y) == (0, 0)
    assert point(0, 0) == point(0, 0)


def test_a_class_with_its_own_constructor_keeps_it() -> None:
    @dataclass(init=False)
    class Own:
        x: int

        def __init__(self) -> None:
            self.x = 7

    assert Own() == Own()
    assert Own().x == 7


def test_a_dataclass_that_is_not_lazy_may_derive_from_one_that_is() -> None:
    point, _ = lazy()

    @dataclasses.dataclass(frozen=True)
    class Plain(point):  # type: ignore[misc,valid-type]
        z: int = 5

    assert dataclasses.astuple(Plain(1)) == (1, 2, 5)


def test_copies_and_replacements() -> None:
    one = Derived(1, ("a",), [2])

    assert copy.deepcopy(one) == one
    assert dataclasses.replace(one, number=2) == Derived(2, ("a",), [2])
    assert dataclasses.asdict(one) == {"number": 1, "names": ("a",), "more": [2]}


def test_the_first_instance_may_come_from_a_pickle() -> None:
    code = (
        "import pickle, sys; one = pickle.loads(sys.stdin.buffer.read())\n"
        "print(one); print(one == type(one)(1)); one.number = 3"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps(Derived(1)),
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
    )

    assert done.stdout == b"Derived(number=1, names=(), more=[])\nTrue\n"
    assert b"FrozenInstanceError" in done.stderr


def test_threads_make_the_first_instance_at_once() -> None:
    for _ in range(20):
        _, named = lazy()
        made: list[object] = []
        barrier = threading.Barrier(4)

        def make(named: type[Any] = named, made: list[object] = made) -> None:
            barrier.wait()  # noqa: B023
            made.append(named(1))

        threads = [threading.Thread(target=make) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert made == [named(1)] * 4
