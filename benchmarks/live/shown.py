"""How far the text that a live session shows is behind its words: measured alike for every server. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from endpoint.bench.words import plain


@dataclass(frozen=True)
class Spoken:
    """A word of the recording and when it is spoken, in seconds from the first sound. first: of its utterance."""

    text: str
    start: float
    end: float
    first: bool = False


@dataclass(frozen=True)
class Shown:
    """What a client has seen `seconds` after the first sound: text that stays, and behind it text that may change."""

    seconds: float
    settled: str
    open: str = ""


@dataclass
class Lags:
    """Seconds behind. shown: of words that are there for the first time, as text that may change or not, after their
    end. settled: the same of text that stays. first: of an utterance's first text, after its beginning. spoken: words
    of the recording. back: words that were taken back or replaced.
    """

    shown: list[float] = field(default_factory=list)
    settled: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    spoken: int = 0
    back: int = 0


def lags(words: Sequence[Spoken], log: Sequence[Shown]) -> Lags:
    """Words that never come are in `spoken` only. log: in order of time."""
    shown, settled = dict[int, float](), dict[int, float]()
    found, before = Lags(spoken=len(words)), list[str]()
    for entry in log:
        now, sure = plain(f"{entry.settled} {entry.open}"), plain(entry.settled)
        matcher = SequenceMatcher(None, before, now, autojunk=False)
        found.back += len(before) - sum(block.size for block in matcher.get_matching_blocks())
        before = now
        begun = [word for word in words if word.start <= entry.seconds]
        for number in _matched(begun, now):
            shown.setdefault(number, entry.seconds)
        for number in _matched(begun, sure):
            settled.setdefault(number, entry.seconds)
    found.shown = [at - words[number].end for number, at in shown.items()]
    found.settled = [at - words[number].end for number, at in settled.items()]
    found.first = _first(words, shown)
    return found


def _matched(words: Sequence[Spoken], text: Sequence[str]) -> list[int]:
    """The numbers of the words that the text has, in order."""
    spoken = [plain(word.text) for word in words]
    flat = [(part, number) for number, parts in enumerate(spoken) for part in parts]
    matcher = SequenceMatcher(None, [part for part, _ in flat], text, autojunk=False)
    return [flat[block.a + k][1] for block in matcher.get_matching_blocks() for k in range(block.size)]


def _first(words: Sequence[Spoken], shown: dict[int, float]) -> list[float]:
    begins = [number for number, word in enumerate(words) if word.first]
    found = []
    for begin, end in zip(begins, [*begins[1:], len(words)], strict=True):
        times = [shown[number] for number in range(begin, end) if number in shown]
        if times:
            found.append(min(times) - words[begin].start)
    return found
