"""Damaged and cut files of many formats: none is shorter than it was without saying so."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from fractions import Fraction

import av
import numpy as np
import pytest
import pytest_asyncio

from endpoint.audio.decode import Decoder
from endpoint.audio.worker.protocol import Selection
from endpoint.config import Settings
from endpoint.errors import InvalidAudio
from endpoint.types import SAMPLE_RATE, Audio
from tests.recordings import encode
from tests.test_audio_worker_container import SOUND

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(90)]
SECONDS = 20
RATES = {"mp3": 44_100, "adts": 44_100, "ac3": 48_000, "eac3": 48_000, "asf": 44_100, "mpegts": 48_000, "avi": 44_100}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder(Settings(decode_workers=1))
    await decoder.start()
    yield decoder
    await decoder.close()


def recording(container: str, codec: str) -> bytes:
    """Noise that comes and goes, so that every part of the file is worth the same bytes."""
    rate = 48_000 if codec == "libopus" else RATES.get(container, SAMPLE_RATE)
    noise = np.random.default_rng(0).normal(0, 4_000, (1, SECONDS * rate)).astype(np.int16)
    return encode(noise, container, codec, rate, bit_rate=96_000 if codec in ("wmav2", "libmp3lame") else None)


def missing(audio: Audio) -> float:
    return sum(end - begin for begin, end in audio.unreadable) / 1000


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("mp3", "libmp3lame"), ("adts", "aac"), ("ac3", "ac3"), ("eac3", "eac3"), ("flac", "flac"), ("ogg", "flac"),
        ("ogg", "libopus"), ("webm", "libopus"), ("matroska", "aac"), ("mpegts", "aac"), ("asf", "wmav2"),
        ("flv", "aac"),
    ],
)  # fmt: skip
async def test_zeros_in_the_middle_are_missing_and_keep_their_place(
    decoder: Decoder, container: str, codec: str
) -> None:
    data = bytearray(recording(container, codec))
    assert missing(await decoder.decode(bytes(data))) == 0
    middle, size = len(data) * 2 // 5, len(data) // 5
    data[middle : middle + size] = bytes(size)
    audio = await decoder.decode(bytes(data))
    assert audio.duration_ms == pytest.approx(SECONDS * 1000, abs=300)
    begin, end = audio.unreadable[0][0] / 1000, audio.unreadable[-1][1] / 1000
    assert begin == pytest.approx(0.4 * SECONDS, abs=1.6)  # Ogg's pages are a second long
    assert end >= 0.6 * SECONDS - 0.5
    assert end - begin == pytest.approx(0.2 * SECONDS, abs=5.5)  # Matroska goes on at the next cluster, of 5 s
    assert audio.samples[-SAMPLE_RATE:].any()
    assert "audio_unreadable" in {notice.code for notice in audio.notices}


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("mp3", "libmp3lame"), ("wav", "pcm_s16le"), ("wav", "pcm_s24le"), ("wav", "pcm_mulaw"), ("w64", "pcm_s16le"),
        ("aiff", "pcm_s16be"), ("caf", "pcm_s16le"), ("au", "pcm_s16be"), ("avi", "pcm_s16le"), ("asf", "wmav2"),
        ("flv", "aac"), ("flac", "flac"), ("matroska", "flac"), ("webm", "libopus"), ("tta", "tta"),
    ],
)  # fmt: skip
async def test_a_file_that_was_cut_says_how_much_is_missing(decoder: Decoder, container: str, codec: str) -> None:
    data = recording(container, codec)
    audio = await decoder.decode(data[: len(data) // 2])
    assert audio.duration_ms == pytest.approx(SECONDS * 500, abs=1_200)
    assert missing(audio) == pytest.approx(SECONDS - audio.duration_ms / 1000, abs=1.3)
    assert audio.unreadable[-1][0] == pytest.approx(audio.duration_ms, abs=5)


async def test_fragments_behind_damage_are_read(decoder: Decoder) -> None:
    out = io.BytesIO()
    options = {"movflags": "frag_keyframe+empty_moov", "frag_duration": "1000000"}
    with av.open(out, "w", format="mp4", options=options) as file:
        stream = file.add_stream("aac", SAMPLE_RATE)
        stream.layout = "mono"
        noise = np.random.default_rng(0).normal(0, 4_000, (SECONDS * SAMPLE_RATE // 1_024, 1, 1_024)).astype(np.int16)
        for number, part in enumerate(noise):
            frame = av.AudioFrame.from_ndarray(part, "s16", "mono")
            frame.sample_rate, frame.time_base, frame.pts = SAMPLE_RATE, Fraction(1, SAMPLE_RATE), 1_024 * number
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    data = bytearray(out.getvalue())
    middle, size = len(data) * 2 // 5, len(data) // 5
    data[middle : middle + size] = bytes(size)
    audio = await decoder.decode(bytes(data))
    assert audio.duration_ms == pytest.approx(SECONDS * 1000, abs=200)
    assert 3.5 < missing(audio) < 6.5
    assert audio.samples[-SAMPLE_RATE:].any()


async def test_a_recording_of_very_many_gaps_is_decoded(decoder: Decoder) -> None:
    """Its report is longer than a message between processes."""
    out, gaps = io.BytesIO(), 4_000
    with av.open(out, "w", format="matroska") as file:
        stream = file.add_stream("flac", SAMPLE_RATE)
        stream.layout = "mono"
        for number in range(gaps + 1):
            frame = av.AudioFrame.from_ndarray(np.full((1, 4_608), 900, np.int16), "s16", "mono")
            frame.sample_rate, frame.time_base, frame.pts = SAMPLE_RATE, Fraction(1, SAMPLE_RATE), 16_000 * number
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    audio = await decoder.decode(out.getvalue(), vad=True)
    assert len(audio.unreadable) == gaps
    assert audio.duration_ms == pytest.approx(gaps * 1000, abs=400)
    assert audio.speech is not None


async def test_a_track_of_which_nothing_can_be_decoded_gives_way(decoder: Decoder) -> None:
    data = two_tracks()
    audio = await decoder.decode(data)
    assert audio.samples.any()
    (notice,) = [notice for notice in audio.notices if notice.code == "audio_track"]
    assert "track 1 of 2" in notice.message
    with pytest.raises(InvalidAudio):
        await decoder.decode(data, selection=Selection(track=0))


def two_tracks() -> bytes:
    """The packets of the first are noise, those of the second sound."""
    out, rng = io.BytesIO(), np.random.default_rng(1)
    with av.open(out, "w", format="matroska") as file:
        streams = [file.add_stream("flac", SAMPLE_RATE) for _ in range(2)]
        for stream in streams:
            stream.layout = "mono"
        for number, stream in enumerate(streams):
            for begin in range(0, len(SOUND) - 4_608, 4_608):
                frame = av.AudioFrame.from_ndarray(SOUND[None, begin : begin + 4_608], "s16", "mono")
                frame.sample_rate, frame.time_base, frame.pts = SAMPLE_RATE, Fraction(1, SAMPLE_RATE), begin
                for packet in stream.encode(frame):
                    if not number:
                        noise = av.Packet(rng.bytes(packet.size))
                        noise.pts, noise.dts, noise.time_base = packet.pts, packet.dts, packet.time_base
                        noise.stream = stream
                        file.mux(noise)
                    else:
                        file.mux(packet)
    return out.getvalue()
