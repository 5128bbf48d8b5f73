"""Use and memory of NVIDIA's GPUs, by nvidia-ml-py; nothing where there is no GPU, no driver or no package."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Gpus(Collector):
    """nvml: the module pynvml, once it was started; None: there are no GPUs."""

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml

    def collect(self) -> Iterator[Metric]:
        if self._nvml is None:
            return
        use = GaugeMetricFamily("stt_gpu_utilization_ratio", "Share of time in which a GPU worked.", labels=["gpu"])
        used = GaugeMetricFamily("stt_gpu_memory_used_bytes", "Memory of a GPU in use.", labels=["gpu"])
        total = GaugeMetricFamily("stt_gpu_memory_bytes", "Memory of a GPU.", labels=["gpu"])
        for number in range(self._nvml.nvmlDeviceGetCount()):
            device = self._nvml.nvmlDeviceGetHandleByIndex(number)
            memory = self._nvml.nvmlDeviceGetMemoryInfo(device)
            use.add_metric([str(number)], self._nvml.nvmlDeviceGetUtilizationRates(device).gpu / 100)
            used.add_metric([str(number)], memory.used)
            total.add_metric([str(number)], memory.total)
        yield from (use, used, total)


@cache
def gpus() -> Gpus:
    """The GPUs of this machine."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no package; or no driver, for which it has an error of its own
        return Gpus(None)
    return Gpus(pynvml)
