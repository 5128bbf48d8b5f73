"""Is this hypothesis good? The reference's measures and thresholds (openai/whisper transcribe.py). Pure.

Three things differ from the reference. Repetition is counted in characters, not in UTF-8 bytes. A text that the token
limit cut off is no failure: its closed pieces are kept, and the rest of the window is decoded after them. Text that
cannot have been spoken is removed: text after the end of the sound, and repetitions faster than speech.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace

from endpoint.options import Thresholds
from endpoint.types import Hypothesis, Piece, Window, Word, samples_to_ms

BEHIND_MS = 1_000  # most that a timestamp may be wrong: text this far after the end of the sound was not spoken
FASTEST = 60  # letters a second; the fastest speakers on record, at 637 words a minute, reach 50
DEFAULTS = Thresholds()
LOOP_COST = 2.0  # of a loop, in average log-probability: more than any good attempt and a failed one differ by
SHORTEST_WORD_MS = 60  # a shorter word was not spoken there; "a" takes 60 to 100
UNSPOKEN = 0.2  # share of such words above which a repetition is a loop of the decoder
_OTHERS = 128  # first code of characters that are not ASCII


def compression_ratio(text: str) -> float:
    """How repetitive a text is: characters over bytes of their zlib compression. 0 for no text.

    The reference counts UTF-8 bytes. Most scripts need two or three for a letter, often with the same first byte, which
    compresses so well that good text exceeds the threshold. Here every character is one byte: ASCII its own, so that
    the value equals the reference's; any other a number in the order of appearance.
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
    """The model gave no text, and its probability of no speech is above the reference's threshold.

    Unlike `is_silence`, where the model recognized some text.
    """
    return not hypothesis.pieces and hypothesis.no_speech_prob > (DEFAULTS.no_speech or 1.0)


def repeats_itself(hypothesis: Hypothesis, thresholds: Thresholds = DEFAULTS) -> bool:
    """Whether the text is as repetitive as a loop of the decoder. Speech may be as repetitive: see `is_loop`."""
    limit = thresholds.compression_ratio
    return limit is not None and compression_ratio(hypothesis.text) > limit


def is_loop(words: Sequence[Word], window: Window) -> bool:
    """Whether a repetitive text is a loop of the decoder: many of its words are timed too short, or where no speech is.

    words: timed, in milliseconds from the window's start.
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
    """The hypothesis without pieces that cannot have been spoken.

    Those are pieces after the end of the sound, where the model sees only padding, and pieces that repeat the one
    before them in less time than speech takes.
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
    """Length in words of the longest run that both texts have; only letters and digits count, without case."""
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
