"""Windows one after the other, each given the text before it: endpoint.core.dispatch."""

from __future__ import annotations

from dataclasses import replace

import pytest

from endpoint.admission import Urgency
from endpoint.call import Call
from endpoint.core.dispatch import PROMPT_CHARACTERS
from endpoint.core.transcriber import transcribe
from endpoint.engine.fake import FakeEngine
from endpoint.options import Options
from endpoint.types import Hypothesis
from tests.test_core_pipeline import PLAIN, Engine, ready, sound

IN_TURN = replace(PLAIN, condition_on_previous_text=True)


async def test_each_window_is_given_the_text_before_it() -> None:
    pipeline, engine = await ready(sound(*[500 + 91 * k for k in range(20)]))
    made = await transcribe(pipeline, b"?", replace(IN_TURN, prompt="Given."))
    assert engine.most_running == 1
    prompts = [options.prompt for _, options in engine.asked]
    assert prompts[0] == "Given."
    texts = [""]
    for window, options in engine.asked[:-1]:
        recognized = await FakeEngine(engine.info).decode(window, options)
        texts.append(texts[-1] + recognized.text)
    assert prompts == [f"Given.{text}" for text in texts]
    assert made.text.startswith(texts[-1].strip())


async def test_without_it_every_window_has_the_same_prompt() -> None:
    pipeline, engine = await ready(sound(*[500] * 20))
    await transcribe(pipeline, b"?", replace(PLAIN, prompt="Given."))
    assert {options.prompt for _, options in engine.asked} == {"Given."}


async def test_the_text_before_is_bounded() -> None:
    def wordy(recognized: Hypothesis, options: Options) -> Hypothesis:
        text = "".join(f" {k * len(recognized.window.samples):x}" for k in range(200))  # does not repeat itself
        return replace(recognized, pieces=tuple(replace(piece, text=text) for piece in recognized.pieces))

    pipeline, engine = await ready(sound(*[500] * 30), Engine(change=wordy))
    await transcribe(pipeline, b"?", IN_TURN)
    prompts = [len(options.prompt or "") for _, options in engine.asked]
    assert max(prompts) == prompts[-1] == PROMPT_CHARACTERS


async def test_text_decoded_at_a_high_temperature_is_not_in_the_prompt() -> None:
    """The first window is good at 0.8 only, so its text prompts no other; the text of the second prompts the third."""

    def unsure(recognized: Hypothesis, options: Options) -> Hypothesis:
        return (
            replace(recognized, avg_logprob=-3.0)
            if recognized.window.start == 0 and options.temperature < 0.8
            else recognized
        )

    pipeline, engine = await ready(sound(*[500 + 37 * k for k in range(14)]), Engine(change=unsure))
    await transcribe(pipeline, b"?", IN_TURN)
    given = {window.start: options.prompt for window, options in engine.asked}
    first, second, third, *_ = sorted(given)
    assert first == 0
    assert not given[second]
    assert given[third]


async def test_text_of_a_silent_window_is_not_in_the_prompt() -> None:
    """It is left out of the transcript; the reference does not condition on it either."""

    def haunted(recognized: Hypothesis, options: Options) -> Hypothesis:
        if recognized.window.start == 0:
            ghost = replace(recognized.pieces[0], text=" Thanks for watching!")
            return replace(recognized, pieces=(ghost,), no_speech_prob=0.9, avg_logprob=-2.0)
        return recognized

    pipeline, engine = await ready(sound(*[500] * 14), Engine(change=haunted))
    made = await transcribe(pipeline, b"?", IN_TURN)
    assert "Thanks" not in made.text
    assert not any("Thanks" in (options.prompt or "") for _, options in engine.asked)


# ---- what was decoded before ----------------------------------------------------------------------


class Kept:
    """A checkpoint in memory."""

    def __init__(self, found: dict[int, bytes]) -> None:
        self.found, self.saved = found, dict[int, bytes]()

    async def save(self, window: int, data: bytes) -> None:
        self.saved[window] = data


@pytest.mark.parametrize("options", [PLAIN, replace(PLAIN, words=True), IN_TURN], ids=["plain", "words", "in turn"])
async def test_windows_of_a_checkpoint_are_not_decoded_again_and_nothing_else_changes(options: Options) -> None:
    levels = [500 + 37 * k for k in range(30)]
    pipeline, engine = await ready(sound(*levels))
    first = Kept({})
    whole = await transcribe(pipeline, b"?", options, Call(checkpoint=first))
    count = len(engine.asked)
    assert sorted(first.saved) == list(range(count))
    for share in (0, 3, count):
        engine.asked.clear()
        some = Kept({number: first.saved[number] for number in range(share)})
        again = await transcribe(pipeline, b"?", options, Call(checkpoint=some, urgency=Urgency.JOB))
        assert again == whole
        assert len(engine.asked) == count - share
        assert sorted(some.saved) == list(range(share, count))


async def test_a_window_that_cannot_be_kept_ends_the_work() -> None:
    class Full(Kept):
        async def save(self, window: int, data: bytes) -> None:
            raise RuntimeError("another worker has it")

    pipeline, engine = await ready(sound(*[500] * 60), Engine(delay=0.001))
    with pytest.raises(RuntimeError, match="another worker"):
        await transcribe(pipeline, b"?", PLAIN, Call(checkpoint=Full({})))
    assert engine.running == 0
