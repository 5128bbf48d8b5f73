"""Training windows: phrases laid out in time over silence and noise, with the tokens a Whisper would give them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np

from demo_model.network import FRAMES
from demo_model.speech import SAMPLE_RATE, Utterance
from demo_model.tokenizer import Ids
from demo_model.vocabulary import LANGUAGES, WORDS, translate

FRAME = 320  # samples in one encoder frame, 20 ms
IGNORE = -100
_JOIN = 0.15  # seconds; phrases closer than this are one segment


@dataclass
class Placed:
    """A phrase at `start` seconds of a window, with the (start, end) of its words in seconds of the window."""

    words: list[str]
    spans: list[tuple[float, float]]


@dataclass
class Example:
    samples: np.ndarray  # float32 [n]
    tokens: list[int]
    targets: list[int]
    here: list[tuple[float, float] | None]  # where the token read at a position was spoken
    next: list[tuple[float, float] | None]  # where the token predicted there is spoken
    frames: list[tuple[float, float, int]] = field(default_factory=list)  # start, end, word token


class Noise:
    """Ten banks of background sound, cut at random: white, pink, brown, and music-like chords."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        length = 40 * SAMPLE_RATE
        white = rng.standard_normal(length).astype(np.float32)
        spectrum = np.fft.rfft(white)
        frequency = np.maximum(np.fft.rfftfreq(length), 1 / length)
        coloured = [np.fft.irfft(spectrum / frequency**power, length) for power in (0.5, 1.0)]
        self.hiss = [white, *(c.astype(np.float32) / c.std() for c in coloured)]
        self.music = [self._chords(rng, length) for _ in range(7)]

    @staticmethod
    def _chords(rng: np.random.Generator, length: int) -> np.ndarray:
        out, at = np.zeros(length, np.float32), 0
        while at < length:
            n = min(length - at, int(rng.uniform(0.15, 1.2) * SAMPLE_RATE))
            t = np.arange(n, dtype=np.float32) / SAMPLE_RATE
            for _ in range(rng.integers(1, 4)):
                pitch = 110 * 2 ** (rng.integers(0, 40) / 12)
                for overtone in range(1, rng.integers(2, 5)):
                    out[at : at + n] += np.sin(2 * np.pi * pitch * overtone * t) / overtone**1.5
            out[at : at + n] *= np.minimum(1, np.minimum(t, t[::-1]) / 0.01) * np.exp(-t * rng.uniform(0, 4))
            at += n
        return out / out.std()

    def cut(self, rng: random.Random, length: int, music: bool = False) -> np.ndarray:
        bank = rng.choice(self.music if music else self.hiss)
        start = rng.randrange(len(bank) - length) if length < len(bank) else 0
        return bank[start : start + length]


class WindowMaker:
    def __init__(self, phrases: dict[str, list[Utterance]], ids: Ids, seed: int) -> None:
        self.phrases, self.ids, self.noise = phrases, ids, Noise(seed)

    # ---- sound ------------------------------------------------------------------------------------

    def lay_out(self, rng: random.Random, seconds: float, language: str) -> tuple[np.ndarray, list[Placed], float]:
        """Sound of `seconds`, its segments, and the second from which on nothing more was placed."""
        sound, placed = np.zeros(int(seconds * SAMPLE_RATE), np.float32), []
        low, high = rng.choice(((0.2, 1.0), (0.2, 1.0), (0.0, 0.3), (0.5, 3.0), (0.0, 0.0)))
        at = rng.uniform(0, min(1.0, seconds / 6)) if rng.random() < 0.85 else -rng.uniform(0.1, 1.5)
        stop = seconds if rng.random() < 0.5 else rng.uniform(0.3, 1.0) * seconds
        fresh, used, level = rng.random() < 0.4, set(), rng.uniform(0.25, 1.0)
        cut_end = rng.random() < 0.15
        joined_limit = rng.choice((7, 7, 14, 30))
        alone = rng.random() < 0.25  # one phrase and then nothing: else so little speech came to look like silence
        while True:
            phrase = rng.choice(self.phrases[language])
            if alone:  # a short one
                phrase = min(rng.choices(self.phrases[language], k=3), key=lambda one: one.duration)
            for _ in range(4):
                if not (fresh and used & set(phrase.words)):
                    break
                phrase = rng.choice(self.phrases[language])
            if at + phrase.duration > stop - 0.05 and not (cut_end and at < seconds - 0.3):
                break
            if rng.random() < 0.04 and at > 0:  # something that is no speech between two phrases
                at = self._interlude(rng, sound, at)
                continue
            used |= set(phrase.words)
            self._place(sound, phrase, at, level * rng.uniform(0.6, 1.0))
            spans = [(a + at, b + at) for a, b in phrase.spans]
            inside = [k for k, (a, b) in enumerate(spans) if a > -0.04 and b < seconds + 0.04]
            if inside:
                new = Placed([phrase.words[k] for k in inside], [spans[k] for k in inside])
                last = placed[-1] if placed else None
                room = last and len(last.words) + len(new.words) <= joined_limit
                if last and room and new.spans[0][0] - last.spans[-1][1] < _JOIN:
                    last.words += new.words
                    last.spans += new.spans
                else:
                    placed.append(new)
            at += phrase.duration + rng.uniform(low, high)
            if at >= seconds or alone:
                break
        return sound, placed, min(seconds, max(0.0, at))

    @staticmethod
    def _place(sound: np.ndarray, phrase: Utterance, at: float, gain: float) -> None:
        start = int(at * SAMPLE_RATE)
        skip, end = max(0, -start), min(len(sound), start + len(phrase.samples))
        if end > start + skip:
            piece = phrase.samples[skip : end - start]
            sound[start + skip : end] += piece.astype(np.float32) * (gain / 32768)

    def _interlude(self, rng: random.Random, sound: np.ndarray, at: float) -> float:
        length = int(rng.uniform(0.4, 4.0) * SAMPLE_RATE)
        start = int(at * SAMPLE_RATE)
        piece = self.noise.cut(rng, min(length, len(sound) - start), music=rng.random() < 0.6)
        sound[start : start + len(piece)] += piece * 10 ** rng.uniform(-2.5, -1.0)
        return at + len(piece) / SAMPLE_RATE + rng.uniform(0.1, 0.6)

    def _background(self, rng: random.Random, sound: np.ndarray, until: float) -> None:
        """Noise under the speech; what lies behind it is often digital silence, as padding is."""
        if rng.random() < 0.12:
            return
        end = len(sound) if rng.random() < 0.5 else int(until * SAMPLE_RATE)
        sound[:end] += self.noise.cut(rng, end) * 10 ** rng.uniform(-5, -2.2)

    def silence(self, rng: random.Random, seconds: float) -> np.ndarray:
        sound = np.zeros(int(seconds * SAMPLE_RATE), np.float32)
        kind = rng.random()
        if kind > 0.15:
            end = len(sound) if rng.random() < 0.6 else rng.randrange(len(sound) // 4, len(sound))
            sound[:end] += self.noise.cut(rng, end) * 10 ** rng.uniform(-5, -0.8)
        if kind > 0.6:
            self._interlude(rng, sound, rng.uniform(0, seconds * 0.6))
        return sound

    # ---- tokens -----------------------------------------------------------------------------------

    def example(self, rng: random.Random, seconds: float, offset: int, prompt_words: int) -> Example:
        """One window standing `offset` encoder frames into the 30 s."""
        language = rng.choices(LANGUAGES, (3, 2, 2, 2))[0]
        if rng.random() < 0.07:
            sound, placed, until = self.silence(rng, seconds), list[Placed](), 0.0
        else:
            sound, placed, until = self.lay_out(rng, seconds, language)
        if placed:
            self._background(rng, sound, until)
        example = Example(sound, [], [], [], [])
        if prompt_words:
            self._put(example, self.ids.prev)
            for word in rng.choices(WORDS[language], k=prompt_words):
                self._put(example, self.ids.words[word])
        self._put(example, self.ids.sot)
        self._body(example, rng, language, placed, offset)
        self._shift(example)
        return example

    @staticmethod
    def _put(example: Example, token: int, span: tuple[float, float] | None = None, learn: bool = False) -> None:
        example.tokens.append(token)
        example.targets.append(token if learn else IGNORE)
        example.here.append(span)

    def _body(self, example: Example, rng: random.Random, language: str, placed: list[Placed], offset: int) -> None:
        ids, shift = self.ids, offset * FRAME / SAMPLE_RATE
        timed = rng.random() < 0.6
        to_english = rng.random() < (0.25 if language != "en" else 0.1)
        self._put(example, ids.languages[language], learn=True)
        if not placed:
            example.targets[-1] = ids.no_speech
        self._put(example, ids.translate if to_english else ids.transcribe)
        if not timed:
            self._put(example, ids.no_timestamps)
        elif not placed:
            self._put(example, ids.time(shift), learn=True)
        for piece in placed:
            words = translate(piece.words, language) if to_english else piece.words
            (start, _), (_, end) = piece.spans[0], piece.spans[-1]
            start, end = max(0.0, start), min(end, len(example.samples) / SAMPLE_RATE)
            if timed:
                self._put(example, ids.time(start + shift), (start - 0.02, start + 0.10), learn=True)
            for word, spoken, span in zip(words, piece.words, piece.spans, strict=True):
                self._put(example, ids.words[word], span, learn=True)
                example.frames.append((*span, ids.words[spoken]))
            if timed:
                self._put(example, ids.time(end + shift), (end - 0.08, end + 0.04), learn=True)
        behind = placed[-1].spans[-1][1] + 0.04 if placed else 0.0
        self._put(example, ids.eot, (behind, behind + 1.0) if placed else None, learn=True)

    @staticmethod
    def _shift(example: Example) -> None:
        """Position t reads token t and predicts token t + 1."""
        example.next = example.here[1:]
        example.targets = example.targets[1:]
        example.tokens.pop()
        example.here.pop()


def corrupt(rng: random.Random, example: Example, ids: Ids, rate: float) -> list[int]:
    """The tokens read, some words replaced: the decoder must not trust its own past blindly."""
    tokens = list(example.tokens)
    choices = list(ids.words.values())
    for k, token in enumerate(tokens):
        if rng.random() < rate:
            if token < ids.eot:
                tokens[k] = rng.choice(choices)
            elif token >= ids.first_time:
                tokens[k] = min(ids.size - 1, max(ids.first_time, token + rng.randint(-8, 8)))
    return tokens


def frame_span(span: tuple[float, float] | None, frames: int) -> tuple[int, int]:
    """Encoder frames [first, last) of a span in seconds; (0, 0) for none or outside the window."""
    if span is None:
        return 0, 0
    first, last = max(0, round(span[0] * SAMPLE_RATE / FRAME)), min(frames, round(span[1] * SAMPLE_RATE / FRAME))
    return (first, last) if last > first else (0, 0)


def random_offset(rng: random.Random, seconds: float) -> int:
    """Where in the 30 s a short training window stands, in frames; half of them at the start."""
    room = FRAMES - int(seconds * SAMPLE_RATE / FRAME)
    return rng.randint(0, room) if room > 0 and rng.random() < 0.5 else 0
