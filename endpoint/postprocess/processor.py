"""A transcriber that has a language model work on the transcripts of another one, where options ask for it.

Whatever the language model does, there is a transcript: what it gave is used where it passes the checks.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import replace

import structlog

from endpoint.call import Call, Stage
from endpoint.config import Settings
from endpoint.core.transcriber import Steps, Transcriber, Wrapped
from endpoint.memfile import MemoryFile
from endpoint.observe.metrics import postprocess_step
from endpoint.options import Options, Postprocess
from endpoint.postprocess.model import Allowance, LanguageModel
from endpoint.postprocess.steps import STEPS, Asking
from endpoint.tasks import together
from endpoint.types import Notice, Postprocessed, Transcript

log = structlog.get_logger(__name__)

SHARE_OF_TIME = 0.9  # of what is left of a request's time limit; the rest is for writing the response
NOTICE = "postprocess_incomplete"


class Postprocessor:
    """The language model of the settings, and what a recording may take of it: seconds, and tokens."""

    def __init__(self, settings: Settings) -> None:
        """LLM_BASE_URL is set."""
        key = settings.llm_api_key.get_secret_value() if settings.llm_api_key else ""
        self._model = LanguageModel(
            settings.llm_base_url, key, settings.llm_model, at_once=settings.llm_concurrency,
            extra=settings.llm_extra_body,
        )  # fmt: skip
        self._seconds, self._tokens = settings.llm_timeout_seconds, settings.llm_max_tokens

    async def close(self) -> None:
        await self._model.close()

    def after(self, transcriber: Transcriber) -> Transcriber:
        """The same with its transcripts postprocessed. Started and closed by whoever made the one within."""
        return Postprocessing(transcriber, self)

    async def process(self, transcript: Transcript, options: Options, call: Call) -> Transcript:
        """The transcript with what options ask for. Punctuation comes first, as the others read it."""
        seconds = min(self._seconds, SHARE_OF_TIME * call.seconds_left)
        deadline = asyncio.get_running_loop().time() + seconds
        steps = [step for step in Postprocess if step in options.postprocess]
        made = dict[Postprocess, Postprocessed]()
        with call.record.waiting(Stage.POSTPROCESS):
            if Postprocess.PUNCTUATION in steps:
                transcript, made[Postprocess.PUNCTUATION] = await self._step(
                    steps.pop(0), transcript, self._asking(deadline, call)
                )
            each = (self._step(step, transcript, self._asking(deadline, call)) for step in steps)
            for changed, one in await together(each):
                made[one.step] = one
                transcript = _joined(transcript, changed, one.step)
        notices = tuple(notice_of(one) for one in made.values() if one.status not in ("done", "skipped"))
        return replace(transcript, postprocessed=tuple(made.values()), notices=(*transcript.notices, *notices))

    def _asking(self, deadline: float, call: Call) -> Asking:
        return Asking(self._model, Allowance(deadline, self._tokens, call.record))

    async def _step(self, step: Postprocess, transcript: Transcript, ask: Asking) -> tuple[Transcript, Postprocessed]:
        if not transcript.text:
            return transcript, Postprocessed(step, "skipped", "no_text")
        began = time.monotonic()
        try:
            made, one = await STEPS[step](transcript, ask)
        except Exception:  # of ours: the text stands all the same
            log.exception("postprocessing failed", step=step.value)
            made, one = transcript, Postprocessed(step, "failed", "internal_error", tokens=ask.allowance.spent)
        seconds = time.monotonic() - began
        postprocess_step(step.value, one.status, one.reason, seconds, one.tokens)
        if one.reason:
            log.warning(
                "postprocessing is incomplete", step=step.value, status=one.status, why=one.reason,
                chunks=one.chunks, kept=one.kept, seconds=round(seconds, 3),
            )  # fmt: skip
        return made, one


def _joined(transcript: Transcript, changed: Transcript, step: Postprocess) -> Transcript:
    """The transcript with what a step that read it has changed."""
    if step is Postprocess.PARAGRAPHS:
        return replace(transcript, paragraphs=changed.paragraphs)
    if step is Postprocess.SPEAKERS:
        return replace(transcript, segments=changed.segments, words=changed.words, speakers=changed.speakers)
    return transcript


def notice_of(one: Postprocessed) -> Notice:
    """What a caller should know of a step that is not done."""
    what = {"partial": "was done in part", "kept_raw": "changed nothing", "failed": "gave nothing"}[one.status]
    return Notice(NOTICE, f"{one.step.value} {what}: {one.reason}", "postprocess[]")


class Postprocessing(Wrapped):
    """A Transcriber."""

    def __init__(self, within: Transcriber, processor: Postprocessor) -> None:
        super().__init__(within)
        self._processor = processor

    async def segments(self, data: bytes | MemoryFile, options: Options, call: Call) -> Steps:
        """As Transcriber.segments. Segments on the way are as recognized; the transcript is postprocessed."""
        within = self._within.segments(data, replace(options, postprocess=()), call)
        async with aclosing(within) as steps:
            async for step in steps:
                if isinstance(step, Transcript) and options.postprocess:
                    yield await self._processor.process(step, options, call)
                else:
                    yield step
