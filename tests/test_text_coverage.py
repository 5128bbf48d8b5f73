"""What of the detected speech the text covers, and where a window's text ends too early."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoint.options import Task
from endpoint.text.coverage import SLACK_MS, Times, account, agreed, coverage, subtract, uncovered, unfinished_from
from endpoint.types import Hypothesis, Piece, Segment, Span, Transcript, Window

SECOND = 16_000


def spans(*seconds: tuple[float, float]) -> list[Span]:
    return [Span(int(start * SECOND), int(end * SECOND)) for start, end in seconds]


def segments(*seconds: tuple[float, float]) -> tuple[Segment, ...]:
    return tuple(
        Segment(k, int(start * 1000), int(end * 1000), " x", (), 0, 0.0, -0.1, 1.0, 0.01, "en")
        for k, (start, end) in enumerate(seconds)
    )


def in_order(times: list[Times]) -> list[Times]:
    """Sorted by start and, as segments are, by end."""
    last, ordered = 0, list[Times]()
    for start, end in sorted(times):
        last = max(last, end)
        ordered.append((start, last))
    return ordered


times = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda t: (t[0], sum(t))), max_size=12)


@settings(deadline=None)
@given(times.map(in_order), times.map(in_order))
def test_subtract_leaves_what_no_cover_holds(some: list[Times], covers: list[Times]) -> None:
    some = [(start, end) for start, end in some if end > start]
    covered = {moment for start, end in covers for moment in range(start, end)}
    rest = subtract(some, covers)
    left = [[moment for moment in range(start, end) if moment not in covered] for start, end in some]
    assert [moment for start, end in rest for moment in range(start, end)] == [m for part in left for m in part]


def test_a_long_file_is_accounted_for_at_once() -> None:
    """Four hours: 20,000 spans against 10,000 segments, in the event loop of the server."""
    speech = [(k * 700, k * 700 + 500) for k in range(20_000)]
    covers = [(k * 1400 - 500, k * 1400 + 1100) for k in range(10_001)]
    assert len(subtract(speech, covers)) == 0


def times_of(*seconds: tuple[float, float]) -> list[Times]:
    return [(int(start * 1000), int(end * 1000)) for start, end in seconds]


def test_all_of_it() -> None:
    assert uncovered(times_of((0, 5), (6, 9)), segments((0.4, 5), (6, 8.6))) == []
    assert coverage(times_of((0, 5)), []) == 1.0
    assert coverage([], []) == 1.0


def test_a_phrase_left_out() -> None:
    speech, text = times_of((0, 4), (5, 8), (9, 13)), segments((0, 4), (9, 13))
    missing = uncovered(speech, text)
    assert missing == [(5_000, 8_000)]
    assert coverage(speech, missing) == pytest.approx(8 / 11)


def test_the_tail_of_a_word_is_not_missing() -> None:
    speech = times_of((0, 4))
    assert uncovered(speech, segments((0, 4 - SLACK_MS / 1000 - 0.9))) == []
    assert uncovered(speech, segments((0, 4 - SLACK_MS / 1000 - 1.0))) == [(3_000, 4_000)]


def recognized(start: float, end: float, text: str, no_speech: float) -> Hypothesis:
    """A hypothesis of the sound from `start` to `end`, in seconds."""
    window = Window(int(start * SECOND), np.zeros(int((end - start) * SECOND), np.int16))
    pieces = (Piece(0, None, (), text),) if text else ()
    return Hypothesis(window, (), pieces, "en", {}, no_speech, -0.1, 0.0)


def test_speech_that_the_model_denies_is_not_missing() -> None:
    speech = spans((0, 2), (3, 5), (8, 9.5), (9.5, 12))
    assert agreed(speech, speech, []) == times_of((0, 2), (3, 5), (8, 9.5), (9.5, 12))
    tones = recognized(7.5, 9.7, "", 0.98)
    assert agreed(speech, [], [recognized(0, 5, " yes", 0.01), tones]) == times_of((0, 2), (3, 5), (9.7, 12))


def test_where_voice_activity_is_sure_the_model_is_overruled() -> None:
    speech, yes, no = (
        spans((0, 2), (3, 5), (5.5, 7), (8, 10)),
        recognized(0, 2, " yes", 0.01),
        recognized(3, 7, "", 0.99),
    )
    everything = times_of((0, 2), (3, 5), (5.5, 7), (8, 10))
    assert agreed(speech, spans((0.2, 2), (3.5, 5), (8.5, 9.5)), [yes, no]) == everything
    assert agreed(speech, spans((0.2, 2), (3.5, 4.4), (8.5, 9.5)), [yes, no]) == times_of((0, 2), (8, 10))
    rest = recognized(4, 7, "", 0.99)  # begins within what is sure
    assert agreed(speech, spans((3.5, 5)), [yes, rest]) == everything
    assert agreed(speech, spans((3.5, 4.9)), [yes, rest]) == times_of((0, 2), (3, 4), (8, 10))


def test_speech_that_the_model_only_failed_at_is_missing() -> None:
    speech = spans((0, 2), (3, 5))
    unsure, silenced = recognized(0, 2, "", 0.59), recognized(3, 5, " you", 0.98)
    assert agreed(speech, [], [unsure, silenced]) == times_of((0, 2), (3, 5))


def test_the_account_of_a_transcript() -> None:
    bare = Transcript(Task.TRANSCRIBE, "en", 1.0, 13_000, segments((0, 4)))
    assert (bare.coverage, bare.uncovered) == (None, ())
    speech, sure, first = spans((0, 4), (6, 10)), spans((0, 4), (7, 9)), recognized(0, 4, " x", 0.01)
    failed = account(bare, speech, sure, [first, recognized(6, 10, "", 0.3)])
    assert (failed.coverage, failed.uncovered) == (0.5, ((6_000, 10_000),))
    doubted = account(bare, speech, sure, [first, recognized(6, 10, "", 0.97)])
    assert (doubted.coverage, doubted.uncovered) == (0.5, ((6_000, 10_000),))
    denied = account(bare, speech, sure[:1], [first, recognized(6, 10, "", 0.97)])
    assert (denied.coverage, denied.uncovered) == (1.0, ())
    silent = account(bare, [], [], [])
    assert (silent.coverage, silent.uncovered) == (1.0, ())


def ended(end_ms: int | None, speech: list[Span]) -> int | None:
    pieces = (Piece(0, end_ms, (), " x"),)
    window = Window(10 * SECOND, np.zeros(20 * SECOND, np.int16), tuple(speech))
    return unfinished_from(Hypothesis(window, (), pieces, "en", {}, 0.01, -0.1, 0.0))


def test_where_a_window_is_unfinished() -> None:
    speech = spans((10, 14), (16, 20), (22, 30))
    assert ended(20_000, speech) is None  # the text runs to the end
    assert ended(19_100, speech) is None  # a word's tail
    assert ended(19_000, speech) == 29 * SECOND  # within speech: from there on
    assert ended(5_000, speech) == 16 * SECOND  # in a pause: from the next speech on
    assert ended(None, speech) is None
    assert ended(5_000, []) is None  # no voice activity
