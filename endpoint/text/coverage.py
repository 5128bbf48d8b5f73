"""How much of the detected speech the text covers. Pure; times in milliseconds of the file.

Speech is what voice activity detection found, except in windows where the model finds none and voice activity detection
is not sure. Speech that no segment covers was lost.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import replace

from endpoint.text.judge import denies_speech
from endpoint.types import SAMPLE_RATE, Hypothesis, Segment, Span, Transcript, samples_to_ms

Times = tuple[int, int]  # start and end, milliseconds of the file

SLACK_MS = 500  # segments may start this much later, or end earlier, than detected speech: breath, echo
UNFINISHED_MS = 1_000  # speech after a window's last segment: less is the end of a word, more is missing text


def subtract(spans: Iterable[Times], covers: Sequence[Times]) -> list[Times]:
    """The parts of `spans` in none of `covers`. Both in order of start and of end; covers may overlap."""
    rest: list[Times] = []
    passed = 0  # covers that end before this span, and so before all that follow
    for start, end in spans:
        while passed < len(covers) and covers[passed][1] <= start:
            passed += 1
        at, k = start, passed
        while k < len(covers) and covers[k][0] < end:
            if covers[k][0] > at:
                rest.append((at, covers[k][0]))
            at = max(at, covers[k][1])
            k += 1
        if at < end:
            rest.append((at, end))
    return rest


def agreed(speech: Sequence[Span], sure: Sequence[Span], hypotheses: Iterable[Hypothesis]) -> list[Times]:
    """`speech` without that in windows in which the model finds none (tones, motors).

    The model is overruled where at least UNFINISHED_MS at a stretch of such a window are `sure`.
    """
    certain = _times(sure)
    windows = ((h.window.start_ms, h.window.end_ms) for h in hypotheses if denies_speech(h))
    return subtract(_times(speech), [window for window in windows if not _holds(certain, *window)])


def _holds(spans: Sequence[Times], begin: int, end: int) -> bool:
    """Whether one of the spans, which are in order, covers UNFINISHED_MS of this stretch."""
    near = spans[max(0, bisect_left(spans, (begin,)) - 1) : bisect_left(spans, (end,))]
    return any(min(last, end) - max(first, begin) >= UNFINISHED_MS for first, last in near)


def _times(spans: Iterable[Span]) -> list[Times]:
    return [(samples_to_ms(span.start), samples_to_ms(span.end)) for span in spans]


def uncovered(spoken: Sequence[Times], segments: Sequence[Segment]) -> list[Times]:
    """Stretches of speech of at least UNFINISHED_MS that no segment covers."""
    covered = [(segment.start_ms - SLACK_MS, segment.end_ms + SLACK_MS) for segment in segments]
    return [(start, end) for start, end in subtract(spoken, covered) if end - start >= UNFINISHED_MS]


def coverage(spoken: Sequence[Times], missing: Sequence[Times]) -> float:
    """Share of the speech that segments cover, 0 to 1; 1 where there is no speech."""
    total = sum(end - start for start, end in spoken)
    return 1.0 - sum(end - start for start, end in missing) / total if total else 1.0


def account(
    transcript: Transcript, speech: Sequence[Span], sure: Sequence[Span], hypotheses: Sequence[Hypothesis]
) -> Transcript:
    """The transcript with its coverage of `speech`: the spans of the whole file, in order, each once.

    sure: those parts of it that are speech without doubt, in order too.
    """
    spoken = agreed(speech, sure, hypotheses)
    missing = uncovered(spoken, transcript.segments)
    return replace(transcript, coverage=coverage(spoken, missing), uncovered=tuple(missing))


def missing(transcript: Transcript, speech: Sequence[Span], unreadable: Sequence[Times]) -> Transcript:
    """The transcript, with sound that could not be read counted as speech without text."""
    if not unreadable:
        return transcript
    lost = sorted({*transcript.uncovered, *unreadable})
    spoken = sum(end - start for start, end in _times(speech))
    unread = sum(end - start for start, end in unreadable)
    share = 1.0 if transcript.coverage is None else transcript.coverage
    return replace(transcript, coverage=share * spoken / max(1, spoken + unread), uncovered=tuple(lost))


def unfinished_from(hypothesis: Hypothesis) -> int | None:
    """The sample of the file where speech without text begins at the window's end; None where there is none."""
    window = hypothesis.window
    if not hypothesis.pieces or hypothesis.pieces[-1].end_ms is None:
        return None  # no text to continue, or the text reaches the window's end
    end = window.start + hypothesis.pieces[-1].end_ms * SAMPLE_RATE // 1000
    after = [Span(max(span.start, end), span.end) for span in window.speech if span.end > end]
    left = sum(span.end - span.start for span in after)
    return after[0].start if samples_to_ms(left) >= UNFINISHED_MS else None
