"""The only place that joins parts: settings in, pipelines and app out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from endpoint import __version__
from endpoint.audio.decode import Decoder
from endpoint.config import Settings
from endpoint.errors import ConfigError
from endpoint.models import Models, Names
from endpoint.pipeline import Pipeline
from endpoint.types import Engine, EngineInfo

if TYPE_CHECKING:
    from fastapi import FastAPI


def build_engine(settings: Settings) -> Engine:
    """The engine of the one model the settings name. Raises ConfigError with what to install when it is missing."""
    engine = _model_engine(settings)
    if settings.pack_short_clips:
        from endpoint.engine.packing import PackingEngine

        return PackingEngine(engine, settings.window_seconds)
    return engine


def _model_engine(settings: Settings) -> Engine:
    if settings.engine == "fake":
        from endpoint.engine.fake import FakeEngine

        info = EngineInfo(
            model=settings.model_name,
            engine="fake",
            version=__version__,
            device="none",
            dtype="none",
            created=int(time.time()),
        )
        return FakeEngine(info)
    try:
        from endpoint.engine.vllm import VllmEngine

        return VllmEngine(settings)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the engine is not installed ({error.name} is missing). Install the extra `gpu` or `cpu`, or set "
            "ENGINE=fake to try everything but the model"
        ) from error


def build_pipeline(settings: Settings) -> Pipeline:
    """The default model alone."""
    default = Names.of(settings).default
    (own,) = (one for one in settings.each() if one.model_name == default)
    return _pipeline(own, Decoder(settings))


def build_models(settings: Settings) -> Models:
    """All models; they share the decoding processes, and the GPU's memory evenly."""
    names, each, decoder = Names.of(settings), settings.each(), Decoder(settings)
    share = {"gpu_memory_utilization": settings.gpu_memory_utilization / len(each)}
    return Models(names, {one.model_name: _pipeline(one.model_copy(update=share), decoder) for one in each})


def _pipeline(settings: Settings, decoder: Decoder) -> Pipeline:
    return Pipeline(build_engine(settings), decoder, settings.window_seconds, settings.default_language)


def build_app(settings: Settings) -> FastAPI:
    from endpoint.api.app import create_app

    return create_app(settings, build_models(settings))
