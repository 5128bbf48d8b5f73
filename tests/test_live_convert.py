"""Formats of live sound."""

from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoint.live.convert import A_LAW, MU_LAW, Encoding, SoundConverter
from tests.live_support import split
from tests.recordings import tone

TONE = tone(24_000, 1.0)


@pytest.mark.parametrize(("table", "codec"), [(MU_LAW, "pcm_mulaw"), (A_LAW, "pcm_alaw")])
def test_g711_is_as_ffmpeg_has_it(table, codec):
    context = av.CodecContext.create(codec, "r")
    context.sample_rate, context.layout = 8_000, "mono"
    frames = context.decode(av.Packet(bytes(range(256))))
    assert np.array_equal(np.concatenate([frame.to_ndarray().ravel() for frame in frames]), table)


def whole(converter: SoundConverter, parts) -> np.ndarray:
    return np.concatenate([*(converter.feed(part) for part in parts), converter.flush()])


def test_24_khz_become_16():
    made = whole(SoundConverter(), [TONE.tobytes()])
    wanted = tone(16_000, 1.0)
    assert abs(len(made) - 16_000) <= 1
    inner = slice(1_000, 15_000)
    assert np.abs(made[inner].astype(int) - wanted[inner]).max() < 40


@pytest.mark.parametrize(("encoding", "table"), [(Encoding.PCMU, MU_LAW), (Encoding.PCMA, A_LAW)])
def test_telephone_sound(encoding, table):
    low = tone(8_000, 1.0)
    codes = np.abs(table.astype(int)[None, :] - low.astype(int)[:, None]).argmin(axis=1).astype(np.uint8)
    made = whole(SoundConverter(encoding), [codes.tobytes()])
    wanted = tone(16_000, 1.0)
    inner = slice(1_000, 15_000)
    assert np.abs(made[inner].astype(int) - wanted[inner]).max() < 500  # 8 bits


def test_16_khz_pass_unchanged():
    assert np.array_equal(whole(SoundConverter(rate=16_000), [TONE.tobytes()]), TONE)


@given(cuts=st.lists(st.integers(0, 48_000), max_size=30))
@settings(max_examples=30)
def test_any_split_gives_the_same_samples(cuts):
    """Also one within a sample."""
    data = TONE.tobytes()
    made = whole(SoundConverter(), split(data, cuts))
    assert np.array_equal(made, whole(SoundConverter(), [data]))


def test_it_begins_anew_after_a_flush():
    converter = SoundConverter()
    first = whole(converter, [TONE.tobytes()])
    assert np.array_equal(whole(converter, [TONE.tobytes()]), first)
