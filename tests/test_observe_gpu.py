"""GPUs as nvidia-ml-py shows them; a stand-in for a machine that has some."""

from __future__ import annotations

from types import SimpleNamespace

from endpoint.observe.gpu import Gpus, gpus

DEVICES = [(0.25, 2, 80), (1.0, 70, 80)]
NVML = SimpleNamespace(
    nvmlDeviceGetCount=lambda: len(DEVICES),
    nvmlDeviceGetHandleByIndex=lambda number: number,
    nvmlDeviceGetUtilizationRates=lambda number: SimpleNamespace(gpu=int(DEVICES[number][0] * 100)),
    nvmlDeviceGetMemoryInfo=lambda number: SimpleNamespace(used=DEVICES[number][1], total=DEVICES[number][2]),
)


def test_each_gpu_has_its_use_and_memory() -> None:
    found = {s.name: s for metric in Gpus(NVML).collect() for s in metric.samples if s.labels["gpu"] == "1"}
    assert {name: sample.value for name, sample in found.items()} == {
        "stt_gpu_utilization_ratio": 1.0,
        "stt_gpu_memory_used_bytes": 70,
        "stt_gpu_memory_bytes": 80,
    }


def test_without_a_gpu_there_is_nothing() -> None:
    assert list(Gpus(None).collect()) == []
    list(gpus().collect())  # whatever is here
