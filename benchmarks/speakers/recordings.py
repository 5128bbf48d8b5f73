"""Recordings with truth: conversations laid out of clips, and clips with an RTTM file such as AMI's. Seeded."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.human.laid import HOP, RATE, Sound
from endpoint.speakers.turns import Turn

QUIET = 0.02  # of the loudest 10 ms
LONGEST_PAUSE = 30  # times 10 ms, within a stretch of speech
RESERVED = 6  # last clips of each voice: references
BETWEEN, WITHIN = (0.0, 0.8), (0.15, 0.6)  # seconds between speakers, between clips of one
OVERLAP, OVERLAP_SECONDS = 0.15, (0.2, 1.2)  # share of changes that begin before the other has ended
LEVELS = (-4.0, 4.0)  # decibels between speakers
HISS = 0.001
WORD = 0.3  # seconds; speech is cut into pieces of this length as if they were words


@dataclass(frozen=True)
class Recording:
    """sound: float32 [n], 16 kHz. truth: who speaks when. set: of the report."""

    name: str
    set: str
    sound: Sound
    truth: tuple[Turn, ...]

    @property
    def seconds(self) -> float:
        return len(self.sound) / RATE

    @property
    def speakers(self) -> int:
        return len({turn.speaker for turn in self.truth})


@dataclass(frozen=True)
class Slot:
    """A stretch of speech as long as a word, for endpoint/speakers/words.py."""

    start_ms: int
    end_ms: int
    speaker: str


def conversations(voices: Mapping[str, Sequence[Sound]], counts: Sequence[int], each: int, seconds: float, seed: int):
    """`each` of every number of speakers."""
    for count in counts:
        for number in range(each):
            rng = random.Random(f"{seed} {count} {number}")
            names = rng.sample(sorted(voices), count)
            yield conversation(f"{count}-{number}", {name: voices[name] for name in names}, seconds, rng)


def conversation(name: str, voices: Mapping[str, Sequence[Sound]], seconds: float, rng: random.Random) -> Recording:
    """Everyone speaks at least once; turns of one to three clips."""
    left = {voice: rng.sample(list(own[:-RESERVED]), len(own) - RESERVED) for voice, own in voices.items()}
    gains = {voice: 10 ** (rng.uniform(*LEVELS) / 20) for voice in voices}
    shares = {voice: rng.uniform(0.5, 1.5) for voice in voices}
    sound = np.zeros(int((seconds + 60) * RATE), np.float32)
    at, before, truth, waiting = 0.3, "", list[Turn](), rng.sample(sorted(voices), len(voices))
    while at < seconds:
        others = [voice for voice in voices if voice != before] or [before]
        voice = waiting.pop() if waiting else rng.choices(others, [shares[other] for other in others])[0]
        if voice != before and truth and rng.random() < OVERLAP:
            at = max(0.0, at - rng.uniform(*OVERLAP_SECONDS) - WITHIN[1])
        for _ in range(rng.choice((1, 1, 2, 3))):
            clip = left[voice].pop(0)
            left[voice].append(clip)
            spans = speech(clip)
            begin, end = int(spans[0][0] * RATE), int(spans[-1][1] * RATE)
            start = int(at * RATE)
            sound[start : start + end - begin] += gains[voice] * clip[begin:end]
            offset = start / RATE - begin / RATE
            truth += [Turn(first + offset, last + offset, voice) for first, last in spans]
            at += (end - begin) / RATE + rng.uniform(*WITHIN)
        before = voice
        at += rng.uniform(*BETWEEN)
    sound = sound[: int(at * RATE)]
    sound += HISS * np.random.default_rng(rng.getrandbits(32)).standard_normal(len(sound)).astype(np.float32)
    return Recording(name, f"{len(voices)} speakers", _rounded(sound), tuple(sorted(truth, key=lambda t: t.start)))


def one_voice(own: Sequence[Sound], seconds: float) -> Sound:
    """All clips of a voice with pauses, again and again."""
    rng, parts, length = random.Random(0), list[Sound](), 0
    while length < seconds * RATE:
        parts += [own[len(parts) // 2 % len(own)], np.zeros(int(rng.uniform(*WITHIN) * RATE), np.float32)]
        length += len(parts[-1]) + len(parts[-2])
    sound = np.concatenate(parts)[: int(seconds * RATE)]
    return _rounded(sound + HISS * np.random.default_rng(0).standard_normal(len(sound)).astype(np.float32))


def speech(clip: Sound) -> list[tuple[float, float]]:
    """Stretches that are loud, in seconds, over short pauses."""
    hops = clip[: len(clip) // HOP * HOP].reshape(-1, HOP)
    level = np.sqrt((hops**2).mean(axis=1))
    loud = np.flatnonzero(level > QUIET * level.max())
    breaks = np.flatnonzero(np.diff(loud) > LONGEST_PAUSE)
    starts, ends = loud[np.r_[0, breaks + 1]], loud[np.r_[breaks, len(loud) - 1]] + 1
    return [(begin * HOP / RATE, end * HOP / RATE) for begin, end in zip(starts, ends, strict=True)]


def words(recording: Recording) -> list[Slot]:
    """In the order of their start."""
    found = []
    for turn in recording.truth:
        count = max(1, round((turn.end - turn.start) / WORD))
        edges = np.rint(np.linspace(turn.start, turn.end, count + 1) * 1000).astype(int).tolist()
        found += [Slot(begin, end, turn.speaker) for begin, end in itertools.pairwise(edges)]
    return sorted(found, key=lambda slot: slot.start_ms)


def with_rttm(folder: Path, name: str) -> Iterator[Recording]:
    """Each sound file of a folder that has truth in one of its .rttm files; and all of them as one recording."""
    truth: dict[str, list[Turn]] = {}
    for path in sorted(folder.glob("*.rttm")):
        for line in path.read_text(encoding="utf-8").splitlines():
            fields = line.split()
            if fields and fields[0] == "SPEAKER":
                start, length = float(fields[3]), float(fields[4])
                truth.setdefault(fields[1], []).append(Turn(start, start + length, fields[7]))
    each = [
        Recording(path.stem, name, _load(path), tuple(sorted(truth[path.stem], key=lambda turn: turn.start)))
        for path in sorted(folder.iterdir())
        if path.stem in truth and path.suffix in (".flac", ".wav")
    ]
    yield from each
    at, joined = 0.0, list[Turn]()
    for one in each:
        joined += [Turn(turn.start + at, turn.end + at, turn.speaker) for turn in one.truth]
        at += one.seconds
    yield Recording("joined", f"{name}, joined", np.concatenate([one.sound for one in each]), tuple(joined))


def _load(path: Path) -> Sound:
    sound, rate = soundfile.read(path, dtype="float32")
    if rate != RATE or sound.ndim > 1:
        raise SystemExit(f"{path}: not mono at 16 kHz")
    return sound


def _rounded(sound: Sound) -> Sound:
    """As int16 holds it."""
    return (np.rint(np.clip(sound, -1, 1) * 32_767) / 32_768).astype(np.float32)
