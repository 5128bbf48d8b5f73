"""Interim text as it is where passes take no time: sound goes on only when the pass over it is done.

At the pace of speech a slow machine makes few passes, and most text comes with the finals; here every half second of
sound has its pass, whatever the machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from benchmarks.human.clips import Clip
from endpoint.audio.vad import VoiceActivity
from endpoint.bench.containers import decode
from endpoint.bench.live import error_rate
from endpoint.call import Call
from endpoint.core.transcriber import Steps
from endpoint.live.agreement import DEFAULT_DELAY, DELAYS
from endpoint.live.pace import EVERY, Pace
from endpoint.live.plain import Plain
from endpoint.live.protocol import TurnSettings
from endpoint.live.record import Lag, LiveRecord
from endpoint.live.runner import Means, Runner
from endpoint.live.session import Session
from endpoint.live.text import tail
from endpoint.memfile import MemoryFile
from endpoint.options import Options, Task
from endpoint.tasks import produced
from endpoint.types import SAMPLE_RATE, Segment, Transcript, Word

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


async def stepped(base: str, clips: Sequence[Clip], delay: str = DEFAULT_DELAY) -> Stepped:
    slots, record = asyncio.Semaphore(AT_ONCE), LiveRecord()

    async def one(clip: Clip) -> list[tuple[str, str]]:
        async with slots, httpx2.AsyncClient(timeout=600) as client:
            return await _speak(_FileApi(client, base), clip, delay, record)

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
    )


def tail_joined(early: str, final: str) -> str:
    """What the deltas of a turn give together."""
    return early + tail(early, final)


async def _speak(core: _FileApi, clip: Clip, delay: str, record: LiveRecord) -> list[tuple[str, str]]:
    """(text agreed on before the end, final text) of each turn."""
    sent, early = list[dict[str, Any]](), dict[int, str]()
    with ThreadPoolExecutor(1) as threads:
        charge, made = _NoCharge(), lambda *_: None
        means = Means(lambda _: core, _passing, charge, made, threads, Pace(2), record)  # type: ignore[arg-type]
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


class _FileApi:
    """A Transcriber by the API of files."""

    def __init__(self, client: httpx2.AsyncClient, base: str) -> None:
        self._client, self._url, self._running = client, f"{base}/v1/audio/transcriptions", 0

    async def idle(self) -> None:
        """Wait until a pass that the last sound gave rise to is done."""
        for _ in range(20):  # for a pass to begin
            await asyncio.sleep(0)
        while self._running:  # noqa: ASYNC110 - a pass may begin after a pass
            await asyncio.sleep(0.005)

    def segments(self, data: bytes | MemoryFile, options: Options, call: Call) -> Steps:
        return produced(lambda emit: self._transcribe(data, options, emit))

    async def _transcribe(self, data: bytes | MemoryFile, options: Options, emit: Any) -> None:
        self._running += 1
        try:
            file = {"file": ("turn.wav", data.read() if isinstance(data, MemoryFile) else data, "audio/wav")}
            fields = {
                "language": options.language or "",
                "response_format": "verbose_json",
                "temperature_inc": str(options.sampling.temperature_increment),
                "timestamp_granularities[]": ["word", "segment"],
            }
            response = await self._client.post(self._url, files=file, data=fields)
            response.raise_for_status()
            emit(_transcript(response.json()))
        finally:
            self._running -= 1


def _transcript(body: dict[str, Any]) -> Transcript:
    words = [Word(f" {row['word']}", round(row["start"] * 1000), round(row["end"] * 1000)) for row in body["words"]]
    segments, used = list[Segment](), 0
    for number, row in enumerate(body["segments"]):
        count = len(row["text"].split())
        own = tuple(words[used : used + count])
        used += count
        segments.append(
            Segment(number, round(row["start"] * 1000), round(row["end"] * 1000), row["text"], (), 0, 0.0, 0.0, 1.0,
                    0.0, "en", words=own)
        )  # fmt: skip
    return Transcript(Task.TRANSCRIBE, "en", 1.0, round(body["duration"] * 1000), tuple(segments), tuple(words))
