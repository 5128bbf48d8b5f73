"""The Hugging Face door.

`EndpointHandler` is what Hugging Face's default toolkit loads from a model repository; the toolkit calls it for one
request at a time, so the container image serves a GPU better. `python handler.py` serves the HTTP API instead, as
`endpoint serve` does.
"""

from __future__ import annotations

import asyncio
import atexit
import base64
import binascii
import contextlib
import sys
import threading
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from endpoint.config import load_settings
from endpoint.errors import DeadlineExceeded, InvalidRequest, TooLarge
from endpoint.languages import find_language
from endpoint.types import Options, Segment, Task, Transcript, Word
from endpoint.wiring import build_pipeline

T = TypeVar("T")


class Parameters(BaseModel):
    """What `parameters` may hold. Hugging Face's clients put some of it into `generate_kwargs`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    language: str | None = None
    task: Task = Task.TRANSCRIBE
    prompt: str | None = None
    temperature: float = Field(0.0, ge=0, le=1)
    return_timestamps: bool | Literal["word"] = False

    @classmethod
    def of(cls, given: Any) -> Parameters:
        """Raises InvalidRequest that names every wrong field."""
        if not isinstance(given, Mapping):
            raise InvalidRequest("`parameters` must be an object", param="parameters")
        fields = dict(given)
        for nested in ("generate_kwargs", "generation_parameters"):
            inner = fields.pop(nested, None) or {}
            if not isinstance(inner, Mapping):
                raise InvalidRequest(f"`{nested}` must be an object", param=nested)
            fields |= inner
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            wrong = {".".join(map(str, e["loc"][:1])): e["msg"] for e in error.errors()}
            message = "; ".join(f"{name}: {reason}" for name, reason in wrong.items())
            raise InvalidRequest(f"wrong parameters: {message}", param=next(iter(wrong))) from error

    def options(self) -> Options:
        language = find_language(self.language) if self.language else None
        if self.language and language is None:
            raise InvalidRequest(f"{self.language!r} is no language of Whisper", param="language")
        words = self.return_timestamps == "word"
        return Options(self.task, language, self.prompt, temperature=self.temperature, words=words)


def read_inputs(data: Any) -> bytes:
    """The audio file in `inputs`: its bytes, or base64 text. Raises InvalidRequest."""
    inputs = data.get("inputs") if isinstance(data, Mapping) else None
    if isinstance(inputs, bytes | bytearray):
        return bytes(inputs)
    if not isinstance(inputs, str):
        raise InvalidRequest("`inputs` must be an audio file: its bytes, or base64 text", param="inputs")
    text = inputs.partition(";base64,")[2] if inputs.startswith("data:") else inputs
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"`inputs` is no base64 text: {error}", param="inputs") from error


def chunks(parts: Iterable[Segment | Word]) -> list[dict[str, Any]]:
    """Timed text as Hugging Face's speech recognition pipeline writes it: seconds from the file's start."""
    return [{"text": part.text, "timestamp": [part.start_ms / 1000, part.end_ms / 1000]} for part in parts]


def reply(transcript: Transcript, parameters: Parameters) -> dict[str, Any]:
    """`text` and `language`; `chunks` as well where timestamps were asked for."""
    answer: dict[str, Any] = {"text": transcript.text, "language": transcript.language}
    if parameters.return_timestamps:
        answer["chunks"] = chunks(transcript.segments if transcript.words is None else transcript.words)
    return answer


class EndpointHandler:
    """Loads the model of `path` (unset: as MODEL_ID says) and answers {"inputs": audio, "parameters": {...}}."""

    def __init__(self, path: str = "") -> None:
        self._settings = load_settings(model_id=path or None)
        self._pipeline = build_pipeline(self._settings)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="endpoint", daemon=True)
        self._thread.start()
        atexit.register(self._at_exit)
        try:
            self._wait(self._pipeline.start())
        except BaseException:
            self.close()
            raise

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Raises EndpointError; the toolkit answers its text with status 400."""
        audio = read_inputs(data)
        limit = self._settings.max_upload_mb
        if len(audio) > limit * 2**20:
            raise TooLarge(f"the file has more than {limit} MiB", param="inputs")
        parameters = Parameters.of(data.get("parameters") or {})
        transcript = self._wait(self._transcribe(audio, replace(parameters.options(), vad=self._settings.vad)))
        return reply(transcript, parameters)

    async def _transcribe(self, audio: bytes, options: Options) -> Transcript:
        seconds = self._settings.request_timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._pipeline.transcribe(audio, options)
        except TimeoutError as error:
            raise DeadlineExceeded(f"the request took longer than {seconds:g} s") from error

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """Stop the model; a second call does nothing."""
        atexit.unregister(self._at_exit)
        if self._loop.is_closed():
            return
        try:
            self._wait(self._pipeline.close())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _at_exit(self) -> None:
        with contextlib.suppress(RuntimeError):  # no thread can be started any more; the processes are ended before
            self.close()


if __name__ == "__main__":
    from endpoint.__main__ import main

    sys.exit(main(["serve", *sys.argv[1:]]))
