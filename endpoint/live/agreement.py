"""Words of an open turn that will not be taken back: those on which passes over the growing sound agree. Pure.

Local agreement: Macháček et al., Turning Whisper into Real-Time Transcription System (2023). Times are milliseconds of
the stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from endpoint.types import Word

LONG_MS = 12_000  # a window longer than this begins after the last agreed word, whether or not that ends a segment
LONGEST_MS = 25_000  # and one longer than this is cut although nothing was agreed on: it must fit the model's 30 s
NEAR_MS = 1_500  # two passes put one word at most so far apart
LOOP = 3  # times the same word in a row: the model repeats itself


@dataclass(frozen=True)
class Stability:
    """When a word is agreed. passes: so many in a row have it. age_ms: or it ended so long before the end of the sound,
    None: however long. fresh_ms: and not where it ended later than so long before the end.
    """

    passes: int
    age_ms: int | None = None
    fresh_ms: int = 0


# OpenAI's `delay`: how long text is held back.
DELAYS: Mapping[str, Stability] = {
    "minimal": Stability(1, 300),
    "low": Stability(2, 700),
    "medium": Stability(2, 1_500, 400),
    "high": Stability(2),
    "xhigh": Stability(3),
}
DEFAULT_DELAY = "medium"


class Agreement:
    """Of one turn. start_ms: where its sound begins. agreed: the words so far. anchor_ms: where a window may begin."""

    def __init__(self, start_ms: int, stability: Stability = DELAYS[DEFAULT_DELAY]) -> None:
        self._stability = stability
        self.agreed = list[Word]()
        self.anchor_ms = start_ms
        self._before = list[list[Word]]()  # what the last passes had beyond the agreed words
        self._unstable = list[Word]()

    @property
    def until_ms(self) -> int:
        """What is before will not change."""
        return self.agreed[-1].end_ms if self.agreed else self.anchor_ms

    @property
    def unstable(self) -> Sequence[Word]:
        """What the last pass had beyond the agreed words."""
        return self._unstable

    def feed(self, segments: Sequence[Sequence[Word]], end_ms: int) -> list[Word]:
        """The newly agreed words. segments: of a pass over the sound from `anchor_ms` or before to `end_ms`."""
        rest = before_loop(self._beyond([word for words in segments for word in words if word.end_ms > self.anchor_ms]))
        count = self._agreeing(rest, end_ms)
        new = rest[:count]
        self.agreed += new
        self._unstable = rest[count:]
        kept = [words[count:] for words in (*self._before, rest)]
        self._before = kept[len(kept) - self._stability.passes + 1 :] if self._stability.passes > 1 else []
        self._move(segments, end_ms)
        return new

    def _beyond(self, words: list[Word]) -> list[Word]:
        """The words of a pass after those that are agreed already."""
        known = [word for word in self.agreed if word.end_ms > self.anchor_ms]
        if not known:
            return words
        last = known[-1].end_ms
        costs = prefix_costs([_plain(word) for word in known], [_plain(word) for word in words])
        ends = [self.anchor_ms, *(word.end_ms for word in words)]
        best = min(range(len(costs)), key=lambda k: (costs[k], abs(ends[k] - last)))
        middle = [(word.start_ms + word.end_ms) // 2 for word in words]
        # A pass that understood the agreed words in another way must not give their sound's words again.
        return [word for k, word in enumerate(words) if k >= best and middle[k] >= last - NEAR_MS // 3]

    def _agreeing(self, rest: Sequence[Word], end_ms: int) -> int:
        count = 0
        if len(self._before) >= self._stability.passes - 1:
            shortest = min(len(rest), *(len(words) for words in self._before)) if self._before else 0
            latest = end_ms - self._stability.fresh_ms
            while (
                count < shortest
                and rest[count].end_ms <= latest
                and all(_same(words[count], rest[count]) for words in self._before)
            ):
                count += 1
        if self._stability.age_ms is not None:
            while count < len(rest) and rest[count].end_ms <= end_ms - self._stability.age_ms:
                count += 1
        return count

    def _move(self, segments: Sequence[Sequence[Word]], end_ms: int) -> None:
        """The next window begins where the last segment ends whose words are all agreed."""
        last = self.agreed[-1].end_ms if self.agreed else self.anchor_ms
        ends = [words[-1].end_ms for words in segments[:-1] if words and words[-1].end_ms <= last]
        moved = max([self.anchor_ms, *ends])
        if end_ms - moved > LONG_MS:
            moved = max(moved, last)
        if end_ms - moved > LONGEST_MS:
            moved = end_ms - LONG_MS
        if moved != self.anchor_ms:
            self.anchor_ms = moved


def before_loop(words: list[Word]) -> list[Word]:
    """Up to the first of LOOP equal words in a row. Passes decode without fallback. Were these words spoken, then the
    final text has them.
    """
    named = [_plain(word) for word in words]
    for at in range(len(words) - LOOP + 1):
        if len(set(named[at : at + LOOP])) == 1:
            return words[: at + 1]
    return words


def prefix_costs(known: Sequence[str], words: Sequence[str], *, free: bool = False) -> list[int]:
    """How many words must be changed to make `known` of the first k of `words`, for each k from 0 to their number.

    free: of any words that end with the k-th.
    """
    row = [0] * (len(words) + 1) if free else list(range(len(words) + 1))
    for number, own in enumerate(known, 1):
        left, row[0] = row[0], number
        for k, other in enumerate(words, 1):
            left, row[k] = row[k], min(row[k] + 1, row[k - 1] + 1, left + (own != other))
    return row


def plain(text: str) -> str:
    """A word as it is compared: without case, space and punctuation; signs alone stay as they are."""
    return "".join(sign for sign in text.casefold() if sign.isalnum()) or text.strip()


def _plain(word: Word) -> str:
    return plain(word.text)


def _same(one: Word, other: Word) -> bool:
    return _plain(one) == _plain(other) and abs(one.start_ms - other.start_ms) <= NEAR_MS
