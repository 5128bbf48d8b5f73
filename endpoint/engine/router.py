"""Engines side by side, as one: every window goes to the one that has the fewest of them in flight."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

from endpoint.errors import EndpointError
from endpoint.options import Options, Task
from endpoint.tasks import together
from endpoint.types import Engine, EngineInfo, Hypothesis, Notice, Window


class EngineRouter:
    """An Engine made of several engines of one model. Engines that are equally busy take turns.

    `check` fails as soon as one of them does, so that the server is restarted: nothing else brings a GPU back. Until
    then, windows of requests that were admitted go to the others.
    """

    def __init__(self, engines: Sequence[Engine]) -> None:
        self._engines = tuple(engines)
        self._in_flight = [0] * len(self._engines)
        self._last = -1

    @property
    def info(self) -> EngineInfo:
        one = self._engines[0].info
        return replace(one, device=f"{len(self._engines)} x {one.device}")

    async def start(self) -> None:
        for engine in self._engines:
            await engine.start()

    async def check(self) -> None:
        for engine in self._engines:
            await engine.check()

    async def steps(self) -> tuple[int, int]:
        each = await together(engine.steps() for engine in self._engines)
        return sum(steps for steps, _ in each), sum(windows for _, windows in each)

    async def close(self) -> None:
        async with AsyncExitStack() as stack:  # closes the rest where one fails
            for engine in self._engines:
                stack.push_async_callback(engine.close)

    def check_options(self, options: Options) -> tuple[Notice, ...]:
        return self._engines[0].check_options(options)

    async def decode(self, window: Window, options: Options) -> Hypothesis:
        return await self._ask(lambda engine: engine.decode(window, options))

    async def detect(self, window: Window, options: Options) -> Hypothesis:
        return await self._ask(lambda engine: engine.detect(window, options))

    async def align(self, hypothesis: Hypothesis, task: Task) -> Hypothesis:
        """By the engine that decoded the window, as it has kept what the encoder gave."""
        number, _, key = hypothesis.key.partition("/")
        return await self._engines[int(number)].align(replace(hypothesis, key=key), task)

    async def _ask(self, ask: Callable[[Engine], Awaitable[Hypothesis]]) -> Hypothesis:
        able = await self._able()
        number = min(able, key=lambda k: (self._in_flight[k], (k - self._last - 1) % len(self._engines)))
        self._last = number
        self._in_flight[number] += 1
        try:
            hypothesis = await ask(self._engines[number])
        finally:
            self._in_flight[number] -= 1
        return replace(hypothesis, key=f"{number}/{hypothesis.key}")

    async def _able(self) -> list[int]:
        """Numbers of the engines that work. Raises the error of the first one where none does."""
        able, failure = [], EndpointError("there is no engine")
        for number, engine in reversed(list(enumerate(self._engines))):
            try:
                await engine.check()
                able.append(number)
            except EndpointError as error:
                failure = error
        if not able:
            raise failure
        return able
