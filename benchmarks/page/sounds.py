"""Recordings for the page, made of the human clips that are shipped: long ones, a talk, a video."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from endpoint.bench.containers import decode, encode
from endpoint.types import SAMPLE_RATE, Samples

DEMO = Path(__file__).parents[2] / "endpoint" / "demo"
RECORDINGS, SAMPLES = DEMO / "recordings", DEMO / "samples"
JFK, SPEECH = RECORDINGS / "jfk.flac", RECORDINGS / "LJ001-0001.flac"
BLOCK_SECONDS = 600
FRAMES_A_SECOND = 10


def write_talk(path: Path) -> None:
    """The clips of LJ Speech one after the other, with pauses: a minute and a half."""
    pause = np.zeros(SAMPLE_RATE // 2, np.int16)
    clips = sorted(RECORDINGS.glob("LJ*.flac"))
    path.write_bytes(encode(np.concatenate([part for clip in clips for part in (decode(clip), pause)]), "mp3"))


def write_speech(path: Path, hours: float) -> None:
    """Human speech as mp3 of a constant bit rate, whose frames can follow each other."""
    sound = decode(SPEECH)
    block = np.tile(sound, 1 + BLOCK_SECONDS * SAMPLE_RATE // len(sound))[: BLOCK_SECONDS * SAMPLE_RATE]
    options = {"write_xing": "0", "id3v2_version": "0"}
    part = path.with_suffix(".part.mp3")
    with av.open(str(part), "w", format="mp3", options=options) as file:
        stream = file.add_stream("libmp3lame", rate=SAMPLE_RATE, layout="mono")
        stream.bit_rate = 32_000
        resampler = av.AudioResampler(stream.format, "mono", SAMPLE_RATE, frame_size=576)
        whole = av.AudioFrame.from_ndarray(block[None], format="s16", layout="mono")
        whole.sample_rate = SAMPLE_RATE
        for frame in (*resampler.resample(whole), *resampler.resample(None)):
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    with path.open("wb") as target:
        for _ in range(round(hours * 3600 / BLOCK_SECONDS)):
            target.write(part.read_bytes())
    part.unlink()


def write_video(path: Path, sound: Samples) -> None:
    """A moving bar with speech, in a container that every browser plays."""
    with av.open(str(path), "w", format="webm") as file:
        pictures, voice = file.add_stream("libvpx", rate=FRAMES_A_SECOND), file.add_stream("libopus", rate=48_000)
        pictures.width, pictures.height, pictures.pix_fmt = 320, 180, "yuv420p"
        resampler = av.AudioResampler("s16", "mono", 48_000, frame_size=960)
        whole = av.AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
        whole.sample_rate = SAMPLE_RATE
        for number in range(FRAMES_A_SECOND * len(sound) // SAMPLE_RATE):
            picture = np.full((180, 320, 3), 40, np.uint8)
            picture[80:100, : 2 * number % 320] = (116, 202, 189)
            file.mux(pictures.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(pictures.encode(None))
        for frame in (*resampler.resample(whole), *resampler.resample(None)):
            file.mux(voice.encode(frame))
        file.mux(voice.encode(None))
