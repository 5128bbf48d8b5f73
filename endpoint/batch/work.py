"""What Ray runs: tasks that read and decode, actors with an engine, tasks that write rows.

A recording is a row from the first to the last; what fails is in the row, so that it ends nothing else.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from threading import Thread
from typing import Any

import pyarrow as pa
import structlog

from endpoint.audio.decode import WHOLE, Child
from endpoint.audio.worker.protocol import Limits, Selection
from endpoint.batch.output import subtitle_path
from endpoint.batch.sound import PackedSound, pack
from endpoint.batch.storage import Storage
from endpoint.batch.table import SCHEMA, error_row, source_of, transcript_row
from endpoint.call import Call
from endpoint.codec import decode, decode_error, decode_transcript, encode, encode_error, encode_transcript
from endpoint.config import Settings, add_environment
from endpoint.core.pipeline import Pipeline
from endpoint.core.speakers import check_reference, refused_reference
from endpoint.core.transcriber import transcribe
from endpoint.engine.placement import cpu_threads
from endpoint.errors import EndpointError, EngineFailed, InvalidAudio, TooLarge
from endpoint.gateway.wire import Measured
from endpoint.memfile import MemoryFile
from endpoint.observe.log import configure_logging
from endpoint.options import Options
from endpoint.text.format import Rendering, render
from endpoint.types import Audio, Transcript
from endpoint.weights.speakers import speaker_models
from endpoint.wiring import build_pipeline

log = structlog.get_logger(__name__)

Row = dict[str, Any]
SUFFIXES = {"text": ".txt", "srt": ".srt", "vtt": ".vtt"}


@dataclass(frozen=True)
class Job:
    """What is done with every recording. options: language and prompt may be those of the row. written: the files for
    each recording, in the folder `output`. gpu: engines have one each.
    """

    settings: Settings
    options: Options
    written: tuple[Rendering, ...]
    output: str
    gpu: bool

    def options_of(self, row: Row) -> Options:
        return replace(
            self.options,
            language=row["language"] or self.options.language,
            prompt=row["prompt"] or self.options.prompt,
        )


def with_known_voices(job: Job) -> Job:
    """The same with the recordings of known speakers decoded, as those of the run will be. Raises InvalidRequest."""
    hints = job.options.speakers
    if hints is None or not hints.known:
        return job
    known = []
    for voice in hints.known:
        try:
            audio = replace(_decode(voice.reference, job), decode_seconds=0.0, vad_seconds=0.0)  # the same each time
        except (InvalidAudio, TooLarge) as error:
            raise refused_reference(voice.name, f": {error.message}") from error
        check_reference(voice.name, audio)
        known.append(replace(voice, reference=pack(audio)))
    return replace(job, options=replace(job.options, speakers=replace(hints, known=tuple(known))))


# ---- reading and decoding


def read(row: Row, job: Job) -> Row:
    """A task on a CPU: the file to sound, by a decoding process that stays with the worker of Ray.

    Adds content, sound (None where there is none), error, whether the output has it (same), and seconds of reading.
    """
    began = time.perf_counter()
    made: Row = {"content": None, "sound": None, "error": None, "same": False}
    try:
        data = _storage().read(row["path"])
        made["content"] = hashlib.sha256(data).hexdigest()
        made["same"] = made["content"] == row["known"]
        made["read_seconds"] = time.perf_counter() - began
        if not made["same"]:
            options = job.options
            chosen = Selection(options.audio_track, options.start_ms, options.end_ms)
            made["sound"] = pack(_decode(data, job, chosen))
    except EndpointError as error:
        made["error"] = encode_error(error)
    return {**row, "read_seconds": time.perf_counter() - began, **made}


def _decode(data: bytes, job: Job, chosen: Selection = WHOLE) -> Audio:
    """Raises as Decoder.decode."""
    if not data:
        raise InvalidAudio("The file is empty.", code="empty_file")
    settings = job.settings
    timeout = settings.decode_timeout_seconds
    child = _child(Limits(settings.max_audio_seconds, settings.max_channels, timeout), timeout)
    (audio,) = child.decode(MemoryFile(data), True, None, chosen)
    return audio


@cache
def _storage() -> Storage:
    return Storage()


@cache
def _child(limits: Limits, timeout: float) -> Child:
    """One for each worker of Ray, which runs one task at a time; it ends with the worker."""
    return Child(limits, timeout)


# ---- the engine


class EngineActor:
    """A model on a GPU, or on a machine without: many recordings at once, by the Pipeline of a server.

    It has an event loop of its own, in a thread, so that the model is loaded when the actor has started.
    """

    def __init__(self, job: Job) -> None:
        """Raises EngineFailed, ConfigError: Ray Data then ends the run."""
        configure_logging("warning" if job.settings.log_level == "info" else job.settings.log_level, "json")
        self._job = job
        self._loop = asyncio.new_event_loop()
        Thread(target=self._loop.run_forever, name="engine", daemon=True).start()
        self._starting, self._one_by_one = asyncio.Lock(), asyncio.Lock()
        self._pipeline = asyncio.run_coroutine_threadsafe(self._started(), self._loop).result()

    async def __call__(self, row: Row) -> Row:
        """Takes the sound; adds the transcript or an error, and what was measured."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._work(row), self._loop))

    async def _work(self, row: Row) -> Row:
        sound = row.pop("sound")
        made: Row = {"transcript": None, "measured": None}
        if sound is not None:
            call = Call()
            try:
                made["transcript"] = encode_transcript(await self._transcribe(sound, self._job.options_of(row), call))
            except EndpointError as error:
                made["error"] = encode_error(error)
            made["measured"] = encode(Measured, Measured.of(call.record))
        return {**row, **made}

    async def _transcribe(self, sound: bytes, options: Options, call: Call) -> Transcript:
        """An engine that fails is started again. What was under way then is tried again, one after the other, as one of
        them may be what it fails of.
        """
        pipeline = self._pipeline
        try:
            return await transcribe(pipeline, sound, options, call)
        except EngineFailed:
            async with self._one_by_one:
                return await self._again(pipeline, sound, options, call)

    async def _again(self, pipeline: Pipeline, sound: bytes, options: Options, call: Call) -> Transcript:
        for last in (False, True):
            pipeline = await self._other(pipeline)
            try:
                return await transcribe(pipeline, sound, options, call)
            except EngineFailed:
                if last:
                    raise
        raise AssertionError

    async def _other(self, failed: Pipeline) -> Pipeline:
        """The pipeline that runs, which is another one than `failed`.

        Where it cannot be started, as on a GPU that is broken, the actor ends: it would fail one recording after the
        other. Ray starts it again.
        """
        async with self._starting:
            if self._pipeline is failed:
                await failed.close()
                try:
                    self._pipeline = await self._started()
                except EndpointError as error:
                    log.error("the engine could not be started again", why=error.message)
                    os._exit(1)
            return self._pipeline

    async def _started(self) -> Pipeline:
        """Raises EngineFailed, ConfigError."""
        settings = self._job.settings
        if self._job.options.speakers is not None and not settings.speaker_models:
            speaker_models(settings.model_folder)  # else each recording would say that they are missing
        if not self._job.gpu and settings.engine == "vllm":
            add_environment(cpu_threads(keep=False))  # Ray has set one thread
        pipeline = await asyncio.to_thread(build_pipeline, settings, PackedSound())
        await pipeline.start()
        return pipeline


# ---- the result


def finish(batch: pa.Table, job: Job) -> pa.Table:
    """A task on a CPU: rows of the output, with `same`; and the files that were asked for."""
    rows = [_finished(row, job) for row in batch.to_pylist()]
    return pa.Table.from_pylist(rows, SCHEMA.append(pa.field("same", pa.bool_())))


def _finished(row: Row, job: Job) -> Row:
    made = {**source_of(row), "content": row["content"], "same": row["same"], "finished": datetime.now(UTC)}
    if row["error"] is not None:
        return {**made, **error_row(decode_error(row["error"]))}
    if row["same"]:
        return made
    transcript, call = decode_transcript(row["transcript"]), Call()
    decode(Measured, row["measured"]).add_to(call.record)
    try:
        for rendering in job.written:
            path = subtitle_path(job.output, row["path"], SUFFIXES[rendering.format])
            _storage().write(path, render(transcript, rendering)[0])
    except EndpointError as error:
        return {**made, **error_row(error)}
    found = transcript_row(transcript, call.record)
    found["seconds"].append(("read", row["read_seconds"]))
    return {**made, **found, "model": job.settings.model_name}
