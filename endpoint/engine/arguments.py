"""vLLM's arguments: for the engine's process, and for those that talk to it.

Imports nothing that only the API's process needs, such as numba: vLLM's CPU build inspects every loaded module when it
starts its engine, and fails at numba's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from endpoint.config import Settings, add_environment, environment
from endpoint.engine.tokens import WhisperTokens
from endpoint.errors import ConfigError
from endpoint.weights.find import find_checkpoint

if TYPE_CHECKING:
    from vllm import AsyncEngineArgs

_BFLOAT16_CAPABILITY = (8, 0)  # Ampere and newer have bfloat16 arithmetic
_FP8_CAPABILITY = (8, 9)  # Ada and newer have fp8 arithmetic


@dataclass(frozen=True)
class Loaded:
    folder: Path
    tokens: WhisperTokens
    args: AsyncEngineArgs


def load_args(settings: Settings) -> Loaded:
    """The checkpoint, and vLLM's arguments for it. Raises ConfigError."""
    _prepare_environment(settings)  # before vllm is imported, which reads it then
    token = settings.hf_token.get_secret_value() if settings.hf_token else None
    folder = find_checkpoint(settings.model_path, settings.model_folder, token)
    tokens = WhisperTokens.load(folder)
    return Loaded(folder, tokens, engine_args(settings, str(folder), tokens))


def engine_args(settings: Settings, folder: str, tokens: WhisperTokens) -> AsyncEngineArgs:
    """vLLM's arguments for these settings. Raises ConfigError for an unknown one in ENGINE_ARGS."""
    import torch
    from vllm import AsyncEngineArgs

    from endpoint.engine.inside.model import ARCHITECTURE

    gpu = torch.cuda.is_available()
    fp8 = gpu and torch.cuda.get_device_capability() >= _FP8_CAPABILITY
    given: dict[str, Any] = {
        "model": folder,
        "served_model_name": settings.model_name,
        "dtype": compute_type(settings.dtype),
        "load_format": "safetensors",
        "trust_remote_code": False,
        "max_model_len": 448,
        "max_num_seqs": settings.max_num_seqs,
        "max_num_batched_tokens": settings.max_num_batched_tokens,
        "kv_cache_dtype": ("fp8" if fp8 else "auto") if settings.kv_cache_dtype == "auto" else settings.kv_cache_dtype,
        "quantization": _quantization(settings.quantization),
        "gpu_memory_utilization": settings.gpu_memory_utilization,
        "enforce_eager": settings.enforce_eager if settings.enforce_eager is not None else not gpu,
        "limit_mm_per_prompt": {"audio": 1},
        "mm_processor_cache_gb": 0,  # the same audio seldom comes twice, and it costs a copy
        "enable_prefix_caching": False,
        "disable_log_stats": not settings.metrics,
        # One device: the engine's process is its worker. By its short name vLLM's CPU build would replace it.
        "distributed_executor_backend": "vllm.v1.executor.uniproc_executor.UniProcExecutor",
        "scheduler_cls": "endpoint.engine.inside.scheduler.make",
        "hf_overrides": {"architectures": [ARCHITECTURE]},
        "worker_extension_cls": "endpoint.engine.inside.model.WorkerExtension",
        "generation_config": "vllm",  # the rules apply Whisper's own settings, see endpoint/engine/inside/rules.py
        "logits_processors": [_rules_class()],
        "logprobs_mode": "processed_logits",  # see the slot in endpoint/engine/inside/rules.py
        "max_logprobs": len(tokens.languages) + 2,
    }
    unknown = sorted(set(settings.engine_args) - set(AsyncEngineArgs.__dataclass_fields__))
    if unknown:
        raise ConfigError(f"ENGINE_ARGS: vLLM has no argument {', '.join(unknown)}")
    return AsyncEngineArgs(**{**given, **settings.engine_args})


def compute_type(name: str) -> str:
    """vLLM's name for the setting. `auto` of vLLM's own would be the checkpoint's, float16 for most.

    A processor without bfloat16 arithmetic takes eight times as long for it as for float32 (AMD EPYC with AVX2,
    torch 2.13).
    """
    import torch

    if name != "auto":
        return name
    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.get_device_capability() >= _BFLOAT16_CAPABILITY else "float16"
    return "bfloat16" if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported() else "float32"


def _quantization(name: str) -> str | None:
    """vLLM's name for the setting. Raises ConfigError for an unknown one."""
    from vllm.model_executor.layers.quantization import QUANTIZATION_METHODS

    if name and name not in QUANTIZATION_METHODS:
        known = ", ".join(sorted(QUANTIZATION_METHODS))
        raise ConfigError(f"QUANTIZATION: vLLM has no {name}; leave it out for none, or say one of {known}")
    # vLLM's own `fp8` means a checkpoint that holds such weights; vLLM finds that in its config.json.
    return "fp8_per_channel" if name == "fp8" else name or None


def _rules_class() -> str:
    """Each of vLLM's two model runners has its own interface for the rules; V1 unless the operator asks for V2."""
    return f"endpoint.engine.inside.logits_processor{'_v2' if uses_v2_runner() else ''}:WhisperRules"


def uses_v2_runner() -> bool:
    """Whether the operator asks for vLLM's newer model runner."""
    return environment().get("VLLM_USE_V2_MODEL_RUNNER") == "1"


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
    add_environment(defaults, keep=True)
