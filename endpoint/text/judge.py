"""Is this hypothesis good? The reference's measures and thresholds (openai/whisper transcribe.py). Pure."""

from __future__ import annotations

import zlib

from endpoint.types import Hypothesis

NO_SPEECH_THRESHOLD = 0.6
LOGPROB_THRESHOLD = -1.0


def compression_ratio(text: str) -> float:
    """Bytes of `text` over bytes of its zlib compression; over 2.4 it repeats itself. 0 for no text."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def is_silence(hypothesis: Hypothesis) -> bool:
    """No speech heard, and no confidence in the words: the reference skips such a window."""
    return hypothesis.no_speech_prob > NO_SPEECH_THRESHOLD and hypothesis.avg_logprob < LOGPROB_THRESHOLD
