"""What a decoding process does: every container gives the same samples, every bad file its code."""

import asyncio
import io
import json
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import librosa
import numpy as np
import pytest
import pytest_asyncio
import soundfile

from endpoint.audio.decode import Child, Decoder
from endpoint.audio.vad import VoiceActivity, quantised
from endpoint.audio.worker.protocol import Limits
from endpoint.config import Settings
from endpoint.errors import EndpointError, InvalidAudio, TooLarge
from endpoint.memfile import MemoryFile
from endpoint.types import PCM_FULL_SCALE, SAMPLE_RATE, SPEECH_CERTAIN, SPEECH_FRAME
from tests.recordings import encode, png, silent_opus, silent_video, tone, wav

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(90)]

FOLDER = Path(__file__).parent / "audio"
WAV = (FOLDER / "seven.wav").read_bytes()
RECORDINGS = sorted(name for name in json.loads((FOLDER / "transcripts.json").read_text()) if name.startswith("seven"))
BIT_RATES = {"wmav2": 64_000, "libopencore_amrnb": 12_200}  # where the encoder has no default
LIMIT = 60  # seconds, of the decoder under test


def read_wav() -> np.ndarray:
    """float32 [n], 16 kHz, -1 to 1."""
    samples, _ = soundfile.read(io.BytesIO(WAV), dtype="float32")
    return samples


@pytest.fixture(scope="module")
def long_silence() -> bytes:
    return silent_opus(10)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder(Settings(decode_workers=2, max_audio_seconds=LIMIT))
    await decoder.start()
    yield decoder
    await decoder.close()


async def refused(decoder: Decoder, data: bytes) -> EndpointError:
    with pytest.raises(EndpointError) as caught:
        await decoder.decode(data)
    assert len(caught.value.message) > 20  # says what to do next
    return caught.value


# What is decoded


@pytest.mark.parametrize("name", RECORDINGS)
async def test_every_container_gives_the_samples_of_the_wav(decoder: Decoder, name: str) -> None:
    audio = await decoder.decode((FOLDER / name).read_bytes())
    expected = read_wav()
    assert audio.samples.dtype == np.int16
    assert not audio.samples.flags.writeable
    assert 0 <= len(audio.samples) - len(expected) < 1200  # AAC pads its last frame
    got = audio.samples[: len(expected)] / PCM_FULL_SCALE
    if Path(name).suffix in (".wav", ".flac"):
        assert np.array_equal(got, expected)
    else:
        assert np.corrcoef(got, expected)[0, 1] > 0.99


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [
        ("wav", "pcm_u8", 8_000),
        ("wav", "pcm_s24le", 48_000),
        ("wav", "pcm_f32le", 96_000),
        ("wav", "pcm_mulaw", 8_000),
        ("wav", "adpcm_ima_wav", 22_050),
        ("w64", "pcm_s16le", 44_100),
        ("aiff", "pcm_s16be", 44_100),
        ("caf", "alac", 44_100),
        ("au", "pcm_alaw", 8_000),
        ("ipod", "alac", 48_000),
        ("adts", "aac", 32_000),
        ("3gp", "libopencore_amrnb", 8_000),
        ("amr", "libopencore_amrnb", 8_000),
        ("asf", "wmav2", 44_100),
        ("avi", "mp2", 48_000),
        ("mpegts", "libmp3lame", 48_000),
        ("matroska", "flac", 192_000),
        ("flv", "aac", 44_100),
        ("ac3", "ac3", 48_000),
        ("mov", "pcm_s16le", 11_025),
    ],
)
async def test_other_containers_and_codecs(decoder: Decoder, container: str, codec: str, rate: int) -> None:
    audio = await decoder.decode(
        encode(tone(rate, 1)[np.newaxis], container, codec, rate, bit_rate=BIT_RATES.get(codec))
    )
    assert 950 <= audio.duration_ms <= 1200
    spectrum = np.abs(np.fft.rfft(audio.samples[2000:14000].astype(float) * np.hanning(12000)))
    assert abs(spectrum.argmax() * SAMPLE_RATE / 12000 - 440) < 3


async def test_vorbis_in_ogg(decoder: Decoder) -> None:
    audio = await decoder.decode(encode(np.tile(tone(44_100, 1), (2, 1)), "ogg", "vorbis", 44_100, "stereo"))
    assert 950 <= audio.duration_ms <= 1100


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
async def test_resampling_agrees_with_librosa(decoder: Decoder, rate: int) -> None:
    source = librosa.resample(read_wav(), orig_sr=SAMPLE_RATE, target_sr=rate)
    data = wav((source[:, np.newaxis] * 20_000).astype(np.int16), rate)
    expected, _ = librosa.load(io.BytesIO(data), sr=SAMPLE_RATE)
    got = (await decoder.decode(data)).samples / PCM_FULL_SCALE
    assert abs(len(got) - len(expected)) <= 2
    n = min(len(got), len(expected))
    error = got[:n] - expected[:n]
    # The two low-pass filters differ in their last few hundred hertz, where speech has little.
    assert 10 * np.log10(np.mean(expected**2) / np.mean(error**2)) > 30


@pytest.mark.parametrize("channels", range(1, 9))
async def test_no_channel_is_dropped_and_none_clips(decoder: Decoder, channels: int) -> None:
    for only in range(channels):
        samples = np.zeros((4000, channels), np.int16)
        samples[:, only] = 24_000
        audio = await decoder.decode(wav(samples, SAMPLE_RATE))
        assert abs(int(audio.samples[2000]) - 24_000 // channels) <= 2
    loud = await decoder.decode(wav(np.full((4000, channels), -PCM_FULL_SCALE), SAMPLE_RATE))
    assert abs(int(loud.samples[2000]) + PCM_FULL_SCALE) <= 2


@pytest.mark.parametrize(
    ("container", "codec", "layout", "channels"),
    [
        ("wav", "pcm_u8", "quad", 4),
        ("wav", "pcm_s32le", "5.1", 6),
        ("wav", "pcm_f64le", "3.0", 3),
        ("matroska", "flac", "5.1", 6),
        ("ipod", "alac", "5.1", 6),
        ("ipod", "alac", "7.1(wide)", 8),  # planar: a plane of memory for each channel
    ],
)
async def test_every_sample_type_is_mixed(
    decoder: Decoder, container: str, codec: str, layout: str, channels: int
) -> None:
    for only in range(channels):
        samples = np.zeros((channels, 48_000), np.int16)
        samples[only] = 24_000
        audio = await decoder.decode(encode(samples, container, codec, 48_000, layout))
        assert abs(int(audio.samples[8000]) - 24_000 // channels) <= 256  # a step of 8 bits


async def test_eight_compressed_channels(decoder: Decoder) -> None:
    audio = await decoder.decode(encode(np.tile(tone(48_000, 1), (8, 1)), "adts", "aac", 48_000, "7.1"))
    assert 6000 < audio.samples.max() < 9000


async def test_tags_may_be_in_any_encoding(decoder: Decoder) -> None:
    data = WAV[:12] + b"LIST" + struct.pack("<I", 16) + b"INFOINAM" + struct.pack("<I", 4) + b"Caf\xe9" + WAV[12:]
    assert (await decoder.decode(data)).duration_ms == 1642


async def test_opposite_channels_do_not_cancel(decoder: Decoder) -> None:
    left = tone(SAMPLE_RATE, 0.5)
    audio = await decoder.decode(wav(np.stack([left, -left], axis=1), SAMPLE_RATE))
    assert np.abs(audio.samples.astype(int) - left).max() <= 1


async def test_only_the_first_audio_stream_is_taken(decoder: Decoder) -> None:
    audio = await decoder.decode(encode(tone(48_000, 1)[np.newaxis], "matroska", "flac", 48_000, copies=2))
    assert audio.duration_ms == 1000


async def test_a_stream_may_change_its_rate(decoder: Decoder) -> None:
    parts = [encode(tone(rate, 1)[np.newaxis], "adts", "aac", rate) for rate in (44_100, 48_000, 22_050)]
    audio = await decoder.decode(b"".join(parts))
    assert 2900 <= audio.duration_ms <= 3400


# container, codec, rate of recordings without an index at their end
STREAMS = [
    ("wav", "pcm_s16le", 16_000),
    ("flac", "flac", 16_000),
    ("mp3", "libmp3lame", 44_100),
    ("ogg", "libopus", 48_000),
    ("webm", "libopus", 48_000),
    ("adts", "aac", 44_100),
    ("mpegts", "aac", 48_000),
]


@pytest.mark.parametrize(("container", "codec", "rate"), STREAMS)
async def test_a_truncated_file_gives_what_is_there(decoder: Decoder, container: str, codec: str, rate: int) -> None:
    data = encode(tone(rate, 10)[np.newaxis], container, codec, rate)
    audio = await decoder.decode(data[: len(data) // 2])
    assert 3900 < audio.duration_ms < 6000


@pytest.mark.parametrize(("container", "codec", "rate"), [*STREAMS, ("ipod", "aac", 44_100)])
async def test_a_corrupt_middle_is_skipped(decoder: Decoder, container: str, codec: str, rate: int) -> None:
    data = bytearray(encode(tone(rate, 10)[np.newaxis], container, codec, rate))
    middle = len(data) // 2
    data[middle : middle + 600] = np.random.default_rng(0).bytes(600)
    audio = await decoder.decode(bytes(data))
    assert 8500 < audio.duration_ms < 11_000


# What is refused


BAD = {
    "empty": (b"", "empty_file"),
    "text": (b"Minutes of the meeting. " * 500, "invalid_audio"),
    "zeros": (bytes(200_000), "invalid_audio"),
    "noise": (np.random.default_rng(1).bytes(1_000_000), "invalid_audio"),
    "png": (png(), "invalid_audio"),
    "srt": (b"1\n00:00:00,000 --> 00:00:01,000\nhello\n", "invalid_audio"),
    "webvtt": (b"WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n", "invalid_audio"),
    "json": (b'{"audio": "no"}', "invalid_audio"),
    "one byte": (b"R", "invalid_audio"),
    "header only": (WAV[:40], "invalid_audio"),
    "mp4 without its index": ((FOLDER / "seven.mp4").read_bytes()[:9000], "invalid_audio"),
    "video without sound": (silent_video(), "no_audio_stream"),
    "no samples": (wav(np.zeros((0, 1)), SAMPLE_RATE), "no_audio"),
    "9 channels": (wav(np.zeros((1000, 9)), SAMPLE_RATE), "invalid_audio"),
    "65,535 channels": (wav(np.zeros((1000, 1)), SAMPLE_RATE, claim_channels=65_535), "invalid_audio"),
    "655,350 Hz": (wav(np.zeros((1000, 1)), SAMPLE_RATE, claim_rate=655_350), "invalid_audio"),
    "2 GHz": (wav(np.zeros((1000, 1)), SAMPLE_RATE, claim_rate=2_000_000_000), "invalid_audio"),
    "1 Hz": (wav(np.zeros((1000, 1)), SAMPLE_RATE, claim_rate=1), "invalid_audio"),
    "flac of 655,350 Hz": (encode(np.zeros((8, 9000), np.int16), "flac", "flac", 655_350, "7.1"), "invalid_audio"),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_files_are_refused_with_their_code(decoder: Decoder, name: str) -> None:
    data, code = BAD[name]
    error = await refused(decoder, data)
    assert isinstance(error, InvalidAudio)
    assert (error.code, error.param) == (code, "file")


@pytest.fixture
def canaries() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        for canary in (tcp, udp):
            canary.bind(("127.0.0.1", 0))
            canary.setblocking(False)
        tcp.listen()
        yield tcp, udp


@pytest.mark.parametrize(
    "text",
    [
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {udp} RTP/AVP 0\r\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:{tcp}/a.ts\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile 'http://127.0.0.1:{tcp}/a.wav'\n",
        "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><BaseURL>http://127.0.0.1:{tcp}/</BaseURL></MPD>",
    ],
)
async def test_a_file_opens_no_connection(
    decoder: Decoder, canaries: tuple[socket.socket, socket.socket], text: str
) -> None:
    tcp, udp = canaries
    data = text.format(tcp=tcp.getsockname()[1], udp=udp.getsockname()[1]).encode()
    assert (await refused(decoder, data)).code == "invalid_audio"
    with pytest.raises(BlockingIOError):
        tcp.accept()
    with pytest.raises(BlockingIOError):
        udp.recv(1)


async def test_mutated_files_crash_nothing(decoder: Decoder) -> None:
    rng = np.random.default_rng(0)
    codes = set()
    for k in range(400):
        data = bytearray((FOLDER / RECORDINGS[k % len(RECORDINGS)]).read_bytes())
        for place in rng.integers(0, 600 if k % 2 else len(data), 8):
            data[place : place + 4] = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", rng.bytes(1))[k % 3]
        try:
            await decoder.decode(bytes(data))
        except InvalidAudio as error:
            codes.add(error.code)
    assert "invalid_audio" in codes
    assert "audio_decode_failed" not in codes


# Voice activity


@pytest.mark.parametrize("name", ["seven.wav", "seven.webm"])
async def test_speech_is_judged_on_the_samples_that_are_given(decoder: Decoder, name: str) -> None:
    audio = await decoder.decode((FOLDER / name).read_bytes(), vad=True)
    activity = VoiceActivity()
    expected = quantised(np.concatenate([activity.feed(audio.samples), activity.flush()]))
    assert audio.speech is not None
    assert audio.speech.dtype == np.uint8
    assert not audio.speech.flags.writeable
    assert len(audio.speech) == -(-len(audio.samples) // SPEECH_FRAME)
    assert np.abs(audio.speech.astype(int) - expected).max() <= 1
    assert audio.speech.max() > 0.9 * SPEECH_CERTAIN


async def test_speech_is_judged_on_request_only(decoder: Decoder) -> None:
    plain, judged = await decoder.decode(WAV), await decoder.decode(WAV, vad=True)
    assert plain.speech is None
    assert np.array_equal(plain.samples, judged.samples)


async def test_a_file_is_judged_without_the_one_before_it() -> None:
    """Also not one that was refused midway."""
    decoder = Decoder(Settings(decode_workers=1, max_audio_seconds=LIMIT))
    await decoder.start()
    try:
        first = await decoder.decode(WAV, vad=True)
        await refused(decoder, wav(np.zeros((LIMIT * SAMPLE_RATE + 1, 1)), SAMPLE_RATE))
        again = await decoder.decode(WAV, vad=True)
        assert np.array_equal(first.speech, again.speech)
    finally:
        await decoder.close()


# Limits


async def test_ten_hours_in_nine_megabytes_stop_at_the_limit(decoder: Decoder, long_silence: bytes) -> None:
    assert len(long_silence) < 10_000_000
    errors = await asyncio.gather(*(refused(decoder, long_silence) for _ in range(3)))
    for error in errors:
        assert isinstance(error, TooLarge)
        assert error.code == "audio_too_long"
        assert f"{LIMIT} s" in error.message
        assert "MAX_AUDIO_SECONDS" in error.message


@pytest.mark.parametrize(("extra", "fits"), [(0, True), (1, False)])
async def test_the_limit_is_exact(decoder: Decoder, extra: int, fits: bool) -> None:
    data = wav(np.zeros((LIMIT * SAMPLE_RATE + extra, 1)), SAMPLE_RATE)
    if fits:
        assert (await decoder.decode(data)).duration_ms == LIMIT * 1000
    else:
        assert (await refused(decoder, data)).code == "audio_too_long"


@pytest.mark.parametrize("limits", [Limits(10**6, 8, cpu_seconds=0), Limits(10**6, 8, 60, memory_bytes=10 << 20)])
@pytest.mark.parametrize("vad", [False, True])
async def test_processor_time_and_memory_are_limited(long_silence: bytes, limits: Limits, vad: bool) -> None:
    child = await asyncio.to_thread(Child, limits, 30.0)
    try:
        with pytest.raises(InvalidAudio) as caught:
            await asyncio.to_thread(child.decode, MemoryFile(long_silence), vad)
        assert caught.value.code == "audio_decode_failed"
    finally:
        child.close()
        await asyncio.to_thread(child.end)
