"""What our engine does beside vLLM's bare one, on the same windows with the same settings, alternated.

    python -m benchmarks.engine [--windows 128] [--at-once 16] [--turns 3] [--ways ours,ours-en,bare-en]

`ours` is VllmEngine.decode, language, rules and scores included; `-en` is given the language. `bare-en` is vLLM's
AsyncLLM on stock Whisper, log-mel by its own processor, greedy, with the prompt
<|startoftranscript|><|en|><|transcribe|>: it writes timestamps as ours does, two tokens fewer, and no scores.
Settings come from the environment, as for the server. Each run is a process of its own; printed are windows a second
and the processor time of a window in milliseconds: of this process, and of the engine's.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import time
import wave
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from endpoint.audio.window import cut
from endpoint.config import Settings, load_settings
from endpoint.options import Options
from endpoint.types import SAMPLE_RATE, WINDOW_SAMPLES, Audio, Window
from tests.talk import make_talk

WAYS = ("ours", "ours-en", "bare-en")
TICKS = os.sysconf("SC_CLK_TCK")

Decode = Callable[[Window], Awaitable[int]]


def packed_windows(count: int) -> list[Window]:
    """Windows of 20 to 30 s, full of speech with short pauses."""
    with wave.open(io.BytesIO(make_talk(count * 25.0, seed=8).wav)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return cut(Audio(samples), WINDOW_SAMPLES)[:count]


def descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *descendants(child)]
    return found


def spent(pid: int) -> float:
    """Processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def ours(settings: Settings, language: str | None) -> tuple[Decode, Callable[[], Awaitable[None]]]:
    from endpoint.engine.client import VllmEngine

    engine = VllmEngine(settings)
    await engine.start()
    options = Options(language=language)

    async def decode(window: Window) -> int:
        decoded = await engine.decode(window, options)
        return len(decoded.tokens) + 3  # language, task, <|endoftext|>

    return decode, engine.close


async def bare(settings: Settings) -> tuple[Decode, Callable[[], Awaitable[None]]]:
    from endpoint.engine.client import VllmEngine

    engine = VllmEngine(settings)  # for its settings only
    from vllm import AsyncEngineArgs, SamplingParams
    from vllm.sampling_params import RequestOutputKind
    from vllm.v1.engine.async_llm import AsyncLLM

    tokens, args = engine.tokens, engine._args
    kept = ("model", "dtype", "max_model_len", "max_num_seqs", "max_num_batched_tokens", "enforce_eager")
    same = {name: getattr(args, name) for name in (*kept, "limit_mm_per_prompt", "mm_processor_cache_gb")}
    bare = AsyncLLM.from_engine_args(AsyncEngineArgs(**same, disable_log_stats=True))
    params = SamplingParams(temperature=0, max_tokens=224, output_kind=RequestOutputKind.FINAL_ONLY, detokenize=False)
    prompt = {"prompt_token_ids": [tokens.sot, tokens.languages["en"], tokens.transcribe]}
    numbers = iter(range(1_000_000))

    async def decode(window: Window) -> int:
        audio = window.samples.astype(np.float32) / 32768, SAMPLE_RATE
        request: Any = {
            "encoder_prompt": {"prompt": "", "multi_modal_data": {"audio": audio}},
            "decoder_prompt": prompt,
        }
        async for output in bare.generate(request, params, str(next(numbers))):
            decoded = output.outputs[0]
        return len(decoded.token_ids)

    async def close() -> None:
        await asyncio.to_thread(bare.shutdown)

    return decode, close


async def load(decode: Decode, windows: Sequence[Window], at_once: int) -> int:
    """Tokens of all windows, `at_once` of them asked for at any time."""
    waiting, tokens = list(reversed(windows)), 0

    async def caller() -> None:
        nonlocal tokens
        while waiting:
            generated = await decode(waiting.pop())
            tokens += generated

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(caller())
    return tokens


async def run(way: str, count: int, at_once: int) -> dict[str, float]:
    settings = load_settings(log_level="warning")
    decode, close = await (bare(settings) if way == "bare-en" else ours(settings, "en" if way == "ours-en" else None))
    windows = packed_windows(count)
    await load(decode, windows[: 2 * at_once], at_once)  # warms up
    processes = descendants(os.getpid())
    before, here = [spent(pid) for pid in processes], time.process_time()
    began = time.perf_counter()
    tokens = await load(decode, windows, at_once)
    wall = time.perf_counter() - began
    front = time.process_time() - here
    engine = sum(spent(pid) for pid in processes) - sum(before)
    await close()
    return {
        "windows/s": len(windows) / wall,
        "tokens/window": tokens / len(windows),
        "ms here": 1000 * front / len(windows),
        "ms engine": 1000 * engine / len(windows),
        "MB here": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=128)
    parser.add_argument("--at-once", type=int, default=16)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--ways", type=lambda text: text.split(","), default=list(WAYS))
    parser.add_argument("--way", choices=WAYS, help="one run, in this process")
    args = parser.parse_args()
    if args.way:
        print(json.dumps(asyncio.run(run(args.way, args.windows, args.at_once))))
        return
    found: dict[str, list[dict[str, float]]] = {way: [] for way in args.ways}
    for turn in range(args.turns):
        for way in args.ways:
            command = [sys.executable, "-m", "benchmarks.engine", "--way", way]
            command += ["--windows", str(args.windows), "--at-once", str(args.at_once)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found[way].append(json.loads(done.stdout.splitlines()[-1]))
            print(turn, way, {name: round(value, 2) for name, value in found[way][-1].items()}, flush=True)
    for way, runs in found.items():
        middle = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
        print("median", way, {name: round(value, 2) for name, value in middle.items()})


if __name__ == "__main__":
    main()
