"""One run, in a process of its own: python -m benchmarks.gpu.measure NAME full|small FOLDER

A row of JSON goes into FOLDER/NAME.jsonl as soon as it is measured; the log is this process's output.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from benchmarks.gpu import model
from benchmarks.gpu.human import human, weights
from benchmarks.gpu.lines import BARE, BEAMS, ENGINE, FRAMES, FULL, HTTP, HUMAN, SMALL, STOCK, Run, Size, runs
from endpoint.bench.recordings import WORKLOADS, make
from endpoint.config import load_settings
from endpoint.local import stop
from endpoint.net import free_port
from endpoint.options import Options, Sampling
from endpoint.types import PCM_FULL_SCALE, SAMPLE_RATE, Samples, Window

Decode = Callable[[Samples, int], Awaitable[int]]  # a window and how many beams, to the number of tokens generated
Put = Callable[..., None]  # a row


def at_once(run: Run, size: Size) -> list[int]:
    """How many windows are asked for at any time; servers only at the first level."""
    levels = size.levels if run.who in (ENGINE, BARE) else size.levels[:1]
    return [max(1, round(level * run.slots)) for level in levels]


# ---- engines ----------------------------------------------------------------------------------------


async def ours(run: Run, size: Size) -> tuple[Decode, Callable[[], Awaitable[None]]]:
    from benchmarks.gpu.steady import SteadyEngine

    engine = SteadyEngine(load_settings())
    await engine.start()

    async def decode(samples: Samples, beams: int) -> int:
        options = Options(language="en", sampling=Sampling(beam_size=beams))
        decoded = await engine.decode(Window(0, samples), options)
        return len(decoded.tokens) + 2  # language and task

    return decode, engine.close


async def bare(run: Run, size: Size) -> tuple[Decode, Callable[[], Awaitable[None]]]:
    """AsyncLLM on stock Whisper: log-mel by its own processor, greedy, the prompt of vLLM's server, no scores."""
    from vllm import AsyncEngineArgs, SamplingParams
    from vllm.sampling_params import RequestOutputKind
    from vllm.v1.engine.async_llm import AsyncLLM

    from endpoint.engine.tokens import WhisperTokens

    folder = os.environ["MODEL_ID"]
    engine = await asyncio.to_thread(AsyncLLM.from_engine_args, AsyncEngineArgs(model=folder, **stock(run)))
    names = WhisperTokens.load(folder)
    prompt = [names.sot, names.languages["en"], names.transcribe, names.no_timestamps]
    numbers = itertools.count()
    params = SamplingParams(
        temperature=0,
        max_tokens=size.tokens,
        ignore_eos=True,
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )

    async def decode(samples: Samples, beams: int) -> int:
        sound = samples.astype(np.float32) / PCM_FULL_SCALE
        request: Any = {
            "encoder_prompt": {"prompt": "", "multi_modal_data": {"audio": (sound, SAMPLE_RATE)}},
            "decoder_prompt": {"prompt_token_ids": prompt},
        }
        async for output in engine.generate(request, params, str(next(numbers))):
            decoded = output.outputs[0]
        return len(decoded.token_ids)

    async def close() -> None:
        await asyncio.to_thread(engine.shutdown)

    return decode, close


def stock(run: Run) -> dict[str, Any]:
    """Arguments of vLLM's engine beside the model: what ours is given, where it is vLLM's own."""
    import torch

    gpu = torch.cuda.is_available()
    return {
        "dtype": "bfloat16",
        "load_format": "dummy",
        "kv_cache_dtype": run.cache,
        "max_model_len": 448,
        "max_num_seqs": run.slots,
        "max_num_batched_tokens": run.encoder * FRAMES,
        "enforce_eager": not gpu,
        "gpu_memory_utilization": 0.9 if gpu else 0.2,  # on a CPU it has to be free when vLLM starts
        "limit_mm_per_prompt": {"audio": 1},
        "enable_prefix_caching": False,
        "disable_log_stats": True,
        "distributed_executor_backend": "uni",
    }


async def closed_loop(decode: Decode, sounds: Sequence[Samples], callers: int, count: int, beams: int = 1) -> int:
    """Tokens of `count` windows, so many asked for at any time."""
    numbers, tokens = iter(range(count)), list[int]()

    async def caller() -> None:
        for number in numbers:
            tokens.append(await decode(sounds[number % len(sounds)], beams))

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
    return sum(tokens)


async def engine(run: Run, size: Size, put: Put) -> None:
    sounds = [recording.samples for recording in make(WORKLOADS["packed"])]
    decode, close = await (ours(run, size) if run.who == ENGINE else bare(run, size))
    try:
        work = [(callers, 1) for callers in at_once(run, size)]
        if run.who == ENGINE:
            work.append((max(1, work[0][0] // BEAMS), BEAMS))
        for callers, beams in work:
            await closed_loop(decode, sounds, callers, callers, beams)
            count = size.turns * callers
            began, spent = time.perf_counter(), time.process_time()
            tokens = await closed_loop(decode, sounds, callers, count, beams)
            seconds = time.perf_counter() - began
            put(
                beams=beams,
                at_once=callers,
                windows=count,
                seconds=seconds,
                windows_per_second=count / seconds,
                tokens_per_window=tokens / count,
                client_cores=(time.process_time() - spent) / seconds,
            )
    finally:
        await close()


# ---- servers ----------------------------------------------------------------------------------------


def command(run: Run, port: int) -> list[str]:
    where = ["--host", "127.0.0.1", "--port", str(port)]
    if run.who == HTTP:
        return [sys.executable, "-m", "benchmarks.gpu.serve", *where]
    flags = ["--model", os.environ["MODEL_ID"], "--served-model-name", run.model]
    for name, value in stock(run).items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            flags.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            flags += [f"--{flag}", json.dumps(value) if isinstance(value, dict) else str(value)]
    return [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *flags, *where]


def wait(server: subprocess.Popen[bytes], base: str) -> None:
    """Until it responds; as long as the run may take. Raises RuntimeError when it ends instead."""
    while server.poll() is None:
        with suppress(httpx2.TransportError):
            if httpx2.get(f"{base}/health", timeout=5).status_code == 200:
                return
        time.sleep(0.5)
    raise RuntimeError(f"the server ended with status {server.returncode}")


def served(run: Run, size: Size, put: Put, folder: Path) -> None:
    """`endpoint bench` in a process of its own, recordings of 25 to 29.9 s, a window each."""
    port, figures = free_port(), folder / f"{run.name}-bench.json"
    server = subprocess.Popen(command(run, port))
    asked = 0
    try:
        wait(server, f"http://127.0.0.1:{port}")
        (callers,) = at_once(run, size)
        for container in run.containers:
            total = size.turns * callers
            bench = [sys.executable, "-m", "endpoint", "bench", "--url", f"http://127.0.0.1:{port}/v1"]
            bench += ["--workload", "packed", "--containers", container, "--language", "spoken"]
            bench += ["--concurrency", str(callers), "--requests", str(total), "--warm-up", str(callers)]
            bench += ["--json", str(figures)]
            bench += ["--field", f"max_completion_tokens={size.tokens}"] if run.who == STOCK else []
            subprocess.run(bench, check=True, stdout=2)
            asked += 1 + callers + total
            (row,) = json.loads(figures.read_text())["runs"]
            latency = row["latency"] or {}
            put(
                container=container,
                at_once=callers,
                windows=total,
                seconds=row["wall_seconds"],
                windows_per_second=row["windows_per_second"],
                failed=sum(row["failures"].values()),
                p95_seconds=latency.get("p95"),
                client_cores=row["client_cpu_seconds"] / row["wall_seconds"],
                **(
                    {"windows_per_request": int(count_file(folder, run).read_text()) / asked} if run.who == HTTP else {}
                ),
            )
    finally:
        stop(server)


def count_file(folder: Path, run: Run) -> Path:
    return folder / f"{run.name}-windows.txt"


def main() -> None:
    name, size, folder = sys.argv[1], SMALL if sys.argv[2] == "small" else FULL, Path(sys.argv[3])
    run = next(run for run in runs(size) if run.name == name)
    if run.who == HUMAN:
        checkpoint = weights()
    else:
        checkpoint = model.build(run.model, folder / f"{run.model}-{sys.argv[2]}", size.layers)
    os.environ.update(run.environment(str(checkpoint)))
    os.environ |= {
        "GPU_TOKENS": str(size.tokens),
        "GPU_COUNT": str(count_file(folder, run)),
        "VLLM_NO_USAGE_STATS": "1",
    }

    def put(**row: Any) -> None:
        with (folder / f"{name}.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")

    if run.who == HUMAN:
        asyncio.run(human(run, size, put))
    elif run.who in (ENGINE, BARE):
        asyncio.run(engine(run, size, put))
    else:
        served(run, size, put, folder)


if __name__ == "__main__":
    main()
