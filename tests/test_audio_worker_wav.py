"""Wave headers: what is read, what is left to the media library, and that no header leads outside of its file."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from endpoint.audio.worker.wav import read_wave
from tests.recordings import encode, tone, wav

SOUND = np.random.default_rng(1).integers(-9000, 9000, (500, 2)).astype(np.int16)


def chunk(name: bytes, body: bytes, claim: int | None = None) -> bytes:
    size = len(body) if claim is None else claim
    return name + struct.pack("<I", size) + body + b"\0" * (len(body) % 2)


def form(tag: int = 1, channels: int = 2, rate: int = 16_000, bits: int = 16, frame: int | None = None) -> bytes:
    size = channels * bits // 8 if frame is None else frame
    return struct.pack("<HHIIHH", tag, channels, rate, rate * size & 0xFFFFFFFF, size, bits)


def wave(*chunks: bytes) -> memoryview:
    body = b"WAVE" + b"".join(chunks)
    return memoryview(b"RIFF" + struct.pack("<I", len(body)) + body)


def test_a_plain_file_is_a_view_of_its_bytes() -> None:
    data = wav(SOUND, 44_100)
    read = read_wave(memoryview(data))
    assert read is not None
    assert read.rate == 44_100
    assert np.array_equal(read.sound, SOUND)
    assert np.shares_memory(read.sound, np.frombuffer(data, np.uint8))


@pytest.mark.parametrize(
    ("codec", "kind"),
    [("pcm_u8", "u1"), ("pcm_s16le", "<i2"), ("pcm_s32le", "<i4"), ("pcm_f32le", "<f4"), ("pcm_f64le", "<f8")],
)
def test_the_usual_sample_types_as_a_media_library_writes_them(codec: str, kind: str) -> None:
    read = read_wave(memoryview(encode(np.stack([tone(48_000, 1)] * 2), "wav", codec, 48_000, "stereo")))
    assert read is not None
    assert (read.rate, read.sound.dtype, read.sound.shape) == (48_000, np.dtype(kind), (48_000, 2))


def test_an_extended_header_names_the_type_behind() -> None:
    extended = form(tag=0xFFFE) + struct.pack("<HHI", 22, 16, 3) + struct.pack("<H", 1) + bytes(14)
    read = read_wave(wave(chunk(b"fmt ", extended), chunk(b"data", SOUND.tobytes())))
    assert read is not None
    assert np.array_equal(read.sound, SOUND)


def test_other_chunks_are_passed_over() -> None:
    read = read_wave(
        wave(
            chunk(b"LIST", b"odd"),
            chunk(b"fmt ", form()),
            chunk(b"fact", b"1234"),
            chunk(b"data", SOUND.tobytes()),
            chunk(b"id3 ", b"x" * 9),
        )
    )
    assert read is not None
    assert np.array_equal(read.sound, SOUND)


@pytest.mark.parametrize("claim", [0xFFFFFFFF, 0x7FFFFFFF, 4 * 500 + 2])
def test_a_size_that_is_too_large_gives_what_is_there(claim: int) -> None:
    read = read_wave(wave(chunk(b"fmt ", form()), chunk(b"data", SOUND.tobytes(), claim)))
    assert read is not None
    assert np.array_equal(read.sound, SOUND)


def test_a_frame_cut_in_two_is_left_out() -> None:
    read = read_wave(wave(chunk(b"fmt ", form()), chunk(b"data", SOUND.tobytes()[:-3])))
    assert read is not None
    assert np.array_equal(read.sound, SOUND[:-1])


def test_no_samples_are_no_samples() -> None:
    read = read_wave(wave(chunk(b"fmt ", form()), chunk(b"data", b"")))
    assert read is not None
    assert read.sound.shape == (0, 2)


LEFT = {
    "nothing": memoryview(b""),
    "a name": memoryview(b"RIFF"),
    "another format": memoryview(b"OggS" + bytes(60)),
    "RIFF of another kind": memoryview(b"RIFF\0\0\0\0AVI " + bytes(60)),
    "no samples": wave(chunk(b"fmt ", form())),
    "samples before their form": wave(chunk(b"data", SOUND.tobytes()), chunk(b"fmt ", form())),
    "24 bits": wave(chunk(b"fmt ", form(bits=24)), chunk(b"data", bytes(60))),
    "mu-law": wave(chunk(b"fmt ", form(tag=7, bits=8)), chunk(b"data", bytes(60))),
    "mp3 inside": wave(chunk(b"fmt ", form(tag=0x55)), chunk(b"data", bytes(60))),
    "no channels": wave(chunk(b"fmt ", form(channels=0)), chunk(b"data", bytes(60))),
    "frames that do not fit": wave(chunk(b"fmt ", form(frame=3)), chunk(b"data", bytes(60))),
    "a short form": wave(chunk(b"fmt ", form()[:10]), chunk(b"data", bytes(60))),
    "a chunk longer than the file": wave(chunk(b"JUNK", b"", 0xFFFFFFF0), chunk(b"fmt ", form())),
    "chunks without end": wave(*[chunk(b"JUNK", b"")] * 500, chunk(b"fmt ", form()), chunk(b"data", bytes(60))),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_is_unusual_is_left_to_the_media_library(name: str) -> None:
    assert read_wave(LEFT[name]) is None


def test_no_header_crashes_it() -> None:
    rng = np.random.default_rng(2)
    good = wav(SOUND, 16_000)
    for k in range(3_000):
        data = bytearray(good)
        for place in rng.integers(0, 48, 3):
            data[place : place + 2] = (b"\xff\xff", b"\0\0", rng.bytes(2))[k % 3]
        read = read_wave(memoryview(bytes(data)))
        assert read is None or read.sound.nbytes <= len(data)
