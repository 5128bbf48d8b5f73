"""The entry point of Hugging Face's toolkit.

Hugging Face's default toolkit loads `EndpointHandler` from a model repository, and calls it for one request at a time.
The container image uses a GPU better, as it decodes several requests together. `python handler.py` serves the HTTP API
instead, as `endpoint serve` does.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import sys
import threading
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from endpoint.call import Call
from endpoint.config import load_settings
from endpoint.core.transcriber import transcribe
from endpoint.errors import TooLarge
from endpoint.huggingface import Parameters, read_inputs, response_body
from endpoint.options import Options
from endpoint.types import Transcript
from endpoint.wiring import build_pipeline

T = TypeVar("T")


class EndpointHandler:
    """Loads the model of `path` (unset: the settings' default); takes {"inputs": audio, "parameters": {...}}."""

    def __init__(self, path: str = "") -> None:
        self._settings = load_settings(model_id=path or None, models="" if path else None)
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
        """Raises EndpointError; the toolkit responds with its text and status 400."""
        audio = read_inputs(data)
        limit = self._settings.max_upload_mb
        if len(audio) > limit * 2**20:
            raise TooLarge(f"the file has more than {limit} MiB", param="inputs")
        parameters = Parameters.of(data.get("parameters") or {}, self._settings.strict_fields)
        transcript = self._wait(self._transcribe(audio, replace(parameters.options(), vad=self._settings.vad)))
        return response_body(transcript, parameters)

    async def _transcribe(self, audio: bytes, options: Options) -> Transcript:
        call = Call(seconds=self._settings.request_timeout_seconds)
        async with call.deadline():
            return await transcribe(self._pipeline, audio, options, call)

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
        with contextlib.suppress(RuntimeError):  # no thread can start at exit; the processes have ended already
            self.close()


if __name__ == "__main__":
    from endpoint.__main__ import main

    sys.exit(main(["serve", *sys.argv[1:]]))
