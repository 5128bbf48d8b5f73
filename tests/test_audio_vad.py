"""Silero's model in sequence mode: equal to the frame-by-frame model, whatever the split, and silent to Microsoft."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoint.audio.vad import CONTEXT, MODEL, MOST_FRAMES, VoiceActivity, load, quantised
from endpoint.types import PCM_FULL_SCALE, SPEECH_FRAME, Samples
from tests.talk import phrases


@cache
def speech() -> Samples:
    """Six seconds of speech and pauses, ending within a frame."""
    parts = [sound for _, sound in phrases()[:4]]
    return np.concatenate([np.zeros(3000, np.int16), *parts])[: 6 * 16_000 + 100]


@cache
def whole() -> np.ndarray:
    return judged([speech()])


def judged(blocks: list[Samples]) -> np.ndarray:
    activity = VoiceActivity()
    return np.concatenate([*map(activity.feed, blocks), activity.flush()])


def frame_by_frame(samples: Samples) -> np.ndarray:
    """As Silero's own streaming loop: a frame a call, context and state carried in Python."""
    frames = -(-len(samples) // SPEECH_FRAME)
    sound = np.zeros(CONTEXT + frames * SPEECH_FRAME, np.float32)
    sound[CONTEXT : CONTEXT + len(samples)] = samples / np.float32(PCM_FULL_SCALE)
    hidden, cell, found = np.zeros((1, 1, 128), np.float32), np.zeros((1, 1, 128), np.float32), []
    for k in range(frames):
        frame = sound[np.newaxis, k * SPEECH_FRAME : (k + 1) * SPEECH_FRAME + CONTEXT]
        probability, hidden, cell = load().run(None, {"input": frame, "h": hidden, "c": cell})
        found.append(probability)
    return np.concatenate(found)


def test_a_sequence_is_the_frame_by_frame_model() -> None:
    assert np.abs(whole() - frame_by_frame(speech())).max() < 1e-5


def test_the_numbers_are_silero_vads() -> None:
    """Of silero_vad.onnx 6.2.3, the frame-by-frame file, on the same samples; see docs/decisions/0005."""
    stock = [0.00167, 0.99966, 0.99764, 0.983, 1.0, 0.99998, 0.99967]
    assert whole()[[0, 10, 20, 50, 100, 150, -1]] == pytest.approx(stock, abs=1e-3)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, len(speech())), max_size=12))
def test_any_split_gives_the_same(cuts: list[int]) -> None:
    edges = sorted({0, len(speech()), *cuts})
    assert np.abs(judged([speech()[a:b] for a, b in pairwise(edges)]) - whole()).max() < 1e-5


@pytest.mark.parametrize("size", [1, 160, 511, 512, 513, SPEECH_FRAME * MOST_FRAMES + 1])
def test_any_block_size_gives_the_same(size: int) -> None:
    sound = speech()[: 16_000 if size == 1 else None]
    blocks = [sound[k : k + size] for k in range(0, len(sound), size)]
    assert np.abs(judged(blocks) - judged([sound])).max() < 1e-5


def test_a_frame_is_judged_as_soon_as_it_is_whole() -> None:
    activity = VoiceActivity()
    assert activity.feed(speech()[:511]).shape == (0,)
    assert activity.feed(speech()[511:512]).shape == (1,)
    assert activity.feed(speech()[512:512]).shape == (0,)
    assert activity.flush().shape == (0,)


@pytest.mark.parametrize("count", [0, 1, 511, 512, 513, 1024])
def test_a_probability_for_every_frame_begun(count: int) -> None:
    found = judged([speech()[:count]])
    assert found.shape == (-(-count // SPEECH_FRAME),)
    assert found.dtype == np.float32


def test_after_a_flush_it_begins_anew() -> None:
    activity = VoiceActivity()
    first = np.concatenate([activity.feed(speech()), activity.flush()])
    second = np.concatenate([activity.feed(speech()), activity.flush()])
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(32_000, np.int16),
        np.random.default_rng(0).normal(0, 300, 32_000).astype(np.int16),
        np.full(32_000, -PCM_FULL_SCALE, np.int16),
    ],
)
def test_silence_noise_and_a_stuck_line_are_no_speech(sound: Samples) -> None:
    assert judged([sound])[8:].max() < 0.35


def test_speech_is_speech() -> None:
    _, sound = phrases()[0]
    assert judged([sound]).max() > 0.9


def test_quantised_to_a_byte() -> None:
    assert quantised(np.array([0, 0.5, 1], np.float32)).tolist() == [0, 128, 255]
    assert quantised(whole()).dtype == np.uint8


def test_the_licence_lies_beside_the_model() -> None:
    text = (MODEL.parent / "silero_vad.LICENSE").read_text()
    assert "MIT License" in text
    assert MODEL.name in text


def test_nothing_is_reported_and_torch_stays_out() -> None:
    """onnxruntime's official builds start a reporting thread, with a database of events in the home folder."""
    program = (
        "import os, sys\nfrom endpoint.audio import vad\nvad.load()\n"
        "open_files = [os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')"
        " if os.path.lexists(f'/proc/self/fd/{n}')]\n"
        "print([name for name in open_files if 'Microsoft' in name], 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[] False"
