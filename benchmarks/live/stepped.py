"""Interim text as it is where passes take no time: sound goes on only when the pass over it is done.

At the pace of speech a slow machine makes few passes, and most text comes with the finals; here every half second of
sound has its pass, whatever the machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.human.clips import Clip
from endpoint.audio.vad import VoiceActivity
from endpoint.bench.containers import decode
from endpoint.bench.live import error_rate
from endpoint.call import Call
from endpoint.core.transcriber import Steps, Transcriber, Wrapped
from endpoint.gateway.pool import Pool
from endpoint.gateway.upstream import RemoteTranscriber
from endpoint.live.agreement import DEFAULT_DELAY, DELAYS
from endpoint.live.pace import EVERY, Pace
from endpoint.live.plain import Plain
from endpoint.live.protocol import TurnSettings
from endpoint.live.record import Lag, LiveRecord
from endpoint.live.runner import Means, Runner
from endpoint.live.session import Session
from endpoint.live.text import tail
from endpoint.memfile import MemoryFile
from endpoint.options import Options
from endpoint.types import SAMPLE_RATE

AT_ONCE = 2


@dataclass(frozen=True)
class Stepped:
    """ahead: share of the words that were agreed on before their turn ended. lag: seconds of sound after a word, median
    and 95th percentile. errors in per cent.
    """

    ahead: float
    lag: tuple[float, float]
    interim_errors: float | None
    final_errors: float | None
    other: list[tuple[str, str]]


async def stepped(base: str, token: str, clips: Sequence[Clip], delay: str = DEFAULT_DELAY) -> Stepped:
    """token: ENGINE_TOKEN of the server."""
    slots, record = asyncio.Semaphore(AT_ONCE), LiveRecord()

    async def one(clip: Clip) -> list[tuple[str, str]]:
        async with slots:
            return await _speak(_Watched(server), clip, delay, record)

    async with _remote(base, token) as server:
        found = await asyncio.gather(*map(one, clips))
    interim = [" ".join(tail_joined(early, final) for early, final in turns) for turns in found]
    final = [" ".join(text for _, text in turns) for turns in found]
    early = sum(len(text.split()) for turns in found for text, _ in turns)
    lags = sorted(record.lags[Lag.WORD])
    references = [clip.text for clip in clips]
    return Stepped(
        early / sum(len(text.split()) for text in final),
        (lags[len(lags) // 2], lags[int(0.95 * len(lags))]),
        error_rate(list(zip(references, interim, strict=True))),
        error_rate(list(zip(references, final, strict=True))),
        [(early, late) for early, late in zip(interim, final, strict=True) if early != late],
    )


def tail_joined(early: str, final: str) -> str:
    """What the deltas of a turn give together."""
    return early + tail(early, final)


async def _speak(core: _Watched, clip: Clip, delay: str, record: LiveRecord) -> list[tuple[str, str]]:
    """(text agreed on before the end, final text) of each turn."""
    sent, early = list[dict[str, Any]](), dict[int, str]()
    with ThreadPoolExecutor(1) as threads:
        charge, made = _NoCharge(), lambda *_: None
        means = Means(lambda _: core, _passing, charge, made, threads, Pace(2), record)
        settings = TurnSettings("base", Options(language=clip.language), DELAYS[delay])
        runner = Runner(Plain(Session(VoiceActivity()), settings), means, sent.extend)
        running = asyncio.create_task(runner.run())
        samples = decode(clip.path)
        for at in range(0, len(samples) + SAMPLE_RATE, EVERY):
            part = samples[at : at + EVERY].tobytes()
            await runner.receive(part + bytes(2 * EVERY - len(part)))
            await core.idle()
        await runner.finish()
        await running
    for message in sent:
        if message["type"] == "partial":
            early[message["turn"]] = message["text"]
    return [(early.get(one["turn"], ""), one["text"]) for one in sent if one["type"] == "final"]


class _NoCharge:
    async def take(self, audio_ms: int) -> None: ...


@contextmanager
def _passing(_: str) -> Iterator[Call]:
    yield Call()


class _Watched(Wrapped):
    """Of one clip: knows whether a pass is under way."""

    _running = 0

    async def idle(self) -> None:
        """Wait until a pass that the last sound gave rise to is done."""
        for _ in range(20):  # for a pass to begin
            await asyncio.sleep(0)
        while self._running:  # noqa: ASYNC110 - a pass may begin after a pass
            await asyncio.sleep(0.005)

    async def segments(self, data: bytes | MemoryFile, options: Options, call: Call) -> Steps:
        self._running += 1
        try:
            async with aclosing(super().segments(data, options, call)) as steps:
                async for step in steps:
                    yield step
        finally:
            self._running -= 1


@asynccontextmanager
async def _remote(base: str, token: str) -> AsyncIterator[Transcriber]:
    """The server's first model, as a gateway has it: options that the API does not have are passed on."""
    known = asyncio.Event()
    pool = Pool([base], token, known.set)
    await pool.start()
    try:
        async with asyncio.timeout(60):
            await known.wait()
        info = pool.servers[0].info
        assert info is not None
        yield RemoteTranscriber(info.default, pool)
    finally:
        await pool.close()
