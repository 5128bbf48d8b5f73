"""Examples of requests and their responses in the OpenAPI document.

Tests send every request, with a recording instead of FILE, and compare the responses with these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FILE = "audio.mp3"  # stands for the content of a file

Example = dict[str, Any]


def _example(summary: str, **fields: Any) -> Example:
    return {"summary": summary, "value": {"file": FILE, **fields}}


_USAGE = {
    "type": "tokens",
    "input_tokens": 86,
    "output_tokens": 5,
    "total_tokens": 91,
    "input_token_details": {"audio_tokens": 83, "text_tokens": 3},
}
_DURATION = {"type": "duration", "seconds": 2}
_TEXT = "seven green apple three"
_SEGMENT = {
    "id": 0,
    "seek": 0,
    "start": 0.0,
    "end": 1.64,
    "text": " seven green apple three",
    "tokens": [50364, 3407, 3092, 10606, 1045, 50446],
    "temperature": 0.0,
    "avg_logprob": -0.02,
    "compression_ratio": 0.77,
    "no_speech_prob": 0.01,
}
_COVERED = {"coverage": 1.0, "uncovered": list[Any]()}
_CUE = f"00:00:00.000 --> 00:00:01.640\n{_TEXT}\n"
_DELTA = f'{{"type":"transcript.text.delta","delta":"{_TEXT}"}}'

TRANSCRIPTIONS = {
    "text": _example("Text, as JSON"),
    "words": _example(
        "Times of segments and words",
        **{"response_format": "verbose_json", "timestamp_granularities[]": ["segment", "word"]},
    ),
    "captions": _example("Captions as WebVTT", response_format="vtt"),
    "broadcast": _example("Subtitles of two lines", response_format="srt", subtitle_layout="broadcast"),
    "wording": _example("Names as they are written", replacements={"acme": "ACME"}, filler_words=False),
    "stream": _example("Events while it is decoded", stream=True, language="en"),
    "hints": _example(
        "One of two languages, and names that are likely",
        **{"languages[]": ["en", "de"], "keywords[]": ["Kraków", "Łódź"], "prompt": "Two cities of Poland."},
    ),
    "scores": _example("The log-probability of every token", **{"include[]": ["logprobs"]}),
    "pauses": _example(
        "Cut in pauses of half a second and more",
        chunking_strategy={"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 500},
    ),
    "several": {"summary": "Several files", "value": {"files[]": [FILE, FILE], "response_format": "text"}},
}
TRANSLATIONS = {
    "text": _example("English text, as JSON"),
    "segments": _example("Times of segments", response_format="verbose_json"),
    "captions": _example("Captions as SubRip", response_format="srt"),
    "stream": _example("Events while it is decoded", stream=True),
}
DETECTIONS = {"any": _example("Any language"), "two": _example("One of two", **{"languages[]": ["en", "de"]})}
ASR = {
    "captions": _example("Captions as SubRip", output="srt"),
    "words": _example("Times of words", output="json", word_timestamps=True),
}
INFERENCES = {"text": _example("Text"), "words": _example("Times of words", response_format="verbose_json")}
COMPATIBLE = {
    "words": _example("Times of words", word_timestamps=True),
    "english": _example("English", task="translate"),
}
JOBS = {
    "words": _example(
        "Times of words, and what the caller wants to know again",
        **{"timestamp_granularities[]": ["word"], "metadata": {"order": 7}},
    ),
    "english": _example("English, when nothing else waits", task="translate", priority="low"),
    "several": {"summary": "Several files", "value": {"files[]": [FILE, FILE], "language": "en"}},
}

# Name of a request's example -> media type and body of its response.
TRANSCRIBED: Mapping[str, tuple[str, Any]] = {
    "text": ("application/json", {"text": _TEXT, "languages": [{"code": "en"}], "usage": _USAGE}),
    "words": (
        "application/json",
        {
            "task": "transcribe",
            "language": "english",
            "duration": 1.642,
            "text": _TEXT,
            "segments": [_SEGMENT],
            **_COVERED,
            "words": [
                {"word": "seven", "start": 0.0, "end": 0.42, "probability": 0.98},
                {"word": "green", "start": 0.42, "end": 0.76, "probability": 0.97},
                {"word": "apple", "start": 0.76, "end": 1.16, "probability": 0.99},
                {"word": "three", "start": 1.16, "end": 1.64, "probability": 0.98},
            ],
            "language_probability": 0.99,
            "usage": _DURATION,
        },
    ),
    "several": (
        "application/json",
        {
            "object": "list",
            "data": [{"index": index, "filename": FILE, "status": 200, "result": f"{_TEXT}\n"} for index in range(2)],
        },
    ),
    "captions": ("text/vtt", f"WEBVTT\n\n{_CUE}\n"),
    "stream": (
        "text/event-stream",
        f'data: {_DELTA}\n\ndata: {{"type":"transcript.text.done","text":"{_TEXT}","languages":[{{"code":"en"}}],'
        '"usage":{"type":"tokens","input_tokens":86,"output_tokens":5,"total_tokens":91,'
        '"input_token_details":{"audio_tokens":83,"text_tokens":3}}}\n\n',
    ),
}
TRANSLATED: Mapping[str, tuple[str, Any]] = {
    "text": ("application/json", {"text": _TEXT}),
    "segments": (
        "application/json",
        {"language": "english", "duration": 1.642, "text": _TEXT, "segments": [_SEGMENT], **_COVERED},
    ),
    "captions": ("text/plain", f"1\n{_CUE.replace('.', ',')}\n"),
}
