"""Short clips in one window on the real engine with the bundled model: each caller's own words, as decoded alone."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from endpoint.bench.recordings import WORKLOADS, make
from endpoint.bench.words import errors
from endpoint.config import Settings
from endpoint.options import Options
from endpoint.text.judge import is_silence
from endpoint.types import Hypothesis, Span, Window

pytest.importorskip("vllm", reason="the base build has no vLLM")
from endpoint.core.packing import PackingEngine
from endpoint.engine.client import VllmEngine

pytestmark = [
    pytest.mark.model,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore:Unclosed context <zmq:ResourceWarning"),  # vLLM leaves its own to the collector
]

Asked = Sequence[tuple[Window, Options]]


async def decode_both(asked: Asked) -> tuple[list[Hypothesis], list[Hypothesis], Counter[str]]:
    """Each window decoded alone and packed, and the packing engine's counts."""
    inner = VllmEngine(Settings(cpu_kv_cache_gib=1, log_level="error"))
    engine = PackingEngine(inner, 30)
    await engine.start()
    try:
        alone = await asyncio.gather(*(inner.decode(window, options) for window, options in asked))
        packed = await asyncio.gather(*(engine.decode(window, options) for window, options in asked))
    finally:
        await engine.close()
    return alone, packed, engine.counts


async def test_short_clips_give_the_texts_they_give_alone() -> None:
    recordings = make(replace(WORKLOADS["short"], count=24), ["en", "de"])
    asked = [(Window(0, r.samples, (Span(0, len(r.samples)),)), Options(language=r.language)) for r in recordings]
    alone, packed, counts = await decode_both(asked)
    gc.collect()  # now, while the filter above ignores the warning
    assert counts["clips"] >= 20
    assert counts["again"] <= 2
    for way in (alone, packed):
        assert sum(errors(r.text or "", h.text)[0] for r, h in zip(recordings, way, strict=True)) <= 2
    for (window, options), one, other in zip(asked, alone, packed, strict=True):
        assert other.window is window
        assert other.language == options.language
        assert other.language_probabilities == one.language_probabilities
        assert len(other.logprobs) == len(other.tokens)
        assert not is_silence(other)
        if len(one.pieces) == len(other.pieces):
            assert abs(one.pieces[0].start_ms - other.pieces[0].start_ms) <= 200
