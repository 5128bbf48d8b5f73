"""Decoded sound goes through bytes unchanged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from endpoint.audio.decode import Decoder
from endpoint.batch.sound import PackedSound, pack, unpack
from endpoint.config import Settings
from endpoint.types import Audio, Notice

SEVEN = Path(__file__).parent / "audio" / "seven.flac"


@pytest.mark.parametrize("count", [1, 511, 512, 16_001])
def test_all_of_it_comes_back(count: int) -> None:
    samples = np.arange(count, dtype=np.int16)
    speech = np.arange(-(-count // 512), dtype=np.uint8)
    audio = Audio(samples, speech, ((0, 20), (30, 40)), (Notice("code", "ä message", "file"),), 0.5, 0.25)
    back = unpack(pack(audio))
    assert np.array_equal(back.samples, samples)
    assert back.samples.dtype == np.int16
    assert back.speech is not None
    assert np.array_equal(back.speech, speech)
    assert (back.unreadable, back.notices) == (audio.unreadable, audio.notices)
    assert (back.decode_seconds, back.vad_seconds) == (0.5, 0.25)


async def test_it_stands_in_for_a_decoder() -> None:
    decoder, packed = Decoder(Settings(decode_workers=1)), PackedSound()
    await decoder.start()
    try:
        audio = await decoder.decode(SEVEN.read_bytes(), vad=True)
    finally:
        await decoder.close()
    await packed.start()
    assert np.array_equal((await packed.decode(pack(audio), vad=True)).samples, audio.samples)
    await packed.close()
