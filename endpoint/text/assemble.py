"""Hypotheses of a file's windows to its Transcript. Pure.

Times become milliseconds of the file by adding the start that each window carries. They never run
backwards and never past the window they come from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from endpoint.text.join import join
from endpoint.text.judge import compression_ratio, is_silence
from endpoint.types import SEEK_MS, TIMESTAMP_MS, Hypothesis, Options, Piece, Segment, Transcript, Usage, Word


def assemble(
    hypotheses: Sequence[Hypothesis], options: Options, duration_ms: int, timings: Mapping[str, float]
) -> Transcript:
    """The Transcript of hypotheses in file order; windows judged silent give no segments."""
    segments, words = list[Segment](), list[Word]()
    for hypothesis in join([hypothesis for hypothesis in hypotheses if not is_silence(hypothesis)]):
        segments += _segments(hypothesis, len(segments), segments[-1].end_ms if segments else 0)
        words += _words(hypothesis, words[-1].end_ms if words else 0)
    language, probability = decide_language(hypotheses, options)
    return Transcript(
        task=options.task,
        language=language,
        language_probability=probability,
        duration_ms=duration_ms,
        segments=tuple(segments),
        words=tuple(words) if options.words else None,
        usage=_usage(hypotheses),
        timings=dict(timings),
    )


def decide_language(hypotheses: Sequence[Hypothesis], options: Options) -> tuple[str, float]:
    """The file's spoken language and its probability."""
    if options.language is not None:
        return options.language, 1.0
    if not hypotheses:  # nothing spoken; an answer still names a language
        return (options.languages or ("en",))[0], 0.0
    shares = language_shares(hypotheses)
    best = max(shares, key=lambda code: shares[code])
    return best, shares[best]


def language_shares(hypotheses: Sequence[Hypothesis]) -> dict[str, float]:
    """Probability of each language in a file: its windows' probabilities, weighted by the speech in each."""
    weights: defaultdict[str, float] = defaultdict(float)
    for hypothesis in hypotheses:
        heard = len(hypothesis.window.samples) * (1 - hypothesis.no_speech_prob) + 1e-6
        for code, probability in hypothesis.language_probabilities.items():
            weights[code] += heard * probability
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
            )
        )
        earliest = end
    return made


def _words(hypothesis: Hypothesis, earliest: int) -> Iterator[Word]:
    """Words in times of the file, which never run backwards."""
    begin, limit = hypothesis.window.start_ms, hypothesis.window.end_ms
    for word in hypothesis.words or ():
        start = min(max(begin + word.start_ms, earliest), limit)
        earliest = max(start, min(begin + word.end_ms, limit))
        yield replace(word, start_ms=start, end_ms=earliest)


def _times(piece: Piece, earliest: int, hypothesis: Hypothesis) -> tuple[int, int]:
    """Start and end of a piece in the file; an end the model left open is the window's."""
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
