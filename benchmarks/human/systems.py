"""The systems: ours over HTTP, and faster-whisper in a process of its own. Results are kept, by system and clip.

python -m benchmarks.human.systems NAME MODEL: clips as JSON lines on standard input, results as JSON lines.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.human.clips import Clip

AT_ONCE = 8
# name: (compute type, arguments of transcribe, batched)
FASTER: dict[str, tuple[str, dict[str, Any], bool]] = {
    "faster-whisper float32, greedy": ("float32", {"beam_size": 1}, False),
    "faster-whisper int8, greedy": ("int8", {"beam_size": 1}, False),
    "faster-whisper float32, batched": ("float32", {"beam_size": 1, "batch_size": 8}, True),
    "faster-whisper float32, beam 5": ("float32", {"beam_size": 5}, False),
}
Result = dict[str, Any]  # text, language, seconds


def ours(base: str, clips: Sequence[Clip], named: bool) -> Iterator[tuple[str, Result]]:
    """All clips, AT_ONCE at a time; `seconds` is each one's share of the wall time."""
    import httpx2

    def one(clip: Clip) -> Result:
        data = {"response_format": "verbose_json", **({"language": clip.language} if named else {"language": "auto"})}
        with clip.path.open("rb") as file:
            reply = httpx2.post(f"{base}/v1/audio/transcriptions", data=data, files={"file": file}, timeout=1800)
        reply.raise_for_status()
        body = reply.json()
        heat = max((segment["temperature"] for segment in body["segments"]), default=0.0)
        return {"text": body["text"], "language": body["language"], "temperature": heat}

    began = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(one, clips))
    share = (time.perf_counter() - began) / max(1, len(clips))
    for clip, result in zip(clips, found, strict=True):
        yield clip.name, {**result, "seconds": share}


def faster(name: str, model: Path, clips: Sequence[Clip], named: bool) -> Iterator[tuple[str, Result]]:
    command = [sys.executable, "-m", "benchmarks.human.systems", name, str(model)]
    lines = [json.dumps([clip.name, str(clip.path), clip.language if named else None]) for clip in clips]
    done = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        clip, result = json.loads(line)
        yield clip, result


def _transcriber(name: str, model: str) -> Callable[[str, str | None], Result]:
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    kind, arguments, batched = FASTER[name]
    loaded = WhisperModel(model, device="cpu", compute_type=kind, cpu_threads=2)
    run = BatchedInferencePipeline(loaded) if batched else loaded

    def transcribe(path: str, language: str | None) -> Result:
        began = time.perf_counter()
        segments, info = run.transcribe(path, language=language, **arguments)
        text = "".join(segment.text for segment in segments)
        return {"text": text, "language": info.language, "seconds": time.perf_counter() - began}

    return transcribe


def main() -> None:
    transcribe = _transcriber(sys.argv[1], sys.argv[2])
    for line in sys.stdin:
        name, path, language = json.loads(line)
        print(json.dumps([name, transcribe(path, language)]), flush=True)


if __name__ == "__main__":
    main()
