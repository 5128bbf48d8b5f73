"""Which GPU and which variables each engine's process gets."""

from __future__ import annotations

import os

import pytest

from endpoint.config import Settings
from endpoint.engine.placement import (
    ONE_THREAD_LATER,
    VISIBLE,
    Link,
    addresses,
    choose_gpus,
    cpu_threads,
    find_engines,
    gpu_threads,
)
from endpoint.errors import ConfigError

OPENMP = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY")


@pytest.mark.parametrize(
    ("wanted", "count", "visible", "names"),
    [
        ("", 4, [], []),
        ("", 0, [], []),
        ("all", 3, [], ["0", "1", "2"]),
        ("2,0", 3, [], ["2", "0"]),
        ("all", 2, ["5", "7"], ["5", "7"]),
        ("1", 2, ["GPU-a", "GPU-b"], ["GPU-b"]),
        ("all", 1, ["5", "9"], ["5"]),  # CUDA stops at the first name that it does not know
    ],
)
def test_gpus_are_named_as_cuda_names_them(wanted: str, count: int, visible: list[str], names: list[str]) -> None:
    assert choose_gpus(wanted, count, visible) == names


@pytest.mark.parametrize(
    ("wanted", "count", "message"),
    [("all", 0, "no GPU is seen here; leave GPUS out"), ("0,2", 2, "no GPU 2; .* 0 to 1")],
)
def test_gpus_that_are_not_there_are_refused(wanted: str, count: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        choose_gpus(wanted, count, [])


def test_what_the_operator_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OPENMP:
        monkeypatch.delenv(name, raising=False)
    cores = len(os.sched_getaffinity(0))
    assert set(cpu_threads()) == set(OPENMP)
    assert gpu_threads(2) == {"OMP_NUM_THREADS": str(max(1, cores // 2)), ONE_THREAD_LATER: "1"}
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert set(cpu_threads()) == {"OMP_WAIT_POLICY"}
    assert gpu_threads(2) == {}


def test_vllm_calls_it_by_that_name() -> None:
    from vllm.utils.torch_utils import OMP_NUM_THREADS_SET_BY_VLLM

    assert OMP_NUM_THREADS_SET_BY_VLLM == ONE_THREAD_LATER


def test_an_engine_for_each_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv(VISIBLE, raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert find_engines(Settings(gpus="all")) == [{VISIBLE: "0"}, {VISIBLE: "1"}]
    assert find_engines(Settings()) == [{}]
    with pytest.raises(ConfigError, match="there is no folder"):
        find_engines(Settings(model_id="/no/such/model"))


def test_each_client_has_addresses_of_its_own() -> None:
    links = [Link("ipc:///run/0-0", client, 2, None) for client in range(2)]  # type: ignore[arg-type]
    assert len({address for link in links for address in link.addresses}) == 4
    assert links[1].addresses == addresses("ipc:///run/0-0", 1)
