"""The Transcript of a file from the hypotheses of its windows. Pure.

Times become milliseconds of the file by adding the start of their window. They never decrease, and never pass the end
of their window.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from endpoint.options import Options, Task, Wording
from endpoint.text.join import append
from endpoint.text.judge import compression_ratio, is_silence
from endpoint.text.wording import worded
from endpoint.types import SEEK_MS, TIMESTAMP_MS, Hypothesis, Piece, Segment, Transcript, Usage, Word

LEAST_MS = 20  # a word's shortest length: one step of the model's clock


class Assembler:
    """Windows in, in file order; Segments out, as soon as no later window can change them."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._fed, self._open = list[Hypothesis](), list[Hypothesis]()
        self._segments = list[Segment]()
        self._last_word_ms = 0

    def feed(self, hypotheses: Iterable[Hypothesis], *, shared: bool = False) -> list[Segment]:
        """Add the next window's hypotheses; returns the segments that are now settled.

        shared: the window after it overlaps it, and may change its last words.
        """
        for hypothesis in hypotheses:
            self._fed.append(hypothesis)
            if not is_silence(hypothesis, self._options.thresholds):  # such a window gives no segments
                self._open = append(self._open, hypothesis)
        return [] if shared else self._settle()

    def finish(self, duration_ms: int) -> Transcript:
        """The Transcript of everything fed."""
        self._settle()
        language, probability = decide_language(self._fed, self._options)
        return Transcript(
            task=self._options.task,
            language=language,
            language_probability=probability,
            duration_ms=duration_ms,
            segments=tuple(self._segments),
            words=tuple(word for s in self._segments for word in s.words or ()) if self._options.words else None,
            usage=_usage(self._fed),
        )

    def _settle(self) -> list[Segment]:
        before = len(self._segments)
        for hypothesis in self._open:
            earliest = self._segments[-1].end_ms if self._segments else 0
            made = _segments(hypothesis, len(self._segments), earliest)
            if hypothesis.words is not None:
                made = _with_words(made, hypothesis, self._last_word_ms)
                self._last_word_ms = max((w.end_ms for s in made for w in s.words or ()), default=self._last_word_ms)
            self._segments += self._worded(made)
        self._open = []
        return self._segments[before:]

    def _worded(self, segments: list[Segment]) -> list[Segment]:
        """As the caller wants them written."""
        wording, translated = self._options.wording, self._options.task is Task.TRANSLATE
        if wording == Wording():
            return segments
        return [worded(segment, wording, "en" if translated else segment.language) for segment in segments]


def assemble(hypotheses: Sequence[Hypothesis], options: Options, duration_ms: int) -> Transcript:
    """The Transcript of hypotheses in file order."""
    assembler = Assembler(options)
    assembler.feed(hypotheses)
    return assembler.finish(duration_ms)


def decide_language(hypotheses: Sequence[Hypothesis], options: Options) -> tuple[str, float]:
    """The file's spoken language and its probability."""
    if options.language is not None:
        return options.language, 1.0
    if not hypotheses:  # no speech; a result names a language all the same
        return (options.languages or ("en",))[0], 0.0
    shares = language_shares(hypotheses)
    best = max(shares, key=lambda code: shares[code])
    return best, shares[best]


def language_shares(hypotheses: Sequence[Hypothesis]) -> dict[str, float]:
    """Probability of each language in a file: its windows' probabilities, weighted by the speech in each."""
    weights: defaultdict[str, float] = defaultdict(float)
    for hypothesis in hypotheses:
        speech = len(hypothesis.window.samples) * (1 - hypothesis.no_speech_prob) + 1e-6
        for code, probability in hypothesis.language_probabilities.items():
            weights[code] += speech * probability
    total = sum(weights.values())
    return {code: weight / total for code, weight in weights.items()} or {"en": 0.0}


def _segments(hypothesis: Hypothesis, first_id: int, earliest: int) -> list[Segment]:
    window = hypothesis.window
    ratio = compression_ratio(hypothesis.text)
    made: list[Segment] = []
    earliest = max(earliest, window.start_ms)
    for piece in hypothesis.pieces:
        start, end = _times(piece, earliest, hypothesis)
        made.append(
            Segment(
                id=first_id + len(made),
                start_ms=start,
                end_ms=end,
                text=piece.text,
                tokens=piece.tokens,
                seek=window.start_ms // SEEK_MS,
                temperature=hypothesis.temperature,
                avg_logprob=hypothesis.avg_logprob,
                compression_ratio=ratio,
                no_speech_prob=hypothesis.no_speech_prob,
                language=hypothesis.language,
                scores=piece.scores,
            )
        )
        earliest = end
    return made


def _with_words(segments: Sequence[Segment], hypothesis: Hypothesis, earliest: int) -> list[Segment]:
    """The segments of a hypothesis, each with the words its text is made of, in times of the file.

    Times never decrease, and every word has a length.
    """
    begin, limit = hypothesis.window.start_ms, hypothesis.window.end_ms
    moved = [
        replace(word, start_ms=begin + word.start_ms, end_ms=begin + word.end_ms) for word in hypothesis.words or ()
    ]
    words = iter(with_length(moved, earliest, limit))
    counts = [len(piece.words or ()) for piece in hypothesis.pieces]
    return [
        replace(segment, words=tuple(itertools.islice(words, count)))
        for segment, count in zip(segments, counts, strict=True)
    ]


def _times(piece: Piece, earliest: int, hypothesis: Hypothesis) -> tuple[int, int]:
    """Start and end of a piece in the file; where the model gave no end, the window's end."""
    window = hypothesis.window
    limit = window.end_ms
    start = min(max(window.start_ms + piece.start_ms, earliest), limit)
    end = limit if piece.end_ms is None else min(window.start_ms + piece.end_ms, limit)
    if end <= start:  # a piece without length still takes one timestamp step, before its window's end
        start = max(earliest, min(start, limit - TIMESTAMP_MS))
        end = max(start, min(start + TIMESTAMP_MS, limit))
    return start, end


def _usage(hypotheses: Sequence[Hypothesis]) -> Usage:
    frames = sum((h.window.end_ms - h.window.start_ms) // TIMESTAMP_MS for h in hypotheses)
    return Usage(
        audio_tokens=frames,
        text_tokens=sum(h.input_tokens for h in hypotheses),
        output_tokens=sum(len(h.tokens) for h in hypotheses),
    )


def with_length(words: Sequence[Word], earliest: int, limit: int) -> list[Word]:
    """The words within these times, in order. Each is at least LEAST_MS long, or as long as an even share of the time.

    A model that completes a sentence that was cut off puts its last words after the end of the sound, all at one
    moment. Where no time is left, such words pass the limit by a millisecond each.
    """
    least = min(LEAST_MS, (limit - earliest) // max(1, len(words)))
    if least < 1:
        least, limit = 1, earliest + len(words)
    times, at = list[tuple[int, int]](), earliest
    for word in words:
        start = max(word.start_ms, at)
        at = max(word.end_ms, start + least)
        times.append((start, at))
    made, bound = list[Word](), limit
    for word, (start, end) in zip(reversed(words), reversed(times), strict=True):
        last = min(end, bound)
        bound = min(start, last - least)
        made.append(replace(word, start_ms=bound, end_ms=last))
    return made[::-1]
