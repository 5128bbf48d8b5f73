"""Fallback temperatures, text that ends early and the file's language, on an engine that answers from a list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from endpoint.repair import CONTINUATIONS, TEMPERATURES, decode_fully, decode_well, settle_language
from endpoint.text.judge import is_silence
from endpoint.types import SAMPLE_RATE, Hypothesis, Options, Piece, Span, Task, Window

WINDOW = Window(0, np.zeros(16_000, np.int16))


def heard(text: str = " fine", *, window: Window = WINDOW, **changes: object) -> Hypothesis:
    base = Hypothesis(window, (1, 2), (Piece(0, 1000, (1, 2), text),), "en", {"en": 1.0}, 0.01, -0.2, 0.0)
    return replace(base, **changes)


class Scripted:
    """Answers by a function of the options; remembers the options."""

    def __init__(self, answer: Callable[[Window, Options], Hypothesis]) -> None:
        self.answer, self.asked = answer, list[Options]()

    async def decode(self, window: Window, options: Options) -> Hypothesis:
        self.asked.append(options)
        return replace(self.answer(window, options), temperature=options.temperature)


async def test_a_good_window_is_decoded_once():
    engine = Scripted(lambda w, o: heard())
    assert (await decode_well(engine, WINDOW, Options())).text == " fine"
    assert len(engine.asked) == 1


@pytest.mark.parametrize(
    "bad",
    [
        heard(" again" * 60),  # repeats itself
        heard(avg_logprob=-1.5),
        heard(complete=False),
    ],
)
async def test_a_bad_window_climbs_until_it_is_good(bad: Hypothesis):
    engine = Scripted(lambda w, o: heard() if o.temperature >= 0.4 else bad)
    answer = await decode_well(engine, WINDOW, Options())
    assert answer.temperature == 0.4
    assert [o.temperature for o in engine.asked] == [0.0, 0.2, 0.4]


async def test_the_ladder_is_bounded_and_the_best_attempt_is_kept():
    engine = Scripted(lambda w, o: heard(avg_logprob=-1.2 if o.temperature == 0.6 else -2.0))
    answer = await decode_well(engine, WINDOW, Options())
    assert [o.temperature for o in engine.asked] == [0.0, *TEMPERATURES]
    assert answer.temperature == 0.6


async def test_a_stutter_is_taken_out_and_not_tried_again():
    """And what is left is judged and, where speech has no text yet, decoded on from there."""
    loop = tuple(Piece(1_000 + 20 * k, 1_020 + 20 * k, (1, 2), " again") for k in range(60))
    engine = Scripted(lambda w, o: heard(pieces=(Piece(0, 1_000, (1, 2), " again"), *loop)))
    assert (await decode_well(engine, WINDOW, Options())).text == " again"
    assert len(engine.asked) == 1


async def test_silence_is_not_tried_again():
    engine = Scripted(lambda w, o: heard(no_speech_prob=0.9, avg_logprob=-3.0))
    await decode_well(engine, WINDOW, Options())
    assert len(engine.asked) == 1


async def test_a_temperature_that_was_given_is_used_as_it_is():
    engine = Scripted(lambda w, o: heard(avg_logprob=-3.0))
    assert (await decode_well(engine, WINDOW, Options(temperature=0.5))).temperature == 0.5
    assert len(engine.asked) == 1


SPOKEN = Window(
    100, np.zeros(12 * SAMPLE_RATE, np.int16), (Span(100, 5 * SAMPLE_RATE), Span(7 * SAMPLE_RATE, 12 * SAMPLE_RATE))
)


def three_seconds(window: Window, options: Options) -> Hypothesis:
    """Says only the first three seconds of whatever it is given."""
    length = min(3000, window.end_ms - window.start_ms)
    return heard(f" {window.start}", window=window, pieces=(Piece(0, length, (1, 2), f" {window.start}"),))


async def test_a_window_with_all_its_text_is_decoded_once():
    engine = Scripted(lambda w, o: heard(window=w, pieces=(Piece(0, 11_900, (1, 2), " all"),)))
    assert len(await decode_fully(engine, SPOKEN, Options())) == 1
    assert len(engine.asked) == 1


async def test_text_that_ends_early_is_decoded_on_from_there():
    found = await decode_fully(Scripted(three_seconds), SPOKEN, Options())
    starts = [hypothesis.window.start for hypothesis in found]
    assert starts == [100, 100 + 3 * SAMPLE_RATE, 7 * SAMPLE_RATE, 10 * SAMPLE_RATE]
    assert [hypothesis.text for hypothesis in found] == [f" {start}" for start in starts]
    assert found[2].window.speech == (Span(7 * SAMPLE_RATE, 12 * SAMPLE_RATE),)


async def test_words_are_timed_last_and_do_not_move_where_the_text_ends():
    """Word times that end before the speech does are no missing text: it would be said twice."""

    class Aligned(Scripted):
        async def align(self, hypothesis: Hypothesis, task: Task) -> Hypothesis:
            early = replace(hypothesis.pieces[-1], end_ms=8_000)
            return replace(hypothesis, pieces=(*hypothesis.pieces[:-1], early), words=())

    engine = Aligned(lambda w, o: heard(window=w, pieces=(Piece(0, 11_900, (1, 2), " all"),)))
    (found,) = await decode_fully(engine, SPOKEN, Options(words=True))
    assert len(engine.asked) == 1
    assert (found.words, found.pieces[0].end_ms) == ((), 8_000)


async def test_going_on_is_bounded():
    engine = Scripted(lambda w, o: heard(window=w, pieces=(Piece(0, 20, (1, 2), " x"),)))
    assert len(await decode_fully(engine, SPOKEN, Options())) == 1 + CONTINUATIONS


async def test_going_on_keeps_the_windows_language_and_stops_at_silence():
    def answer(window: Window, options: Options) -> Hypothesis:
        if window.start == SPOKEN.start:
            return replace(three_seconds(window, options), language="de")
        return heard(window=window, no_speech_prob=0.9, avg_logprob=-3.0)

    engine = Scripted(answer)
    _, rest = await decode_fully(engine, SPOKEN, Options())
    assert is_silence(rest)
    assert [options.language for options in engine.asked] == [None, "de"]


async def test_a_rest_without_text_is_told_too():
    """What the model says of it decides whether it counts as lost."""
    quiet = {"pieces": (), "no_speech_prob": 0.97}
    engine = Scripted(lambda w, o: heard(window=w, **quiet) if w.start > SPOKEN.start else three_seconds(w, o))
    _, rest = await decode_fully(engine, SPOKEN, Options(words=False))
    assert (rest.pieces, rest.no_speech_prob) == ((), 0.97)
    assert len(engine.asked) == 2


async def test_without_voice_activity_nothing_is_decoded_on():
    engine = Scripted(three_seconds)
    assert len(await decode_fully(engine, replace(SPOKEN, speech=()), Options())) == 1


def windows(count: int) -> list[Window]:
    return [Window(k * 16_000, np.zeros(16_000, np.int16)) for k in range(count)]


async def test_a_window_that_weakly_disagrees_is_decoded_in_the_files_language():
    engine = Scripted(lambda w, o: heard(window=w, language=o.language))
    german = [heard(window=w, language="de", language_probabilities={"de": 0.95, "en": 0.05}) for w in windows(3)]
    weak = heard(window=windows(4)[3], language="en", language_probabilities={"en": 0.5, "de": 0.4})
    settled = await settle_language(engine, [*german, weak], Options())
    assert [h.language for h in settled] == ["de"] * 4
    assert [o.language for o in engine.asked] == ["de"]
    assert settled[3].language_probabilities == weak.language_probabilities


async def test_a_window_sure_of_its_language_keeps_it_and_multi_keeps_all():
    engine = Scripted(lambda w, o: heard(window=w, language=o.language))
    german = [heard(window=w, language="de", language_probabilities={"de": 0.95, "en": 0.05}) for w in windows(3)]
    sure = heard(window=windows(4)[3], language="en", language_probabilities={"en": 0.97, "de": 0.02})
    assert (await settle_language(engine, [*german, sure], Options()))[3] is sure
    weak = replace(sure, language_probabilities={"en": 0.5, "de": 0.4})
    assert (await settle_language(engine, [*german, weak], Options(multilingual=True)))[3] is weak
    assert engine.asked == []
