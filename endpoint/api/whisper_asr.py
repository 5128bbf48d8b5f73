"""whisper-asr-webservice's route `/asr`, which Bazarr and media servers call. Fields are in the query string, the file
is in `audio_file`, and it is raw PCM with `encode=false`.

Its source: ahmetoner/whisper-asr-webservice app/webservice.py.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from endpoint.api import examples
from endpoint.api.compat_schemas import CompatForm
from endpoint.api.forms import DetectionForm
from endpoint.api.openapi import audio_docs
from endpoint.api.receive import received
from endpoint.api.respond import transcribed, warning_header
from endpoint.api.state import ServerState
from endpoint.memfile import MemoryFile
from endpoint.text.format import Rendering, as_tsv, dumps, render, segment_row, speaker_of, warnings
from endpoint.types import PCM_FULL_SCALE, SAMPLE_RATE, Transcript

PIECE = 1 << 20  # bytes copied at once
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
Output = Literal["txt", "vtt", "srt", "tsv", "json"]


class AsrForm(CompatForm):
    """Fields of `/asr`, in the query string or in the form."""

    output: Output = Field("txt", description="Format of the response.")
    encode: bool = Field(True, description="`false`: the file is raw PCM, 16 bit little-endian, mono, 16 kHz.")


class AsrDetectionForm(DetectionForm):
    """Fields of `/detect-language`, in the query string or in the form."""

    encode: bool = Field(True, description="`false`: the file is raw PCM, 16 bit little-endian, mono, 16 kHz.")


def asr_routes(server: ServerState) -> APIRouter:
    router = APIRouter(tags=["compatible"])

    texts = {"text/plain": "The text in the format of `output`, json included."}

    @router.post("/asr", response_class=Response, **audio_docs(AsrForm, None, examples.ASR, texts=texts))
    async def asr(request: Request) -> Response:
        """Text of a recording, in the formats of whisper-asr-webservice: txt, vtt, srt, tsv or json."""
        async with received(server, request, AsrForm, query=True) as given:
            fields, file = given.fields, given.file
            if not fields.encode:
                file = await asyncio.to_thread(with_header, file)
            transcript = await transcribed(request, given, file, fields.options(server.settings.vad))
        name = quote(PurePath(given.files[0].name or "audio").name)
        headers = {
            "Asr-Engine": "vllm",
            "Content-Disposition": f"attachment; filename*=UTF-8''{name}.{fields.output}",
            **warning_header("text/plain", transcript.notices),
        }
        return Response(WRITERS[fields.output](transcript), media_type="text/plain; charset=utf-8", headers=headers)

    return router


def with_header(data: MemoryFile) -> MemoryFile:
    """Raw PCM (int16, mono, 16 kHz) as a wave file. Closes `data`."""
    size, width = len(data), struct.calcsize("<h")
    form = (1, 1, SAMPLE_RATE, SAMPLE_RATE * width, width, 8 * width)
    assert 1 << (8 * width - 1) == PCM_FULL_SCALE
    header = _HEADER.pack(b"RIFF", min(size + 36, 2**32 - 1), b"WAVE", b"fmt ", 16, *form, b"data", size % 2**32)
    whole = MemoryFile(header)
    for begin in range(0, size, PIECE):
        whole.write(data.part(begin, PIECE))
    data.close()
    return whole


def _lines(transcript: Transcript) -> bytes:
    tags = (f"[{segment.speaker}] " if segment.speaker else "" for segment in transcript.segments)
    return "".join(
        f"{tag}{segment.text.strip()}\n" for tag, segment in zip(tags, transcript.segments, strict=True)
    ).encode()


def _json(transcript: Transcript) -> bytes:
    rows = []
    for segment in transcript.segments:
        row: dict[str, Any] = segment_row(segment)
        if segment.words is not None:
            row["words"] = [
                {
                    "word": word.text,
                    "start": word.start_ms / 1000,
                    "end": word.end_ms / 1000,
                    "probability": word.probability,
                    **speaker_of(word),
                }
                for word in segment.words
            ]
        rows.append(row)
    body = {"language": transcript.language, "segments": rows, "text": transcript.text}
    return dumps({**body, **warnings(transcript.notices)})


WRITERS: dict[Output, Callable[[Transcript], bytes]] = {
    "txt": _lines,
    "json": _json,
    "tsv": as_tsv,
    "srt": lambda transcript: render(transcript, Rendering("srt"))[0],
    "vtt": lambda transcript: render(transcript, Rendering("vtt"))[0],
}
