"""Settings in, parts out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from endpoint import __version__
from endpoint.config import Settings
from endpoint.core.packing import PackingEngine
from endpoint.core.pipeline import Pipeline
from endpoint.core.transcriber import transcribe
from endpoint.engine.fake import FakeEngine
from endpoint.errors import ConfigError
from endpoint.options import Options
from endpoint.types import EngineInfo
from endpoint.weights import speakers
from endpoint.wiring import build_app, build_diarizer, build_engine, build_models, build_pipeline
from tests.recordings import tone, wav

FAKE = Settings(engine="fake", decode_workers=1, vad_filter=False, model_id="a/b")


def test_the_fake_engine_carries_the_served_name() -> None:
    engine = build_engine(Settings(engine="fake", served_model_name="mine"))
    assert isinstance(engine, FakeEngine)
    assert (engine.info.model, engine.info.engine, engine.info.version) == ("mine", "fake", __version__)
    assert engine.info.created > 1_700_000_000
    assert build_engine(Settings(engine="fake")).info.model == "fake"


def test_short_clips_are_packed_where_that_is_asked_for() -> None:
    assert not Settings().pack_short_clips
    engine = build_engine(Settings(engine="fake", pack_short_clips=True, max_window_seconds=20))
    assert isinstance(engine, PackingEngine)
    assert engine.info.model == "fake"


async def test_the_pipeline_it_builds_transcribes() -> None:
    pipeline = build_pipeline(FAKE)
    assert isinstance(pipeline, Pipeline)
    try:
        await pipeline.start()
        made = await transcribe(pipeline, wav(tone(16_000, 2)[:, None], 16_000), Options(vad=None))
    finally:
        await pipeline.close()
    assert made.duration_ms == 2000
    assert len(made.text.split()) == 2


async def test_the_app_it_builds_responds() -> None:
    app = build_app(FAKE)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert (await client.get("/v1/models")).json()["data"][0]["id"] == "a/b"


SEVERAL = Settings(
    engine="fake", decode_workers=1, vad_filter=False, models="a=demo,b=x/y", default_model="b", default_language="de"
)
TWO_SECONDS = wav(tone(16_000, 2)[:, None], 16_000)


async def test_several_models_share_the_decoding_processes() -> None:
    models = build_models(SEVERAL)
    try:
        await models.start()
        assert len({id(models.find(name)._decoder) for name in ("a", "b")}) == 1
        assert len(models.find("a")._decoder._children) == 1
        assert [models.find(name).info.model for name in ("a", "b", "")] == ["a", "b", "b"]
        for name in ("a", "b"):
            made = await transcribe(models.find(name), TWO_SECONDS, Options(vad=None))
            assert (made.language, len(made.text.split())) == ("de", 2)
    finally:
        await models.close()


def test_several_models_have_equal_parts_of_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Settings] = []

    def build(settings: Settings, links: object) -> FakeEngine:
        given.append(settings)
        return FakeEngine(EngineInfo(settings.model_name, "fake", "1", "none", "none"))

    monkeypatch.setattr("endpoint.wiring.build_engine", build)
    build_models(SEVERAL)
    assert [(one.model_name, one.model_path, one.gpu_memory_utilization) for one in given[1:]] == [("b", "x/y", 0.45)]
    build_pipeline(SEVERAL)
    assert (given[-1].model_name, given[-1].gpu_memory_utilization) == ("b", 0.9)


def test_engines_that_run_already_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Linked(FakeEngine):
        def __init__(self, settings: Settings, link: object, number: int) -> None:
            super().__init__(EngineInfo(settings.model_name, "fake", "1", f"gpu {link}", "none"))

    monkeypatch.setattr("endpoint.engine.client.VllmEngine", Linked)
    links: Any = ["x", "y"]
    assert build_engine(Settings(), links).info.device == "2 x gpu x"
    assert build_engine(Settings(), links[:1]).info.device == "gpu x"
    assert build_engine(Settings()).info.device == "gpu None"


def test_names_are_refused_before_any_model_is_looked_at() -> None:
    with pytest.raises(ConfigError, match="DEFAULT_MODEL"):
        build_models(Settings(models="a=/no/folder", default_model="b"))


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


async def test_speakers_are_found_where_their_models_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(engine="fake", model_cache=str(tmp_path))
    assert build_diarizer(settings) is None
    monkeypatch.setattr("endpoint.wiring.speaker_models", lambda cache: cache / speakers.NAME)
    made = build_diarizer(settings)
    assert made is not None
    await made.close()


async def test_a_pipeline_of_pyannotes_may_find_speakers(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="SPEAKER_MODELS"):
        build_diarizer(Settings(engine="fake", speaker_models=str(tmp_path)))
    (tmp_path / "config.yaml").touch()
    made = build_diarizer(Settings(engine="fake", speaker_models=str(tmp_path)))
    assert made is not None
    await made.close()


async def test_models_know_whether_speakers_can_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = build_models(Settings(engine="fake", model_cache=str(tmp_path)))
    monkeypatch.setattr("endpoint.wiring.speaker_models", lambda cache: cache / speakers.NAME)
    there = build_models(Settings(engine="fake", model_cache=str(tmp_path)))
    fleet = build_models(Settings(engines="http://a:1", engine_token="t" * 20))
    assert [missing.finds_speakers, there.finds_speakers] == [False, True]
    assert fleet.finds_speakers  # its engine servers may
    for models in (missing, there, fleet):
        await models.close()
