"""Sound as live clients send it -> samples: PCM of 24 or 16 kHz, and G.711 of 8 kHz. Feed and flush; no I/O."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import numpy.typing as npt
import soxr

from endpoint.types import SAMPLE_RATE, Samples


class Encoding(StrEnum):
    PCM = "audio/pcm"  # int16, little-endian
    PCMU = "audio/pcmu"  # G.711, mu-law
    PCMA = "audio/pcma"  # G.711, A-law


OPENAI_RATE, TELEPHONE_RATE = 24_000, 8_000


class SoundConverter:
    """One stream, mono. rate: of PCM, in Hz."""

    def __init__(self, encoding: Encoding = Encoding.PCM, rate: int = OPENAI_RATE) -> None:
        self.encoding, self.rate = encoding, rate if encoding is Encoding.PCM else TELEPHONE_RATE
        self._odd = b""  # half a sample
        self._stream = self._resampler()

    def _resampler(self) -> soxr.ResampleStream | None:
        if self.rate == SAMPLE_RATE:
            return None
        return soxr.ResampleStream(self.rate, SAMPLE_RATE, 1, dtype="float32")

    def feed(self, data: bytes) -> Samples:
        """int16 [n], n >= 0, 16 kHz: what these bytes complete. A sample may be split between two calls."""
        sound = self._decode(data)
        if self._stream is None:
            return sound
        return _rounded(self._stream.resample_chunk(sound.astype(np.float32)))

    def flush(self) -> Samples:
        """What is still inside; then begin anew."""
        self._odd = b""
        if self._stream is None:
            return np.zeros(0, np.int16)
        rest = _rounded(self._stream.resample_chunk(np.zeros(0, np.float32), last=True))
        self._stream = self._resampler()
        return rest

    def _decode(self, data: bytes) -> Samples:
        if self.encoding is not Encoding.PCM:
            return (MU_LAW if self.encoding is Encoding.PCMU else A_LAW)[np.frombuffer(data, np.uint8)]
        data = self._odd + data
        whole = len(data) // 2 * 2
        self._odd = data[whole:]
        return np.frombuffer(data[:whole], "<i2").astype(np.int16)


def to_openai(samples: Samples) -> bytes:
    """int16 [n], 16 kHz, as PCM of 24 kHz, which OpenAI's protocol asks for."""
    sound = soxr.resample(samples.astype(np.float32), SAMPLE_RATE, OPENAI_RATE)
    return _rounded(sound).astype("<i2").tobytes()


def _rounded(sound: npt.NDArray[np.float32]) -> Samples:
    limits = np.iinfo(np.int16)
    return np.clip(np.rint(sound), limits.min, limits.max).astype(np.int16)


def _mu_law() -> Samples:
    """ITU-T G.711, table 2: int16 of each byte."""
    code = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (code >> 4 & 7).astype(np.int32), (code & 15).astype(np.int32)
    magnitude = ((mantissa << 3) + 132 << exponent) - 132
    return np.where(code & 128, -magnitude, magnitude).astype(np.int16)


def _a_law() -> Samples:
    """ITU-T G.711, table 1: int16 of each byte."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent, mantissa = (code >> 4 & 7).astype(np.int32), (code & 15).astype(np.int32)
    magnitude = np.where(exponent, (mantissa << 4) + 264 << np.maximum(exponent - 1, 0), (mantissa << 4) + 8)
    return np.where(code & 128, magnitude, -magnitude).astype(np.int16)


MU_LAW, A_LAW = _mu_law(), _a_law()
