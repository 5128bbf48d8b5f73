"""The owner of vLLM's AsyncLLM: one window in, one Hypothesis out.

The engine core runs in a process of its own; this side hands it samples and prompt ids and reads ids and
scores back. Cancelling `decode` aborts the request in the engine.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import structlog

from endpoint.config import Settings, add_environment
from endpoint.engine.alignment import BATCH, Aligner, warm_up
from endpoint.engine.arguments import load_args, uses_v2_runner
from endpoint.engine.attention import KEEP
from endpoint.engine.beam import Beam
from endpoint.engine.checkpoint import alignment_heads
from endpoint.engine.parameters import read, read_beams, sampling_params
from endpoint.engine.placement import Link, cpu_threads
from endpoint.engine.prompt import (
    build_prompt,
    check_options,
    cut_hints,
    encoder_frames,
    max_new_tokens,
    read_generation,
)
from endpoint.errors import ConfigError, EngineFailed, InvalidRequest, NotReady
from endpoint.options import MAX_BEAMS, Options, Task
from endpoint.tasks import together
from endpoint.types import SAMPLE_RATE, EngineInfo, Hypothesis, Notice, Samples, Window

if TYPE_CHECKING:
    from vllm import AsyncEngineArgs, SamplingParams
    from vllm.outputs import CompletionOutput
    from vllm.v1.engine.async_llm import AsyncLLM

log = structlog.get_logger()
LOOK = 1.0  # seconds between checks that the engine is still there: vLLM does not report that it ended


class VllmEngine:
    """Starts an engine of its own, or, with `link`, connects to one that others use too."""

    def __init__(self, settings: Settings, link: Link | None = None, number: int = 0) -> None:
        """number: of this engine, among those of the model."""
        self._settings, self._link, self._number = settings, link, number
        loaded = load_args(settings)
        import vllm

        from endpoint.engine.inside.model import samples_input

        self.tokens, self.folder, self._args = loaded.tokens, loaded.folder, loaded.args
        if _device_name() == "cpu" and link is None:
            add_environment(cpu_threads())
        self._engine: AsyncLLM | None = None
        # Set when the engine's process has ended, with a `link`: vLLM watches only engines that it started.
        self._gone = asyncio.Event()
        self._input = samples_input
        self._most_beams = _most_beams(settings)
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
            demo=settings.is_test_model,
            languages=tuple(self.tokens.languages),
        )

    @property
    def info(self) -> EngineInfo:
        return self._info

    async def start(self) -> None:
        began = time.monotonic()
        try:
            # Seconds to minutes of blocking work: weights, compilation, graphs.
            engine = await asyncio.to_thread(_connect, self._args, self._link, self._number)
            self._engine = engine
            if self._link is not None:
                asyncio.get_running_loop().add_reader(self._link.alive.fileno(), self._end)
            # Of windows being decoded, and of those that wait for their words; 4 MB each with large-v3.
            clients = 1 if self._link is None else self._link.clients
            await self._ask("whisper_keep", self._settings.max_num_seqs + 2 * BATCH * clients)
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
        """The engine's process has ended: requests that wait for it fail."""
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
        if (size := self._beam_size(options)) > self._most_beams:
            raise InvalidRequest(
                f"beam_size {size} is too large for this server: at most {self._most_beams}", param="beam_size"
            )
        return tuple(cut_hints(self.tokens, options))

    async def decode(self, window: Window, options: Options) -> Hypothesis:
        prompt = build_prompt(self.tokens, options)
        most = max_new_tokens(self.tokens, prompt, options.sampling.max_new_tokens)
        # A window decoded by several requests is encoded once: `shared` names its encoder output.
        shared = _digest(window, options.interim) if options.temperature > 0 or len(prompt) > 1 else ""
        if len(prompt) == 1 or options.language is not None or not self.tokens.multilingual:
            return await self._run(window, options, prompt, most, shared)
        # A prompt biases the language and the probability of no speech, so both are found without it.
        first = await self._run(
            window, Options(languages=options.languages, interim=options.interim), [self.tokens.sot], 1, shared
        )
        named = replace(options, language=first.language)
        found = await self._run(window, named, prompt, most, shared)
        own = first.language_probabilities
        return replace(found, language_probabilities=own, no_speech_prob=first.no_speech_prob)

    async def align(self, hypothesis: Hypothesis, task: Task) -> Hypothesis:
        return await self._aligner.align(hypothesis, task)

    async def _attend(self, call: bytes) -> bytes:
        response: bytes = await self._ask("whisper_attend", call)
        return response

    async def held(self) -> dict[str, int]:
        """What the engine holds of requests, counted in its process: all 0 when there are none."""
        return msgspec.msgpack.decode(await self._ask("whisper_held"), type=dict[str, int])

    async def steps(self) -> tuple[int, int]:
        counted: bytes = await self._ask("whisper_steps")
        return msgspec.msgpack.decode(counted, type=tuple[int, int])

    async def _ask(self, method: str, *given: Any) -> Any:
        """Call a method of the worker and return its result. Raises EngineFailed if it fails, or if the engine ends."""
        if self._engine is None:
            raise NotReady("the model is still loading")
        asked = asyncio.ensure_future(self._engine.collective_rpc(method, args=given))
        gone = asyncio.ensure_future(self._gone.wait())
        try:
            while not asked.done():
                await asyncio.wait({asked, gone}, timeout=LOOK, return_when=asyncio.FIRST_COMPLETED)
                if not asked.done() and (gone.done() or self._engine.errored):
                    raise EngineFailed("the engine stopped")
            return asked.result()[0]
        except Exception as error:
            raise EngineFailed(f"the engine failed at {method}: {error}") from error
        finally:
            asked.cancel()
            gone.cancel()

    async def detect(self, window: Window, options: Options) -> Hypothesis:
        return await self._run(window, Options(languages=options.languages), [self.tokens.sot], 1)

    async def _run(
        self, window: Window, options: Options, prompt: list[int], max_tokens: int, shared: str = ""
    ) -> Hypothesis:
        """shared: what requests of the same sound have in common; empty for one of its own."""
        if self._engine is None:
            raise NotReady("the model is still loading")
        check_options(self.tokens, options)
        client = 0 if self._link is None else self._link.client  # each counts its own
        frames = encoder_frames(len(window.samples), options.interim)
        key = f"{KEEP if options.words else 'window-'}{client}-{next(self._numbers)}"
        beams = self._beams(options, key) if max_tokens > 1 else []
        try:
            if beams:
                outputs = await together(
                    self._generate(
                        f"{key}.{beam.index}" if beam.index else key,
                        prompt,
                        window.samples[:1] if beam.index else window.samples,  # the first one's samples serve all
                        frames,
                        sampling_params(self.tokens, options, max_tokens, shared, beam),
                    )
                    for beam in beams
                )
                generation = read_beams(self.tokens, options, outputs)
            else:
                params = sampling_params(self.tokens, options, max_tokens, shared)
                output = await self._generate(key, prompt, window.samples, frames, params)
                generation = read(self.tokens, options, params.temperature, output)
        except Exception as error:
            raise EngineFailed(f"the engine failed on a window: {error}") from error
        return replace(read_generation(self.tokens, window, options, len(prompt), generation), key=key)

    async def _generate(
        self, key: str, prompt: list[int], samples: Samples, frames: int, params: SamplingParams
    ) -> CompletionOutput:
        assert self._engine is not None
        async for output in self._engine.generate(self._input(prompt, samples, key, frames), params, key):
            if output.finished:
                return output.outputs[0]
        raise EngineFailed("a request ended without a result")

    def _beams(self, options: Options, group: str) -> list[Beam]:
        """The beams of one window; none where it is decoded greedily or by sampling."""
        size = self._beam_size(options)
        most = max(1, round(size * (options.sampling.patience or 1.0)))
        return [Beam(group, index, size, most) for index in range(size)] if size > 1 else []

    def _beam_size(self, options: Options) -> int:
        return 1 if options.temperature > 0 else options.sampling.beam_size or self._settings.beam_size


def _connect(args: AsyncEngineArgs, link: Link | None, number: int) -> AsyncLLM:
    """number: of the engine, in vLLM's metrics."""
    from vllm.usage.usage_lib import UsageContext
    from vllm.v1.engine.async_llm import AsyncLLM

    from endpoint.engine.stats import stat_logger

    loggers: Any = None if args.disable_log_stats else [stat_logger(number)]
    if link is None:
        return AsyncLLM.from_engine_args(args, stat_loggers=loggers)
    sends, gets = link.addresses
    return AsyncLLM.from_vllm_config(
        args.create_engine_config(UsageContext.ENGINE_CONTEXT),
        stat_loggers=loggers,
        disable_log_stats=args.disable_log_stats,
        client_addresses={"input_address": sends, "output_address": gets},
        client_count=link.clients,
        client_index=link.client,
    )


def _most_beams(settings: Settings) -> int:
    """How many beams there is room for. Raises ConfigError where the server's own have none."""
    newer = uses_v2_runner()
    most = 1 if newer else min(MAX_BEAMS, settings.max_num_seqs)
    if settings.beam_size > most:
        reason = "vLLM's V2 model runner has no beam search here" if newer else "MAX_NUM_SEQS is smaller"
        raise ConfigError(f"BEAM_SIZE={settings.beam_size}: {reason}")
    return most


def _digest(window: Window, interim: bool) -> str:
    return blake2b(window.samples.tobytes(), digest_size=16, person=b"interim" if interim else b"").hexdigest()


def _device_name() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
