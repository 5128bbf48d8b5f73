"""faster-whisper behind HTTP: python -m benchmarks.compare.faster_server MODEL COMPUTE_TYPE --port PORT

As such servers are written: one model, requests in threads. Recordings longer than a window take its batched pipeline.
"""

from __future__ import annotations

import argparse
import io
import os
from typing import Annotated

import av
import uvicorn
from fastapi import FastAPI, Form, UploadFile
from faster_whisper import BatchedInferencePipeline, WhisperModel

BATCH = 8
WINDOW_SECONDS = 30


def build(model: str, kind: str) -> FastAPI:
    """A worker of one thread for each core: more clips a second than one worker with all threads."""
    cores = os.cpu_count() or 1
    loaded = WhisperModel(model, device="cpu", compute_type=kind, cpu_threads=1, num_workers=cores)
    batched = BatchedInferencePipeline(loaded)
    app = FastAPI()

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/v1/audio/transcriptions")
    def transcribe(
        file: UploadFile, language: Annotated[str | None, Form()] = None, beam_size: Annotated[int, Form()] = 1
    ) -> dict[str, str]:
        data = file.file.read()
        sound = io.BytesIO(data)
        if _seconds(data) > WINDOW_SECONDS:
            segments, _ = batched.transcribe(sound, language=language, beam_size=beam_size, batch_size=BATCH)
        else:
            segments, _ = loaded.transcribe(sound, language=language, beam_size=beam_size)
        return {"text": "".join(segment.text for segment in segments).strip()}

    return app


def _seconds(data: bytes) -> float:
    with av.open(io.BytesIO(data)) as file:
        return float((file.duration or 0) / av.time_base)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("kind")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    uvicorn.run(build(given.model, given.kind), host=given.host, port=given.port, log_level="error")
