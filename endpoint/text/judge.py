"""Is this hypothesis good? The reference's measures and thresholds (openai/whisper transcribe.py). Pure."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from endpoint.types import Hypothesis

NO_SPEECH_THRESHOLD = 0.6
LOGPROB_THRESHOLD = -1.0
COMPRESSION_THRESHOLD = 2.4


def compression_ratio(text: str) -> float:
    """Bytes of `text` over bytes of its zlib compression; over 2.4 it repeats itself. 0 for no text."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def is_silence(hypothesis: Hypothesis) -> bool:
    """No speech heard, and no confidence in the words: the reference skips such a window."""
    return hypothesis.no_speech_prob > NO_SPEECH_THRESHOLD and hypothesis.avg_logprob < LOGPROB_THRESHOLD


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
