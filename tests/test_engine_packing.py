"""Short windows in one of 30 s: each caller gets its own words or is decoded alone, whatever the model answers.

The engine here reads its answer out of the samples, so that what is due to whom is known; `told` changes what it says
of windows that hold several clips.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoint.engine.packing import LEAN, PATIENCE, PackingEngine, lay, packable, split
from endpoint.errors import EngineFailed
from endpoint.types import (
    SAMPLE_RATE,
    TIMESTAMP_MS,
    WINDOW_SAMPLES,
    EngineInfo,
    Hypothesis,
    Options,
    Piece,
    Span,
    Task,
    VadOptions,
    Window,
)

ZERO = 1000  # id of the timestamp 0.00
WORD = 6400  # samples, 400 ms, of a word
ENGLISH = Options(language="en")
GAP = SAMPLE_RATE
LEAN_MS = int(LEAN * 1000)

Told = Callable[[Hypothesis], Hypothesis]


def clip(*words: int, start: int = 0, quiet: int = 3200) -> Window:
    """Words spoken one after the other, `quiet` samples of silence around them, voice activity having heard them."""
    sound = np.repeat(np.array(words, np.int16), WORD)
    samples = np.concatenate([np.zeros(quiet, np.int16), sound, np.zeros(quiet, np.int16)])
    return Window(start, samples, (Span(start + quiet, start + quiet + len(sound)),))


def stamp(milliseconds: int) -> int:
    return ZERO + milliseconds // TIMESTAMP_MS


def piece(start: int, end: int, *words: int) -> Piece:
    return Piece(start, end, (stamp(start), *words, stamp(end)), "".join(f" w{word}" for word in words))


def hypothesis(window: Window, *pieces: Piece, logprob: float = -0.2, **more: object) -> Hypothesis:
    tokens = tuple(token for each in pieces for token in each.tokens)
    base = Hypothesis(
        window=window,
        tokens=tokens,
        pieces=pieces,
        language="en",
        language_probabilities={"en": 1.0},
        no_speech_prob=0.01,
        avg_logprob=logprob,
        temperature=0.0,
        input_tokens=1,
        logprobs=(logprob,) * len(tokens),
    )
    return replace(base, **more)


def read(window: Window) -> Hypothesis:
    """A segment for each stretch of sound, its words by their values."""
    sound = np.flatnonzero(window.samples)
    if not len(sound):
        return hypothesis(window)
    pieces = []
    for stretch in np.split(sound, np.flatnonzero(np.diff(sound) > 1) + 1):
        start, end = (int(at) * 1000 // SAMPLE_RATE for at in (stretch[0], stretch[-1] + 1))
        pieces.append(piece(start, end, *(int(word) for word in window.samples[stretch[::WORD]])))
    return hypothesis(window, *pieces)


class Reader:
    """An engine that hears what `clip` wrote. seen: seconds and options of each window it was given."""

    info = EngineInfo("reader", "fake", "1", "none", "none")

    def __init__(self, told: Told | None = None, delay: float = 0.0) -> None:
        self.told, self.delay = told, delay
        self.seen: list[tuple[float, Options]] = []
        self.failing: Exception | None = None
        self.started = self.closed = self.cancelled = 0

    async def start(self) -> None:
        self.started += 1

    async def check(self) -> None:
        if self.failing:
            raise self.failing

    async def close(self) -> None:
        self.closed += 1

    async def decode(self, window: Window, options: Options) -> Hypothesis:
        self.seen.append((len(window.samples) / SAMPLE_RATE, options))
        try:
            await asyncio.sleep(self.delay)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        await self.check()
        heard = replace(read(window), temperature=options.temperature)
        return self.told(heard) if self.told and not window.speech else heard

    async def detect(self, window: Window, options: Options) -> Hypothesis:
        return hypothesis(window, language="de")

    async def align(self, hypothesis: Hypothesis, task: Task) -> Hypothesis:
        return replace(hypothesis, words=())


def all_of(engine: PackingEngine, *windows: Window, options: Options = ENGLISH) -> Awaitable[list[Hypothesis]]:
    return asyncio.gather(*(engine.decode(window, options) for window in windows))


def same(made: Hypothesis, alone: Hypothesis) -> bool:
    """Equal but for the sums of floats."""
    return math.isclose(made.avg_logprob, alone.avg_logprob) and made == replace(alone, avg_logprob=made.avg_logprob)


# ---- what is laid together, and given back ---------------------------------------------------------


def test_windows_lie_apart_where_timestamps_can_be() -> None:
    windows = [clip(1), clip(2, 3), clip(4)]
    windows[0] = replace(windows[0], samples=windows[0].samples[:-7])
    samples, slots = lay(windows, GAP)
    assert [slot.start % 320 for slot in slots] == [0, 0, 0]
    for before, after in itertools.pairwise(slots):
        assert GAP <= after.start - before.end < GAP + 320
        assert not samples[before.end : after.start].any()
    assert all(np.array_equal(samples[s.start : s.end], s.window.samples) for s in slots)
    assert samples.dtype == np.int16
    assert len(samples) == slots[-1].end


async def test_clips_share_a_window_and_each_gets_its_own() -> None:
    inner = Reader()
    engine = PackingEngine(inner, 30)
    windows = [clip(1, 2), clip(3, start=90_000), clip(4, 5, 6)]
    made = await all_of(engine, *windows)
    assert len(inner.seen) == 1
    assert all(same(hypothesis, read(window)) for hypothesis, window in zip(made, windows, strict=True))
    assert engine.counts == {"packs": 1, "clips": 3}


async def test_a_clip_that_nobody_joins_is_decoded_as_it_is() -> None:
    inner = Reader()
    engine = PackingEngine(inner, 30)
    window = clip(1, 2)
    assert await engine.decode(window, ENGLISH) == read(window)
    assert inner.seen == [(len(window.samples) / SAMPLE_RATE, ENGLISH)]
    assert not engine.counts


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 900), min_size=1, max_size=12), min_size=1, max_size=12),
    st.integers(700, 20_000),
    st.booleans(),
)
async def test_whatever_the_clips_each_gets_its_own(said: list[list[int]], quiet: int, odd: bool) -> None:
    inner = Reader()
    windows = [clip(*words, quiet=quiet - quiet % (1 if odd else 320)) for words in said]
    made = await all_of(PackingEngine(inner, 30), *windows)
    assert max(seconds for seconds, _ in inner.seen) <= 30
    for heard, window in zip(made, windows, strict=True):
        alone = read(window)
        assert heard.window is window
        assert [p.text for p in heard.pieces] == [p.text for p in alone.pieces]
        assert abs(heard.pieces[0].start_ms - alone.pieces[0].start_ms) <= TIMESTAMP_MS


async def test_no_window_is_longer_than_the_model_takes() -> None:
    inner = Reader()
    windows = [clip(*range(20 * k, 20 * k + 20)) for k in range(1, 12)]  # 8.4 s each: three of them, and what lies between, in 30 s
    made = await all_of(PackingEngine(inner, 30), *windows)
    assert all(same(hypothesis, read(window)) for hypothesis, window in zip(made, windows, strict=True))
    assert sorted(round(seconds) for seconds, _ in inner.seen) == [18, 27, 27, 27]
    shorter = Reader()
    await all_of(PackingEngine(shorter, 20), *windows)
    assert max(seconds for seconds, _ in shorter.seen) <= 20


# ---- which may share --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "may"),
    [
        (ENGLISH, True),
        (Options(language="en", logprobs=True, task=Task.TRANSLATE, vad=VadOptions(0.3)), True),
        (Options(language="en", multilingual=True, condition_on_previous_text=True), True),
        (Options(), False),
        (Options(languages=("en", "de")), False),
        (Options(language="en", prompt="names"), False),
        (Options(language="en", hotwords="names"), False),
        (Options(language="en", temperature=0.2), False),
        (Options(language="en", words=True), False),
    ],
)
async def test_only_windows_that_need_no_pass_of_their_own(options: Options, may: bool) -> None:
    assert packable(clip(1), options) is may
    inner = Reader()
    await all_of(PackingEngine(inner, 30), clip(1), clip(2), options=options)
    assert len(inner.seen) == (1 if may else 2)
    if not may:
        assert {given for _, given in inner.seen} == {options}


async def test_long_windows_and_those_without_known_speech_stay_alone() -> None:
    inner = Reader()
    engine = PackingEngine(inner, 30)
    await all_of(engine, clip(*[1] * 25), clip(2), replace(clip(3), speech=()), clip(4))
    assert len(inner.seen) == 3
    await all_of(PackingEngine(inner, 30, clip_seconds=0.5), clip(1), clip(2))
    assert len(inner.seen) == 5


async def test_only_those_asked_for_alike_are_decoded_together() -> None:
    inner = Reader()
    engine = PackingEngine(inner, 30)
    each = [ENGLISH, Options(language="de"), replace(ENGLISH, task=Task.TRANSLATE), replace(ENGLISH, logprobs=True)]
    made = await asyncio.gather(*(engine.decode(clip(k), each[k % 4]) for k in range(1, 9)))
    assert [heard.text for heard in made] == [f" w{k}" for k in range(1, 9)]
    assert len(inner.seen) == 4
    assert [given for _, given in inner.seen] == [each[1], each[2], each[3], each[0]]
    assert [given.logprobs for _, given in inner.seen].count(True) == 1


async def test_while_the_engine_is_busy_clips_wait_for_more_but_not_for_long() -> None:
    inner = Reader(delay=10 * PATIENCE)
    engine = PackingEngine(inner, 30)
    busy = [asyncio.create_task(engine.decode(clip(1), Options())) for _ in range(4)]
    await asyncio.sleep(0)
    began = asyncio.get_running_loop().time()
    asked = []
    for k in range(2, 5):
        asked.append(asyncio.create_task(engine.decode(clip(k), ENGLISH)))
        await asyncio.sleep(PATIENCE / 5)
    assert len(inner.seen) == 4
    assert [heard.text for heard in await asyncio.gather(*asked)] == [" w2", " w3", " w4"]
    assert len(inner.seen) == 5
    assert 11 * PATIENCE <= asyncio.get_running_loop().time() - began < 17 * PATIENCE  # 20, had they waited for an end
    await asyncio.gather(*busy)


# ---- doubt ------------------------------------------------------------------------------------------

CLIPS = clip(1, 2), clip(3, 4), clip(5, 6)
TRUTH = [read(window) for window in CLIPS]
# 1.2 s each; the words of the second are at 2.4 to 3.2 s, of the third at 4.6 to 5.4 s.
FIRST, SECOND, THIRD = piece(200, 1000, 1, 2), piece(2400, 3200, 3, 4), piece(4600, 5400, 5, 6)
ALL = {0, 1, 2}


def of(*pieces: Piece, **more: object) -> Hypothesis:
    samples, _ = lay(CLIPS, GAP)
    return hypothesis(Window(0, samples), *pieces, **more)


@pytest.mark.parametrize(
    ("heard", "refused"),
    [
        (of(FIRST, SECOND, THIRD), set[int]()),
        (of(FIRST, SECOND), {2}),  # a clip without text
        (of(), ALL),
        (of(piece(200, 3200, 1, 2, 3, 4), THIRD), {0, 1}),  # across a gap
        (of(piece(200, 5400, 1, 2, 3, 4, 5, 6)), ALL),
        (of(FIRST, piece(1600, 1800, 9), SECOND, THIRD), {0, 1}),  # in a gap: whose is it?
        (of(FIRST, SECOND, THIRD, complete=False), ALL),
        (of(SECOND, FIRST, THIRD), ALL),  # out of order
        (of(FIRST, replace(SECOND, end_ms=None), THIRD), ALL),
        (of(FIRST, SECOND, replace(THIRD, end_ms=None, tokens=THIRD.tokens[:-1])), ALL),  # ended early
        (of(FIRST, SECOND, THIRD, tokens=(*of(FIRST, SECOND, THIRD).tokens, 7)), ALL),  # a token left over
        (of(FIRST, SECOND, THIRD, logprobs=()), ALL),
        (of(FIRST, replace(SECOND, start_ms=2500), THIRD), ALL),  # not what its timestamp says
        (of(FIRST, piece(2400, 2400, 3), THIRD), ALL),
        (of(FIRST, SECOND, THIRD, logprob=-1.2), ALL),  # not sure
        (of(FIRST, piece(2400, 3200, *[3] * 200), THIRD), {1}),  # says one thing over and over
        (of(FIRST, piece(2400, 2600, 3), THIRD), set[int]()),  # 0.1 s more than is forgiven, less than counts
    ],
)
def test_what_is_not_plainly_a_clips_own_is_not_given_to_it(heard: Hypothesis, refused: set[int]) -> None:
    _, slots = lay(CLIPS, GAP)
    made = split(heard, slots, LEAN_MS)
    assert {k for k, own in enumerate(made) if own is None} == refused


def test_segments_may_lean_out_a_little() -> None:
    _, slots = lay(CLIPS, GAP)
    early = of(FIRST, piece(2200 - LEAN_MS, 3200, 3, 4), THIRD)
    own = split(early, slots, LEAN_MS)[1]
    assert own is not None
    assert (own.pieces[0].start_ms, own.tokens[0]) == (0, ZERO)
    further = of(FIRST, piece(2200 - LEAN_MS - 20, 3200, 3, 4), THIRD)
    assert [own is None for own in split(further, slots, LEAN_MS)] == [True, True, False]


def test_speech_without_text_is_doubtful() -> None:
    long = clip(1, 2, 3, 4, 5, 6, 7)  # 2.8 s of speech
    samples, slots = lay([long, clip(8)], GAP)
    eight = piece(4400, 4800, 8)
    for first, refused in ((piece(200, 3000, 1), False), (piece(200, 1400, 1), True), (piece(1800, 3000, 7), True)):
        made = split(hypothesis(Window(0, samples), first, eight), slots, LEAN_MS)
        assert [own is None for own in made] == [refused, False]


async def test_a_doubtful_clip_is_decoded_alone_and_the_others_are_not() -> None:
    inner = Reader(told=lambda heard: hypothesis(heard.window, *heard.pieces[:1], *heard.pieces[2:]))
    engine = PackingEngine(inner, 30)
    made = await all_of(engine, *CLIPS)
    assert all(same(heard, truth) for heard, truth in zip(made, TRUTH, strict=True))
    assert len(inner.seen) == 2
    assert engine.counts == {"packs": 1, "clips": 3, "again": 1}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 340), st.integers(0, 340)), max_size=8), st.integers(0, 2))
def test_nobody_is_given_words_said_outside_its_clip(times: list[tuple[int, int]], where: int) -> None:
    """Any answer at all: what a clip is given lies in it, as the answer's timestamps have it."""
    _, slots = lay(CLIPS, GAP)
    pieces = [piece(TIMESTAMP_MS * min(pair), TIMESTAMP_MS * max(pair), 10 + k) for k, pair in enumerate(times)]
    own = split(of(*pieces), slots, LEAN_MS)[where]
    if own is None:
        return
    begin, end = slots[where].milliseconds(LEAN_MS)
    within = {p.tokens[1] for p in pieces if p.end_ms is not None and begin <= p.start_ms and p.end_ms <= end}
    assert {p.tokens[1] for p in own.pieces} == within
    assert own.window is CLIPS[where]


# ---- callers that leave, and errors ------------------------------------------------------------------


async def test_who_leaves_while_waiting_is_not_decoded() -> None:
    inner = Reader()
    engine = PackingEngine(inner, 30)
    asked = [asyncio.create_task(engine.decode(window, ENGLISH)) for window in CLIPS]
    await asyncio.sleep(0)
    asked[0].cancel()
    made = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(made[0], asyncio.CancelledError)
    assert [isinstance(m, Hypothesis) and m.text for m in made[1:]] == [" w3 w4", " w5 w6"]
    assert inner.seen[0][0] == pytest.approx(3.4)


async def test_who_leaves_while_decoding_does_not_hurt_the_others() -> None:
    inner = Reader(delay=0.1)
    engine = PackingEngine(inner, 30)
    asked = [asyncio.create_task(engine.decode(window, ENGLISH)) for window in CLIPS]
    await asyncio.sleep(0.05)
    asked[1].cancel()
    made = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(each) for each in made] == [Hypothesis, asyncio.CancelledError, Hypothesis]
    assert (len(inner.seen), inner.cancelled) == (1, 0)


@pytest.mark.parametrize("count", [1, 3])
async def test_when_all_have_left_the_work_ends(count: int) -> None:
    inner = Reader(delay=10)
    engine = PackingEngine(inner, 30)
    asked = [asyncio.create_task(engine.decode(window, ENGLISH)) for window in CLIPS[:count]]
    await asyncio.sleep(0.05)
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    await asyncio.sleep(0)
    assert (len(inner.seen), inner.cancelled) == (1, 1)


async def test_all_leave_while_waiting() -> None:
    inner = Reader()
    engine = PackingEngine(inner, 30)
    asked = [asyncio.create_task(engine.decode(window, ENGLISH)) for window in CLIPS]
    await asyncio.sleep(0)
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    await asyncio.sleep(0.05)
    assert inner.seen == []


async def test_an_error_reaches_every_caller() -> None:
    inner = Reader()
    inner.failing = EngineFailed("the engine failed on a window")
    engine = PackingEngine(inner, 30)
    asked = (engine.decode(window, ENGLISH) for window in CLIPS)
    made = await asyncio.gather(*asked, return_exceptions=True)
    assert [str(error) for error in made] == ["the engine failed on a window"] * 3
    inner.failing = None
    assert (await engine.decode(CLIPS[0], ENGLISH)).text == " w1 w2"


async def test_an_answer_that_cannot_be_read_reaches_every_caller_too() -> None:
    inner = Reader(told=lambda heard: replace(heard, pieces=(replace(heard.pieces[0], tokens=()),)))
    made = await asyncio.gather(*(all_of(PackingEngine(inner, 30), *CLIPS),), return_exceptions=True)
    assert isinstance(made[0], IndexError)


async def test_closing_answers_those_who_wait() -> None:
    inner = Reader(delay=10)
    engine = PackingEngine(inner, 30)
    await engine.start()
    decoding = [asyncio.create_task(engine.decode(window, ENGLISH)) for window in CLIPS]
    await asyncio.sleep(0.05)
    waiting = asyncio.create_task(engine.decode(clip(9), ENGLISH))
    await asyncio.sleep(0)
    await engine.close()
    for task in (*decoding, waiting):
        with pytest.raises(EngineFailed, match="closed"):
            await task
    assert (inner.started, inner.closed) == (1, 1)


async def test_the_rest_is_handed_on() -> None:
    inner = Reader()
    engine = PackingEngine(inner, 30)
    assert engine.info is inner.info
    assert (await engine.detect(CLIPS[0], Options())).language == "de"
    assert (await engine.align(TRUTH[0], Task.TRANSCRIBE)).words == ()
    inner.failing = EngineFailed("gone")
    with pytest.raises(EngineFailed, match="gone"):
        await engine.check()
    assert WINDOW_SAMPLES == 30 * SAMPLE_RATE
