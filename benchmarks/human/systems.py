"""The systems: ours over HTTP, and the others each in a process of its own.

python -m benchmarks.human.systems NAME CTRANSLATE2 FOLDER OPENAI: clips as JSON lines on standard input, results as
JSON lines. The three are whisper-base in each one's own format.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.human.clips import Clip

AT_ONCE = 8
ALONE = {"condition_on_previous_text": False}
OURS, REFERENCE, TRANSFORMERS, STOCK = "this endpoint", "openai-whisper", "transformers", "vLLM's server"
SEARCHING, FASTER_SEARCHING = "this endpoint, beam 5", "faster-whisper float32, beam 5"
OWN = {OURS: 1, SEARCHING: 5}  # of this endpoint: beam_size
# name: (compute type, arguments of transcribe, batched)
FASTER: dict[str, tuple[str, dict[str, Any], bool]] = {
    "faster-whisper float32, greedy": ("float32", {"beam_size": 1}, False),
    "faster-whisper float32, greedy, vad": ("float32", {"beam_size": 1, "vad_filter": True, **ALONE}, False),
    "faster-whisper int8, greedy": ("int8", {"beam_size": 1}, False),
    "faster-whisper float32, batched": ("float32", {"beam_size": 1, "batch_size": 8}, True),
    FASTER_SEARCHING: ("float32", {"beam_size": 5}, False),
}
LONG_ONLY = ("faster-whisper float32, greedy, vad",)  # the same as without on short clips, but for the pauses
NAMED_ONLY = (STOCK, TRANSFORMERS)  # they say no language
TIMED = (FASTER_GREEDY := "faster-whisper float32, greedy", REFERENCE)  # have times of words
Result = dict[str, Any]  # text, language, seconds, words where asked
Transcribe = Callable[[Path, str, "Ask"], Result]


@dataclass(frozen=True)
class Ask:
    """language: code, None where it is not named. mixed: there are several. words: their times are wanted."""

    language: str | None
    mixed: bool = False
    words: bool = False


def ask_for(clip: Clip, named: bool) -> Ask:
    return Ask(clip.language if named and clip.language else None, "+" in clip.language, clip.set == "times")


def ours(base: str, clips: Sequence[Clip], named: bool, beams: int) -> Iterator[tuple[str, Result]]:
    """All clips, AT_ONCE at a time; `seconds` is each one's share of the wall time."""
    import httpx2

    def one(clip: Clip) -> Result:
        ask = ask_for(clip, named)
        data: dict[str, Any] = {"response_format": "verbose_json", "beam_size": str(beams)}
        data["language"] = "multi" if ask.mixed else ask.language or "auto"
        if ask.words:
            data["timestamp_granularities[]"] = ["word", "segment"]
        with clip.path.open("rb") as file:
            response = httpx2.post(f"{base}/v1/audio/transcriptions", data=data, files={"file": file}, timeout=1800)
        response.raise_for_status()
        body = response.json()
        heat = max((segment["temperature"] for segment in body["segments"]), default=0.0)
        kept = {"text": body["text"], "language": body["language"], "temperature": heat}
        return {**kept, **({"words": body["words"]} if ask.words else {})}

    began = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(one, clips))
    share = (time.perf_counter() - began) / max(1, len(clips))
    for clip, result in zip(clips, found, strict=True):
        yield clip.name, {**result, "seconds": share}


def other(name: str, models: Sequence[Path], clips: Sequence[Clip], named: bool) -> Iterator[tuple[str, Result]]:
    """One after the other. models: as this module's arguments."""
    command = [sys.executable, "-m", "benchmarks.human.systems", name, *map(str, models)]
    lines = [json.dumps([clip.name, str(clip.path), vars(ask_for(clip, named))]) for clip in clips]
    done = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr[-2000:]}")
    for line in done.stdout.splitlines():
        clip, result = json.loads(line)
        yield clip, result


def faster_whisper(name: str, model: Path) -> Callable[[Path, Ask], Result]:
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    kind, arguments, batched = FASTER[name]
    loaded = WhisperModel(str(model), device="cpu", compute_type=kind, cpu_threads=2)
    run = BatchedInferencePipeline(loaded) if batched else loaded

    def transcribe(path: Path, ask: Ask) -> Result:
        more: dict[str, Any] = {"multilingual": True} if ask.mixed else {}
        segments, info = run.transcribe(
            str(path), language=ask.language, word_timestamps=ask.words, **arguments, **more
        )  # fmt: skip
        found = list(segments)
        words = [{"word": w.word, "start": w.start, "end": w.end} for s in found for w in s.words or ()]
        return {"text": "".join(s.text for s in found), "language": info.language, "words": words}

    return transcribe


def openai_whisper(model: Path) -> Callable[[Path, Ask], Result]:
    import whisper

    from benchmarks.human.laid import load

    loaded = whisper.load_model(str(model), device="cpu")

    def transcribe(path: Path, ask: Ask) -> Result:
        found = loaded.transcribe(load(path), language=ask.language, word_timestamps=ask.words, fp16=False)
        words = [
            {"word": w["word"], "start": w["start"], "end": w["end"]}
            for segment in found["segments"]
            for w in segment.get("words", ())
        ]
        return {"text": found["text"], "language": found["language"], "words": words}

    return transcribe


def _system(name: str, models: Sequence[Path]) -> tuple[Callable[[Path, Ask], Result], Callable[[], None]]:
    """What transcribes, and what ends it."""
    from benchmarks.quality.peers import stock_vllm, transformers_generate

    converted, folder, file = models
    if name in FASTER:
        return faster_whisper(name, converted), lambda: None
    if name == REFERENCE:
        return openai_whisper(file), lambda: None
    whole = (stock_vllm if name == STOCK else transformers_generate)(folder)
    return lambda path, ask: whole(path, ask.language), getattr(whole, "close", lambda: None)


def main() -> None:
    name, *models = sys.argv[1:]
    transcribe, close = _system(name, [Path(model) for model in models])
    try:
        for line in sys.stdin:
            clip, path, ask = json.loads(line)
            began = time.perf_counter()
            result = transcribe(Path(path), Ask(**ask))
            print(json.dumps([clip, {**result, "seconds": time.perf_counter() - began}]), flush=True)
    finally:
        close()


if __name__ == "__main__":
    main()
