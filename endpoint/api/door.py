"""What the routes share: settings, the core and whether it can answer, and the places."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from endpoint.api.limits import Admission
from endpoint.config import Settings
from endpoint.errors import EngineFailed, ModelNotFound
from endpoint.outgoing import OutgoingPolicy

if TYPE_CHECKING:
    from endpoint.pipeline import Pipeline

log = structlog.get_logger(__name__)

# Names of OpenAI's models, sent by clients that cannot be told another: they mean the model served here.
OPENAI_MODELS = frozenset(
    {
        "whisper-1",
        "gpt-transcribe",
        "gpt-4o-transcribe",
        "gpt-4o-mini-transcribe",
        "gpt-4o-mini-transcribe-2025-12-15",
        "gpt-4o-transcribe-diarize",
    }
)


class Door:
    """One per application. The core starts in the background, so that /health answers while the model loads."""

    def __init__(self, settings: Settings, pipeline: Pipeline) -> None:
        self.settings = settings
        self.failed = asyncio.Event()  # set when the model could not be loaded: nothing will ever answer
        self.pipeline = pipeline
        self.admission = Admission(settings.max_concurrent_requests)
        self.outgoing = OutgoingPolicy.parse(settings.url_hosts, settings.url_networks)
        self.draining = False  # set it when the server is told to stop: /ready fails at once, requests go on
        self._loading: asyncio.Task[None] | None = None

    def open(self) -> None:
        self._loading = asyncio.create_task(self._load(), name="load model")

    async def _load(self) -> None:
        try:
            await self.pipeline.start()
        except Exception:
            self.failed.set()
            log.exception("model not loaded")

    async def close(self) -> None:
        self.draining = True
        if self._loading is not None:
            self._loading.cancel()
            with suppress(asyncio.CancelledError):
                await self._loading
        await self.pipeline.close()

    async def check(self) -> None:
        """Raises NotReady while the model loads, EngineFailed when it can answer no more."""
        if self.failed.is_set():
            raise EngineFailed("The model could not be loaded; the server's log says why.")
        await self.pipeline.check()

    def check_model(self, name: str) -> None:
        """Raises ModelNotFound unless `name` means the served model, as "" does."""
        served = {self.pipeline.info.model, self.settings.model_name, self.settings.model_id}
        if name and name not in served and name not in OPENAI_MODELS:
            raise ModelNotFound(
                f"The model `{name[:200]}` is not served here; /v1/models lists what is.", param="model"
            )
