"""The lists of what is taken hold names that FFmpeg knows, and none that opens other files."""

from __future__ import annotations

from av.codec import Codec
from av.format import formats_available

from endpoint.audio.worker.formats import CODECS, DECLARE_LENGTH, FORMATS, FORWARD, SENDS_NO_SILENCE

# Decoders that some builds of FFmpeg have beside, or instead of, their own.
ELSEWHERE = {"libopencore_amrnb", "libopencore_amrwb", "libopus"}


def test_every_container_is_known_and_none_points_elsewhere() -> None:
    named = {part for name in formats_available for part in name.split(",")}
    assert set(FORMATS) <= named
    assert not set(FORMATS) & {
        "hls",
        "dash",
        "concat",
        "sdp",
        "rtsp",
        "image2",
        "lavfi",
        "srt",
        "webvtt",
        "s16le",
        "ffmetadata",
    }


def test_every_decoder_is_known_and_none_is_of_pictures() -> None:
    for name in CODECS - ELSEWHERE:
        assert Codec(name, "r").type == "audio", name
    assert SENDS_NO_SILENCE <= CODECS


def test_the_other_lists_are_of_these_containers() -> None:
    assert set(FORMATS) >= FORWARD
    assert {part for name in DECLARE_LENGTH for part in name.split(",")} <= set(FORMATS)
