"""Encodes samples as files that clients send, and decodes files."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from endpoint.errors import InvalidRequest
from endpoint.types import SAMPLE_RATE, Samples


@dataclass(frozen=True)
class Container:
    """rate: of the stream, in Hz; bit_rate: in bit/s, None where the codec has none."""

    format: str
    codec: str
    rate: int
    bit_rate: int | None = None


CONTAINERS = {
    "wav": Container("wav", "pcm_s16le", SAMPLE_RATE),
    "flac": Container("flac", "flac", SAMPLE_RATE),
    "mp3": Container("mp3", "libmp3lame", 44_100, 96_000),
    "opus": Container("ogg", "libopus", 48_000, 24_000),
    "m4a": Container("ipod", "aac", 44_100, 96_000),
}


def encode(samples: Samples, name: str) -> bytes:
    """The file of int16 [n], 16 kHz mono, in the container `name` of CONTAINERS."""
    kind, out = CONTAINERS[name], io.BytesIO()
    with av.open(out, "w", format=kind.format) as file:
        stream = file.add_stream(kind.codec, rate=kind.rate, layout="mono")
        if kind.bit_rate:
            stream.bit_rate = kind.bit_rate
        size = stream.codec_context.frame_size or SAMPLE_RATE
        resampler = AudioResampler(stream.format, "mono", kind.rate, frame_size=size)
        for frame in (*_minutes(samples), None):
            for part in resampler.resample(frame):
                file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return out.getvalue()


def _minutes(samples: Samples) -> Iterator[AudioFrame]:
    for start in range(0, len(samples), 60 * SAMPLE_RATE):
        minute = np.ascontiguousarray(samples[None, start : start + 60 * SAMPLE_RATE])
        frame = AudioFrame.from_ndarray(minute, format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        yield frame


def decode(path: Path) -> Samples:
    """int16 [n], 16 kHz mono, of a file of any container. Raises InvalidRequest where there is no sound in it."""
    parts = list[Samples]()
    try:
        with av.open(str(path)) as file:
            resampler = AudioResampler("s16", "mono", SAMPLE_RATE)
            for frame in (*file.decode(audio=0), None):
                parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    except (av.FFmpegError, OSError) as error:
        raise InvalidRequest(f"{path} cannot be read as sound: {error}") from error
    except IndexError:  # there is no first audio stream
        pass
    if not parts:
        raise InvalidRequest(f"{path} holds no sound")
    return np.concatenate(parts)
