"""Why GPUs cannot be had."""


class GpusUnavailable(Exception):
    """This machine has no GPU that could be used; says why: no driver, no NVML, no device."""


class DriverHangs(GpusUnavailable):
    """The driver does not answer; to ask again would take as long."""


class GpusUnusable(GpusUnavailable):
    """There may well be GPUs, but they cannot be found or leased; says why."""


class GpusMissing(Exception):
    """This machine has GPUs, but not those that were asked for."""


class GpusTaken(Exception):
    """Others had the GPUs for as long as one was ready to wait; says who."""


class NoSuchLease(Exception):
    """A lease that was named does not exist, or has ended."""
