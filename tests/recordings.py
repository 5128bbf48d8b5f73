"""Files of sound, made on the spot: for the tests and for tests/make_recordings.py."""

import io
import struct
from fractions import Fraction

import av
import numpy as np


def tone(rate: int, seconds: float, hertz: float = 440.0) -> np.ndarray:
    """int16 [n], a quarter of full scale."""
    return (8000 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)).astype(np.int16)


def wav(samples: np.ndarray, rate: int, *, claim_rate: int | None = None, claim_channels: int | None = None) -> bytes:
    """int16 [n, channels] as a wav file, whose header may lie."""
    body = samples.astype("<i2").tobytes()
    channels, rate = claim_channels or samples.shape[1], claim_rate or rate
    head = struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * 2, 2 * channels & 0xFFFF, 16)
    size = struct.pack("<I", len(body))
    return b"".join([b"RIFF", struct.pack("<I", 36 + len(body)), b"WAVEfmt ", head, b"data", size, body])


def encode(
    samples: np.ndarray,
    container: str,
    codec: str,
    rate: int,
    layout: str = "mono",
    *,
    from_rate: int | None = None,
    bit_rate: int | None = None,
    copies: int = 1,
    video: bool = False,
) -> bytes:
    """int16 [channels, n] at `from_rate` (default `rate`) as a file with `copies` equal streams, after a video one."""
    out = io.BytesIO()
    from_rate = from_rate or rate
    with av.open(out, "w", format=container) as file:
        picture = file.add_stream("libx264", rate=10) if video else None
        # "strict": FFmpeg's own vorbis encoder counts as experimental.
        streams = [file.add_stream(codec, rate=rate, layout=layout, options={"strict": "-2"}) for _ in range(copies)]
        if bit_rate:
            streams[0].bit_rate = bit_rate
        if picture:
            picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
            for _ in range(samples.shape[1] * 10 // from_rate):
                file.mux(picture.encode(av.VideoFrame(64, 64, "yuv420p")))
            file.mux(picture.encode(None))
        for stream in streams:
            frame = av.AudioFrame.from_ndarray(samples.T.reshape(1, -1).copy(), format="s16", layout=layout)
            frame.sample_rate, frame.time_base, frame.pts = from_rate, Fraction(1, from_rate), 0
            size = stream.codec_context.frame_size or 1024
            resampler = av.AudioResampler(stream.format, layout, rate, frame_size=size)
            for part in (*resampler.resample(frame), *resampler.resample(None), None):
                file.mux(stream.encode(part))
    return out.getvalue()


def silent_opus(hours: float, container: str = "ogg") -> bytes:
    """One packet of silence again and again: 0.9 MB an hour in Ogg. In WebM without a length, as while one records."""
    out = io.BytesIO()
    with av.open(out, "w", format=container, options={"live": "1"} if container == "webm" else {}) as file:
        stream = file.add_stream("libopus", rate=48_000, layout="mono", options={"frame_duration": "120"})
        stream.bit_rate = 6000
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 5760), np.int16), format="s16", layout="mono")
        frame.sample_rate = 48_000
        packets = []
        for k in range(4):
            frame.pts = k * 5760
            packets += stream.encode(frame)
        body = bytes(packets[-1])
        for k in range(int(hours * 3600 / 0.12)):
            packet = av.Packet(body)
            packet.stream, packet.time_base = stream, Fraction(1, 48_000)
            packet.pts = packet.dts = k * 5760
            packet.duration = 5760
            file.mux(packet)
    return out.getvalue()


def png() -> bytes:
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 32, 32, "rgb24", Fraction(1, 1)
    return b"".join(bytes(packet) for packet in encoder.encode(av.VideoFrame(32, 32, "rgb24")))


def silent_video() -> bytes:
    """An mp4 without an audio stream."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(5):
            file.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        file.mux(stream.encode(None))
    return out.getvalue()
