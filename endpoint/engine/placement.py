"""Where engines run when the supervisor starts them, and the way from an API process to each."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

from endpoint.config import Settings, environment
from endpoint.errors import ConfigError

VISIBLE = "CUDA_VISIBLE_DEVICES"
ONE_THREAD_LATER = "VLLM_OMP_NUM_THREADS_SET_BY_VLLM"  # vLLM's name for it
Environment = Mapping[str, str]  # variables of an engine's process beside those of the supervisor


@dataclass(frozen=True)
class Link:
    """The way from one API process to one engine.

    base: of the engine's ZeroMQ addresses. client: number of this API process, of `clients`. alive: at its end when
    the engine's process has ended.
    """

    base: str
    client: int
    clients: int
    alive: Connection

    @property
    def addresses(self) -> tuple[str, str]:
        return addresses(self.base, self.client)


def addresses(base: str, client: int) -> tuple[str, str]:
    """Where a client of the engine listens: for what it sends, and for what it gets."""
    return f"{base}-{client}-in", f"{base}-{client}-out"


def find_engines(settings: Settings) -> list[Environment]:
    """The environment of each engine's process: one for each of GPUS, in that order.

    Also fetches the models, once for all. Loads torch, so it is for a process of its own. Raises ConfigError.
    """
    import torch

    from endpoint.weights.find import find_checkpoint

    token = settings.hf_token.get_secret_value() if settings.hf_token else None
    for one in settings.each():
        find_checkpoint(one.model_path, one.model_folder, token)
    count = torch.cuda.device_count()
    visible = [name.strip() for name in environment().get(VISIBLE, "").split(",") if name.strip()]
    found: list[Environment] = [{VISIBLE: name} for name in choose_gpus(settings.gpus, count, visible)]
    threads = gpu_threads(len(found) or 1) if count else cpu_threads()
    return [{**own, **threads} for own in found or [{}]]


def choose_gpus(wanted: str, count: int, visible: Sequence[str]) -> list[str]:
    """CUDA's names of the GPUS wanted: indices or identifiers. No name where none is wanted.

    count: of GPUs that CUDA sees. visible: their names, where the operator gave some. Raises ConfigError.
    """
    if not wanted:
        return []
    if not count:
        raise ConfigError(f"GPUS={wanted}, but no GPU is seen here; leave GPUS out, or see `endpoint doctor`")
    names = list(visible)[:count] or [str(k) for k in range(count)]
    if wanted == "all":
        return names
    indices = [int(index) for index in wanted.split(",")]
    if missing := [index for index in indices if index >= len(names)]:
        raise ConfigError(f"GPUS: there is no GPU {missing[0]}; seen here: 0 to {len(names) - 1}")
    return [names[index] for index in indices]


def cpu_threads(*, keep: bool = True) -> dict[str, str]:
    """OpenMP reads its variables when the engine's process starts. keep: what is set stays."""
    cores = len(os.sched_getaffinity(0))
    wanted = {
        "OMP_NUM_THREADS": str(max(1, cores - 1)),  # of a decoding step; encoders have threads of their own
        "OMP_WAIT_POLICY": "PASSIVE",  # a thread that waits actively would take a core from the one it waits for
    }
    return {name: value for name, value in wanted.items() if not keep or name not in environment()}


def gpu_threads(engines: int) -> dict[str, str]:
    """As vLLM has it for engines that it starts: many threads to load the weights, then one."""
    if "OMP_NUM_THREADS" in environment():
        return {}
    return {"OMP_NUM_THREADS": str(max(1, len(os.sched_getaffinity(0)) // engines)), ONE_THREAD_LATER: "1"}
