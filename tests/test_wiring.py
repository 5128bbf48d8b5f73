"""Settings in, parts out."""

from __future__ import annotations

import subprocess
import sys

import httpx
import pytest

from endpoint import __version__
from endpoint.config import Settings
from endpoint.engine.fake import FakeEngine
from endpoint.pipeline import Pipeline
from endpoint.types import Options
from endpoint.wiring import build_app, build_engine, build_pipeline
from tests.recordings import tone, wav

FAKE = Settings(engine="fake", decode_workers=1, vad_filter=False, model_id="a/b")


def test_the_fake_engine_carries_the_served_name() -> None:
    engine = build_engine(Settings(engine="fake", served_model_name="mine"))
    assert isinstance(engine, FakeEngine)
    assert (engine.info.model, engine.info.engine, engine.info.version) == ("mine", "fake", __version__)
    assert engine.info.created > 1_700_000_000
    assert build_engine(Settings(engine="fake")).info.model == "fake"


async def test_the_pipeline_it_builds_transcribes() -> None:
    pipeline = build_pipeline(FAKE)
    assert isinstance(pipeline, Pipeline)
    try:
        await pipeline.start()
        made = await pipeline.transcribe(wav(tone(16_000, 2)[:, None], 16_000), Options(vad=None))
    finally:
        await pipeline.close()
    assert made.duration_ms == 2000
    assert len(made.text.split()) == 2


async def test_the_app_it_builds_answers() -> None:
    app = build_app(FAKE)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert (await client.get("/v1/models")).json()["data"][0]["id"] == "fake"


@pytest.mark.parametrize("missing", ["tokenizers", "torch", "vllm"])
def test_without_an_engine_it_says_what_to_install(missing: str) -> None:
    """In a process where the package cannot be imported."""
    program = f"""
import sys
sys.modules[{missing!r}] = None
from endpoint.config import Settings
from endpoint.errors import ConfigError
from endpoint.wiring import build_engine
try:
    build_engine(Settings())
except ConfigError as error:
    print(error.message)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert "the engine is not installed" in done.stdout
    assert missing in done.stdout
    assert "ENGINE=fake" in done.stdout
