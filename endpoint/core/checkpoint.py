"""Windows that were decoded already, so that a recording that is begun again goes on where it was.

A window is known by its number: the plan of a recording's windows is the same each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from endpoint.codec import CodecError, decode, encode
from endpoint.types import Hypothesis, Piece, Span, Window


@dataclass(frozen=True)
class _Kept:
    """A hypothesis without its samples. start, count: of its window, in samples of the file."""

    start: int
    count: int
    speech: tuple[Span, ...]
    overlap: int
    window_language: str | None
    tokens: tuple[int, ...]
    pieces: tuple[Piece, ...]
    language: str
    language_probabilities: dict[str, float]
    no_speech_prob: float
    avg_logprob: float
    temperature: float
    complete: bool
    input_tokens: int
    logprobs: tuple[float, ...]
    key: str


@dataclass(frozen=True)
class _KeptWindow:
    hypotheses: tuple[_Kept, ...]


_OWN = [field.name for field in fields(Hypothesis) if field.name != "window"]


def encode_hypotheses(hypotheses: Sequence[Hypothesis]) -> bytes:
    """What was decoded of one window, in parts perhaps, without its samples."""
    return encode(_KeptWindow, _KeptWindow(tuple(map(_kept, hypotheses))))


def decode_hypotheses(data: bytes, window: Window) -> list[Hypothesis] | None:
    """The same again; None where it is of another window or another version, and has to be decoded anew."""
    try:
        kept = decode(_KeptWindow, data).hypotheses
    except CodecError:
        return None
    first, last = window.start, window.start + len(window.samples)
    if not all(first <= part.start and part.start + part.count <= last for part in kept):
        return None
    return [_hypothesis(part, window) for part in kept]


def _kept(hypothesis: Hypothesis) -> _Kept:
    window = hypothesis.window
    values: dict[str, Any] = {name: getattr(hypothesis, name) for name in _OWN}
    values["language_probabilities"] = dict(hypothesis.language_probabilities)
    return _Kept(window.start, len(window.samples), window.speech, window.overlap, window.language, **values)


def _hypothesis(kept: _Kept, window: Window) -> Hypothesis:
    begin = kept.start - window.start
    samples = window.samples[begin : begin + kept.count]
    own = Window(kept.start, samples, kept.speech, kept.overlap, kept.window_language)
    return Hypothesis(own, **{name: getattr(kept, name) for name in _OWN})
