"""Recordings laid out of human clips, written as WAV once: talks, talks with interruptions, two languages, no speech,
and phrases at known times. Seeded."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np
import numpy.typing as npt
import soundfile

from benchmarks.human.clips import Clip

RATE = 16_000
PAUSES = (0.3, 1.2)  # seconds between clips of a talk
SPOKEN, INTERRUPTION = 40.0, 15.0  # seconds of speech, then of something else
KINDS = ("silence", "hiss", "hum", "tones")
LEVELS = {"hiss": 0.01, "hum": 0.03, "tones": 0.05}  # root mean square; full scale is 1
HOP = RATE // 100
QUIET = 0.01  # of the loudest 10 ms: -40 dB
SHORTEST_PAUSE, SHORTEST_PHRASE = 0.25, 0.6  # seconds
MARGIN = 0.05  # seconds kept around a phrase: weak ends of words

Sound = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Timed(Clip):
    """phrases: (start, end) in seconds, of each stretch of speech between clear pauses."""

    phrases: tuple[tuple[float, float], ...] = ()


def talks(clips: Sequence[Clip], folder: Path) -> list[Clip]:
    """One of each set: all its clips, with short pauses."""
    return [
        _write(folder, f"talk/{name}", "talk", _with_pauses(own, random.Random(name)), own)
        for name, own in _by_set(clips)
    ]


def interrupted(clips: Sequence[Clip], folder: Path) -> list[Clip]:
    """The same talks; after each SPOKEN seconds something that is no speech."""
    made = []
    for name, own in _by_set(clips):
        rng, parts, spoken, number = random.Random(f"gaps {name}"), list[Sound](), 0.0, 0
        for part in _with_pauses(own, rng):
            parts.append(part)
            spoken += len(part) / RATE
            if spoken > SPOKEN:
                parts += [noise(KINDS[number % len(KINDS)], INTERRUPTION, rng), np.zeros(RATE // 2, np.float32)]
                spoken, number = 0.0, number + 1
        made.append(_write(folder, f"gaps/{name}", "gaps", parts, own))
    return made


def two_languages(clips: Sequence[Clip], folder: Path) -> list[Clip]:
    """Half a minute of one, then of another, and so on."""
    sets = dict(_by_set(clips))
    made = []
    for pair in (("en", "es"), ("fr", "ru"), ("it", "en")):
        if not all(name in sets for name in pair):
            continue
        turns, chosen = {name: iter(sets[name]) for name in pair}, list[Clip]()
        for name in pair * 2:
            length = 0.0
            while length < 30 and (clip := next(turns[name], None)):
                chosen.append(clip)
                length += len(load(clip.path)) / RATE
        parts = _with_pauses(chosen, random.Random(str(pair)))
        made.append(_write(folder, f"languages/{'-'.join(pair)}", "languages", parts, chosen))
    return made


def nothing(folder: Path) -> list[Clip]:
    """No speech at all; whatever is recognized is made up."""
    made = []
    for seconds in (4, 12, 29, 75):
        for kind in KINDS:
            sound = noise(kind, seconds, random.Random(f"{kind} {seconds}"))
            made.append(_write(folder, f"nothing/{kind}-{seconds}", "nothing", [sound], []))
    return made


def timed(clips: Sequence[Clip], folder: Path) -> list[Timed]:
    """Phrases of LJ Speech cut at clear pauses, laid out anew with 1 to 2 s between them."""
    rng, made = random.Random("times"), []
    for clip in (clip for clip in clips if clip.set == "lj"):
        room = np.random.default_rng(len(clip.name))
        at, parts, phrases = 0.0, list[Sound](), list[tuple[float, float]]()
        for phrase in phrases_of(load(clip.path)):
            pause = (1e-4 * room.standard_normal(int(rng.uniform(1, 2) * RATE))).astype(np.float32)
            parts += [pause, phrase]
            at += len(pause) / RATE
            phrases.append((at + MARGIN, at + len(phrase) / RATE - MARGIN))
            at += len(phrase) / RATE
        whole = _write(folder, f"times/{Path(clip.name).stem}", "times", [*parts, np.zeros(RATE, np.float32)], [clip])
        made.append(Timed(**vars(whole), phrases=tuple(phrases)))
    return made


def phrases_of(sound: Sound) -> list[Sound]:
    """What lies between clear pauses, with MARGIN seconds before and after."""
    hops = sound[: len(sound) // HOP * HOP].reshape(-1, HOP)
    loud = np.flatnonzero(np.sqrt((hops**2).mean(axis=1)) > QUIET * np.sqrt((hops**2).mean(axis=1).max()))
    breaks = np.flatnonzero(np.diff(loud) > SHORTEST_PAUSE * RATE / HOP)
    starts, ends = loud[np.r_[0, breaks + 1]], loud[np.r_[breaks, len(loud) - 1]] + 1
    margin = int(MARGIN * RATE)
    padded = np.pad(sound, margin)
    long = [(a * HOP, b * HOP) for a, b in zip(starts, ends, strict=True) if (b - a) * HOP >= SHORTEST_PHRASE * RATE]
    return [padded[start : end + 2 * margin] for start, end in long]


def noise(kind: str, seconds: float, rng: random.Random) -> Sound:
    """One of KINDS."""
    count = int(seconds * RATE)
    time = np.arange(count) / RATE
    if kind == "silence":
        return np.zeros(count, np.float32)
    if kind == "hiss":
        sound = np.random.default_rng(rng.getrandbits(32)).standard_normal(count)
    elif kind == "hum":
        sound = sum(np.sin(2 * np.pi * 50 * k * time) / k for k in (1, 2, 3, 5))
    else:
        length = RATE // 4  # a chord of three a quarter of a second
        notes = [[110 * 2 ** (rng.randint(0, 36) / 12) for _ in range(3)] for _ in range(count // length + 1)]
        fade = np.minimum(1, np.minimum(np.arange(length), np.arange(length)[::-1]) / (RATE / 50))
        beat = np.arange(length) / RATE
        sound = np.concatenate([fade * sum(np.sin(2 * np.pi * tone * beat) for tone in chord) for chord in notes])
        sound = sound[:count]
    return (sound * LEVELS[kind] / np.sqrt((sound**2).mean())).astype(np.float32)


def load(path: Path) -> Sound:
    """float32 [n], mono, 16 kHz."""
    return librosa.load(path, sr=RATE)[0]


def _by_set(clips: Sequence[Clip]) -> Iterator[tuple[str, list[Clip]]]:
    for name in dict.fromkeys(clip.set for clip in clips):
        yield name, [clip for clip in clips if clip.set == name]


def _with_pauses(clips: Sequence[Clip], rng: random.Random) -> list[Sound]:
    return [
        part for clip in clips for part in (load(clip.path), np.zeros(int(rng.uniform(*PAUSES) * RATE), np.float32))
    ]


def _write(folder: Path, name: str, kind: str, parts: Sequence[Sound], clips: Sequence[Clip]) -> Clip:
    """A file of `parts`; its languages and its text are those of `clips`."""
    path = folder / f"{name}.wav"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.clip(np.concatenate(parts), -1, 1), RATE)
    language = "+".join(dict.fromkeys(clip.language for clip in clips))
    return Clip(f"{name}.wav", kind, language, " ".join(clip.text for clip in clips), path)
