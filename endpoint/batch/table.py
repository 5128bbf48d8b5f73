"""Rows of the output: a recording with its transcript, or with why there is none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from endpoint.call import Record
from endpoint.codec import encode
from endpoint.config import Settings
from endpoint.errors import EndpointError, RequestError
from endpoint.options import Options
from endpoint.types import Segment, Transcript, Word
from endpoint.voices import SpeakerTurn

VERSION = 1  # of the table; a column that changes its meaning raises it, and so does another default of an option

_WORD = pa.struct(
    [
        ("word", pa.string()),
        ("start", pa.float64()),
        ("end", pa.float64()),
        ("probability", pa.float64()),
        ("speaker", pa.string()),  # null where speakers were not asked for, as in segments
    ]
)
_TURN = pa.struct([("start", pa.float64()), ("end", pa.float64()), ("speaker", pa.string())])
_SPAN = pa.struct([("start", pa.float64()), ("end", pa.float64())])
_SEGMENT = pa.struct(
    [
        ("start", pa.float64()),
        ("end", pa.float64()),
        ("text", pa.string()),
        ("language", pa.string()),
        ("temperature", pa.float64()),
        ("avg_logprob", pa.float64()),
        ("compression_ratio", pa.float64()),
        ("no_speech_prob", pa.float64()),
        ("speaker", pa.string()),
    ]
)
# Of a recording, as it is when it comes to its task.
SOURCE = (
    ("path", pa.string()),
    ("size", pa.int64()),  # bytes
    ("modified", pa.timestamp("ms", "UTC")),
    ("metadata", pa.string()),  # JSON, of the manifest
    ("options", pa.string()),  # digest of what the text depends on beside the sound
)
SCHEMA = pa.schema(
    [
        *SOURCE,
        ("content", pa.string()),  # SHA-256 of the file, hexadecimal; null where it could not be read
        ("duration", pa.float64()),  # seconds
        ("language", pa.string()),
        ("language_probability", pa.float64()),
        ("text", pa.string()),
        ("segments", pa.list_(_SEGMENT)),
        ("words", pa.list_(_WORD)),  # null where they were not asked for
        ("speakers", pa.list_(_TURN)),  # who speaks when; null where it was not asked for
        ("coverage", pa.float64()),  # share of the speech that has text; null where speech was not detected
        ("uncovered", pa.list_(_SPAN)),
        ("notices", pa.list_(pa.string())),
        ("error", pa.string()),  # code; null where there is a transcript
        ("error_message", pa.string()),
        ("lasting", pa.bool_()),  # of an error: the same file has it again
        ("model", pa.string()),
        ("seconds", pa.map_(pa.string(), pa.float64())),  # spent in each stage; those of windows are added
        ("finished", pa.timestamp("ms", "UTC")),
    ]
)


def options_digest(options: Options, settings: Settings) -> str:
    """Of everything but the sound that the text depends on: options, model, and how it is run.

    Options that are as by default do not count, so that one which a newer version has makes nothing anew; a default
    that changes raises VERSION.
    """
    names = ("model_path", "window_seconds", "engine", "dtype", "beam_size", "quantization", "kv_cache_dtype",
             "default_language", "pack_short_clips", "default_replacements", "default_profanity_words")  # fmt: skip
    run = {name: str(getattr(settings, name)) for name in names}
    if options.speakers is not None:
        run["speaker_models"] = settings.speaker_models
    run["vocabularies"] = str({name: one.model_dump() for name, one in settings.vocabularies.items()})
    document = json.dumps([VERSION, run], sort_keys=True).encode() + encode(Options, options, defaults=False)
    return hashlib.sha256(document).hexdigest()[:32]


def transcript_row(transcript: Transcript, record: Record) -> dict[str, Any]:
    """What a transcript adds to the row of its recording."""
    return {
        "duration": transcript.duration_ms / 1000,
        "language": transcript.language,
        "language_probability": transcript.language_probability,
        "text": transcript.text,
        "segments": [_segment(segment) for segment in transcript.segments],
        "words": None if transcript.words is None else [_word(word) for word in transcript.words],
        "speakers": None if transcript.speakers is None else [_turn(turn) for turn in transcript.speakers.turns],
        "coverage": transcript.coverage,
        "uncovered": [{"start": start / 1000, "end": end / 1000} for start, end in transcript.uncovered],
        "notices": [notice.message for notice in transcript.notices],
        "seconds": [(stage.value, seconds) for stage, seconds in record.spent.items()],
    }


def error_row(error: EndpointError) -> dict[str, Any]:
    """What an error adds. It lasts where it is the file's own: such a file is not tried again."""
    return {"error": error.code, "error_message": error.message, "lasting": isinstance(error, RequestError)}


def as_table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, SCHEMA)


def source_of(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name, _ in SOURCE}


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "start": segment.start_ms / 1000,
        "end": segment.end_ms / 1000,
        "text": segment.text,
        "language": segment.language,
        "temperature": segment.temperature,
        "avg_logprob": segment.avg_logprob,
        "compression_ratio": segment.compression_ratio,
        "no_speech_prob": segment.no_speech_prob,
        "speaker": segment.speaker,
    }


def _word(word: Word) -> dict[str, Any]:
    times = {"start": word.start_ms / 1000, "end": word.end_ms / 1000}
    return {"word": word.text.strip(), **times, "probability": word.probability, "speaker": word.speaker}


def _turn(turn: SpeakerTurn) -> dict[str, Any]:
    return {"start": turn.start_ms / 1000, "end": turn.end_ms / 1000, "speaker": turn.speaker}
