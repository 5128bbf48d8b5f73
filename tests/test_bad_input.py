"""Every kind of bad upload, over HTTP and with the real decoder: its status, its code and its message."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from endpoint.api.app import create_app
from endpoint.config import Settings
from endpoint.wiring import build_models
from tests.api_support import assert_error
from tests.recordings import png, silent_opus, silent_video, tone, wav

URL = "/api/v1/audio/transcriptions"
SDP = b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 5004 RTP/AVP 0\r\n"
SUBTITLES = b"1\n00:00:00,000 --> 00:00:01,000\nhello\n"
PLAYLIST = b"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/a.ts\n"


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(engine="fake", decode_workers=1)
    models = build_models(settings)
    await models.start()
    transport = httpx.ASGITransport(create_app(settings, models))
    async with httpx.AsyncClient(transport=transport, base_url="http://test", timeout=60) as http:
        yield http
    await models.close()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(b"", 400, "empty_file", id="empty"),
        pytest.param(b"just a text, no sound at all\n" * 50, 400, "invalid_audio", id="text"),
        pytest.param(png(), 400, "invalid_audio", id="png"),
        pytest.param(SDP, 400, "invalid_audio", id="sdp"),
        pytest.param(SUBTITLES, 400, "invalid_audio", id="subtitles"),
        pytest.param(PLAYLIST, 400, "invalid_audio", id="playlist"),
        pytest.param(silent_video(), 400, "no_audio_stream", id="video without sound"),
        pytest.param(wav(np.zeros((0, 1), np.int16), 16_000), 400, "no_audio", id="no samples"),
        pytest.param(wav(tone(16_000, 0.1)[:, None], 16_000)[:20], 400, "invalid_audio", id="cut in the header"),
        pytest.param(silent_opus(10), 413, "audio_too_long", id="ten hours of silence"),
    ],
)
async def test_bad_files(client: httpx.AsyncClient, body: bytes, status: int, code: str) -> None:
    response = await client.post(URL, files={"file": ("recording", body)})
    message = assert_error(response, status, code, "file")
    assert len(message) > 20
    good = await client.post(URL, files={"file": wav(tone(16_000, 1.0)[:, None], 16_000)})
    assert good.status_code == 200


async def test_a_file_cut_in_the_middle_gives_what_is_there(client: httpx.AsyncClient) -> None:
    whole = (Path(__file__).parent / "audio" / "seven.mp3").read_bytes()
    response = await client.post(
        URL, files={"file": whole[: len(whole) // 2]}, data={"response_format": "verbose_json"}
    )
    assert response.status_code == 200
    assert 0 < response.json()["duration"] < 1.5


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"language": "klingon"}, "language"),
        ({"temperature": "2"}, "temperature"),
        ({"temperature": "warm"}, "temperature"),
        ({"response_format": "docx"}, "response_format"),
        ({"timestamp_granularities[]": "syllable", "response_format": "verbose_json"}, "timestamp_granularities[]"),
        ({"timestamp_granularities[]": "segment"}, "timestamp_granularities[]"),
    ],
)
async def test_bad_fields(client: httpx.AsyncClient, fields: dict[str, str], param: str) -> None:
    response = await client.post(URL, files={"file": wav(tone(16_000, 1.0)[:, None], 16_000)}, data=fields)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


async def test_no_file(client: httpx.AsyncClient) -> None:
    response = await client.post(URL, files={"model": (None, "whisper-1")})
    assert_error(response, 400, "missing_file", "file")
