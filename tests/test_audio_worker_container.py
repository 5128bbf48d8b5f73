"""Containers on their own clock: late sound, gaps, damage, tracks, links. Files are made by PyAV, in memory."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from fractions import Fraction

import av
import numpy as np
import pytest
import pytest_asyncio
from av.stream import Disposition

from endpoint.audio.decode import Decoder
from endpoint.audio.worker.protocol import Selection
from endpoint.config import Settings
from endpoint.errors import InvalidAudio
from endpoint.types import SAMPLE_RATE
from tests.recordings import encode, tone, wav

pytestmark = pytest.mark.asyncio(loop_scope="module")
FRAME = 1_024


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder(Settings(decode_workers=1))
    await decoder.start()
    yield decoder
    await decoder.close()


def video(
    container: str,
    codec: str,
    tracks: list[np.ndarray],
    late: float = 0.0,
    gap: float = 0.0,
    default: int | None = None,
) -> bytes:
    """A film of 25 black pictures a second whose sound begins `late` seconds after it, with a `gap` in its middle."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        picture = file.add_stream("mpeg2video" if container == "mpegts" else "mpeg4", 25)
        picture.width = picture.height = 64
        picture.pix_fmt = "yuv420p"
        streams = [file.add_stream(codec, SAMPLE_RATE) for _ in tracks]
        for number, stream in enumerate(streams):
            stream.layout = "mono"
            if default is not None:
                stream.disposition = Disposition.default if number == default else Disposition(0)
        for number in range(int(25 * (len(tracks[0]) / SAMPLE_RATE + late + gap))):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            file.mux(picture.encode(frame))
        file.mux(picture.encode(None))
        for stream, sound in zip(streams, tracks, strict=True):
            for begin in range(0, len(sound) - FRAME + 1, FRAME):
                frame = av.AudioFrame.from_ndarray(sound[None, begin : begin + FRAME], "s16", "mono")
                shift = late + (gap if begin >= len(sound) // 2 else 0)
                frame.sample_rate, frame.time_base = SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
                frame.pts = begin + round(shift * SAMPLE_RATE)
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
    return out.getvalue()


def first_sound(samples: np.ndarray) -> float:
    return float(np.flatnonzero(np.abs(samples.astype(int)) > 500)[0]) / SAMPLE_RATE


SOUND = tone(SAMPLE_RATE, 4)


@pytest.mark.parametrize(("container", "codec"), [("matroska", "flac"), ("mp4", "aac"), ("mpegts", "aac")])
@pytest.mark.parametrize("late", [0.0, 3.0])
async def test_sound_begins_where_a_player_plays_it(decoder: Decoder, container: str, codec: str, late: float) -> None:
    audio = await decoder.decode(video(container, codec, [SOUND], late))
    assert first_sound(audio.samples) == pytest.approx(late, abs=0.1)
    assert audio.duration_ms == pytest.approx((4 + late) * 1000, abs=150)
    assert audio.unreadable == ()


async def test_a_gap_keeps_its_length_and_is_reported(decoder: Decoder) -> None:
    audio = await decoder.decode(video("matroska", "flac", [SOUND], gap=2.0))
    assert audio.duration_ms == pytest.approx(6_000, abs=100)
    ((begin, end),) = audio.unreadable
    assert (begin, end) == (pytest.approx(2_000, abs=100), pytest.approx(4_000, abs=100))
    assert not audio.samples[(begin + 50) * 16 : (end - 50) * 16].any()
    assert [notice.code for notice in audio.notices] == ["audio_unreadable"]


async def test_a_file_that_was_cut_says_how_much_is_missing(decoder: Decoder) -> None:
    noise = np.random.default_rng(0).integers(-9000, 9000, (1, 10 * SAMPLE_RATE)).astype(np.int16)
    for data, whole in (
        (encode(noise, "matroska", "flac", SAMPLE_RATE, "mono"), 10_000),
        (encode(noise, "flac", "flac", SAMPLE_RATE, "mono"), 10_000),
        (wav(noise.T, SAMPLE_RATE), 10_000),
    ):
        audio = await decoder.decode(data[: len(data) // 2])
        ((begin, end),) = audio.unreadable
        assert 4_000 < begin == audio.duration_ms < 6_000
        assert end == pytest.approx(whole, abs=50)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFDB])
async def test_a_size_that_its_writer_did_not_know_is_no_size(decoder: Decoder, size: int) -> None:
    data = bytearray(wav(SOUND[:, None], SAMPLE_RATE))
    at = data.index(b"data") + 4
    data[at : at + 4] = size.to_bytes(4, "little")
    audio = await decoder.decode(bytes(data))
    assert (audio.duration_ms, audio.unreadable, audio.notices) == (4_000, (), ())


async def test_the_default_track_is_taken_and_another_can_be_asked_for(decoder: Decoder) -> None:
    silent = np.zeros_like(SOUND)
    data = video("matroska", "flac", [silent, SOUND], default=1)
    audio = await decoder.decode(data)
    assert audio.samples.any()
    (notice,) = audio.notices
    assert (notice.code, "track 1 of 2" in notice.message) == ("audio_track", True)
    assert not (await decoder.decode(data, selection=Selection(track=0))).samples.any()
    with pytest.raises(InvalidAudio, match="has 2") as failure:
        await decoder.decode(data, selection=Selection(track=2))
    assert failure.value.param == "audio_track"


async def test_a_track_that_cannot_be_decoded_gives_way(decoder: Decoder) -> None:
    data = video("matroska", "flac", [SOUND, SOUND])
    audio = await decoder.decode(data.replace(b"A_FLAC", b"A_XXXX", 1))
    assert audio.samples.any()


@pytest.mark.parametrize("other", [("libopus", 48_000, "stereo"), ("flac", 16_000, "stereo"), ("flac", 44_100, "mono")])
async def test_every_link_of_a_chained_file_is_read(decoder: Decoder, other: tuple[str, int, str]) -> None:
    codec, rate, layout = other
    first = encode(tone(48_000, 2)[None], "ogg", "libopus", 48_000, "mono")
    second = encode(np.stack([tone(rate, 3)] * (1 + (layout == "stereo"))), "ogg", codec, rate, layout)
    audio = await decoder.decode(first + second)
    assert audio.duration_ms == pytest.approx(5_000, abs=60)
    assert first_sound(audio.samples[-SAMPLE_RATE:]) < 0.1
    assert audio.unreadable == ()


async def test_a_link_that_cannot_be_read_is_reported(decoder: Decoder) -> None:
    first = encode(tone(48_000, 2)[None], "ogg", "libopus", 48_000, "mono")
    second = bytearray(encode(tone(48_000, 2)[None], "ogg", "libopus", 48_000, "mono"))
    second[28:36] = b"OpusXXXX"
    audio = await decoder.decode(first + bytes(second))
    assert audio.duration_ms == pytest.approx(2_000, abs=60)
    assert [notice.code for notice in audio.notices] == ["audio_unreadable"]
