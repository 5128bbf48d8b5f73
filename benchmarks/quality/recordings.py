"""The recordings: spoken by espeak-ng from the demo vocabulary, so that every word and its time are known. Seeded."""

from __future__ import annotations

import json
import random
import wave
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from demo_model.evaluate import Phrases
from demo_model.speech import SAMPLE_RATE, Utterance
from demo_model.vocabulary import LANGUAGES

SEED = 31_337
PAUSES = (0.3, 1.2)  # seconds, as in talk

Words = list[tuple[str, float, float]]  # text, start s, end s


@dataclass
class Recording:
    """name: of the file. label: the language given to the transcriber, None for none; languages: those spoken."""

    name: str
    set: str
    label: str | None
    languages: list[str]
    words: Words
    segments: list[tuple[float, float]]
    seconds: float

    @property
    def text(self) -> str:
        return " ".join(word for word, _, _ in self.words)


class Studio:
    def __init__(self, folder: Path, seed: int = SEED) -> None:
        self._folder, self._phrases = folder, Phrases(seed)
        self._rng, self._noise = random.Random(seed + 1), np.random.default_rng(seed + 2)
        self.made: list[Recording] = []
        folder.mkdir(parents=True, exist_ok=True)

    def record(self, kind: str, label: str | None, parts: list[tuple[str, Utterance | np.ndarray, float]]) -> None:
        """Write a file of `parts`: (language, speech or other sound, seconds of pause behind it)."""
        at, sounds = 0.3, [np.zeros(int(0.3 * SAMPLE_RATE))]
        words, segments, languages = Words(), list[tuple[float, float]](), list[str]()
        for language, part, pause in parts:
            sound = part.samples if isinstance(part, Utterance) else part
            if isinstance(part, Utterance):
                words += [(word, at + a, at + b) for word, (a, b) in zip(part.words, part.spans, strict=True)]
                segments.append((at, at + part.duration))
                languages += [language] if language not in languages else []
                sound = sound * self._rng.uniform(0.5, 0.9)
            gap = int(pause * SAMPLE_RATE)
            sounds += [sound, np.zeros(gap)]
            at += (len(sound) + gap) / SAMPLE_RATE
        whole = np.concatenate([*sounds, np.zeros(int(0.3 * SAMPLE_RATE))])
        whole += self._noise.standard_normal(len(whole)) * 32768 * 10 ** self._rng.uniform(-4.5, -3)
        samples = np.clip(whole, -32768, 32767).astype("<i2")
        name = f"{kind}-{len(self.made):03d}.wav"
        with wave.open(str(self._folder / name), "wb") as file:
            file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
            file.writeframes(samples.tobytes())
        seconds = len(samples) / SAMPLE_RATE
        self.made.append(Recording(name, kind, label, languages, words, segments, seconds))

    def say(self, language: str) -> Utterance:
        return self._phrases.say(language)

    def talk(self, language: str, seconds: float, pauses: tuple[float, float] = PAUSES) -> list[tuple]:
        parts, length = [], 0.0
        while length < seconds:
            phrase, pause = self.say(language), self._rng.uniform(*pauses)
            parts.append((language, phrase, pause))
            length += phrase.duration + pause
        return parts

    def interruption(self, seconds: float) -> np.ndarray:
        """Silence, noise or tones like music."""
        count = int(seconds * SAMPLE_RATE)
        kind = self._rng.choice(("silence", "white", "brown", "tones"))
        level = 32768 * 10 ** self._rng.uniform(-2.2, -1.2)
        if kind == "silence":
            return np.zeros(count)
        if kind == "tones":
            return level * self._tones(count)
        white = self._noise.standard_normal(count)
        if kind == "brown":
            white = np.cumsum(white) - np.linspace(0, white.sum(), count)
        return level * white / white.std()

    def _tones(self, count: int) -> np.ndarray:
        out, at = np.zeros(count), 0
        while at < count:
            length = min(count - at, int(self._rng.uniform(0.2, 0.8) * SAMPLE_RATE))
            time = np.arange(length) / SAMPLE_RATE
            for _ in range(3):
                out[at : at + length] += np.sin(2 * np.pi * 110 * 2 ** (self._rng.randint(0, 36) / 12) * time)
            out[at : at + length] *= np.minimum(1, np.minimum(time, time[::-1]) / 0.02)
            at += length
        return out / max(1e-9, out.std())


def record_all(folder: Path, *, small: bool) -> list[Recording]:
    """Every set; `small`: a slice of each, for `make test`."""
    studio = Studio(folder)
    minutes = 0.7 if small else 10

    def some(*languages: str) -> tuple[str, ...]:
        return languages[:1] if small else languages

    for language in LANGUAGES * (3 if small else 16):
        studio.record("short", language, [(language, studio.say(language), 0.2)])
    for language in some("en", "de"):
        studio.record("talk", language, studio.talk(language, minutes * 60))
    for language in some("en", "fr"):
        _with_gaps(studio, language, minutes)
    for language in some("en", "es"):
        studio.record("no pause", language, studio.talk(language, 18 * minutes, (0.0, 0.0)))
    for pair in (("en", "de"), ("fr", "es"), ("es", "en"))[: 1 if small else 3]:
        parts = [part for language in pair for part in studio.talk(language, 4.5 * minutes + 10)]
        studio.record("two languages", None, parts)
    for language in LANGUAGES * (2 if small else 20):
        studio.record("unlabelled", None, [(language, studio.say(language), 0.4) for _ in range(3)])
    for language in () if small else LANGUAGES * 2:
        studio.record("unlabelled minute", None, studio.talk(language, 60))
    for _ in range(2 if small else 12):
        studio.record("nothing", None, [("", studio.interruption(studio._rng.uniform(5, 60)), 0.0)])
    (folder / "recordings.json").write_text(json.dumps([asdict(item) for item in studio.made]))
    return studio.made


def _with_gaps(studio: Studio, language: str, minutes: float) -> None:
    """About a minute of talk, 20 s of something else, and so on."""
    parts, length = [], 0.0
    while length < minutes * 60:
        parts += [*studio.talk(language, 40), ("", studio.interruption(20), 0.5)]
        length += 60
    studio.record("gaps", language, parts)
