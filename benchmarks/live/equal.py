"""Whether the final text of each turn is that of the same sound sent as a file, and whether words were taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
import numpy as np

from benchmarks.human.clips import Clip
from endpoint.audio.vad import VoiceActivity
from endpoint.bench.containers import decode
from endpoint.bench.live import LiveResult, speak
from endpoint.live.convert import OPENAI_RATE, SoundConverter, to_openai
from endpoint.live.runner import as_wave
from endpoint.live.session import Session, Turn, TurnEnded
from endpoint.types import Samples

AT_ONCE = 2  # clips
SILENCE = bytes(OPENAI_RATE * 2)  # what a client sends at the end


@dataclass(frozen=True)
class Equality:
    """turns: how many; other: those whose text differs, as (clip, live text, file's text)."""

    turns: int
    other: list[tuple[str, str, str]]
    retracted: int


def turns_of(samples: Samples) -> list[Turn]:
    """The turns that the server finds in this sound: the same sound gives the same ones."""
    converter, session = SoundConverter(), Session(VoiceActivity())
    events = session.feed(converter.feed(to_openai(samples) + SILENCE))
    return [event.turn for event in events if isinstance(event, TurnEnded)]


async def compare(base: str, clips: Sequence[Clip], real_time: bool) -> Equality:
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(clip: Clip) -> tuple[LiveResult, list[str]]:
        async with slots:
            samples = decode(clip.path)
            session = {"audio": {"input": {"transcription": {"language": clip.language}}}}
            live = await speak(f"{base}/v1", samples, session, clip.text, real_time=real_time)
            return live, [await _of_file(base, turn, clip.language) for turn in turns_of(samples)]

    found = await asyncio.gather(*map(one, clips))
    other, count = list[tuple[str, str, str]](), 0
    for clip, (live, files) in zip(clips, found, strict=True):
        texts = [turn.final for turn in live.turns]
        count += max(len(texts), len(files))
        texts += [""] * (len(files) - len(texts))
        other += [(clip.name, text, file) for text, file in zip(texts, files, strict=False) if text != file]
    results = [live for live, _ in found]
    return Equality(
        count,
        other,
        sum(retracted(result) for result in results),
    )


def retracted(result: LiveResult) -> int:
    """Turns whose deltas are not one text that only grew: their words' times would go back."""
    return sum(not np.all(np.diff(turn.stable) >= 0) for turn in result.turns)


async def _of_file(base: str, turn: Turn, language: str) -> str:
    async with httpx2.AsyncClient(timeout=600) as client:
        file: Any = {"file": ("turn.wav", as_wave(turn.samples), "audio/wav")}
        fields = {"language": language, "response_format": "json"}
        response = await client.post(f"{base}/v1/audio/transcriptions", files=file, data=fields)
        response.raise_for_status()
        return str(response.json()["text"])
