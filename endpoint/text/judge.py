"""Is this hypothesis good? The reference's measures and thresholds (openai/whisper transcribe.py). Pure.

Three things are judged otherwise than there. Repetition is counted in characters, not in UTF-8 bytes. A text that the
token limit cut off is no failure: what is closed stays, and the rest is decoded on from there. What nobody can have
said is taken out: text behind the sound, and stutters faster than speech.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace

from endpoint.options import Thresholds
from endpoint.types import Hypothesis, Piece, Window, Word, samples_to_ms

BEHIND_MS = 1_000  # how far timestamps may be off; as far behind the end of the sound, nothing can have been said
FASTEST = 60  # letters a second: the fastest talkers on record, at 637 words a minute, say 50
DEFAULTS = Thresholds()
LOOP_COST = 2.0  # what a loop counts, in average log-probability: more than any failed attempt lies below a good one
SHORTEST_WORD_MS = 60  # a word that takes less was not spoken there; "a" takes 60 to 100
UNSPOKEN = 0.2  # share of such words from which a repetition is a loop of the decoder
_OTHERS = 128  # first code of characters that are not ASCII


def compression_ratio(text: str) -> float:
    """How repetitive a text is: characters over bytes of their zlib compression. 0 for no text.

    The reference counts UTF-8 bytes: two or three for a letter of most scripts, whose every repetition of a first byte
    compresses, so that good text passes its threshold. Here a character is one byte: its own in ASCII, so that the
    value is the reference's, else a number in the order of appearance.
    """
    codes: dict[str, int] = {}
    data = bytes(ord(c) if c.isascii() else _OTHERS + codes.setdefault(c, len(codes)) % (256 - _OTHERS) for c in text)
    return len(data) / len(zlib.compress(data)) if data else 0.0


def is_silence(hypothesis: Hypothesis, thresholds: Thresholds = DEFAULTS) -> bool:
    """No speech, and no confidence in the words: the reference skips such a window."""
    if thresholds.no_speech is None or hypothesis.no_speech_prob <= thresholds.no_speech:
        return False
    return thresholds.logprob is None or hypothesis.avg_logprob < thresholds.logprob


def denies_speech(hypothesis: Hypothesis) -> bool:
    """The model has no text, and by the reference's threshold says why: there is no speech.

    Text that `is_silence` does not believe is another matter: there the model recognized something.
    """
    return not hypothesis.pieces and hypothesis.no_speech_prob > (DEFAULTS.no_speech or 1.0)


def repeats_itself(hypothesis: Hypothesis, thresholds: Thresholds = DEFAULTS) -> bool:
    """Whether the text is as repetitive as a loop of the decoder; people repeat themselves too, see `is_loop`."""
    limit = thresholds.compression_ratio
    return limit is not None and compression_ratio(hypothesis.text) > limit


def is_loop(words: Sequence[Word], window: Window) -> bool:
    """Whether a repetitive text is the decoder's own: many of its words, timed, have no speech of their own.

    Words that were spoken take their time, however often they are said. words: in milliseconds from the window's start.
    """
    speech = [(samples_to_ms(s.start - window.start), samples_to_ms(s.end - window.start)) for s in window.speech]

    def spoken(word: Word) -> bool:
        middle = (word.start_ms + word.end_ms) // 2
        inside = not speech or any(start <= middle <= end for start, end in speech)
        return inside and word.end_ms - word.start_ms >= SHORTEST_WORD_MS

    return sum(not spoken(word) for word in words) > UNSPOKEN * len(words)


def is_unsure(hypothesis: Hypothesis, thresholds: Thresholds = DEFAULTS) -> bool:
    return thresholds.logprob is not None and hypothesis.avg_logprob < thresholds.logprob


def believable(hypothesis: Hypothesis) -> Hypothesis:
    """The hypothesis without pieces that nobody can have said.

    Those are pieces behind the end of the sound, where the model sees only padding, and pieces that say the one before
    them again in less time than anybody needs.
    """
    window, kept = hypothesis.window, list[Piece]()
    length = window.end_ms - window.start_ms
    for piece in hypothesis.pieces:
        behind = piece.start_ms >= length + BEHIND_MS
        if not kept or not (behind or _stutter(kept[-1], piece, length)):
            kept.append(piece)
    return hypothesis if len(kept) == len(hypothesis.pieces) else replace(hypothesis, pieces=tuple(kept))


def _stutter(before: Piece, piece: Piece, length: int) -> bool:
    letters = _letters(piece)
    end = length if piece.end_ms is None else piece.end_ms
    return letters == _letters(before) and (end - piece.start_ms) * FASTEST < len(letters) * 1000


def _letters(piece: Piece) -> str:
    return "".join(character for character in piece.text.casefold() if character.isalnum())


def longest_common_run(first: str, second: str) -> int:
    """Words of the longest stretch that both texts have, in letters and digits without case."""
    left, right = _plain(first), _plain(second)
    longest, before = 0, [0] * (len(right) + 1)
    for word in left:
        row = [0] * (len(right) + 1)
        for k, other in enumerate(right):
            if word == other:
                row[k + 1] = before[k] + 1
        longest, before = max(longest, *row), row
    return longest


def _plain(text: str) -> list[str]:
    """Words; characters where the text writes no spaces."""
    words = ["".join(c for c in word.casefold() if c.isalnum()) for word in text.split()]
    words = [word for word in words if word]
    return [part for word in words for part in ([word] if word.isascii() or len(word) < 20 else word)]
