"""The only module that builds the parts: settings in, pipelines and app out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from endpoint import __version__
from endpoint.audio.decode import AudioDecoder, Decoder
from endpoint.config import Settings, environment
from endpoint.core.pipeline import Pipeline
from endpoint.core.transcriber import Transcriber
from endpoint.core.word_sets import Vocabulary, WordSets
from endpoint.errors import ConfigError
from endpoint.models import Models, Names, Peers
from endpoint.observe.calls import Observer
from endpoint.observe.samples import sampled
from endpoint.settings.base import split
from endpoint.speakers.processes import SpeakerProcesses
from endpoint.speakers.sources import Source, source_of
from endpoint.types import Engine, EngineInfo
from endpoint.weights.speakers import speaker_models

if TYPE_CHECKING:
    from fastapi import FastAPI

    from endpoint.engine.placement import Link
    from endpoint.postprocess.processor import Postprocessor

Links = Mapping[str, "Sequence[Link]"]  # to the engines of each served model


def build_engine(settings: Settings, links: Sequence[Link] = ()) -> Engine:
    """The engine of the one model that the settings name. links: to engines that run already.

    Raises ConfigError that names what to install when the engine is missing.
    """
    engine = _model_engine(settings, links)
    if settings.pack_short_clips:
        from endpoint.core.packing import PackingEngine

        return PackingEngine(engine, settings.window_seconds)
    return engine


def _model_engine(settings: Settings, links: Sequence[Link]) -> Engine:
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
        given = settings.engine_args
        seconds, most = float(given.get("delay", 0)), int(given.get("at_once", 0))
        return FakeEngine(info, seconds, str(given.get("log", "")), str(given.get("die", "")), most)
    try:
        from endpoint.engine.client import VllmEngine

        engines = [VllmEngine(settings, link, number) for number, link in enumerate(links or (None,))]
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the engine is not installed ({error.name} is missing). Install the extra `gpu` or `cpu`, or set "
            "ENGINE=fake to try everything but the model"
        ) from error
    if len(engines) == 1:
        return engines[0]
    from endpoint.engine.router import EngineRouter

    return EngineRouter(engines)


def build_pipeline(settings: Settings, decoder: AudioDecoder | None = None) -> Pipeline:
    """The pipeline of the default model only. decoder: None: decoding processes of its own."""
    default = Names.of(settings).default
    (own,) = (one for one in settings.each() if one.model_name == default)
    return _pipeline(own, decoder or Decoder(settings), build_diarizer(settings))


def each_served(settings: Settings) -> list[Settings]:
    """The settings of each model when all are served: they share the GPU's memory evenly."""
    each = settings.each()
    share = {"gpu_memory_utilization": settings.gpu_memory_utilization / len(each)}
    return [one.model_copy(update=share) for one in each]


def build_models(settings: Settings, links: Links | None = None, peers: Peers | None = None) -> Models:
    """All models; they share the decoding processes. With ENGINES they are those of the engine servers.

    links: to engines that run already, of every model; without them each model starts its own.
    """
    if settings.engines:
        from endpoint.gateway.fleet import Fleet

        return Fleet(settings, peers, build_postprocessor(settings))
    names, decoder, known = Names.of(settings), Decoder(settings), links or {}
    diarizer = build_diarizer(settings)
    pipelines: dict[str, Transcriber] = {
        one.model_name: sampled(settings, _pipeline(one, decoder, diarizer, known.get(one.model_name, ())))
        for one in each_served(settings)
    }
    after = build_postprocessor(settings)
    return Models(names, pipelines, peers, after, finds_speakers=diarizer is not None)


def build_postprocessor(settings: Settings) -> Postprocessor | None:
    """The language model of the settings; None where they name none."""
    if not settings.llm_base_url:
        return None
    from endpoint.postprocess.processor import Postprocessor

    return Postprocessor(settings)


def _pipeline(
    settings: Settings, decoder: AudioDecoder, diarizer: SpeakerProcesses | None, links: Sequence[Link] = ()
) -> Pipeline:
    return Pipeline(
        build_engine(settings, links),
        decoder,
        settings.window_seconds,
        language=settings.default_language,
        words=_words(settings),
        diarizer=diarizer,
    )


def build_diarizer(settings: Settings) -> SpeakerProcesses | None:
    """What finds speakers; None where its models were not fetched. Raises ConfigError for wrong SPEAKER_MODELS."""
    if settings.speaker_models:
        source = source_of(settings.speaker_models, environment())
    else:
        try:
            source = Source.built_in(speaker_models(settings.model_folder))
        except ConfigError:
            return None
    return SpeakerProcesses(source, settings.speaker_processes, settings.speaker_timeout_seconds)


def _words(settings: Settings) -> WordSets:
    vocabularies = {
        name: Vocabulary(one.words, tuple(one.replacements.items())) for name, one in settings.vocabularies.items()
    }
    masked = tuple(split(settings.default_profanity_words))
    return WordSets(tuple(settings.default_replacements.items()), masked, vocabularies)


def build_app(settings: Settings, links: Links | None = None, peers: Peers | None = None) -> FastAPI:
    from endpoint.access.limits_wiring import build_meter
    from endpoint.access.wiring import build_keys
    from endpoint.api.app import create_app
    from endpoint.jobs.wiring import build_background, build_jobs

    models, observer = build_models(settings, links, peers), Observer.of(settings)
    jobs = build_jobs(settings)
    background = None
    if jobs is not None and settings.job_workers and models.peers.number == 0:
        background = build_background(settings, jobs, models, observer)
        jobs.wake = background.runner.nudge
    keys, meter = build_keys(settings), build_meter(settings)
    return create_app(settings, models, jobs, background, keys=keys, meter=meter, observer=observer)
