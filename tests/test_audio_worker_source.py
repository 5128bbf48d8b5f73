import os

import numpy as np
import pytest

from endpoint.audio.worker import process, source
from endpoint.audio.worker.protocol import Limits
from endpoint.audio.worker.source import KEPT, STEP, Source
from endpoint.memfile import MemoryFile
from endpoint.types import SAMPLE_RATE
from tests.recordings import encode

SIZE = 12 << 20


@pytest.fixture
def upload() -> MemoryFile:
    return MemoryFile(bytes(range(256)) * (SIZE // 256))


def source_of(upload: MemoryFile) -> Source:
    return Source(os.dup(upload.fileno()))


def resident(upload: MemoryFile) -> int:
    return os.fstat(upload.fileno()).st_blocks * 512


def test_it_reads_from_the_beginning_and_gives_nothing_back_unless_asked_to(upload: MemoryFile) -> None:
    with source_of(upload) as file:
        assert file.read(SIZE) == upload.read()
        file.seek(0)
        assert file.read(3) == b"\0\1\2"
    assert resident(upload) == SIZE


def test_what_was_read_is_given_back_but_for_a_little(upload: MemoryFile) -> None:
    whole, most, got = upload.read(), 0, b""
    with source_of(upload) as file:
        file.forgetful = True
        while piece := file.read(32_768):
            got += piece
            most = max(most, len(got) - (SIZE - resident(upload)))
    assert got == whole
    assert KEPT < most <= KEPT + STEP + 32_768


def test_stepping_back_a_little_reads_the_same_bytes(upload: MemoryFile) -> None:
    whole = upload.read()
    with source_of(upload) as file:
        file.forgetful = True
        while file.read(32_768):
            file.seek(-16_384, os.SEEK_CUR)
            at = file.tell()
            assert file.read(16_384) == whole[at : at + 16_384]


def test_what_was_given_back_is_not_read_as_silence(upload: MemoryFile) -> None:
    with source_of(upload) as file:
        file.forget(SIZE)
        file.seek(0)
        with pytest.raises(MemoryError, match="given back"):
            file.read(1)


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [
        ("wav", "pcm_s16le", 16_000),
        ("wav", "adpcm_ima_wav", 44_100),
        ("wav", "pcm_mulaw", 44_100),
        ("w64", "pcm_s16le", 44_100),
        ("aiff", "pcm_s16be", 44_100),
        ("au", "pcm_alaw", 44_100),
        ("flac", "flac", 44_100),
        ("mp3", "libmp3lame", 44_100),
        ("ogg", "libopus", 48_000),
        ("ogg", "flac", 48_000),
        ("adts", "aac", 44_100),
        ("ac3", "ac3", 48_000),
        ("eac3", "eac3", 48_000),
        ("mpegts", "libmp3lame", 48_000),
        ("mpegts", "aac", 48_000),
        ("ipod", "aac", 44_100),
        ("amr", "libopencore_amrnb", 8_000),
    ],
)
def test_decoding_what_is_given_back_on_the_way_gives_the_same(
    monkeypatch: pytest.MonkeyPatch, container: str, codec: str, rate: int
) -> None:
    sound = np.random.default_rng(1).normal(0, 3000, 60 * rate).astype(np.int16)
    data = encode(sound[np.newaxis], container, codec, rate, bit_rate=12_200 if container == "amr" else None)
    whole, _ = decoded(data)
    monkeypatch.setattr(source, "KEPT", 65_536)
    monkeypatch.setattr(source, "STEP", 8_192)
    monkeypatch.setattr(process, "WAVE_FRAMES", 30_000)
    again, left = decoded(data)
    assert len(again) > 50 * 2 * SAMPLE_RATE
    assert again == whole
    if container != "ipod" and len(data) > 200_000:
        assert left < len(data) / 2


def decoded(data: bytes) -> tuple[bytes, int]:
    """(samples, bytes of the upload that are left)"""
    upload, target = MemoryFile(data), MemoryFile(name="samples")
    with source_of(upload) as file:
        process.decode(file, target.fileno(), Limits(100, 8, 100))
    return os.pread(target.fileno(), 1 << 30, 0), resident(upload)
