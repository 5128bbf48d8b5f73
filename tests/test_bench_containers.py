"""Recordings survive their containers, and what is no sound is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from endpoint.bench.containers import CONTAINERS, decode, encode
from endpoint.errors import InvalidRequest
from tests.recordings import tone


@pytest.mark.parametrize("name", CONTAINERS)
def test_sound_comes_back(name: str, tmp_path: Path) -> None:
    path = tmp_path / "sound"
    path.write_bytes(encode(tone(16_000, 1.5), name))
    samples = decode(path)
    assert samples.dtype == np.int16
    assert len(samples) == pytest.approx(24_000, abs=2_000)  # encoders add silence at the ends
    middle = samples[4_000:20_000]
    assert np.argmax(np.abs(np.fft.rfft(middle))) == pytest.approx(440, abs=2)
    assert np.abs(middle).max() == pytest.approx(8_000, rel=0.1)


def test_wav_and_flac_lose_nothing(tmp_path: Path) -> None:
    sound = tone(16_000, 0.7)
    for name in ("wav", "flac"):
        path = tmp_path / name
        path.write_bytes(encode(sound, name))
        assert np.array_equal(decode(path), sound)


@pytest.mark.parametrize(("content", "message"), [(b"no sound at all", "cannot be read"), (b'{"a": 1}\n', "sound")])
def test_what_is_no_sound_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(InvalidRequest, match=message):
        decode(path)
