"""The owner of vLLM's AsyncLLM: one window in, one Hypothesis out.

The engine core runs in a process of its own; this side hands it samples and prompt ids and reads ids and
scores back. Cancelling `decode` aborts the request in the engine.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog

from endpoint.config import Settings
from endpoint.engine.align import KEEP
from endpoint.engine.aligner import BATCH, Aligner, warm_up
from endpoint.engine.arguments import load_args
from endpoint.engine.checkpoint import alignment_heads
from endpoint.engine.place import Link, cpu_threads
from endpoint.engine.prompt import Answer, build_prompt, check_options, cut_hints, max_new_tokens, read_answer
from endpoint.engine.tokens import WhisperTokens
from endpoint.errors import EngineFailed, NotReady
from endpoint.options import Options, Task
from endpoint.types import PCM_FULL_SCALE, SAMPLE_RATE, EngineInfo, Hypothesis, Notice, Samples, Window

if TYPE_CHECKING:
    from vllm import AsyncEngineArgs, SamplingParams
    from vllm.outputs import CompletionOutput
    from vllm.v1.engine.async_llm import AsyncLLM

    from endpoint.engine.choice import Choice

log = structlog.get_logger()


class VllmEngine:
    """Starts an engine of its own, or, with `link`, connects to one that others use too."""

    def __init__(self, settings: Settings, link: Link | None = None) -> None:
        self._settings, self._link = settings, link
        loaded = load_args(settings)
        import vllm

        self.tokens, self.folder, self._args = loaded.tokens, loaded.folder, loaded.args
        if _device_name() == "cpu" and link is None:
            os.environ.update(cpu_threads())
        self._engine: AsyncLLM | None = None
        self._gone = asyncio.Event()  # set when the engine's process has ended, where that is not vLLM's to see
        self._input = _input_of(settings)
        self._numbers = itertools.count()
        self._aligner = Aligner(self.tokens, alignment_heads(loaded.folder), self._attend)
        self._info = EngineInfo(
            model=settings.model_name,
            engine="vllm",
            version=vllm.__version__,
            device=_device_name(),
            dtype=str(self._args.dtype),
            multilingual=self.tokens.multilingual,
            created=int(time.time()),
            demo=settings.is_demo,
            languages=tuple(self.tokens.languages),
        )

    @property
    def info(self) -> EngineInfo:
        return self._info

    async def start(self) -> None:
        began = time.monotonic()
        try:
            # Seconds to minutes of blocking work: weights, compilation, graphs.
            engine = await asyncio.to_thread(_connect, self._args, self._link)
            self._engine = engine
            if self._link is not None:
                asyncio.get_running_loop().add_reader(self._link.alive.fileno(), self._end)
            # All that are being decoded and all that wait for their words; 4 MB each with large-v3.
            clients = 1 if self._link is None else self._link.clients
            await engine.collective_rpc("whisper_keep", args=(self._settings.max_num_seqs + 2 * BATCH * clients,))
            await self.decode(Window(0, np.zeros(SAMPLE_RATE, np.int16)), Options())
            await asyncio.to_thread(warm_up)
        except EngineFailed:
            raise
        except Exception as error:
            raise EngineFailed(f"vLLM could not load {self._info.model}: {error}") from error
        log.info("engine ready", model=self._info.model, device=self._info.device, seconds=time.monotonic() - began)

    async def check(self) -> None:
        if self._engine is None:
            raise NotReady("the model is still loading")
        if self._gone.is_set() or self._engine.errored:
            raise EngineFailed("the engine stopped; the server must be restarted")

    def _end(self) -> None:
        """The engine's process has ended: what waits for it is told."""
        assert self._link is not None
        assert self._engine is not None
        asyncio.get_running_loop().remove_reader(self._link.alive.fileno())
        self._gone.set()
        self._engine.engine_core.shutdown()

    async def close(self) -> None:
        if self._engine is not None:
            if self._link is not None:
                asyncio.get_running_loop().remove_reader(self._link.alive.fileno())
            await asyncio.to_thread(self._engine.shutdown)
            self._engine = None

    def check_options(self, options: Options) -> tuple[Notice, ...]:
        check_options(self.tokens, options)
        return tuple(cut_hints(self.tokens, options))

    async def decode(self, window: Window, options: Options) -> Hypothesis:
        prompt = build_prompt(self.tokens, options)
        most = max_new_tokens(self.tokens, prompt, options.sampling.max_new_tokens)
        # Several requests of one window: those behind the first find its encoder's output.
        shared = _digest(window) if options.temperature > 0 or len(prompt) > 1 else ""
        if len(prompt) == 1 or options.language is not None or not self.tokens.multilingual:
            return await self._run(window, options, prompt, most, shared)
        # A prompt sways language and no-speech by what it is written in, so these are found without it.
        first = await self._run(window, Options(languages=options.languages), [self.tokens.sot], 1, shared)
        named = replace(options, language=first.language)
        found = await self._run(window, named, prompt, most, shared)
        own = first.language_probabilities
        return replace(found, language_probabilities=own, no_speech_prob=first.no_speech_prob)

    async def align(self, hypothesis: Hypothesis, task: Task) -> Hypothesis:
        return await self._aligner.align(hypothesis, task)

    async def _attend(self, call: bytes) -> bytes:
        if self._engine is None:
            raise NotReady("the model is still loading")
        asked = asyncio.ensure_future(self._engine.collective_rpc("whisper_attend", args=(call,)))
        gone = asyncio.ensure_future(self._gone.wait())
        try:
            await asyncio.wait({asked, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not asked.done():
                raise EngineFailed("the engine stopped")
            answers: list[bytes] = asked.result()
        except Exception as error:
            raise EngineFailed(f"the engine failed to time words: {error}") from error
        finally:
            asked.cancel()
            gone.cancel()
        return answers[0]

    async def detect(self, window: Window, options: Options) -> Hypothesis:
        return await self._run(window, Options(languages=options.languages), [self.tokens.sot], 1)

    async def _run(
        self, window: Window, options: Options, prompt: list[int], max_tokens: int, shared: str = ""
    ) -> Hypothesis:
        """shared: what requests of the same sound have in common; empty for one of its own."""
        if self._engine is None:
            raise NotReady("the model is still loading")
        check_options(self.tokens, options)
        params = sampling_params(self.tokens, options, max_tokens, shared)
        client = 0 if self._link is None else self._link.client  # each counts its own
        number = f"{KEEP if options.words else 'window-'}{client}-{next(self._numbers)}"
        request = self._input(prompt, window.samples, number)
        try:
            async for output in self._engine.generate(request, params, number):
                if output.finished:
                    answer = _read(self.tokens, options, params.temperature, output.outputs[0])
                    return replace(read_answer(self.tokens, window, options, len(prompt), answer), key=number)
        except Exception as error:
            raise EngineFailed(f"the engine failed on a window: {error}") from error
        raise EngineFailed("the engine ended a request without an answer")


def _connect(args: AsyncEngineArgs, link: Link | None) -> AsyncLLM:
    from vllm.usage.usage_lib import UsageContext
    from vllm.v1.engine.async_llm import AsyncLLM

    if link is None:
        return AsyncLLM.from_engine_args(args)
    sends, gets = link.addresses
    return AsyncLLM.from_vllm_config(
        args.create_engine_config(UsageContext.ENGINE_CONTEXT),
        disable_log_stats=True,
        client_addresses={"input_address": sends, "output_address": gets},
        client_count=link.clients,
        client_index=link.client,
    )


def _input_of(settings: Settings) -> Callable[[list[int], Samples, str], Any]:
    if settings.audio_input == "stock":
        return stock_input
    from endpoint.engine.whisper import samples_input

    return samples_input


def stock_input(prompt: list[int], samples: Samples, key: str) -> Any:
    """A window as vLLM's own processor takes it: log-mel is made in this process, one window at a time."""
    audio: dict[str, Any] = {"prompt": "", "multi_modal_data": {"audio": (_floats(samples), SAMPLE_RATE)}}
    audio["multi_modal_uuids"] = {"audio": [key]}
    return {"encoder_prompt": audio, "decoder_prompt": {"prompt_token_ids": prompt}}


def _digest(window: Window) -> str:
    return blake2b(window.samples.tobytes(), digest_size=16).hexdigest()


def sampling_params(tokens: WhisperTokens, options: Options, max_tokens: int, shared: str = "") -> SamplingParams:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    from endpoint.engine.choice import Choice
    from endpoint.engine.rules import RowRules
    from endpoint.engine.scheduler import SHARED

    task = tokens.translate if options.task is Task.TRANSLATE else tokens.transcribe
    language = -1 if options.language is None else tokens.languages.get(options.language, -1)
    allowed = tuple(tokens.languages[code] for code in options.languages if tokens.multilingual)
    choice = _choice(options)
    rules = RowRules(task, language, allowed, choice=None if choice == Choice() else vars(choice))
    read = [tokens.slot, tokens.no_speech]
    if options.language is None:
        read += tokens.languages.values()
    return SamplingParams(
        temperature=options.temperature,
        max_tokens=max_tokens,
        logprob_token_ids=read,
        flat_logprobs=True,
        detokenize=False,
        stop_token_ids=[tokens.eot],
        output_kind=RequestOutputKind.FINAL_ONLY,
        seed=options.sampling.seed if options.temperature > 0 else None,
        extra_args={"whisper": vars(rules), **({SHARED: shared} if shared else {})},
    )


def _choice(options: Options) -> Choice:
    from endpoint.engine.choice import Choice

    sampling = options.sampling
    return Choice(
        suppress=sampling.suppress_tokens,
        temperature=options.temperature if (sampling.top_p, sampling.top_k, sampling.min_p) != (1.0, 0, 0.0) else 0.0,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        min_p=sampling.min_p,
        repetition_penalty=sampling.repetition_penalty,
        frequency_penalty=sampling.frequency_penalty,
        presence_penalty=sampling.presence_penalty,
    )


def _read(tokens: WhisperTokens, options: Options, temperature: float, output: CompletionOutput) -> Answer:
    """Ids and scores out of vLLM's output; the scores are logits under the rules, see endpoint/engine/rules.py.

    temperature: what vLLM used, and divided the scores by; it raises small ones.
    """
    from endpoint.engine.rules import OFFSET
    from endpoint.engine.scheduler import LATER

    flat: Any = output.logprobs
    names = list(tokens.languages) if options.language is None else []
    scores = np.asarray(flat.logprobs, np.float64) * (temperature or 1.0)
    first, behind = scores[: LATER + len(names)], scores[LATER + len(names) :]
    table = np.vstack([first[:LATER], behind[: LATER * (len(output.token_ids) - 1)].reshape(-1, LATER)])
    said, slot = table[:, 0], table[:, 1]
    return Answer(
        ids=output.token_ids,
        logprobs=(said - slot - OFFSET).tolist(),
        no_speech_prob=min(1.0, math.exp(first[2] - first[1])),
        language_probabilities=_share(names, first[LATER:], options.languages or names),
        complete=output.finish_reason == "stop",
    )


def _share(names: Sequence[str], logits: np.ndarray, allowed: Sequence[str]) -> dict[str, float]:
    """Probability of each language among those allowed; the likeliest one's logit is not lowered."""
    from endpoint.engine.rules import OFFSET

    if not names:
        return {}
    level = np.where(logits < logits.max() - OFFSET / 2, logits + OFFSET, logits)
    heard = {name: score for name, score in zip(names, level.tolist(), strict=True) if name in allowed}
    top = max(heard.values())
    weights = {name: math.exp(score - top) for name, score in heard.items()}
    total = math.fsum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def _floats(samples: Samples) -> np.ndarray:
    """int16 [n] to float32 [n] in [-1, 1)."""
    return samples.astype(np.float32) / PCM_FULL_SCALE


def _device_name() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
