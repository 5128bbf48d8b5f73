"""The echo of one channel in another, with human speech; and that two voices at once are no echo."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile

from endpoint.audio.echo import ALIKE, CHUNK, without_echoes
from endpoint.audio.vad import VoiceActivity, quantised
from endpoint.types import SAMPLE_RATE, SPEECH_FRAME, Audio, Samples

SPEECH = Path(__file__).parents[1] / "endpoint" / "demo" / "recordings"
HALF = 0.5 * 255


@cache
def voice(name: str, seconds: float = 8.0) -> np.ndarray:
    """float64 [n], 16 kHz, of a human."""
    samples, rate = soundfile.read(io.BytesIO((SPEECH / name).read_bytes()), dtype="float64", always_2d=True)
    samples = samples.mean(axis=1)
    at = np.arange(int(min(seconds, len(samples) / rate) * SAMPLE_RATE)) / SAMPLE_RATE
    sound = np.interp(at, np.arange(len(samples)) / rate, samples)
    padded = np.zeros(int(seconds * SAMPLE_RATE))
    padded[: len(sound)] = sound
    return padded * 3_000 / np.sqrt(np.mean(sound**2))


def audio(sound: np.ndarray, gain: float = 1.0) -> Audio:
    samples: Samples = np.clip(np.rint(sound), -32768, 32767).astype(np.int16)
    activity = VoiceActivity()
    speech = quantised(np.concatenate([activity.feed(samples), activity.flush()]))
    return Audio(samples, speech, gain=gain)


def later(sound: np.ndarray, samples: int) -> np.ndarray:
    return np.concatenate([np.zeros(samples), sound[: len(sound) - samples]])


def speaking(one: Audio) -> int:
    assert one.speech is not None
    return int((one.speech >= HALF).sum())


@pytest.mark.parametrize("delay", [0, 400, 4_800])
@pytest.mark.parametrize("gain", [1.0, 8.0])
def test_an_echo_at_minus_20_decibels_is_left_out(delay: int, gain: float) -> None:
    """The level of a quiet channel may have been raised since."""
    noise = np.random.default_rng(3).normal(0, 8, 8 * SAMPLE_RATE)
    near = voice("LJ001-0001.flac")
    echo = audio((later(near, delay) * 0.1 + noise) * gain, gain)
    assert speaking(echo) > 100
    first, second = without_echoes([audio(near), echo])
    assert first.echo_ms == 0
    assert first.audio.samples is not None
    assert second.echo_ms > 5_000
    assert speaking(second.audio) <= 0.05 * speaking(echo)
    assert not second.audio.samples[: 2 * SPEECH_FRAME].any() or second.audio.samples.std() < echo.samples.std() / 4


def test_speech_between_echoes_stays() -> None:
    """One asks, the other responds; the voice of each is 20 dB lower in the other's channel."""
    question, response = voice("LJ001-0001.flac", 6.0), voice("jfk.flac", 6.0)
    silence = np.zeros(6 * SAMPLE_RATE)
    left = np.concatenate([question, silence]) + 0.1 * later(np.concatenate([silence, response]), 1_600)
    right = np.concatenate([silence, response]) + 0.1 * later(np.concatenate([question, silence]), 1_600)
    first, second = without_echoes([audio(left), audio(right)])
    half = 6 * SAMPLE_RATE // SPEECH_FRAME
    assert first.audio.speech is not None
    assert second.audio.speech is not None
    assert (first.audio.speech[:half] >= HALF).sum() >= 0.9 * speaking(audio(question))
    assert (second.audio.speech[half:] >= HALF).sum() >= 0.9 * speaking(audio(response))
    assert (first.audio.speech[half + CHUNK :] >= HALF).sum() <= 8
    assert (second.audio.speech[: half - CHUNK] >= HALF).sum() <= 8


@pytest.mark.parametrize("quieter", [1.0, 0.3, 0.1])
def test_two_people_who_speak_at_once_are_no_echo(quieter: float) -> None:
    loud, quiet = audio(voice("LJ001-0003.flac")), audio(voice("jfk.flac") * quieter)
    cleaned = without_echoes([loud, quiet])
    assert [one.echo_ms for one in cleaned] == [0, 0]
    assert cleaned[1].audio is quiet
    assert 0 < ALIKE < 1


def test_one_channel_and_silence() -> None:
    silent = audio(np.zeros(SAMPLE_RATE))
    assert [one.echo_ms for one in without_echoes([silent])] == [0]
    assert [one.echo_ms for one in without_echoes([silent, audio(voice("jfk.flac", 1.0))])] == [0, 0]
