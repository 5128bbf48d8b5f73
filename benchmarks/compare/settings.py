"""What vLLM's own server is given: what this endpoint gives its engine."""

from __future__ import annotations

import json
from typing import Any

from endpoint.config import Settings
from endpoint.engine.arguments import compute_type


def engine_settings() -> dict[str, Any]:
    """Arguments of vLLM's engine, by name; every other one is vLLM's default."""
    ours = Settings()
    return {
        "dtype": compute_type(ours.dtype),
        "max_model_len": 448,
        "max_num_seqs": ours.max_num_seqs,
        "max_num_batched_tokens": ours.max_num_batched_tokens,
        "enforce_eager": True,
        "limit_mm_per_prompt": {"audio": 1},
        "mm_processor_cache_gb": 0,
        "enable_prefix_caching": False,
        "distributed_executor_backend": "uni",
    }


def server_flags() -> list[str]:
    """The same as flags of vLLM's server."""
    flags = list[str]()
    for name, value in engine_settings().items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            flags.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            flags += [f"--{flag}", json.dumps(value) if isinstance(value, dict) else str(value)]
    return flags


# Without these it refuses what is long or large, and there would be nothing to compare.
ENVIRONMENT = {
    "VLLM_MAX_AUDIO_DECODE_DURATION_S": "7200",
    "VLLM_MAX_AUDIO_CLIP_FILESIZE_MB": "512",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "ORT_DISABLE_TELEMETRY": "1",
}
