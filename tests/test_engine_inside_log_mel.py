"""The spectrogram against transformers' feature extractor: both sizes, silence, full scale, short windows, batches."""

from __future__ import annotations

import numpy as np
import pytest

from endpoint.config import TEST_MODEL
from endpoint.types import PCM_FULL_SCALE, SAMPLE_RATE, WINDOW_SAMPLES, Samples
from tests.talk import make_talk

pytest.importorskip("torch", reason="the base build has no engine")
import torch
from transformers import WhisperFeatureExtractor

from endpoint.engine.inside.log_mel import FRAMES, HOP, LogMel

TOLERANCE = 1e-4
SPEECH = np.frombuffer(make_talk(30).wav, np.int16)[22:]  # behind the header
NOISE = np.random.default_rng(0).integers(-PCM_FULL_SCALE, PCM_FULL_SCALE, WINDOW_SAMPLES).astype(np.int16)
BEEP = (32767 * np.sin(np.arange(WINDOW_SAMPLES) * 0.3)).astype(np.int16)
WINDOWS = {
    "speech": SPEECH[:WINDOW_SAMPLES],
    "noise at full scale": NOISE,
    "a tone at full scale": BEEP,
    "the lowest value": np.full(WINDOW_SAMPLES, -PCM_FULL_SCALE, np.int16),
    "silence": np.zeros(WINDOW_SAMPLES, np.int16),
    "a click at the end": np.r_[np.zeros(WINDOW_SAMPLES - 1, np.int16), np.int16(20_000)],
    "29.99 s": SPEECH[: WINDOW_SAMPLES - HOP],
    "one sample less": SPEECH[: WINDOW_SAMPLES - 1],
    "7 s": SPEECH[: 7 * SAMPLE_RATE],
    "an odd number of samples": SPEECH[:12_345],
    "100 ms": SPEECH[: SAMPLE_RATE // 10],
    "one sample": np.array([-9000], np.int16),
}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def reference(bins: int, samples: Samples) -> np.ndarray:
    """float32 [bins, FRAMES], from the preprocessor's settings that all of Whisper's checkpoints have."""
    extractor = WhisperFeatureExtractor(feature_size=bins)
    made = extractor(samples.astype(np.float32) / PCM_FULL_SCALE, sampling_rate=SAMPLE_RATE, return_tensors="np")
    return made.input_features[0]


def test_the_checkpoint_has_no_settings_of_its_own() -> None:
    ours, usual = WhisperFeatureExtractor.from_pretrained(TEST_MODEL), WhisperFeatureExtractor()
    for name in ("feature_size", "n_fft", "hop_length", "sampling_rate", "chunk_length", "dither"):
        assert getattr(ours, name) == getattr(usual, name)


@pytest.mark.parametrize("bins", [80, 128])
@pytest.mark.parametrize("name", WINDOWS)
def test_it_equals_the_reference(bins: int, name: str) -> None:
    made = LogMel(bins)(torch.from_dlpack(WINDOWS[name])[None])
    assert made.shape == (1, bins, FRAMES)
    assert made.dtype == torch.float32
    np.testing.assert_allclose(made[0].numpy(), reference(bins, WINDOWS[name]), atol=TOLERANCE, rtol=0)


def test_windows_of_a_batch_do_not_change_each_other() -> None:
    given = torch.zeros(len(WINDOWS), WINDOW_SAMPLES, dtype=torch.int16)
    for row, samples in zip(given, WINDOWS.values(), strict=True):
        row[: len(samples)] = torch.from_dlpack(samples)
    made = LogMel(80)(given).numpy()
    for row, samples in zip(made, WINDOWS.values(), strict=True):
        np.testing.assert_allclose(row, reference(80, samples), atol=TOLERANCE, rtol=0)


def test_it_stays_float32_where_the_model_is_not() -> None:
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)  # as vLLM does while it makes a model
    try:
        made = LogMel(80)(torch.from_dlpack(SPEECH)[None, :SAMPLE_RATE])
    finally:
        torch.set_default_dtype(usual)
    np.testing.assert_allclose(made[0].numpy(), reference(80, SPEECH[:SAMPLE_RATE]), atol=TOLERANCE, rtol=0)
