"""Fallback: higher temperatures, candidates, prompts copied into the text; on an engine with scripted results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from endpoint.core.fallback import decode_well
from endpoint.options import BEST_OF, Options, Sampling, Task
from endpoint.types import Hypothesis, Piece, Window, Word

WINDOW = Window(0, np.zeros(16_000, np.int16))


def recognized(text: str = " fine", *, window: Window = WINDOW, **changes: object) -> Hypothesis:
    base = Hypothesis(window, (1, 2), (Piece(0, 1000, (1, 2), text),), "en", {"en": 1.0}, 0.01, -0.2, 0.0)
    return replace(base, **changes)


class Scripted:
    """An engine whose results come from a function; remembers the options. Words last `word_ms`."""

    def __init__(self, result: Callable[[Window, Options], Hypothesis], word_ms: int = 5) -> None:
        self.result, self.asked, self.word_ms = result, list[Options](), word_ms

    async def decode(self, window: Window, options: Options) -> Hypothesis:
        self.asked.append(options)
        return replace(self.result(window, options), temperature=options.temperature)

    async def align(self, hypothesis: Hypothesis, task: Task) -> Hypothesis:
        words = [Word(f" {w}", k * self.word_ms, (k + 1) * self.word_ms) for k, w in enumerate(hypothesis.text.split())]
        first, *rest = hypothesis.pieces
        return replace(hypothesis, pieces=(replace(first, words=tuple(words)), *(replace(p, words=()) for p in rest)))


async def test_a_good_window_is_decoded_once():
    engine = Scripted(lambda w, o: recognized())
    assert (await decode_well(engine, WINDOW, Options())).text == " fine"
    assert len(engine.asked) == 1


@pytest.mark.parametrize(
    "bad",
    [
        recognized(" again" * 60),  # repeats itself
        recognized(avg_logprob=-1.5),
    ],
)
async def test_the_temperature_rises_until_the_result_is_good(bad: Hypothesis):
    engine = Scripted(lambda w, o: recognized() if o.temperature >= 0.4 else bad)
    found = await decode_well(engine, WINDOW, Options())
    assert found.temperature == 0.4
    assert [o.temperature for o in engine.asked] == [0.0, *[0.2] * BEST_OF, *[0.4] * BEST_OF]


async def test_temperatures_are_bounded_and_the_best_attempt_is_kept():
    scores = {0.0: -2.0, 0.2: -1.9, 0.4: -2.5, 0.6: -1.2, 0.8: -3.0, 1.0: -2.0}
    engine = Scripted(lambda w, o: recognized(avg_logprob=scores[o.temperature]))
    found = await decode_well(engine, WINDOW, Options())
    assert sorted({o.temperature for o in engine.asked}) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert found.temperature == 0.6


async def test_no_attempt_is_worse_than_the_first():
    engine = Scripted(lambda w, o: recognized(avg_logprob=-1.1 - o.temperature))
    assert (await decode_well(engine, WINDOW, Options())).temperature == 0.0


async def test_two_temperatures_that_made_it_worse_are_enough():
    engine = Scripted(lambda w, o: recognized(avg_logprob=-1.1 - o.temperature))
    await decode_well(engine, WINDOW, Options())
    assert max(o.temperature for o in engine.asked) == 0.4


async def test_of_a_temperatures_candidates_the_best_good_one_is_kept():
    def result(window: Window, options: Options) -> Hypothesis:
        if not options.temperature:
            return recognized(avg_logprob=-1.5)
        number = len(engine.asked) - 2
        texts = [" again" * 60, " b", " c", " d", " e"]
        return recognized(texts[number], avg_logprob=[-0.01, -0.9, -0.3, -0.5, -0.7][number])

    engine = Scripted(result)
    assert (await decode_well(engine, WINDOW, Options())).text == " c"


async def test_spoken_repetition_is_no_failure():
    engine = Scripted(lambda w, o: recognized(" again" * 60), word_ms=300)
    assert (await decode_well(engine, WINDOW, Options())).text == " again" * 60
    assert len(engine.asked) == 1


async def test_a_loop_loses_to_a_less_likely_text():
    engine = Scripted(
        lambda w, o: recognized(avg_logprob=-1.4) if o.temperature else recognized(" again" * 60, avg_logprob=-0.1)
    )
    assert (await decode_well(engine, WINDOW, Options())).text == " fine"


async def test_seeds_are_the_windows_own_and_differ_between_candidates():
    other = replace(WINDOW, samples=np.ones(16_000, np.int16))
    seeds = []
    for window in (WINDOW, WINDOW, other):
        engine = Scripted(lambda w, o: recognized(avg_logprob=-1.5))
        await decode_well(engine, window, Options())
        seeds.append([o.sampling.seed for o in engine.asked if o.temperature])
    assert seeds[0] == seeds[1]
    assert not set(seeds[0]) & set(seeds[2])
    assert len(set(seeds[0])) == len(seeds[0])


async def test_a_seed_that_was_given_is_used():
    engine = Scripted(lambda w, o: recognized(avg_logprob=-1.5))
    await decode_well(engine, WINDOW, Options(temperature=0.5, sampling=Sampling(seed=7, best_of=2)))
    first, second = (o.sampling.seed for o in engine.asked)
    engine.asked.clear()
    await decode_well(
        engine, replace(WINDOW, samples=np.ones(9, np.int16)), Options(temperature=0.5, sampling=Sampling(seed=7))
    )
    assert first != second


async def test_best_of_and_the_temperature_step_can_be_given():
    engine = Scripted(lambda w, o: recognized(avg_logprob=-1.5))
    await decode_well(engine, WINDOW, Options(sampling=Sampling(best_of=2, temperature_increment=0.5)))
    assert [o.temperature for o in engine.asked] == [0.0, 0.5, 0.5, 1.0, 1.0]
    engine.asked.clear()
    await decode_well(engine, WINDOW, Options(sampling=Sampling(temperature_increment=0.0)))
    assert len(engine.asked) == 1


PROMPT = "and thank you all for watching this video"


async def test_a_prompt_copied_into_the_text_is_left_out():
    def result(window: Window, options: Options) -> Hypothesis:
        return recognized(f" hello {options.prompt}" if options.prompt else " hello there")

    engine = Scripted(result)
    assert (await decode_well(engine, WINDOW, Options(prompt=PROMPT))).text == " hello there"
    assert [o.prompt for o in engine.asked] == [PROMPT, None]


async def test_words_of_the_prompt_that_were_spoken_stay():
    engine = Scripted(lambda w, o: recognized(f" hello {PROMPT}" if o.prompt else f" Hello, {PROMPT}."))
    assert (await decode_well(engine, WINDOW, Options(prompt=PROMPT))).text == f" hello {PROMPT}"


async def test_an_unsure_text_is_tried_without_the_prompt_before_a_higher_temperature():
    engine = Scripted(lambda w, o: recognized(" unsure", avg_logprob=-1.5) if o.prompt else recognized())
    assert (await decode_well(engine, WINDOW, Options(prompt="names", hotwords="Ada"))).text == " fine"
    assert [(o.temperature, o.prompt, o.hotwords) for o in engine.asked] == [(0.0, "names", "Ada"), (0.0, None, None)]


async def test_a_stutter_is_taken_out_and_not_tried_again():
    """The rest is judged as usual; speech that has no text then gets a continuation."""
    loop = tuple(Piece(1_000 + 20 * k, 1_020 + 20 * k, (1, 2), " again") for k in range(60))
    engine = Scripted(lambda w, o: recognized(pieces=(Piece(0, 1_000, (1, 2), " again"), *loop)))
    assert (await decode_well(engine, WINDOW, Options())).text == " again"
    assert len(engine.asked) == 1


async def test_silence_is_not_tried_again():
    engine = Scripted(lambda w, o: recognized(no_speech_prob=0.9, avg_logprob=-3.0))
    await decode_well(engine, WINDOW, Options())
    assert len(engine.asked) == 1


async def test_a_temperature_that_was_given_is_used_as_it_is():
    engine = Scripted(lambda w, o: recognized(avg_logprob=-3.0))
    assert (await decode_well(engine, WINDOW, Options(temperature=0.5))).temperature == 0.5
    assert len(engine.asked) == 1
