"""Where a fleet bends: what one driver, one node and the object store can do, measured here, beside what GPUs need."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.fleet.clips import clip_folder
from endpoint.audio.decode import Child
from endpoint.audio.worker.protocol import BYTES_PER_SAMPLE, Limits
from endpoint.batch.flow import BLOCK_BYTES, Todo
from endpoint.batch.output import Output
from endpoint.batch.run import _new
from endpoint.batch.sound import pack
from endpoint.batch.sources import Item, list_sources
from endpoint.batch.storage import Found, Storage
from endpoint.batch.table import SCHEMA
from endpoint.memfile import MemoryFile
from endpoint.types import SAMPLE_RATE

FLEETS = (100, 1_000)
GPU_SPEED = 933.0  # seconds of sound a second of one H200 with whisper-base: docs/decisions/0012-on-a-gpu.md
GPUS_A_NODE, NODE_CORES = 8, 192
NETWORK = 12.5e9  # bytes a second of a node, at 100 Gbit/s
SOUND_BYTES = SAMPLE_RATE * BYTES_PER_SAMPLE  # of decoded sound, a second
CORPUS_HOURS = 100_000
BYTES_A_SECOND = 16_000.0  # of files, at 128 kbit/s
ROWS = 20_000
WORDS_A_SECOND = 2.5
LENGTHS = {"clips of 10 s": 10.0, "recordings of an hour": 3_600.0}


@dataclass(frozen=True)
class Measured:
    """decode: seconds of sound a core-second. listing: files a second. tasks: blocks a second through all stages.

    store: bytes a second.
    """

    decode: float
    listing: float
    tasks: float
    store: float


def check(folder: Path, _: int) -> Iterator[tuple[bool, str]]:
    rates = _ray_rates()
    found = Measured(_decode_rate(folder), _listing_rate(), rates["tasks"], rates["store"])
    yield True, f"measured: decoding and voice activity {found.decode:,.0f} s of sound a core-second (wav of 8 kHz)"
    yield True, f"measured: the driver lists {found.listing:,.0f} files/s of a local folder"
    yield True, f"measured: Ray Data brings {found.tasks:,.0f} blocks/s through all stages, on this machine"
    yield True, f"measured: object store, put and get {found.store / 1e9:.2f} GB/s by one process"
    for name, seconds in LENGTHS.items():
        rows, size = _driver_rate(seconds)
        yield True, f"measured: the driver writes {rows:,.0f} rows/s of {name}, {size:,.0f} bytes each in Parquet"
        for gpus in FLEETS:
            yield True, f"{gpus} GPUs, {name}: {_limits(gpus, seconds, found, rows)}"
            yield True, f"{gpus} GPUs, {name}: {_corpus(gpus, seconds, found, size)}"


def _limits(gpus: int, seconds: float, found: Measured, rows: float) -> str:
    """What limits the fleet first. seconds: of a recording. rows: that the driver writes a second."""
    of_node = GPU_SPEED * GPUS_A_NODE  # seconds of sound a second
    block = max(seconds, BLOCK_BYTES / SOUND_BYTES)
    use = {
        "cores that decode": of_node / (NODE_CORES * found.decode),
        "object store of a node": of_node * SOUND_BYTES / found.store,
        "network of a node, where all sound is decoded on another one": of_node * SOUND_BYTES / NETWORK,
        "blocks of the driver": gpus * GPU_SPEED / block / found.tasks,
        "rows of the driver": gpus * GPU_SPEED / seconds / rows,
    }
    first = max(use, key=lambda name: use[name])
    listed = ", ".join(f"{name} {share:.1%}" for name, share in use.items())
    most = f"it bends at {gpus / use[first]:,.0f} GPUs" if "driver" in first else "it does not depend on their number"
    return f"used of {listed}; first: {first}, {most}"


def _corpus(gpus: int, seconds: float, found: Measured, size: float) -> str:
    """100,000 hours. size: bytes of a row."""
    sound, files = GPU_SPEED * gpus, CORPUS_HOURS * 3600 / seconds
    return (
        f"{sound:,.0f} s of sound, {sound / seconds:,.0f} files and {sound * BYTES_A_SECOND / 1e9:.2f} GB of files a "
        f"second; {CORPUS_HOURS:,} h take {CORPUS_HOURS * 3600 / sound / 3600:.2f} h, listing {files:,.0f} files "
        f"{files / found.listing / 60:.1f} min, {files * size / 1e9:.1f} GB of output"
    )


def _decode_rate(folder: Path) -> float:
    child, seconds = Child(Limits(14_460, 8, 120.0), 120.0), 0.0
    data = [path.read_bytes() for path in clip_folder(folder, 100)]
    try:
        child.decode(MemoryFile(data[0]), True)
        began = time.perf_counter()
        for one in data:
            (audio,) = child.decode(MemoryFile(one), True)
            seconds += len(pack(audio)) / SOUND_BYTES
        return seconds / (time.perf_counter() - began)
    finally:
        child.close()
        child.end()


def _listing_rate() -> float:
    with tempfile.TemporaryDirectory() as folder:
        for number in range(ROWS):
            Path(folder, f"{number:06d}.wav").touch()
        began = time.perf_counter()
        found = list_sources([folder], Storage())
        return len(found.items) / (time.perf_counter() - began)


def _driver_rate(seconds: float) -> tuple[float, float]:
    """(rows a second, bytes of a row): from Ray's table to a part."""
    count = max(50, min(ROWS, int(ROWS * 10 / seconds)))
    batch = pa.Table.from_pylist([_row(number, seconds) for number in range(count)], SCHEMA)
    one = Todo(Item(Found("", 0, 0)), "")
    todo = dict.fromkeys(batch["path"].to_pylist(), one)
    with tempfile.TemporaryDirectory() as folder:
        output = Output(folder, Storage())
        began = time.perf_counter()
        for start in range(0, count, 100):
            output.add(_new(batch.slice(start, 100), todo))
        output.flush()
        spent = time.perf_counter() - began
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.parquet"))
    return count / spent, size / count


def _row(number: int, seconds: float) -> dict[str, Any]:
    rng = np.random.default_rng(number)
    words = [f"w{value}" for value in rng.integers(0, 5_000, int(seconds * WORDS_A_SECOND))]
    lines = [words[begin : begin + 12] for begin in range(0, len(words), 12)]
    segment = {
        "language": "en",
        "temperature": 0.0,
        "avg_logprob": -0.2,
        "compression_ratio": 1.4,
        "no_speech_prob": 0.0,
    }
    segments = [
        {"start": k * 5.0, "end": k * 5.0 + 5, "text": " ".join(line), **segment} for k, line in enumerate(lines)
    ]
    return {"path": f"s3://bucket/corpus/{number:012d}.flac", "size": 1, "modified": 1, "content": f"{number:064x}",
            "options": "x" * 32, "duration": seconds, "language": "en", "language_probability": 0.99, "coverage": 1.0,
            "text": " ".join(words), "segments": segments, "model": "base", "finished": datetime.now(UTC)}  # fmt: skip


_TASKS = """
import sys, time, ray, pyarrow as pa
ray.init("local", include_dashboard=False, log_to_driver=False, logging_level="error", num_cpus=4)
from ray.data import ActorPoolStrategy, DataContext
DataContext.get_current().enable_progress_bars = False
class Same:
    async def __call__(self, row): return row
def run(n):
    ds = ray.data.from_arrow([pa.table({"x": [k]}) for k in range(n)])
    ds = ds.map(lambda row: row, num_cpus=0.5).map(Same, compute=ActorPoolStrategy(size=2), num_cpus=0.01)
    ds = ds.map_batches(lambda t: t, batch_size=None, batch_format="pyarrow", num_cpus=0.5)
    return sum(1 for _ in ds.iter_batches(batch_size=None))
run(50)
began = time.time(); run(600); print("tasks", 600 / (time.time() - began))
import numpy as np
data = np.zeros(32 << 20, np.uint8)
ref = ray.put(data); began = time.time()
for _ in range(20): ray.get(ray.put(data)).sum()
print("store", 20 * len(data) / (time.time() - began))
"""


def _ray_rates() -> dict[str, float]:
    """tasks: blocks a second. store: bytes a second."""
    done = subprocess.run([sys.executable, "-c", _TASKS], check=True, capture_output=True, text=True, timeout=300)
    return {line.split()[0]: float(line.split()[1]) for line in done.stdout.splitlines()}
