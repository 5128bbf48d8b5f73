"""What word times cost, and what keeping the encoder's output saves; the core alone, alternated. Prints JSON.

python -m benchmarks.word_times_cost [--minutes 10] [--model FOLDER]      (a few minutes; needs espeak-ng)

Wall seconds of a talk without words, with them, and with them where the encoder runs a second time; and of the time
with words, the seconds in the worker (`attend`) and in warping and making words (`warp`, in threads).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

from endpoint.config import TEST_MODEL, load_settings
from endpoint.core.transcriber import transcribe
from endpoint.options import Options
from endpoint.wiring import build_pipeline

FOLDER = Path("build/word_times_cost")
REPEATS = 5
WAYS = ("none", "kept", "encoded again")


async def measure(data: bytes, model: str) -> dict[str, float]:
    from endpoint.engine import client
    from endpoint.engine.alignment import Aligner  # here: vLLM's own processes import this file, and must not see numba
    from endpoint.engine.attention import KEEP
    from endpoint.engine.client import VllmEngine

    pipeline = build_pipeline(load_settings(model_id=model, cpu_kv_cache_gib=1, log_level="warning"))
    engine: Any = pipeline._engine
    assert isinstance(engine, VllmEngine)
    await pipeline.start()
    spent: dict[str, list[float]] = {name: [] for name in (*WAYS, "attend", "warp")}
    inside = {"attend": 0.0, "warp": 0.0}

    async def attend(self: VllmEngine, call: bytes) -> bytes:
        began = time.perf_counter()
        try:
            return await plain_attend(self, call)
        finally:
            inside["attend"] += time.perf_counter() - began

    def timed(self: Aligner, *given: Any) -> Any:
        began = time.perf_counter()
        try:
            return plain_timed(self, *given)
        finally:
            inside["warp"] += time.perf_counter() - began

    plain_attend, plain_timed = VllmEngine._attend, Aligner._timed
    engine._aligner._attend = attend.__get__(engine)
    with patch.object(Aligner, "_timed", timed):
        for turn in range(REPEATS + 1):
            for way in WAYS:
                inside.update(attend=0.0, warp=0.0)
                began = time.perf_counter()
                with patch.object(client, "KEEP", "lost-" if way == "encoded again" else KEEP):
                    await transcribe(pipeline, data, Options(language="en", words=way != "none"))
                if turn:  # the first turn warms up
                    spent[way].append(time.perf_counter() - began)
                    if way == "kept":
                        spent["attend"].append(inside["attend"])
                        spent["warp"].append(inside["warp"])
    await pipeline.close()
    found = {name: statistics.median(times) for name, times in spent.items()}
    found |= {f"{way} over none": found[way] / found["none"] for way in WAYS[1:]}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--model", type=Path, default=TEST_MODEL)
    args = parser.parse_args()
    from benchmarks.quality.recordings import Studio

    studio = Studio(FOLDER, 70_707)
    studio.record("talk", "en", studio.talk("en", args.minutes * 60))
    found = asyncio.run(measure((FOLDER / studio.made[0].name).read_bytes(), str(args.model)))
    FOLDER.with_suffix(".json").write_text(json.dumps(found, indent=1))
    print(json.dumps({name: round(value, 3) for name, value in found.items()}))


if __name__ == "__main__":
    main()
