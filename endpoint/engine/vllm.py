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
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog

from endpoint.config import Settings
from endpoint.engine.align import KEEP
from endpoint.engine.aligner import BATCH, Aligner, warm_up
from endpoint.engine.checkpoint import alignment_heads, find_checkpoint
from endpoint.engine.prompt import Answer, build_prompt, check_options, max_new_tokens, read_answer
from endpoint.engine.tokens import WhisperTokens
from endpoint.errors import ConfigError, EngineFailed, NotReady
from endpoint.types import (
    PCM_FULL_SCALE,
    SAMPLE_RATE,
    EngineInfo,
    Hypothesis,
    Options,
    Samples,
    Task,
    Window,
)

if TYPE_CHECKING:
    from vllm import AsyncEngineArgs, SamplingParams
    from vllm.outputs import CompletionOutput
    from vllm.v1.engine.async_llm import AsyncLLM

log = structlog.get_logger()
_FP8_CAPABILITY = (8, 9)  # Ada and newer have fp8 arithmetic


class VllmEngine:
    def __init__(self, settings: Settings) -> None:
        _prepare_environment(settings)
        import vllm  # slow, and must see the environment prepared

        self._settings = settings
        token = settings.hf_token.get_secret_value() if settings.hf_token else None
        self._folder = find_checkpoint(settings.model_path, token)
        self.tokens = WhisperTokens.load(self._folder)
        self._args = engine_args(settings, str(self._folder), self.tokens)
        if _device_name() == "cpu":
            _prepare_cpu()
        self._engine: AsyncLLM | None = None
        self._input = _input_of(settings)
        self._numbers = itertools.count()
        self._aligner = Aligner(self.tokens, alignment_heads(self._folder), self._attend)
        self._info = EngineInfo(
            model=settings.model_name,
            engine="vllm",
            version=vllm.__version__,
            device=_device_name(),
            dtype=str(self._args.dtype),
            multilingual=self.tokens.multilingual,
            created=int(time.time()),
            demo=settings.is_demo,
        )

    @property
    def info(self) -> EngineInfo:
        return self._info

    async def start(self) -> None:
        from vllm.v1.engine.async_llm import AsyncLLM

        began = time.monotonic()
        try:
            # Seconds to minutes of blocking work: weights, compilation, graphs.
            engine: AsyncLLM = await asyncio.to_thread(AsyncLLM.from_engine_args, self._args)
            self._engine = engine
            # All that are being decoded and all that wait for their words; 4 MB each with large-v3.
            await engine.collective_rpc("whisper_keep", args=(self._settings.max_num_seqs + 2 * BATCH,))
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
        if self._engine.errored:
            raise EngineFailed("the engine stopped; the server must be restarted")

    async def close(self) -> None:
        if self._engine is not None:
            await asyncio.to_thread(self._engine.shutdown)
            self._engine = None

    async def decode(self, window: Window, options: Options) -> Hypothesis:
        prompt = build_prompt(self.tokens, options)
        return await self._run(window, options, prompt, max_new_tokens(self.tokens, prompt))

    async def align(self, hypothesis: Hypothesis, task: Task) -> Hypothesis:
        return await self._aligner.align(hypothesis, task)

    async def _attend(self, call: bytes) -> bytes:
        if self._engine is None:
            raise NotReady("the model is still loading")
        try:
            answers: list[bytes] = await self._engine.collective_rpc("whisper_attend", args=(call,))
        except Exception as error:
            raise EngineFailed(f"the engine failed to time words: {error}") from error
        return answers[0]

    async def detect(self, window: Window, options: Options) -> Hypothesis:
        plain = Options(languages=options.languages)
        return await self._run(window, plain, build_prompt(self.tokens, plain), max_tokens=1)

    async def _run(self, window: Window, options: Options, prompt: list[int], max_tokens: int) -> Hypothesis:
        if self._engine is None:
            raise NotReady("the model is still loading")
        check_options(self.tokens, options)
        params = sampling_params(self.tokens, options, max_tokens)
        number = f"{KEEP if options.words else 'window-'}{next(self._numbers)}"
        request = self._input(prompt, window.samples, number)
        try:
            async for output in self._engine.generate(request, params, number):
                if output.finished:
                    answer = _read(self.tokens, options, output.outputs[0])
                    return replace(read_answer(self.tokens, window, options, len(prompt), answer), key=number)
        except Exception as error:
            raise EngineFailed(f"the engine failed on a window: {error}") from error
        raise EngineFailed("the engine ended a request without an answer")


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


def engine_args(settings: Settings, folder: str, tokens: WhisperTokens) -> AsyncEngineArgs:
    """vLLM's arguments for these settings. Raises ConfigError for an unknown one in ENGINE_ARGS."""
    import torch
    from vllm import AsyncEngineArgs

    gpu = torch.cuda.is_available()
    fp8 = gpu and torch.cuda.get_device_capability() >= _FP8_CAPABILITY
    given: dict[str, Any] = {
        "model": folder,
        "served_model_name": settings.model_name,
        "dtype": settings.dtype,
        "load_format": "safetensors",
        "trust_remote_code": False,
        "max_model_len": 448,
        "max_num_seqs": settings.max_num_seqs,
        "max_num_batched_tokens": settings.max_num_batched_tokens,
        "kv_cache_dtype": ("fp8" if fp8 else "auto") if settings.kv_cache_dtype == "auto" else settings.kv_cache_dtype,
        "gpu_memory_utilization": settings.gpu_memory_utilization,
        "enforce_eager": settings.enforce_eager if settings.enforce_eager is not None else not gpu,
        "limit_mm_per_prompt": {"audio": 1},
        "mm_processor_cache_gb": 0,  # the same audio seldom comes twice, and it costs a copy
        "enable_prefix_caching": False,
        "disable_log_stats": True,
        # One device: the engine's process is its worker. By its short name vLLM's CPU build would replace it.
        "distributed_executor_backend": "vllm.v1.executor.uniproc_executor.UniProcExecutor",
        "scheduler_cls": "endpoint.engine.scheduler.make",
        "additional_config": {"admission_milliseconds": settings.admission_milliseconds},  # for the scheduler
        "worker_extension_cls": "endpoint.engine.align.AlignExtension",
        "generation_config": "vllm",  # the rules apply Whisper's own settings, see endpoint/engine/rules.py
        "logits_processors": [_rules_class()],
        "logprobs_mode": "processed_logits",  # see the slot in endpoint/engine/rules.py
        "max_logprobs": len(tokens.languages) + 2,
    }
    if settings.audio_input == "samples":
        from endpoint.engine.whisper import ARCHITECTURE

        given["hf_overrides"] = {"architectures": [ARCHITECTURE]}
        given["worker_extension_cls"] = "endpoint.engine.whisper.WorkerExtension"
    unknown = sorted(set(settings.engine_args) - set(AsyncEngineArgs.__dataclass_fields__))
    if unknown:
        raise ConfigError(f"ENGINE_ARGS: vLLM has no argument {', '.join(unknown)}")
    return AsyncEngineArgs(**{**given, **settings.engine_args})


def _rules_class() -> str:
    """vLLM's two model runners have interfaces of their own for the rules; V1 unless the operator asks for V2."""
    newer = os.environ.get("VLLM_USE_V2_MODEL_RUNNER") == "1"
    return f"endpoint.engine.{'processor_v2' if newer else 'processor'}:WhisperRules"


def sampling_params(tokens: WhisperTokens, options: Options, max_tokens: int) -> SamplingParams:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    from endpoint.engine.rules import RowRules

    task = tokens.translate if options.task is Task.TRANSLATE else tokens.transcribe
    language = -1 if options.language is None else tokens.languages.get(options.language, -1)
    rules = RowRules(task, language, tuple(tokens.languages[code] for code in options.languages if tokens.multilingual))
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
        extra_args={"whisper": vars(rules)},
    )


def _read(tokens: WhisperTokens, options: Options, output: CompletionOutput) -> Answer:
    """Ids and scores out of vLLM's output; the scores are logits under the rules, see endpoint/engine/rules.py."""
    from endpoint.engine.rules import OFFSET
    from endpoint.engine.scheduler import LATER

    flat: Any = output.logprobs
    names = list(tokens.languages) if options.language is None else []
    scores = np.asarray(flat.logprobs, np.float64) * (options.temperature or 1.0)
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


def _prepare_cpu() -> None:
    """OpenMP reads its variables when the engine's process starts; what the operator set stays."""
    cores = len(os.sched_getaffinity(0))
    defaults = {
        "OMP_NUM_THREADS": str(max(1, cores - 1)),  # of a decoding step; encoders have threads of their own
        "OMP_WAIT_POLICY": "PASSIVE",  # threads that spin while they wait take the cores from those they wait for
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def _prepare_environment(settings: Settings) -> None:
    """vLLM reads its own variables when imported; what the operator set stays."""
    defaults = {
        "VLLM_NO_USAGE_STATS": "1",  # nothing is reported to anybody
        "DO_NOT_TRACK": "1",
        "VLLM_CPU_KVCACHE_SPACE": str(settings.cpu_kv_cache_gib),
        "VLLM_LOGGING_LEVEL": "DEBUG" if settings.log_level == "debug" else "ERROR",
        "VLLM_USE_V2_MODEL_RUNNER": "0",  # "1" works too: see _rules_class
        "TOKENIZERS_PARALLELISM": "false",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
