"""What fewer bits cost in accuracy: python -m benchmarks.precision [--model NAME]   (minutes)

One engine after the other, each in a process of its own, on the same windows of 25 to 30 s whose words are known, in
four languages, none of them named: float32, bfloat16, and bfloat16 with the key-value cache, the weights, and both in
fp8. Printed for each: word errors; windows whose text, and whose tokens, timestamps too, are float32's; of the latter,
how far log-probabilities and word times are off on average; windows a second; what a full window takes of the cache,
and how many such windows the memory given to it holds. What cannot run here is a line that says why. Further settings
come from the environment.

Exit status 1 if a word error rate is more than 0.1 points above bfloat16's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from endpoint.bench.recordings import WORKLOADS, Recording, make
from endpoint.bench.words import errors
from endpoint.config import load_settings
from endpoint.options import Options, Task
from endpoint.types import Hypothesis, Window

MOST = 0.1  # points of word error rate above bfloat16's
AT_ONCE = 16
POSITIONS = (1500, 448)  # of a full window in the cache: the encoder's frames, and tokens
SECONDS = 1800  # that one engine may take
CAUSE = re.compile(r"\b\w*(?:Error|Exception|Failed): (.+)")

Decoded = dict[str, Any]


def settings_of(weights: str, cache: str) -> dict[str, dict[str, Any]]:
    """By the name of the combination."""
    plain = {"engine_args": {"kv_cache_dtype": "auto"}}  # the compute type, also where KV_CACHE_DTYPE=auto is fp8
    return {
        "float32": {"dtype": "float32", **plain},
        "bfloat16": {"dtype": "bfloat16", **plain},
        f"bfloat16, {cache} cache": {"dtype": "bfloat16", "kv_cache_dtype": cache},
        f"bfloat16, {weights} weights": {"dtype": "bfloat16", "quantization": weights, **plain},
        "bfloat16, both": {"dtype": "bfloat16", "quantization": weights, "kv_cache_dtype": cache},
    }


def recorded(count: int) -> list[Recording]:
    return make(replace(WORKLOADS["packed"], count=count))


# ---- one engine, in a process of its own -----------------------------------------------------------


async def run(given: dict[str, Any], count: int) -> dict[str, Any]:
    """What the engine with settings `given` recognized in every window, and its figures."""
    from endpoint.engine.client import VllmEngine

    engine = VllmEngine(load_settings(log_level="error", **given))
    windows = [Window(0, recording.samples) for recording in recorded(count)]
    permits = asyncio.Semaphore(AT_ONCE)

    async def decode(window: Window) -> Hypothesis:
        async with permits:
            return await engine.decode(window, Options(words=True))

    await engine.start()
    try:
        await asyncio.gather(*map(decode, windows[:AT_ONCE]))  # warms up
        began = time.perf_counter()
        hypotheses = await asyncio.gather(*map(decode, windows))
        rate = len(windows) / (time.perf_counter() - began)
        timed = [await engine.align(hypothesis, Task.TRANSCRIBE) for hypothesis in hypotheses]
        assert engine._engine is not None
        cache = engine._engine.vllm_config.cache_config
        size = cache_bytes(engine.folder, engine._engine.vllm_config)
        room = (cache.num_gpu_blocks or 0) // sum(-(-part // cache.block_size) for part in POSITIONS)
    finally:
        await engine.close()
    results = [
        {
            "text": one.text,
            "tokens": one.tokens,
            "logprobs": one.logprobs,
            "words": [(word.text, word.start_ms, word.end_ms) for word in one.words or ()],
        }
        for one in timed
    ]
    return {"results": results, "rate": rate, "bytes": size, "room": room}


def cache_bytes(folder: Path, config: Any) -> int:
    """Bytes that keys and values of a full window take."""
    import torch
    from vllm.utils.torch_utils import kv_cache_dtype_str_to_dtype

    shape = json.loads((folder / "config.json").read_text())
    kind: torch.dtype = kv_cache_dtype_str_to_dtype(config.cache_config.cache_dtype, config.model_config)
    return sum(POSITIONS) * 2 * int(shape["decoder_layers"]) * int(shape["d_model"]) * kind.itemsize


# ---- all of them ------------------------------------------------------------------------------------


def run_apart(given: dict[str, Any], count: int, log: Path) -> dict[str, Any] | str:
    """What `run` found in a process of its own; or why it could not."""
    command = [sys.executable, "-m", "benchmarks.precision", "--one", json.dumps(given), "--windows", str(count)]
    with log.open("w") as output:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=output, text=True, timeout=SECONDS, check=False, env=os.environ
        )
    if done.returncode == 0:
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found
    causes = CAUSE.findall(done.stdout + log.read_text(errors="replace"))
    own = [cause for cause in causes if "Engine core initialization failed" not in cause]
    return str((own or causes or [f"exit status {done.returncode}"])[0])[:300]


def compared(results: Sequence[Decoded], truth: Sequence[Decoded]) -> tuple[float, float, float]:
    """(share of windows with the same tokens; of those the mean difference of log-probabilities, and of word starts and
    ends in ms), not a number where none is the same."""
    same = [(a, b) for a, b in zip(results, truth, strict=True) if a["tokens"] == b["tokens"]]
    odds = [abs(x - y) for a, b in same for x, y in zip(a["logprobs"], b["logprobs"], strict=True)]
    times = [
        abs(x - y)
        for a, b in same
        for one, other in zip(a["words"], b["words"], strict=True)
        for x, y in zip(one[1:], other[1:], strict=True)
    ]
    mean = [statistics.fmean(values) if values else float("nan") for values in (odds, times)]
    return len(same) / len(results), mean[0], mean[1]


def word_error_rate(results: Sequence[Decoded], recordings: Sequence[Recording]) -> float:
    """In per cent."""
    pairs = [errors(r.text or "", result["text"]) for result, r in zip(results, recordings, strict=True)]
    return 100 * sum(wrong for wrong, _ in pairs) / sum(words for _, words in pairs)


def show(found: dict[str, dict[str, Any] | str], recordings: Sequence[Recording], console: Console) -> bool:
    """Print the table; whether every word error rate is near bfloat16's."""
    table = Table(title=f"{len(recordings)} windows, differences are to float32")
    for column in ("", "WER %", "same text %", "same tokens %", "log-prob. off", "words off, ms", "windows/s",
                   "KV a window, KiB", "windows in the cache"):  # fmt: skip
        table.add_column(column)
    ran = {name: what for name, what in found.items() if not isinstance(what, str)}
    rates = {name: word_error_rate(what["results"], recordings) for name, what in ran.items()}
    for name, what in ran.items():
        row = [f"{rates[name]:.2f}", "", "", "", ""]
        if "float32" in ran:
            truth = ran["float32"]["results"]
            text = statistics.fmean(a["text"] == b["text"] for a, b in zip(what["results"], truth, strict=True))
            same, odds, times = compared(what["results"], truth)
            row[1:] = f"{100 * text:.1f}", f"{100 * same:.1f}", f"{odds:.4f}", f"{times:.2f}"
        table.add_row(name, *row, f"{what['rate']:.1f}", f"{what['bytes'] / 1024:.0f}", f"{what['room']:,}")
    console.print(table)
    for name, why in found.items():
        if isinstance(why, str):
            console.print(f"{name} did not run: {why}", markup=False)
    base = rates.get("bfloat16")
    worse = [name for name, rate in rates.items() if base is not None and rate > base + MOST]
    for name in worse:
        console.print(f"{name}: word errors more than {MOST} points above bfloat16's", markup=False)
    return base is not None and not worse


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="hub name, size or folder; unset: MODEL_ID")
    parser.add_argument("--windows", type=int, default=64)
    parser.add_argument("--weights", default="fp8", help="a value of QUANTIZATION")
    parser.add_argument("--cache", default="fp8", help="a value of KV_CACHE_DTYPE")
    parser.add_argument("--one", type=json.loads, help="settings of one run, in this process")
    args = parser.parse_args()
    if args.one is not None:
        print(json.dumps(asyncio.run(run(args.one, args.windows))))
        return 0
    console, found = Console(width=150, soft_wrap=True), dict[str, dict[str, Any] | str]()
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, given) in enumerate(settings_of(args.weights, args.cache).items()):
            if args.model:
                given["model_id"] = args.model
            found[name] = run_apart(given, args.windows, Path(folder) / f"{number}.txt")
            console.print(f"{name}: {'not run' if isinstance(found[name], str) else 'done'}", markup=False)
    return 0 if show(found, recorded(args.windows), console) else 1


if __name__ == "__main__":
    sys.exit(main())
