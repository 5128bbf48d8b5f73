"""A Transcript as bytes: json, text, srt, verbose_json or vtt. Pure.

Shapes follow OpenAI's transcription API; SRT has no standard, WebVTT is https://www.w3.org/TR/webvtt1/.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from endpoint.languages import NAMES
from endpoint.options import Task
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
    """

    format: ResponseFormat = "json"
    segments: bool = True
    logprobs: bool = False


def render(transcript: Transcript, rendering: Rendering) -> tuple[bytes, str]:
    """The transcript as (UTF-8 bytes, media type).

    Raises ValueError for a score that is not a finite number, which JSON has no way to write.
    """
    match rendering.format:
        case "text":
            return f"{transcript.text}\n".encode(), _TEXT
        case "srt":
            return _srt(transcript).encode(), _TEXT
        case "vtt":
            return _vtt(transcript).encode(), _VTT
        case "verbose_json":
            return dumps(verbose(transcript, rendering.segments) | warnings(transcript.notices)), _JSON
        case "json":
            return dumps(_brief(transcript, rendering.logprobs) | warnings(transcript.notices)), _JSON


def timestamp(milliseconds: int, mark: str = ".") -> str:
    """Milliseconds >= 0 as HH:MM:SS.mmm; `mark` stands before the milliseconds. Rounds nothing."""
    seconds, thousandths = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{mark}{thousandths:03d}"


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


def verbose(transcript: Transcript, segments: bool) -> dict[str, Any]:
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
    if segments:
        several = any(segment.language != transcript.language for segment in transcript.segments)
        body["segments"] = [
            segment_row(segment) | ({"language": segment.language} if several else {})
            for segment in transcript.segments
        ]
    if transcript.coverage is not None:  # extensions
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
    return {"word": word.text.strip(), "start": word.start_ms / 1000, "end": word.end_ms / 1000}


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
        f"{segment.start_ms}\t{segment.end_ms}\t{_one_line(segment.text).replace(chr(9), ' ')}\n"
        for segment in transcript.segments
    )
    return "".join(["start\tend\ttext\n", *rows]).encode()


def _srt(transcript: Transcript) -> str:
    # SRT has no escape: an arrow of another shape is no time line to any parser.
    cues = _cues(transcript, ",", lambda text: text.replace("-->", "→"))
    return "".join(f"{number}\n{cue}\n" for number, cue in enumerate(cues, 1))


def _vtt(transcript: Transcript) -> str:
    cues = _cues(transcript, ".", lambda text: text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
    return "".join(["WEBVTT\n\n", *(f"{cue}\n" for cue in cues)])


def _cues(transcript: Transcript, mark: str, escape: Callable[[str], str]) -> Iterator[str]:
    """Time line and text of each segment that has text, each ending in a newline."""
    for segment in transcript.segments:
        text = _one_line(segment.text)
        if text:
            # A cue must end after it starts (WebVTT, section 4.1); players also drop empty SRT cues.
            end_ms = max(segment.end_ms, segment.start_ms + 1)
            yield f"{timestamp(segment.start_ms, mark)} --> {timestamp(end_ms, mark)}\n{escape(text)}\n"


def _one_line(text: str) -> str:
    """Text without line breaks of any kind: a blank line would end the cue early. NUL is not allowed in WebVTT."""
    lines = (line.strip() for line in text.replace("\0", "").splitlines())
    return " ".join(line for line in lines if line)
