"""Long recordings of known words, laid out from tests/audio/talk.ogg."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import av
import numpy as np

from tests.recordings import wav

AUDIO = Path(__file__).parent / "audio"
RATE = 16_000


@dataclass(frozen=True)
class Talk:
    """wav: the file. words: the words in it. spans: (start ms, end ms) of its phrases. seconds: its length."""

    wav: bytes
    words: list[str]
    spans: list[tuple[int, int]]
    seconds: float


@cache
def phrases() -> list[tuple[str, np.ndarray]]:
    """(text, int16 [n] at 16 kHz) of every phrase."""
    parts = []
    with av.open(str(AUDIO / "talk.ogg")) as container:
        resampler = av.AudioResampler("s16", "mono", RATE)
        for frame in (*container.decode(audio=0), None):
            parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    sound = np.concatenate(parts)
    rows = json.loads((AUDIO / "talk.json").read_text())
    return [(row["text"], sound[row["start"] : row["start"] + row["samples"]]) for row in rows]


def make_talk(seconds: float, seed: int = 1, pauses: tuple[float, float] = (0.3, 1.2)) -> Talk:
    """Phrases in random order with pauses of `pauses` seconds, `seconds` long, over quiet noise."""
    rng = random.Random(seed)
    sound = np.random.default_rng(seed).normal(0, 8, int(seconds * RATE))
    words, spans, at = list[str](), list[tuple[int, int]](), 0.4
    while True:
        text, samples = rng.choice(phrases())
        if at + len(samples) / RATE > seconds - 0.2:
            body = np.clip(sound, -32768, 32767).astype(np.int16)
            return Talk(wav(body[:, None], RATE), words, spans, seconds)
        start = int(at * RATE)
        sound[start : start + len(samples)] += samples
        words += text.split()
        spans.append((round(at * 1000), round((at + len(samples) / RATE) * 1000)))
        at += len(samples) / RATE + rng.uniform(*pauses)
