"""What fallback and continuation cost on clean audio: the core with and without them, alternated. Prints JSON.

python -m benchmarks.quality.fallback_cost FOLDER MODEL
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from pathlib import Path
from unittest.mock import patch

from benchmarks.quality.recordings import Recording
from endpoint.config import load_settings
from endpoint.core.transcriber import transcribe
from endpoint.options import Options
from endpoint.wiring import build_pipeline

REPEATS = 7


async def main(folder: Path, model: str) -> None:
    items = [Recording(**item) for item in json.loads((folder / "recordings.json").read_text())]
    talks = [((folder / item.name).read_bytes(), item.label) for item in items if item.set == "talk"]
    pipeline = build_pipeline(load_settings(model_id=model, cpu_kv_cache_gib=1))
    await pipeline.start()

    async def work() -> float:
        began = time.perf_counter()
        for data, language in talks:
            await transcribe(pipeline, data, Options(language=language))
        return time.perf_counter() - began

    times: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(REPEATS + 1):
        for normal in (True, False):
            if normal:
                took = await work()
            else:
                with (
                    patch("endpoint.core.fallback.is_unsure", lambda *_: False),
                    patch("endpoint.core.fallback.repeats_itself", lambda *_: False),
                    patch("endpoint.core.continuation.unfinished_from", lambda _: None),
                ):
                    took = await work()
            if turn:
                times[normal].append(took)
    await pipeline.close()
    print(json.dumps({"ratio": statistics.median(times[True]) / statistics.median(times[False])}))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
