"""Engines and libraries without a server: python -m benchmarks.compare.bare NAME MODEL full|small

Reads the names of workloads, a line each, and answers each with a line of JSON: seconds, audio_seconds, windows, wer.
Sound is decoded and windows are cut before the clock runs.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.compare.cases import CONCURRENCY, FULL, SMALL, sent
from benchmarks.compare.settings import engine_settings
from endpoint.audio.spans import find_spans
from endpoint.audio.vad import VoiceActivity, quantised
from endpoint.audio.window import pack
from endpoint.bench.recordings import Recording
from endpoint.bench.words import errors
from endpoint.config import DEMO_WINDOW_SECONDS
from endpoint.options import VadOptions
from endpoint.types import PCM_FULL_SCALE, SAMPLE_RATE, Audio

Ready = Callable[[str, list[Recording]], Callable[[], list[str]]]  # made ready for a workload, then run, to texts
BATCH = 16  # of the batched pipeline


def floats(recording: Recording) -> np.ndarray:
    return recording.samples.astype(np.float32) / PCM_FULL_SCALE


class VllmEngine:
    """vLLM's AsyncLLM with the prompt of its own server, no timestamps: windows in, text out.

    A long recording comes as the windows that this endpoint's voice activity cuts it into, all files' at once, as many
    as the engine takes; short ones as they are, CONCURRENCY at a time.
    """

    def __init__(self, model: Path) -> None:
        from vllm import AsyncEngineArgs, SamplingParams
        from vllm.sampling_params import RequestOutputKind
        from vllm.v1.engine.async_llm import AsyncLLM

        self._loop, self._numbers = asyncio.new_event_loop(), itertools.count()
        self._params = SamplingParams(temperature=0, max_tokens=440, output_kind=RequestOutputKind.FINAL_ONLY)

        async def start() -> AsyncLLM:
            return AsyncLLM.from_engine_args(AsyncEngineArgs(model=str(model), **engine_settings()))

        self._engine = self._loop.run_until_complete(start())

    def __call__(self, workload: str, recordings: list[Recording]) -> Callable[[], list[str]]:
        cut = {id(item): cut_in_pauses(item) if workload == "long" else [floats(item)] for item in recordings}
        jobs = [(k, sound, item.language) for k, item in enumerate(recordings) for sound in cut[id(item)]]
        at_once = engine_settings()["max_num_seqs"] if workload == "long" else CONCURRENCY

        async def work() -> list[str]:
            places = asyncio.Semaphore(at_once)
            found = await asyncio.gather(*(self._decode(sound, language, places) for _, sound, language in jobs))
            texts = defaultdict[int, str](str)
            for (k, _, _), text in zip(jobs, found, strict=True):
                texts[k] += f" {text}"
            return [texts[k] for k in range(len(recordings))]

        return lambda: self._loop.run_until_complete(work())

    async def _decode(self, sound: np.ndarray, language: str, places: asyncio.Semaphore) -> str:
        request: Any = {
            "encoder_prompt": {"prompt": "", "multi_modal_data": {"audio": (sound, SAMPLE_RATE)}},
            "decoder_prompt": {"prompt": f"<|startoftranscript|><|{language}|><|transcribe|><|notimestamps|>"},
        }
        async with places:
            async for output in self._engine.generate(request, self._params, str(next(self._numbers))):
                if output.finished:
                    return str(output.outputs[0].text)
        raise RuntimeError("the engine ended a request without an answer")


def cut_in_pauses(recording: Recording) -> list[np.ndarray]:
    """The windows that this endpoint would hand to its engine."""
    activity = VoiceActivity()
    heard = quantised(np.concatenate([activity.feed(recording.samples), activity.flush()]))
    spans = find_spans(heard, len(recording.samples), VadOptions())
    packed = pack(Audio(recording.samples, heard), spans, int(DEMO_WINDOW_SECONDS * SAMPLE_RATE))
    return [window.samples.astype(np.float32) / PCM_FULL_SCALE for window in packed]


def faster_whisper(model: Path) -> Ready:
    """The batched pipeline, float32, batches of BATCH, greedy, language given, no timestamps: its best case.

    Recordings of a window each are joined, one language after the other, and cut where they meet, so that its batches
    are full; a long recording is given as it is, for its own voice activity to cut.
    """
    import ctranslate2
    import transformers
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    from benchmarks.quality.peers import Multilingual

    transformers.logging.set_verbosity_error()
    converted = Path(tempfile.mkdtemp(prefix="ctranslate2-"))
    converter = ctranslate2.converters.TransformersConverter(
        str(model), copy_files=["tokenizer.json", "preprocessor_config.json"]
    )
    converter.convert(str(converted), quantization="float32", force=True)
    engine = WhisperModel(str(converted), device="cpu", compute_type="float32", cpu_threads=os.cpu_count() or 1)
    shutil.rmtree(converted)
    engine.model = Multilingual(engine.model, model)
    pipeline = BatchedInferencePipeline(engine)

    def one(sound: np.ndarray, language: str, clips: list[dict[str, float]] | None = None) -> list[Any]:
        given: dict[str, Any] = {"clip_timestamps": clips} if clips else {}
        found, _ = pipeline.transcribe(sound, language=language, beam_size=1, batch_size=BATCH, **given)
        return list(found)

    def joined(recordings: list[Recording]) -> list[str]:
        texts = [""] * len(recordings)
        for language in dict.fromkeys(recording.language for recording in recordings):
            mine = [k for k, recording in enumerate(recordings) if recording.language == language]
            edges = np.cumsum([0, *(len(recordings[k].samples) for k in mine)]) / SAMPLE_RATE
            clips = [{"start": float(a), "end": float(b)} for a, b in itertools.pairwise(edges)]
            for segment in one(np.concatenate([floats(recordings[k]) for k in mine]), language, clips):
                place = int(np.searchsorted(edges, segment.start + 0.01, side="right")) - 1
                texts[mine[place]] += segment.text
        return texts

    def ready(workload: str, recordings: list[Recording]) -> Callable[[], list[str]]:
        if workload != "long":
            return lambda: joined(recordings)
        sounds = {id(recording): floats(recording) for recording in recordings}

        def each() -> list[str]:
            return ["".join(s.text for s in one(sounds[id(item)], item.language)) for item in recordings]

        return each

    return ready


def openai_whisper(model: Path) -> Ready:
    """openai/whisper's transcribe, float32, greedy, language given, one recording after the other."""
    from whisper import decoding, transcribe

    from benchmarks.compare.vocabulary import reference_tokenizer
    from benchmarks.quality.reference import openai_model

    network = openai_model(model)
    for module in (decoding, sys.modules["whisper.transcribe"]):
        module.get_tokenizer = reference_tokenizer(model)  # type: ignore[attr-defined]

    def ready(_: str, recordings: list[Recording]) -> Callable[[], list[str]]:
        sounds = {id(recording): floats(recording) for recording in recordings}

        def each() -> list[str]:
            options = {"fp16": False, "condition_on_previous_text": False}
            return [
                str(transcribe(network, sounds[id(item)], language=item.language, **options)["text"])
                for item in recordings
            ]

        return each

    return ready


ENGINES: dict[str, Callable[[Path], Ready]] = {
    "vllm engine": VllmEngine,
    "faster-whisper": faster_whisper,
    "openai-whisper": openai_whisper,
}
FEWER = {"openai-whisper": 16}  # it is slow: so many times fewer recordings


def main() -> None:
    name, model, size = sys.argv[1], Path(sys.argv[2]), SMALL if sys.argv[3] == "small" else FULL
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    ready = ENGINES[name](model)
    works: dict[str, tuple[list[Recording], Callable[[], list[str]]]] = {}
    for workload in size.requests:
        recordings = sent(workload, size)
        recordings = recordings[: -(-len(recordings) // FEWER.get(name, 1))]
        works[workload] = (recordings, ready(workload, recordings))
    warm = sent("packed", size)[:CONCURRENCY]
    ready("packed", warm)()
    answers.write(json.dumps({"ready": name}) + "\n")
    for line in sys.stdin:
        recordings, work = works[line.strip()]
        began = time.perf_counter()
        texts = work()
        seconds = time.perf_counter() - began
        counted = [errors(item.text or "", text) for item, text in zip(recordings, texts, strict=True)]
        row = {
            "seconds": seconds,
            "audio_seconds": sum(item.seconds for item in recordings),
            "windows": sum(item.windows for item in recordings),
            "wer": sum(wrong for wrong, _ in counted) / sum(said for _, said in counted),
        }
        answers.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
