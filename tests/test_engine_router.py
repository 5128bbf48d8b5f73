"""Engines as one: who gets which window, who times its words, and what happens when one fails."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from endpoint.engine.fake import FakeEngine
from endpoint.engine.router import EngineRouter
from endpoint.errors import EngineFailed
from endpoint.options import Options, Task
from endpoint.tasks import together
from endpoint.types import SAMPLE_RATE, EngineInfo, Hypothesis, Window

INFO = EngineInfo("fake", "fake", "1", "gpu", "none")
WINDOW = Window(0, np.full(SAMPLE_RATE, 500, np.int16))


class Named(FakeEngine):
    """Puts its name into `key`, and refuses to time words that another engine decoded. calls: starts and closes."""

    calls: list[str]

    def __init__(self, name: str, delay: float = 0.0, calls: list[str] | None = None) -> None:
        super().__init__(INFO, delay)
        self.name, self.count, self.calls = name, 0, [] if calls is None else calls

    async def start(self) -> None:
        self.calls.append(f"start {self.name}")

    async def close(self) -> None:
        self.calls.append(f"close {self.name}")
        if self.fail:
            raise EngineFailed(self.name)

    async def decode(self, window: Window, options: Options) -> Hypothesis:
        self.count += 1
        key = f"{self.name}/{self.count}"
        return replace(await super().decode(window, options), key=key)

    async def align(self, hypothesis: Hypothesis, task: Task) -> Hypothesis:
        assert hypothesis.key.startswith(f"{self.name}/")
        return await super().align(hypothesis, task)


async def test_windows_of_one_file_spread_over_all() -> None:
    engines = [Named(name, delay=0.01) for name in "abc"]
    several = EngineRouter(engines)
    await together(several.decode(WINDOW, Options()) for _ in range(9))
    assert [engine.most_running for engine in engines] == [3, 3, 3]
    assert several.info.device == "3 x gpu"


async def test_a_slow_one_is_given_less_and_equals_take_turns() -> None:
    slow, quick = Named("slow", delay=0.2), Named("quick", delay=0.001)
    several = EngineRouter([slow, quick])
    waiting = asyncio.create_task(several.decode(WINDOW, Options()))
    await asyncio.sleep(0)
    for _ in range(5):
        await several.decode(WINDOW, Options())
    assert (slow.count, quick.count) == (1, 5)
    await waiting
    slow.delay = 0
    for _ in range(4):
        await several.detect(WINDOW, Options())
    assert (slow.count, quick.count) == (3, 7)


async def test_words_are_timed_by_the_engine_that_decoded() -> None:
    several = EngineRouter([Named(name) for name in "ab"])
    hypotheses = await together(several.decode(WINDOW, Options(words=True)) for _ in range(4))
    assert len({one.key for one in hypotheses}) == 4
    timed = [await several.align(one, Task.TRANSCRIBE) for one in reversed(hypotheses)]
    assert all(one.words for one in timed)


async def test_one_that_is_cancelled_or_fails_is_not_counted_as_busy() -> None:
    engines = [Named("a", delay=10), Named("b", delay=10)]
    several = EngineRouter(engines)
    work = [asyncio.create_task(several.decode(WINDOW, Options())) for _ in range(2)]
    await asyncio.sleep(0.01)
    for task in work:
        task.cancel()
    await asyncio.gather(*work, return_exceptions=True)
    assert [engine.cancelled for engine in engines] == [1, 1]
    assert several._in_flight == [0, 0]


async def test_when_one_fails_the_server_is_unhealthy_and_the_others_go_on() -> None:
    broken, whole = Named("broken"), Named("whole")
    several = EngineRouter([broken, whole])
    await several.check()
    broken.fail = True
    with pytest.raises(EngineFailed):
        await several.check()
    for _ in range(4):
        await several.decode(WINDOW, Options())
    assert (broken.count, whole.count) == (0, 4)
    whole.fail = True
    with pytest.raises(EngineFailed):
        await several.decode(WINDOW, Options())


async def test_all_are_started_in_order_and_closed_even_if_one_cannot_be() -> None:
    calls: list[str] = []
    engines = [Named(name, calls=calls) for name in "abc"]
    several = EngineRouter(engines)
    await several.start()
    engines[1].fail = True
    with pytest.raises(EngineFailed, match="b"):
        await several.close()
    assert calls == ["start a", "start b", "start c", "close c", "close b", "close a"]
