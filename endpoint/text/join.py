"""Joins the hypotheses of overlapping windows so that no word is repeated and none is lost. Pure.

Two windows that overlap have recognized the same sound. The seam lies in the longest run of words that both have: the
earlier window's text is kept up to it, the later one's from it on. So words that a window's edge cuts are taken from
the other window. Without such a run the seam is the middle of the overlap, by time. Only windows cut inside speech
overlap; the others stay as they are.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from endpoint.languages import WITHOUT_SPACES
from endpoint.types import Hypothesis, Piece, TokenScore, Word, samples_to_ms

APART_MS = 1_500  # most that two times of the same word may differ: inside a piece, times are estimates


@dataclass(frozen=True)
class HypothesisWord:
    """A word of a hypothesis. Its text keeps the space before it; times are milliseconds of the file.

    piece: number of the piece it is in. share: where it begins and ends in the piece's text, 0 to 1.
    word: the timed word; None where words were not timed.
    """

    text: str
    start_ms: int
    end_ms: int
    piece: int
    share: tuple[float, float]
    word: Word | None = None

    @property
    def sound(self) -> str:
        """What is compared: letters and digits only, without case."""
        return "".join(c for c in self.text.casefold() if c.isalnum()) or self.text.strip()


@dataclass(frozen=True)
class Seam:
    """The first `before` of the earlier words are kept, and the later words from `after` on."""

    before: int
    after: int


def join(hypotheses: Sequence[Hypothesis]) -> list[Hypothesis]:
    """The same hypotheses, in file order, without the text that another one gives."""
    joined = list[Hypothesis]()
    for later in hypotheses:
        joined = append(joined, later)
    return joined


def append(joined: Sequence[Hypothesis], later: Hypothesis) -> list[Hypothesis]:
    """The hypotheses joined so far and the next one; text that both have is kept in one of them."""
    if not later.window.overlap:
        return [*joined, later]
    first = _first_overlapping(joined, later)
    return [*joined[:first], *_joined(joined[first:], later)]


def words_of(hypothesis: Hypothesis) -> list[HypothesisWord]:
    """Every word with its time, which is estimated from its position in the piece where words were not timed."""
    if hypothesis.words is not None:
        return list(_timed_words(hypothesis))
    window, words = hypothesis.window, list[HypothesisWord]()
    for number, piece in enumerate(hypothesis.pieces):
        start = window.start_ms + piece.start_ms
        end = window.end_ms if piece.end_ms is None else window.start_ms + piece.end_ms
        at, size = 0, len(piece.text)
        for text in _split(piece.text, hypothesis.language):
            share = (at / size, (at + len(text)) / size)
            began, ended = (round(start + part * max(0, end - start)) for part in share)
            words.append(HypothesisWord(text, began, ended, number, share))
            at += len(text)
    return words


def _timed_words(hypothesis: Hypothesis) -> Iterator[HypothesisWord]:
    """The timed words of a hypothesis, with their pieces."""
    begin = hypothesis.window.start_ms
    for number, piece in enumerate(hypothesis.pieces):
        at, size = 0, len(piece.text)
        for word in piece.words or ():
            end = at + len(word.text)
            yield HypothesisWord(
                word.text, begin + word.start_ms, begin + word.end_ms, number, (at / size, min(1.0, end / size)), word
            )
            at = end


def keep(hypothesis: Hypothesis, words: Sequence[HypothesisWord], earliest_ms: int, latest_ms: int) -> Hypothesis:
    """The hypothesis with only `words`, which are a run of its words, within these times of the file.

    A piece that is cut gets the times of the words left in it. Which token made which word is not known here, so it
    keeps the share of its tokens that is the share of its text.
    """
    start_ms, pieces = hypothesis.window.start_ms, list[Piece]()
    for number, group in groupby(words, key=lambda word: word.piece):
        inside, whole = list(group), hypothesis.pieces[number]
        first, last = inside[0].share[0], inside[-1].share[1]
        start = whole.start_ms if first == 0 else inside[0].start_ms - start_ms
        end = whole.end_ms if last == 1 else inside[-1].end_ms - start_ms
        start = max(start, earliest_ms - start_ms)
        end = (
            None
            if end is None and latest_ms >= hypothesis.window.end_ms
            else min(latest_ms - start_ms if end is None else end, latest_ms - start_ms)
        )
        tokens = whole.tokens[round(first * len(whole.tokens)) : round(last * len(whole.tokens))]
        text = "".join(word.text for word in inside)
        scores = _scores(whole, round(first * len(whole.text)), text)
        timed = None if whole.words is None else tuple(own.word for own in inside if own.word is not None)
        pieces.append(Piece(start, end if end is None else max(end, start), tokens, text, scores, timed))
    return replace(hypothesis, pieces=tuple(pieces))


def _scores(piece: Piece, skipped: int, text: str) -> tuple[TokenScore, ...]:
    """Scores of the tokens that begin in `text`, which comes after `skipped` characters of the piece."""
    begin = len(piece.text[:skipped].encode())
    end, at, kept = begin + len(text.encode()), 0, list[TokenScore]()
    for score in piece.scores:
        if begin <= at < end:
            kept.append(score)
        at += len(score.data)
    return tuple(kept)


def find_seam(earlier: Sequence[HypothesisWord], later: Sequence[HypothesisWord], start_ms: int, end_ms: int) -> Seam:
    """The seam between `earlier` and `later`, the words of two windows that share the sound from start_ms to end_ms."""
    low = next((k for k, word in enumerate(earlier) if word.end_ms > start_ms - APART_MS), len(earlier))
    high = next((k for k, word in enumerate(later) if word.start_ms >= end_ms + APART_MS), len(later))
    if runs := list(_runs(earlier, later, low, high)):
        length, apart = max((length, -apart) for length, apart, _ in runs)
        return _within(earlier, later, next(seam for n, a, seam in runs if (n, -a) == (length, apart)), length)
    middle = (start_ms + end_ms) // 2
    before = sum(word.start_ms + word.end_ms <= 2 * middle for word in earlier)
    after = sum(word.start_ms + word.end_ms <= 2 * middle for word in later)
    silent_before = not any(word.end_ms > start_ms for word in earlier)
    silent_after = not any(word.start_ms < end_ms for word in later)
    # One window has no words in the overlap: keep all of the other's.
    return Seam(len(earlier), 0) if silent_before or silent_after else Seam(before, after)


def _runs(
    earlier: Sequence[HypothesisWord], later: Sequence[HypothesisWord], low: int, high: int
) -> Iterator[tuple[int, int, Seam]]:
    """Runs of equal words at about the same time: length, difference of their times in ms, where each begins."""
    left, right = [word.sound for word in earlier[low:]], [word.sound for word in later[:high]]
    for i in range(len(left)):
        for j in range(len(right)):
            length = 0
            while i + length < len(left) and j + length < len(right) and left[i + length] == right[j + length]:
                length += 1
            apart = abs(earlier[low + i].start_ms - later[j].start_ms)
            if length and apart <= APART_MS:
                yield length, apart, Seam(low + i, j)


def _within(earlier: Sequence[HypothesisWord], later: Sequence[HypothesisWord], run: Seam, length: int) -> Seam:
    """The position in a run that cuts the fewest pieces, nearest its middle. Any position gives the same text."""

    def price(step: int) -> tuple[int, int]:
        cuts = sum(
            0 < k < len(words) and words[k - 1].piece == words[k].piece
            for words, k in ((earlier, run.before + step), (later, run.after + step))
        )
        return cuts, abs(2 * step - length)

    step = min(range(length + 1), key=price)
    return Seam(run.before + step, run.after + step)


def _first_overlapping(joined: Sequence[Hypothesis], later: Hypothesis) -> int:
    first = len(joined)
    while first and joined[first - 1].window.end_ms > later.window.start_ms:
        first -= 1
    return first


def _joined(earlier: Sequence[Hypothesis], later: Hypothesis) -> list[Hypothesis]:
    start_ms = later.window.start_ms
    end_ms = start_ms + samples_to_ms(later.window.overlap)
    lists, right = [words_of(hypothesis) for hypothesis in earlier], words_of(later)
    left = [word for words in lists for word in words]
    seam = find_seam(left, right, start_ms, end_ms)
    at = _seam_ms(left[: seam.before], right[seam.after :], end_ms)
    kept, rest = list[Hypothesis](), seam.before
    for hypothesis, words in zip(earlier, lists, strict=True):
        kept.append(keep(hypothesis, words[: max(0, rest)], 0, at))
        rest -= len(words)
    return [*kept, keep(later, right[seam.after :], at, later.window.end_ms)]


def _seam_ms(left: Sequence[HypothesisWord], right: Sequence[HypothesisWord], otherwise: int) -> int:
    """The time of the seam: the end of the last word before it, or earlier where the next word begins before that."""
    if not left or not right:
        return otherwise if left else 0
    return min(left[-1].end_ms, (left[-1].end_ms + max(right[0].start_ms, left[-1].start_ms)) // 2)


def _split(text: str, language: str) -> Iterator[str]:
    """The words of a text, each with the space before it. In languages without spaces: characters with their marks."""
    spaced, begin, end = language not in WITHOUT_SPACES, 0, len(text.rstrip())
    for k in range(1, end):
        apart = text[k].isspace() if spaced else not unicodedata.category(text[k]).startswith("M")
        if apart and text[begin:k].strip():
            yield text[begin:k]
            begin = k
    yield text[begin:]
