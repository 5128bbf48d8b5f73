"""Language detection through HTTP, on the fake engine and on the real one."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import numpy as np
import pytest

from endpoint.api.app import create_app
from endpoint.api.schemas import DetectedLanguage
from endpoint.config import Settings
from endpoint.wiring import build_models
from tests.api_support import assert_error
from tests.recordings import tone, wav

PATH = "/api/v1/audio/detect-language"
SAMPLES = Path(__file__).parents[1] / "endpoint" / "demo" / "samples"
REFERENCE = json.loads((SAMPLES / "texts.json").read_text())


async def test_detection_returns_the_best_five_and_refuses_wrong_requests():
    settings = Settings(engine="fake", decode_workers=1)
    models = build_models(settings)
    await models.start()
    try:
        transport = httpx.ASGITransport(create_app(settings, models))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            sound = wav(np.tile(tone(16_000, 1.0), 400)[:, None], 16_000)
            response = await client.post(PATH, files={"file": sound}, data={"languages[]": ["de", "fr"]})
            assert DetectedLanguage.model_validate(response.json(), strict=True).name == "german"
            assert response.json()["duration"] == 400
            assert_error(await client.post(PATH, files={"model": (None, "x")}), 404, "model_not_found", "model")
            assert_error(await client.post(PATH, files={"file": b"?"}), 400, "invalid_audio", "file")
    finally:
        await models.close()


@pytest.mark.model
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", sorted(REFERENCE))
def test_the_real_engine_knows_the_languages(model_server: str, name: str) -> None:
    response = httpx.post(f"{model_server}{PATH}", files={"file": (SAMPLES / name).read_bytes()}, timeout=60)
    body = response.json()
    assert body["language"] == REFERENCE[name]["language"]
    assert body["probability"] > 0.5
    assert [row["probability"] for row in body["languages"]] == sorted(
        (row["probability"] for row in body["languages"]), reverse=True
    )
    assert len(body["languages"]) == 5
