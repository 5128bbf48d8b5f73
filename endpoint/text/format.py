"""A Transcript as bytes: json, text, srt, verbose_json or vtt. Pure.

Shapes follow OpenAI's transcription API.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from endpoint.languages import NAMES
from endpoint.options import Task
from endpoint.text.cues import laid_out, notices_of, one_line, write_cues
from endpoint.text.layout import Layout
from endpoint.text.paragraphs import paragraphs_of
from endpoint.types import Notice, Segment, Transcript, Usage, Word

_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"
_VTT = "text/vtt; charset=utf-8"

ResponseFormat = Literal["json", "text", "srt", "verbose_json", "vtt"]


@dataclass(frozen=True)
class Rendering:
    """How a transcript is written.

    segments: whether verbose_json lists segments; False when only word times were asked for.
    logprobs: whether json lists the tokens' scores.
    paragraphs: whether verbose_json lists paragraphs, and text has blank lines between them.
    layout: of srt and vtt; None: a cue of one line for each segment.
    """

    format: ResponseFormat = "json"
    segments: bool = True
    logprobs: bool = False
    paragraphs: bool = False
    layout: Layout | None = None


def render(transcript: Transcript, rendering: Rendering) -> tuple[bytes, str]:
    """The transcript as (UTF-8 bytes, media type).

    Raises ValueError for a score that is not a finite number, which JSON has no way to write.
    """
    match rendering.format:
        case "text":
            text = transcript.text
            if rendering.paragraphs:
                text = "\n\n".join(paragraph.text for paragraph in paragraphs_of(transcript.segments))
            return f"{text}\n".encode(), _TEXT
        case "srt" | "vtt":
            return _subtitles(transcript, rendering)[:2]
        case "verbose_json":
            return dumps(verbose(transcript, rendering) | warnings(transcript.notices)), _JSON
        case "json":
            return dumps(_brief(transcript, rendering.logprobs) | warnings(transcript.notices)), _JSON


def render_noting(transcript: Transcript, rendering: Rendering) -> tuple[bytes, str, tuple[Notice, ...]]:
    """As render, and all notices: those of the transcript, and those of the layout. JSON has them in its body."""
    if rendering.format not in ("srt", "vtt"):
        return (*render(transcript, rendering), transcript.notices)
    return _subtitles(transcript, rendering)


def _subtitles(transcript: Transcript, rendering: Rendering) -> tuple[bytes, str, tuple[Notice, ...]]:
    layout = rendering.layout
    cues = laid_out(transcript, layout)
    form: Literal["srt", "vtt"] = "srt" if rendering.format == "srt" else "vtt"
    body = write_cues(cues, form, layout is not None and layout.highlight).encode()
    notices = (*transcript.notices, *(notices_of(transcript, cues) if layout else ()))
    return body, _TEXT if form == "srt" else _VTT, notices


def dumps(body: dict[str, Any]) -> bytes:
    """Compact JSON on one line. Raises ValueError for a number that is not finite."""
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def token_scores(segments: Iterable[Segment]) -> list[dict[str, Any]]:
    """OpenAI's `logprobs`."""
    return [
        {"token": score.data.decode(errors="replace"), "logprob": score.logprob, "bytes": list(score.data)}
        for segment in segments
        for score in segment.scores
    ]


def warnings(notices: Iterable[Notice]) -> dict[str, list[dict[str, str | None]]]:
    """`warnings`, an extension, for the body of a response; empty without notices."""
    rows = [{"code": notice.code, "message": notice.message, "param": notice.param} for notice in notices]
    return {"warnings": rows} if rows else {}


def spoken_languages(transcript: Transcript) -> list[dict[str, str]]:
    return [{"code": code} for code in transcript.languages]


def _brief(transcript: Transcript, logprobs: bool) -> dict[str, Any]:
    if transcript.task is Task.TRANSLATE:
        return {"text": transcript.text}
    scores = {"logprobs": token_scores(transcript.segments)} if logprobs else {}
    languages = spoken_languages(transcript)
    return {"text": transcript.text, "languages": languages, **scores, "usage": token_usage(transcript.usage)}


def verbose(transcript: Transcript, rendering: Rendering) -> dict[str, Any]:
    """The body of verbose_json."""
    duration = transcript.duration_ms / 1000
    translated = transcript.task is Task.TRANSLATE
    body: dict[str, Any] = {
        "task": transcript.task.value,
        # OpenAI names the language of the text, which a translation writes in English.
        "language": "english" if translated else NAMES[transcript.language],
        "duration": duration,
        "text": transcript.text,
    }
    if rendering.segments:
        several = any(segment.language != transcript.language for segment in transcript.segments)
        body["segments"] = [
            segment_row(segment) | ({"language": segment.language} if several else {})
            for segment in transcript.segments
        ]
    if rendering.paragraphs:  # extensions
        body["paragraphs"] = [
            {"start": one.start_ms / 1000, "end": one.end_ms / 1000, "text": one.text}
            for one in paragraphs_of(transcript.segments)
        ]
    if transcript.coverage is not None:
        body["coverage"] = transcript.coverage
        body["uncovered"] = [{"start": start / 1000, "end": end / 1000} for start, end in transcript.uncovered]
    if translated:
        del body["task"]  # nor usage or words: OpenAI's translations have none of the three
        return body
    if transcript.words is not None:
        body["words"] = [_word(word) for word in transcript.words]
    body["usage"] = {"type": "duration", "seconds": math.ceil(duration)}
    return body


def segment_row(segment: Segment) -> dict[str, Any]:
    """A segment in OpenAI's form."""
    return {
        "id": segment.id,
        "seek": segment.seek,
        "start": segment.start_ms / 1000,
        "end": segment.end_ms / 1000,
        "text": segment.text,
        "tokens": list(segment.tokens),
        "temperature": segment.temperature,
        "avg_logprob": segment.avg_logprob,
        "compression_ratio": segment.compression_ratio,
        "no_speech_prob": segment.no_speech_prob,
    }


def _word(word: Word) -> dict[str, Any]:
    times = {"start": word.start_ms / 1000, "end": word.end_ms / 1000}
    return {"word": word.text.strip(), **times, "probability": word.probability}


def token_usage(usage: Usage) -> dict[str, Any]:
    """OpenAI's `usage` in tokens."""
    inputs = usage.audio_tokens + usage.text_tokens
    return {
        "type": "tokens",
        "input_tokens": inputs,
        "output_tokens": usage.output_tokens,
        "total_tokens": inputs + usage.output_tokens,
        "input_token_details": {"audio_tokens": usage.audio_tokens, "text_tokens": usage.text_tokens},
    }


def as_tsv(transcript: Transcript) -> bytes:
    """openai/whisper's tsv: start and end in milliseconds, and the text, tabs between."""
    rows = (
        f"{segment.start_ms}\t{segment.end_ms}\t{one_line(segment.text).replace(chr(9), ' ')}\n"
        for segment in transcript.segments
    )
    return "".join(["start\tend\ttext\n", *rows]).encode()
