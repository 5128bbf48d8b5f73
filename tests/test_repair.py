"""Fallback temperatures and the file's language, on an engine that answers from a list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from endpoint.repair import TEMPERATURES, decode_well, settle_language
from endpoint.types import Hypothesis, Options, Piece, Window

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


async def test_silence_is_not_tried_again():
    engine = Scripted(lambda w, o: heard(no_speech_prob=0.9, avg_logprob=-3.0))
    await decode_well(engine, WINDOW, Options())
    assert len(engine.asked) == 1


async def test_a_temperature_that_was_given_is_used_as_it_is():
    engine = Scripted(lambda w, o: heard(avg_logprob=-3.0))
    assert (await decode_well(engine, WINDOW, Options(temperature=0.5))).temperature == 0.5
    assert len(engine.asked) == 1


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
