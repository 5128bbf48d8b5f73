"""Short clips in one window on the real engine with the bundled model: each caller's own words, as decoded alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from endpoint.bench.recordings import WORKLOADS, make
from endpoint.bench.words import errors
from endpoint.config import Settings
from endpoint.text.judge import is_silence
from endpoint.types import Options, Span, Window

pytest.importorskip("vllm", reason="the base build has no vLLM")
from endpoint.engine.packing import PackingEngine
from endpoint.engine.vllm import VllmEngine

pytestmark = [pytest.mark.model, pytest.mark.timeout(600)]


async def test_short_clips_say_what_they_say_alone() -> None:
    recordings = make(replace(WORKLOADS["short"], count=24), ["en", "de"])
    asked = [(Window(0, r.samples, (Span(0, len(r.samples)),)), Options(language=r.language)) for r in recordings]
    inner = VllmEngine(Settings(cpu_kv_cache_gib=1, log_level="error"))
    engine = PackingEngine(inner, 30)
    await engine.start()
    try:
        alone = await asyncio.gather(*(inner.decode(window, options) for window, options in asked))
        packed = await asyncio.gather(*(engine.decode(window, options) for window, options in asked))
    finally:
        await engine.close()
    assert engine.counts["clips"] >= 20
    assert engine.counts["again"] <= 2
    wrong = [
        sum(errors(r.text or "", h.text)[0] for r, h in zip(recordings, way, strict=True)) for way in (alone, packed)
    ]
    assert max(wrong) <= 2
    for (window, options), one, other in zip(asked, alone, packed, strict=True):
        assert other.window is window
        assert other.language == options.language
        assert other.language_probabilities == one.language_probabilities
        assert len(other.logprobs) == len(other.tokens)
        assert not is_silence(other)
        if len(one.pieces) == len(other.pieces):
            assert abs(one.pieces[0].start_ms - other.pieces[0].start_ms) <= 200
