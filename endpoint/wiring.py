"""The only place that joins parts: settings in, pipeline and app out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from endpoint import __version__
from endpoint.audio.decode import Decoder
from endpoint.config import Settings
from endpoint.errors import ConfigError
from endpoint.pipeline import Pipeline
from endpoint.types import Engine, EngineInfo

if TYPE_CHECKING:
    from fastapi import FastAPI


def build_engine(settings: Settings) -> Engine:
    """The engine the settings name. Raises ConfigError with what to install when it is missing."""
    if settings.engine == "fake":
        from endpoint.engine.fake import FakeEngine

        info = EngineInfo(
            model=settings.served_model_name or "fake",
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
    return Pipeline(build_engine(settings), Decoder(settings), settings.window_seconds)


def build_app(settings: Settings) -> FastAPI:
    from endpoint.api.app import create_app

    return create_app(settings, build_pipeline(settings))
