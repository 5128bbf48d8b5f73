"""Text that ends early and the file's language, on an engine with scripted results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from endpoint.core.continuation import CONTINUATIONS, decode_fully
from endpoint.options import Options, Sampling, Task
from endpoint.text.judge import is_silence
from endpoint.types import SAMPLE_RATE, Hypothesis, Piece, Span, Window

WINDOW = Window(0, np.zeros(16_000, np.int16))


def recognized(text: str = " fine", *, window: Window = WINDOW, **changes: object) -> Hypothesis:
    base = Hypothesis(window, (1, 2), (Piece(0, 1000, (1, 2), text),), "en", {"en": 1.0}, 0.01, -0.2, 0.0)
    return replace(base, **changes)


class Scripted:
    """An engine whose results come from a function; remembers the options."""

    def __init__(self, result: Callable[[Window, Options], Hypothesis]) -> None:
        self.result, self.asked = result, list[Options]()

    async def decode(self, window: Window, options: Options) -> Hypothesis:
        self.asked.append(options)
        return replace(self.result(window, options), temperature=options.temperature)


SPOKEN = Window(
    100, np.zeros(12 * SAMPLE_RATE, np.int16), (Span(100, 5 * SAMPLE_RATE), Span(7 * SAMPLE_RATE, 12 * SAMPLE_RATE))
)


def three_seconds(window: Window, options: Options) -> Hypothesis:
    """Recognizes only the first three seconds of a window."""
    length = min(3000, window.end_ms - window.start_ms)
    return recognized(f" {window.start}", window=window, pieces=(Piece(0, length, (1, 2), f" {window.start}"),))


async def test_a_window_with_all_its_text_is_decoded_once():
    engine = Scripted(lambda w, o: recognized(window=w, pieces=(Piece(0, 11_900, (1, 2), " all"),)))
    assert len(await decode_fully(engine, SPOKEN, Options())) == 1
    assert len(engine.asked) == 1


async def test_where_text_ends_early_the_rest_is_decoded():
    found = await decode_fully(Scripted(three_seconds), SPOKEN, Options())
    starts = [hypothesis.window.start for hypothesis in found]
    assert starts == [100, 100 + 3 * SAMPLE_RATE, 7 * SAMPLE_RATE, 10 * SAMPLE_RATE]
    assert [hypothesis.text for hypothesis in found] == [f" {start}" for start in starts]
    assert found[2].window.speech == (Span(7 * SAMPLE_RATE, 12 * SAMPLE_RATE),)


async def test_words_are_timed_last_and_do_not_move_where_the_text_ends():
    """Word times that end before the speech does do not mean missing text: the text would be repeated."""

    class Aligned(Scripted):
        async def align(self, hypothesis: Hypothesis, task: Task) -> Hypothesis:
            early = replace(hypothesis.pieces[-1], end_ms=8_000, words=())
            return replace(hypothesis, pieces=(*hypothesis.pieces[:-1], early))

    engine = Aligned(lambda w, o: recognized(window=w, pieces=(Piece(0, 11_900, (1, 2), " all"),)))
    (found,) = await decode_fully(engine, SPOKEN, Options(words=True))
    assert len(engine.asked) == 1
    assert (found.words, found.pieces[0].end_ms) == ((), 8_000)


async def test_continuations_are_bounded():
    engine = Scripted(lambda w, o: recognized(window=w, pieces=(Piece(0, 20, (1, 2), " x"),)))
    assert len(await decode_fully(engine, SPOKEN, Options())) == 1 + CONTINUATIONS


async def test_a_continuation_keeps_the_windows_language_and_stops_at_silence():
    def result(window: Window, options: Options) -> Hypothesis:
        if window.start == SPOKEN.start:
            return replace(three_seconds(window, options), language="de")
        return recognized(window=window, no_speech_prob=0.9, avg_logprob=-3.0)

    engine = Scripted(result)
    _, rest = await decode_fully(engine, SPOKEN, Options())
    assert is_silence(rest)
    assert [options.language for options in engine.asked] == [None, "de"]


async def test_a_rest_without_text_is_reported_too():
    """Its probability of no speech decides whether it counts as lost."""
    quiet = {"pieces": (), "no_speech_prob": 0.97}
    engine = Scripted(lambda w, o: recognized(window=w, **quiet) if w.start > SPOKEN.start else three_seconds(w, o))
    _, rest = await decode_fully(engine, SPOKEN, Options(words=False))
    assert (rest.pieces, rest.no_speech_prob) == ((), 0.97)
    assert len(engine.asked) == 2


async def test_without_voice_activity_there_are_no_continuations():
    engine = Scripted(three_seconds)
    assert len(await decode_fully(engine, replace(SPOKEN, speech=()), Options())) == 1


def limited(window: Window, options: Options) -> Hypothesis:
    """Two pieces at most, of three seconds each; a third is cut off by the token limit."""
    length = window.end_ms - window.start_ms
    pieces = [Piece(at, min(at + 3_000, length), (1, 2), f" {window.start_ms + at}") for at in range(0, length, 3_000)]
    if len(pieces) > 2:
        pieces[2:] = [replace(pieces[2], end_ms=None)]
    return recognized(window=window, pieces=tuple(pieces), complete=len(pieces) <= 2)


async def test_a_piece_that_the_token_limit_cut_off_is_decoded_anew_from_its_start():
    whole = Window(0, np.zeros(12 * SAMPLE_RATE, np.int16), (Span(0, 12 * SAMPLE_RATE),))
    found = await decode_fully(Scripted(limited), whole, Options())
    assert [h.text for h in found] == [" 0 3000", " 6000 9000"]


async def test_a_window_that_is_one_cut_off_piece_is_decoded_in_halves():
    def result(window: Window, options: Options) -> Hypothesis:
        if len(window.samples) > 7 * SAMPLE_RATE:
            return recognized(window=window, pieces=(Piece(0, None, (1, 2), " cut"),), complete=False)
        return recognized(f" {window.start}", window=window)

    whole = Window(0, np.zeros(12 * SAMPLE_RATE, np.int16))
    found = await decode_fully(Scripted(result), whole, Options())
    assert found[0].window.start == 0
    assert found[-1].window.start + len(found[-1].window.samples) == 12 * SAMPLE_RATE
    assert all(" cut" not in h.text for h in found)


async def test_what_the_next_window_has_too_is_left_to_it():
    engine = Scripted(three_seconds)
    first, *more = await decode_fully(engine, SPOKEN, Options(), until=SPOKEN.start + 6 * SAMPLE_RATE)
    assert first.window is SPOKEN
    assert len(more) == 1  # the speech before that sample is not
    everything = await decode_fully(Scripted(three_seconds), SPOKEN, Options(), until=SPOKEN.start)
    assert len(everything) == 1


async def test_a_caller_who_wants_few_tokens_gets_no_more():
    few = Options(sampling=Sampling(max_new_tokens=3))
    (found,) = await decode_fully(Scripted(limited), SPOKEN, few)
    assert not found.complete
