"""Samples to Whisper's log-mel spectrogram, on the device they are on: openai/whisper audio.py log_mel_spectrogram.

Equal to transformers' WhisperFeatureExtractor; the tests hold it to 1e-4.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from endpoint.types import PCM_FULL_SCALE, SAMPLE_RATE, TIMESTAMP_SAMPLES, WINDOW_SAMPLES

FFT = 400  # samples: 25 ms
HOP = TIMESTAMP_SAMPLES // 2  # samples between frames: 10 ms
FRAMES = WINDOW_SAMPLES // HOP
_FLOOR, _RANGE = -10.0, 8.0  # log10 of the least power counted; of the loudest over the least that is kept


class LogMel:
    """Made for one number of mel bins (80, or 128 of large-v3) and one device."""

    def __init__(self, bins: int, device: torch.device | str = "cpu") -> None:
        from transformers.audio_utils import mel_filter_bank

        filters = mel_filter_bank(
            FFT // 2 + 1, bins, 0.0, SAMPLE_RATE / 2, SAMPLE_RATE, norm="slaney", mel_scale="slaney"
        )
        self._filters = torch.tensor(filters.T.copy(), dtype=torch.float32, device=device)
        self._taper = torch.hann_window(FFT, dtype=torch.float32, device=device) / PCM_FULL_SCALE

    def __call__(self, samples: Tensor) -> Tensor:
        """float32 [b, bins, FRAMES] of windows, int16 [b, n], n <= WINDOW_SAMPLES, zeros behind the shorter ones."""
        # On a CPU one by one: the frames of a window stay in the cache, which takes a fifth of the time of a batch.
        parts = torch.split(samples, len(samples) if samples.is_cuda else 1)
        return torch.cat([self._spectrogram(part) for part in parts])

    def _spectrogram(self, samples: Tensor) -> Tensor:
        given = samples.shape[1]
        size = min(WINDOW_SAMPLES, -(-(given + FFT) // HOP) * HOP)  # whatever is behind is silence
        sound = functional.pad(samples.float(), (0, size - given))
        # Half a frame is mirrored at both ends of the 30 s.
        sound = functional.pad(sound[:, None], (FFT // 2, FFT // 2), mode="reflect")[:, 0]
        frames = sound.unfold(1, FFT, HOP)[:, : size // HOP] * self._taper
        spectrum = torch.fft.rfft(frames)
        power = spectrum.real.square().add_(spectrum.imag.square())
        level = (self._filters @ power.mT).clamp_(min=10**_FLOOR).log10_()
        least = level.amax((1, 2), keepdim=True) - _RANGE
        filled = functional.pad(level, (0, FRAMES - level.shape[2]), value=_FLOOR)
        return torch.maximum(filled, least).add_(4.0).div_(4.0)
