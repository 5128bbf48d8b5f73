"""Is this hypothesis good? The reference's measures and thresholds (openai/whisper transcribe.py). Pure.

Two things the reference lets stand are taken out first: text behind the sound, and stutters faster than speech.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace

from endpoint.types import Hypothesis, Piece

NO_SPEECH_THRESHOLD = 0.6
LOGPROB_THRESHOLD = -1.0
COMPRESSION_THRESHOLD = 2.4
BEHIND_MS = 1_000  # how far timestamps may be off; as far behind the end of the sound, nothing can have been said
FASTEST = 60  # letters a second: the fastest talkers on record, at 637 words a minute, say 50


def compression_ratio(text: str) -> float:
    """Bytes of `text` over bytes of its zlib compression; over 2.4 it repeats itself. 0 for no text."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def is_silence(hypothesis: Hypothesis) -> bool:
    """No speech heard, and no confidence in the words: the reference skips such a window."""
    return hypothesis.no_speech_prob > NO_SPEECH_THRESHOLD and hypothesis.avg_logprob < LOGPROB_THRESHOLD


def denies_speech(hypothesis: Hypothesis) -> bool:
    """The model has no text, and by the reference's threshold says why: there is no speech.

    Text that `is_silence` does not believe is another matter: there the model heard something.
    """
    return not hypothesis.pieces and hypothesis.no_speech_prob > NO_SPEECH_THRESHOLD


def repeats_itself(hypothesis: Hypothesis) -> bool:
    return not hypothesis.complete or compression_ratio(hypothesis.text) > COMPRESSION_THRESHOLD


def needs_fallback(hypothesis: Hypothesis) -> bool:
    """Whether the window should be decoded again at a higher temperature."""
    if is_silence(hypothesis):
        return False
    return repeats_itself(hypothesis) or hypothesis.avg_logprob < LOGPROB_THRESHOLD


def best(hypotheses: Sequence[Hypothesis]) -> Hypothesis:
    """Of several attempts that all failed: the most confident one that does not repeat itself, else the last."""
    fluent = [hypothesis for hypothesis in hypotheses if not repeats_itself(hypothesis)]
    return max(fluent, key=lambda hypothesis: hypothesis.avg_logprob) if fluent else hypotheses[-1]


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
