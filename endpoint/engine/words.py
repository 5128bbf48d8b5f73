"""Timed tokens to timed words, as openai/whisper's timing.py and tokenizer.py make them. Pure.

Times are milliseconds from the window's start. Then what the reference does not do: a word's edges are moved to where
its sound is, because warping lets a word begin where the one before it ends, however long the pause; and pieces whose
words went astray are found, to be warped again.
"""

from __future__ import annotations

import itertools
import statistics
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from endpoint.languages import WITHOUT_SPACES
from endpoint.types import SAMPLE_RATE, Hypothesis, Piece, Samples, Word

Decode = Callable[[Sequence[int]], str]

LEADING = "\"'“¿([{-"  # joined to the word after it
TRAILING = "\"'.。,，!！?？:：”)]}、"  # noqa: RUF001 - joined to the word before it
SENTENCE_END = ".。!！?？"  # noqa: RUF001
LONGEST_MEDIAN_MS = 700  # of a window's words, when overlong words are judged by it
FAR_MS = 500  # how far a word may leave its segment's timestamp before that is believed instead
_BROKEN = "\ufffd"  # what bytes of half a character decode to

STRAY_MS = 100  # a word that lies so far outside of its piece has gone astray; less is the timestamps' error
ENERGY_MS = 10  # a step of the loudness that edges are looked for in
EDGE_DECIBELS = 30.0  # below a word's loudest moment it has not begun, or is over
FLOOR_PERCENT, FLOOR_DECIBELS = 5, 6.0  # and where it is no louder than this above the window's quietest moments
PAUSE_MS = 60  # a shorter lull is inside the word: the hold of a /t/
LULL_MS = 100  # a lull that long, and before the timestamp of the word's piece, is a pause before the word


@dataclass
class Timed:
    """A word being made. tokens: its ids; empty once it was joined to a neighbour."""

    text: str
    tokens: tuple[int, ...]
    start: int
    end: int
    probability: float

    @property
    def length(self) -> int:
        return self.end - self.start


def split_words(ids: Sequence[int], decode: Decode, language: str) -> list[tuple[str, tuple[int, ...]]]:
    """Text tokens as (text, ids) of each word; of each character where the language writes no spaces."""
    parts = list(_characters(ids, decode))
    if language in WITHOUT_SPACES:
        return parts
    words: list[tuple[str, tuple[int, ...]]] = []
    for text, tokens in parts:
        if text.startswith(" ") or text.strip() in string.punctuation or not words:
            words.append((text, tokens))
        else:
            words[-1] = (words[-1][0] + text, words[-1][1] + tokens)
    return words


def _characters(ids: Sequence[int], decode: Decode) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The fewest tokens that decode to whole characters, one after the other."""
    whole, at = decode(ids), 0
    pending: list[int] = []
    for token in ids:
        pending.append(token)
        text = decode(pending)
        cut = text.find(_BROKEN)
        if cut < 0 or (at + cut < len(whole) and whole[at + cut] == _BROKEN):
            yield text, tuple(pending)
            at += len(text)
            pending = []
    if pending:
        yield decode(pending), tuple(pending)


def time_words(
    hypothesis: Hypothesis, starts: Sequence[int], probabilities: Sequence[float], decode: Decode, eot: int
) -> Hypothesis:
    """The hypothesis with its words, and its pieces' times moved to them.

    starts: milliseconds at which each text token begins, and one more for where the last ends.
    probabilities: of each text token, 0 to 1.
    """
    counts = [sum(token < eot for token in piece.tokens) for piece in hypothesis.pieces]
    texts = [token for piece in hypothesis.pieces for token in piece.tokens if token < eot]
    words, at = list[Timed](), 0
    for text, tokens in split_words(texts, decode, hypothesis.language):
        end = at + len(tokens)
        mean = statistics.fmean(probabilities[at:end])
        words.append(Timed(text, tokens, starts[at], starts[end], mean))
        at = end
    limits = _shorten(words)
    join_punctuation(words)
    groups = list(_by_piece(words, counts))
    _obey_pieces(groups, hypothesis, *limits)
    snap_to_sound(groups, hypothesis)
    return replace(
        hypothesis, pieces=tuple(_moved(piece, group) for piece, group in zip(hypothesis.pieces, groups, strict=True))
    )


def _shorten(words: list[Timed]) -> tuple[int, int]:
    """Cut words at sentence ends that take in a pause; gives (median, longest believable) word length in ms."""
    lengths = [word.length for word in words if word.length]
    median = min(LONGEST_MEDIAN_MS, round(statistics.median(lengths))) if lengths else 0
    longest = 2 * median
    for before, word in itertools.pairwise(words):
        if lengths and word.length > longest:
            if word.text in SENTENCE_END:
                word.end = word.start + longest
            elif before.text in SENTENCE_END:
                word.start = word.end - longest
    return median, longest


def join_punctuation(words: list[Timed]) -> None:
    """Give leading and trailing punctuation to the word it stands at; what was given away is left without tokens."""
    at, after = len(words) - 2, len(words) - 1
    while at >= 0:
        if words[at].text.startswith(" ") and words[at].text.strip() in LEADING:
            words[after].text = words[at].text + words[after].text
            words[after].tokens = words[at].tokens + words[after].tokens
            words[at].text, words[at].tokens = "", ()
        else:
            after = at
        at -= 1
    at, after = 0, 1
    while after < len(words):
        if not words[at].text.endswith(" ") and words[after].text in TRAILING:
            words[at].text += words[after].text
            words[at].tokens += words[after].tokens
            words[after].text, words[after].tokens = "", ()
        else:
            at = after
        after += 1


def _by_piece(words: Sequence[Timed], counts: Sequence[int]) -> Iterator[list[Timed]]:
    """The words of each piece, by its number of text tokens."""
    left = iter(word for word in words if word.tokens)
    taken = due = 0
    for count in counts:
        due += count
        group = []
        while taken < due and (word := next(left, None)) is not None:
            group.append(word)
            taken += len(word.tokens)
        yield group


def _obey_pieces(groups: Sequence[list[Timed]], hypothesis: Hypothesis, median: int, longest: int) -> None:
    """Overlong first and last words of a piece are cut back; where they leave its timestamps far, those are right."""
    window_end = hypothesis.window.end_ms - hypothesis.window.start_ms
    spoken_until = 0
    for group, piece in zip(groups, hypothesis.pieces, strict=True):
        if not group:
            continue
        first, last = group[0], group[-1]
        _cut_after_pause(group, spoken_until, median, longest)
        if piece.start_ms < first.end and piece.start_ms - FAR_MS > first.start:
            first.start = max(0, min(first.end - median, piece.start_ms))
        end = window_end if piece.end_ms is None else piece.end_ms
        spoken_until = last.end
        if end > last.start and end + FAR_MS < last.end:
            last.end = max(last.start + median, end)
            spoken_until = end


def _cut_after_pause(group: Sequence[Timed], spoken_until: int, median: int, longest: int) -> None:
    """After a pause, the first and second word are not longer than twice the median."""
    first, second = group[0], group[1] if len(group) > 1 else None
    if first.end - spoken_until <= 4 * median:
        return
    if first.length > longest or (second is not None and second.end - first.start > 2 * longest):
        if second is not None and second.length > longest:
            first.end = second.start = max(second.end // 2, second.end - longest)
        first.start = max(0, first.end - longest)


def strayed(
    hypothesis: Hypothesis, starts: Sequence[int], decode: Decode, eot: int
) -> Iterator[tuple[slice, int, int]]:
    """Pieces whose first or last word was placed wholly outside of them: (their text tokens, start ms, end ms).

    starts: as for time_words. Such a word lies in the pause before or after, and its neighbours are one word off.
    """
    length, at = hypothesis.window.end_ms - hypothesis.window.start_ms, 0
    for piece in hypothesis.pieces:
        ids = [token for token in piece.tokens if token < eot]
        words, rows = split_words(ids, decode, hypothesis.language), slice(at, at + len(ids))
        first_end, last_start = starts[at + len(words[0][1])], starts[rows.stop - len(words[-1][1])]
        end = length if piece.end_ms is None else min(piece.end_ms, length)
        if first_end + STRAY_MS <= piece.start_ms < end or piece.start_ms < end <= last_start - STRAY_MS:
            yield rows, piece.start_ms, end
        at = rows.stop


def snap_to_sound(groups: Sequence[Sequence[Timed]], hypothesis: Hypothesis) -> None:
    """Move the edges of words, given by piece, to where their sound begins and ends."""
    sound = Sound(hypothesis.window.samples)
    before: Timed | None = None
    for group, piece in zip(groups, hypothesis.pieces, strict=True):
        if group:
            _begin_after_lull(group[0], before, piece.start_ms, sound)
            before = group[-1]
    snap([word for group in groups for word in group], sound)


class Sound:
    """Where the sound of int16 [n] at 16 kHz, a window's, is loud enough to be a word's."""

    def __init__(self, samples: Samples) -> None:
        self._loudness = decibels(samples)
        self._floor = float(np.percentile(self._loudness, FLOOR_PERCENT)) if len(self._loudness) else 0.0

    def loud(self, first: int, end: int) -> npt.NDArray[np.bool_]:
        """bool [m], m <= end - first: which steps of ENERGY_MS, from `first` up to `end`, sound for a word there."""
        inside = self._loudness[first:end]
        level = max(float(inside.max(initial=0.0)) - EDGE_DECIBELS, self._floor + FLOOR_DECIBELS)
        loud: npt.NDArray[np.bool_] = inside >= level
        return loud


def _begin_after_lull(word: Timed, before: Timed | None, timestamp: int, sound: Sound) -> None:
    """A piece's first word that begins early, in the last sound of the word before, begins after the lull between.

    timestamp: of the piece. The sound before the lull is the other word's.
    """
    if word.start >= timestamp:
        return
    first, late = word.start // ENERGY_MS, (timestamp + LULL_MS) // ENERGY_MS
    loud = sound.loud(first, -(-word.end // ENERGY_MS))[: late - first]
    lulls = np.flatnonzero(np.diff(np.r_[True, loud, True].astype(np.int8))).reshape(-1, 2)
    lengths = lulls[:, 1] - lulls[:, 0]
    lengths[lulls[:, 1] == len(loud)] = 0  # no sound after it
    if not len(lulls) or lengths.max() * ENERGY_MS < LULL_MS:
        return
    began, ended = lulls[lengths.argmax()].tolist()
    if before is not None and before.end == word.start and began:
        before.end = (first + began) * ENERGY_MS
    word.start = (first + ended) * ENERGY_MS


def snap(words: Sequence[Timed], sound: Sound) -> None:
    """Move the edges of each word in over quiet of PAUSE_MS or more, to where its sound begins and ends."""
    for word in words:
        first = word.start // ENERGY_MS
        loud = np.flatnonzero(sound.loud(first, -(-word.end // ENERGY_MS)))
        if not len(loud):
            continue
        began, ended = (first + int(loud[0])) * ENERGY_MS, (first + int(loud[-1]) + 1) * ENERGY_MS
        if began - word.start >= PAUSE_MS:
            word.start = began
        if word.end - ended >= PAUSE_MS:
            word.end = ended


def decibels(samples: Samples) -> npt.NDArray[np.float64]:
    """Loudness of each 10 ms of int16 [n] at 16 kHz: float64 [n // 160], in decibels."""
    hop = SAMPLE_RATE * ENERGY_MS // 1000
    steps = samples[: len(samples) // hop * hop].reshape(-1, hop)
    power: npt.NDArray[np.float64] = np.square(steps, dtype=np.float64).mean(axis=1)
    return 10 * np.log10(power + 1.0)


def _moved(piece: Piece, group: Sequence[Timed]) -> Piece:
    words = tuple(Word(word.text, word.start, word.end, word.probability) for word in group)
    return (
        replace(piece, start_ms=group[0].start, end_ms=group[-1].end, words=words)
        if group
        else replace(piece, words=())
    )
