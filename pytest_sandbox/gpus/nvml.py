"""NVML, which `nvidia-smi` asks too, by `nvidia-ml-py`, which is imported when first needed."""

import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from pytest_sandbox._shared.install_command import install_command

from .answering import Answering
from .device import GpuDevice
from .errors import GpusUnavailable, GpusUnusable

T = TypeVar("T")

#: Seconds that NVML may take for one answer. To initialize a driver that nothing keeps loaded takes
#: seconds for each GPU.
LIMIT_VARIABLE = "PYTEST_SANDBOX_NVML_TIMEOUT"
_LIMIT = 30.0
_MIB = 1 << 20
_DRIVER = "/proc/driver/nvidia/version"
#: What errors of NVML mean: nvml.h, `nvmlReturn_t`.
_MEANINGS = {
    "NVML_ERROR_LIBRARY_NOT_FOUND": "the driver is not installed: no libnvidia-ml.so.1",
    "NVML_ERROR_DRIVER_NOT_LOADED": "the driver is not loaded: is the kernel module there?",
    "NVML_ERROR_NO_PERMISSION": "this user may not use the driver: /dev/nvidiactl",
    "NVML_ERROR_LIB_RM_VERSION_MISMATCH": (
        "the driver's library and kernel module are of different versions: restart the machine"
    ),
    "NVML_ERROR_GPU_IS_LOST": "the GPU is lost: it does not answer on its bus any more",
}


_NO_PARTS = "it is divided (MIG), into no parts: nvidia-smi mig -cgi"


class Nvml:
    """NVML, opened by the first call, and then once for this process.

    Args:
        limit: seconds that one answer may take.
    """

    def __init__(self, limit: float | None = None) -> None:
        self._answering = Answering(limit or _limit())
        self._nvml: Any = None
        self._driver = ""

    def devices(self) -> tuple[list[GpuDevice], dict[int, str]]:
        """The GPUs, and why others cannot be used, by index.

        Raises:
            GpusUnavailable: there are none, or the driver cannot be asked.
        """
        return self._ask("nvmlDeviceGetCount", self._devices)

    def processes(self, device: GpuDevice) -> list[int]:
        """The pids of programs that compute on a GPU.

        Raises:
            GpusUnavailable: it does not answer any more.
        """
        return self._ask("nvmlDeviceGetComputeRunningProcesses", lambda: self._processes(device))

    def free(self, device: GpuDevice) -> int:
        """MiB of a GPU that no program has.

        Raises:
            GpusUnavailable: it does not answer any more.
        """
        return self._ask("nvmlDeviceGetMemoryInfo", lambda: int(self._memory(device).free) // _MIB)

    def _ask(self, name: str, function: Callable[[], T]) -> T:
        if self._nvml is None:
            self._nvml = self._answering.call("nvmlInit", self._open)
        try:
            return self._answering.call(name, function)
        except self._nvml.NVMLError as error:
            raise GpusUnavailable(self._meaning(error)) from error

    def _open(self) -> Any:
        try:
            import pynvml
        except ImportError as error:
            text = f"nvidia-ml-py is not installed: {install_command('gpu')}"
            if os.path.exists(_DRIVER):
                raise GpusUnusable(f"the driver of NVIDIA is loaded, but {text}") from error
            raise GpusUnavailable(text) from error
        self._nvml = pynvml
        try:
            pynvml.nvmlInit()
            self._driver = str(pynvml.nvmlSystemGetDriverVersion())
        except pynvml.NVMLError as error:
            raise GpusUnavailable(self._meaning(error)) from error
        finally:
            self._nvml = None
        return pynvml

    def _devices(self) -> tuple[list[GpuDevice], dict[int, str]]:
        found, lost = [], {}
        for index in range(self._nvml.nvmlDeviceGetCount()):
            try:
                found += self._device(index)
            except self._nvml.NVMLError as error:  # noqa: PERF203 - for each its own
                lost[index] = self._meaning(error)
            else:
                if not any(device.index == index for device in found):
                    lost[index] = _NO_PARTS
        if not found and not lost:
            raise GpusUnavailable("the driver is loaded, but finds no GPU")
        return found, lost

    def _device(self, index: int) -> list[GpuDevice]:
        """A GPU; or, if it is divided and so cannot be used as a whole, its parts."""
        handle = self._nvml.nvmlDeviceGetHandleByIndex(index)
        minor = self._nvml.nvmlDeviceGetMinorNumber(handle)
        if not self._is_divided(handle):
            return [self._described(handle, index, minor)]
        return [self._described(part, index, minor, number) for number, part in self._parts(handle)]

    def _described(self, handle: Any, index: int, minor: int, part: int | None = None) -> GpuDevice:
        return GpuDevice(
            index=index,
            uuid=str(self._nvml.nvmlDeviceGetUUID(handle)),
            name=str(self._nvml.nvmlDeviceGetName(handle)),
            memory=self._nvml.nvmlDeviceGetMemoryInfo(handle).total // _MIB,
            driver=self._driver,
            minor=minor,
            part=part,
        )

    def _is_divided(self, handle: Any) -> bool:
        try:
            return bool(self._nvml.nvmlDeviceGetMigMode(handle)[0])
        except self._nvml.NVMLError as error:
            # The GPU, or an old driver, does not have MIG.
            if error.value in (
                self._nvml.NVML_ERROR_NOT_SUPPORTED,
                self._nvml.NVML_ERROR_FUNCTION_NOT_FOUND,
            ):
                return False
            raise

    def _parts(self, handle: Any) -> Iterator[tuple[int, Any]]:
        for number in range(self._nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
            try:
                yield number, self._nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, number)
            except self._nvml.NVMLError as error:  # noqa: PERF203 - they have gaps
                if error.value != self._nvml.NVML_ERROR_NOT_FOUND:
                    raise

    def _processes(self, device: GpuDevice) -> list[int]:
        handle = self._nvml.nvmlDeviceGetHandleByUUID(device.uuid)
        return [each.pid for each in self._nvml.nvmlDeviceGetComputeRunningProcesses(handle)]

    def _memory(self, device: GpuDevice) -> Any:
        return self._nvml.nvmlDeviceGetMemoryInfo(self._nvml.nvmlDeviceGetHandleByUUID(device.uuid))

    def _meaning(self, error: Any) -> str:
        for name, meaning in _MEANINGS.items():
            if error.value == getattr(self._nvml, name):
                return meaning
        return f"NVML: {error}"


def _limit() -> float:
    text = os.environ.get(LIMIT_VARIABLE, "")
    try:
        limit = float(text or _LIMIT)
    except ValueError:
        limit = 0.0
    if not limit > 0:
        raise GpusUnavailable(f"{LIMIT_VARIABLE}={text!r} is not a number of seconds above 0")
    return limit
