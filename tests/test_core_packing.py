"""Short windows in one of 30 s: each caller gets its own words, whoever leaves and whatever fails."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoint.core import packing
from endpoint.core.packing import BUSY, HOLD_SECONDS, WAIT, PackingEngine, lay, packable
from endpoint.errors import EngineFailed
from endpoint.options import Options, Task, VadOptions
from endpoint.types import SAMPLE_RATE, TIMESTAMP_MS, Hypothesis, Window
from tests.packing_support import ENGLISH, GAP, Reader, all_of, clip, read, same

CLIPS = clip(1, 2), clip(3, 4), clip(5, 6)


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
async def test_whatever_the_clips_each_gets_its_own(texts: list[list[int]], quiet: int, odd: bool) -> None:
    inner = Reader()
    windows = [clip(*words, quiet=quiet - quiet % (1 if odd else 320)) for words in texts]
    made = await all_of(PackingEngine(inner, 30), *windows)
    assert max(seconds for seconds, _ in inner.seen) <= 30
    for own, window in zip(made, windows, strict=True):
        alone = read(window)
        assert own.window is window
        assert [p.text for p in own.pieces] == [p.text for p in alone.pieces]
        assert abs(own.pieces[0].start_ms - alone.pieces[0].start_ms) <= TIMESTAMP_MS


async def test_no_window_is_longer_than_the_model_takes() -> None:
    inner = Reader()
    windows = [
        clip(*range(20 * k, 20 * k + 20)) for k in range(1, 12)
    ]  # 8.4 s each: three of them, and what lies between, in 30 s
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
    assert [own.text for own in made] == [f" w{k}" for k in range(1, 9)]
    assert len(inner.seen) == 4
    assert [given for _, given in inner.seen] == [each[1], each[2], each[3], each[0]]
    assert [given.logprobs for _, given in inner.seen].count(True) == 1


class Busy(Reader):
    """Windows that cannot be packed are decoded only once `release` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.release = asyncio.Event()

    async def decode(self, window: Window, options: Options) -> Hypothesis:
        made = await super().decode(window, options)
        if options == Options():
            await self.release.wait()
        return made


async def test_while_the_engine_is_busy_clips_wait_for_more_but_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = Busy()
    engine = PackingEngine(inner, 30)
    busy = [asyncio.create_task(engine.decode(clip(1), Options())) for _ in range(BUSY)]
    await until(lambda: len(inner.seen) == BUSY)
    monkeypatch.setattr(packing, "HOLD_SECONDS", math.inf)
    asked = []
    for k in range(2, 5):
        asked.append(asyncio.create_task(engine.decode(clip(k), ENGLISH)))
        await asyncio.sleep(2 * WAIT)  # long enough to be sent, were the engine not busy
    assert len(inner.seen) == BUSY
    monkeypatch.setattr(packing, "HOLD_SECONDS", HOLD_SECONDS)
    assert [own.text for own in await asyncio.gather(*asked)] == [" w2", " w3", " w4"]
    assert len(inner.seen) == BUSY + 1
    assert not any(task.done() for task in busy)  # they did not wait for the engine
    inner.release.set()
    await asyncio.gather(*busy)


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


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.001)


async def test_who_leaves_while_decoding_does_not_hurt_the_others() -> None:
    inner = Reader(delay=1.0)
    engine = PackingEngine(inner, 30)
    asked = [asyncio.create_task(engine.decode(window, ENGLISH)) for window in CLIPS]
    await until(lambda: inner.seen)
    asked[1].cancel()
    made = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(each) for each in made] == [Hypothesis, asyncio.CancelledError, Hypothesis]
    assert (len(inner.seen), inner.cancelled) == (1, 0)


@pytest.mark.parametrize("count", [1, 3])
async def test_when_all_have_left_the_work_ends(count: int) -> None:
    inner = Reader(delay=10)
    engine = PackingEngine(inner, 30)
    asked = [asyncio.create_task(engine.decode(window, ENGLISH)) for window in CLIPS[:count]]
    await until(lambda: inner.seen)
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


async def test_an_error_in_reading_a_hypothesis_reaches_every_caller_too() -> None:
    inner = Reader(change=lambda packed: replace(packed, pieces=(replace(packed.pieces[0], tokens=()),)))
    made = await asyncio.gather(*(all_of(PackingEngine(inner, 30), *CLIPS),), return_exceptions=True)
    assert isinstance(made[0], IndexError)


async def test_closing_fails_those_who_wait() -> None:
    inner = Reader(delay=10)
    engine = PackingEngine(inner, 30)
    await engine.start()
    decoding = [asyncio.create_task(engine.decode(window, ENGLISH)) for window in CLIPS]
    await until(lambda: inner.seen)
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
    aligned = await engine.align(read(CLIPS[0]), Task.TRANSCRIBE)
    assert aligned.words == ()
    inner.failing = EngineFailed("gone")
    with pytest.raises(EngineFailed, match="gone"):
        await engine.check()
