"""The GPUs of this machine: finding them, and leasing them to one test or sandbox at a time."""

from .device import GpuDevice as GpuDevice
from .errors import GpusMissing as GpusMissing
from .errors import GpusTaken as GpusTaken
from .errors import GpusUnavailable as GpusUnavailable
from .errors import GpusUnusable as GpusUnusable
from .errors import NoSuchLease as NoSuchLease
from .lease import GpuLease as GpuLease
from .lease import adopt_lease as adopt_lease
from .leasing import LeaseWanted as LeaseWanted
from .leasing import take_lease as take_lease
from .machine import VISIBLE as VISIBLE
from .machine import VISIBLE_BEFORE as VISIBLE_BEFORE
from .machine import GpuMachine as GpuMachine
from .machine import this_machine as this_machine
from .matching import fits as fits
from .matching import matching_devices as matching_devices
from .matching import missing as missing
from .nvml import Nvml as Nvml
from .opened import OpenWatch as OpenWatch

__all__ = [
    "VISIBLE",
    "VISIBLE_BEFORE",
    "GpuDevice",
    "GpuLease",
    "GpuMachine",
    "GpusMissing",
    "GpusTaken",
    "GpusUnavailable",
    "GpusUnusable",
    "LeaseWanted",
    "NoSuchLease",
    "Nvml",
    "OpenWatch",
    "adopt_lease",
    "fits",
    "matching_devices",
    "missing",
    "take_lease",
    "this_machine",
]
