"""What the fixture `gpu` gives: the devices that a test has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from .held import GPUS
from .leases import give_gpus
from .marker import ANY

if TYPE_CHECKING:
    import pytest

    from pytest_sandbox.gpus import GpuDevice


class LeasedGpus(Sequence["GpuDevice"]):
    """The GPUs that a test has, in the order of `nvidia-smi`.

    A sequence. Of a single one, `gpu.uuid` is the same as `gpu[0].uuid`, and so are the other
    attributes.

    Which they are on another machine, only the sandbox says, by `nvidia-smi`: there they have no
    attributes, and no number.

    Args:
        devices: them.
    """

    def __init__(self, devices: Sequence[GpuDevice]) -> None:
        self._devices = tuple(devices)

    @overload
    def __getitem__(self, index: int) -> GpuDevice: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[GpuDevice]: ...

    def __getitem__(self, index: int | slice) -> GpuDevice | Sequence[GpuDevice]:
        return self._known[index]

    def __len__(self) -> int:
        return len(self._known)

    def __repr__(self) -> str:
        return f"LeasedGpus({list(self._devices)!r})"

    @property
    def index(self) -> int:  # type: ignore[override]  # a sequence of a few is not searched
        """Its number in the order of `nvidia-smi`."""
        return self._one.index

    @property
    def uuid(self) -> str:
        """How CUDA names it."""
        return self._one.uuid

    @property
    def name(self) -> str:
        """What `nvidia-smi` calls it."""
        return self._one.name

    @property
    def memory(self) -> int:
        """Its memory in MiB."""
        return self._one.memory

    @property
    def driver(self) -> str:
        """The version of the driver."""
        return self._one.driver

    @property
    def minor(self) -> int:
        """The minor number of its device node."""
        return self._one.minor

    @property
    def node(self) -> str:
        """The path of its device node."""
        return self._one.node

    @property
    def part(self) -> int | None:
        """Of a part of a GPU (MIG), its number in that; else `None`."""
        return self._one.part

    @property
    def _known(self) -> tuple[GpuDevice, ...]:
        if not self._devices:
            raise ValueError(
                "which GPUs the test has on another machine is known there: ask its sandbox, "
                "sandbox.run('nvidia-smi', '-L')"
            )
        return self._devices

    @property
    def _one(self) -> GpuDevice:
        devices = self._known
        if len(devices) != 1:
            raise ValueError(f"the test has {len(devices)} GPUs: say which, as in gpu[0]")
        return devices[0]


def gpus_of_test(item: pytest.Item) -> LeasedGpus:
    """The GPUs of a test, as its marker asks for them; without one, any one."""
    # A fixture of this name in a test suite may use this one, which then nothing announces.
    give_gpus(item, ANY)
    return LeasedGpus(item.stash[GPUS].devices)
