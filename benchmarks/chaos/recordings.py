"""Recordings that the fake engine gives a known text for."""

from __future__ import annotations

import io
import random
import wave
import zlib
from dataclasses import dataclass

import numpy as np

from endpoint.engine.fake import WORDS
from endpoint.types import PCM_FULL_SCALE, SAMPLE_RATE

DEADLY = WORDS[-1]  # no other recording has this word
WINDOW_SECONDS = 5  # a word each
LONGEST_SECONDS = 6.015  # MAX_WINDOW_SECONDS: the cut is looked for in the last third, in steps that meet 5.000 s
EDGE = SAMPLE_RATE // 20  # of silence at both ends of a window, so that it is cut there
SPREAD = range(10, 200)  # of the levels that stand for one word: no two recordings are alike


@dataclass(frozen=True)
class Recording:
    """data: a WAV file. text: what is recognized. windows: checksums of their samples, as the engine's log has them."""

    data: bytes
    text: str
    windows: tuple[str, ...]

    @property
    def seconds(self) -> int:
        return WINDOW_SECONDS * len(self.windows)


def recording(choose: random.Random, windows: int = 1, *, deadly: bool = False) -> Recording:
    words = list[int]()
    while len(words) < WINDOW_SECONDS * windows:
        window = [choose.randrange(len(WORDS) - 1) for _ in range(WINDOW_SECONDS)]
        if not _contains(words, window):  # else it is taken for an echo of the text before it, and decoded again
            words += window
    if deadly:
        words[-1] = len(WORDS) - 1
    samples = np.concatenate(
        [_second(choose.choice(SPREAD), word, number % WINDOW_SECONDS) for number, word in enumerate(words)]
    )
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    pieces = np.split(samples, windows)
    sums = tuple(f"{zlib.crc32(piece.tobytes()):08x}" for piece in pieces)
    return Recording(out.getvalue(), " ".join(WORDS[word] for word in words), sums)


def _contains(words: list[int], window: list[int]) -> bool:
    return any(words[at : at + len(window)] == window for at in range(len(words)))


def _second(spread: int, word: int, position: int) -> np.ndarray:
    """A second that the engine takes for the word."""
    sound = np.ones(SAMPLE_RATE)
    sound[: EDGE if position == 0 else 0] = 0
    sound[SAMPLE_RATE - (EDGE if position == WINDOW_SECONDS - 1 else 0) :] = 0
    level = (spread * len(WORDS) + word + 0.5) / 10_000
    return np.rint(sound * level / np.sqrt(np.mean(sound**2)) * PCM_FULL_SCALE).astype(np.int16)
