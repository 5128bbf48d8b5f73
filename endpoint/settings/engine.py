"""Settings of what decodes audio, and of vLLM's engine."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, SecretStr

from endpoint.settings.base import setting
from endpoint.types import WINDOW_SECONDS


class EngineSettings(BaseModel):
    """Decoding of audio, and the engine."""

    # Decoding audio
    decode_workers: int = setting(0, "Processes that decode uploads; 0: one per core, at most 16.", ge=0, le=256)
    decode_timeout_seconds: float = setting(120.0, "Longest one file may take to decode, in seconds.", gt=0)
    max_channels: int = setting(8, "Most channels a stream may have.", ge=1)
    vad_filter: bool = setting(
        True, "Detect speech, and leave long silences out. Requests may set their own.",
        "vad_filter", "whisper_vad_filter",
    )  # fmt: skip
    max_window_seconds: float | None = setting(
        None, "Longest window given to the model, in seconds; unset: 30.",
        ge=5, le=WINDOW_SECONDS,
    )  # fmt: skip

    # The engine
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = setting(
        "auto", "Compute type of the model; `auto`: bfloat16 where the device multiplies it, else what is fastest."
    )
    kv_cache_dtype: str = setting(
        "auto", "`auto`: fp8 on GPUs of compute capability 8.9 or better, else the compute type; or a vLLM name."
    )
    gpu_memory_utilization: float = setting(
        0.9, "Share of the GPU's memory to use, 0 to 1; `MODELS` share it evenly.", gt=0, le=1
    )
    cpu_kv_cache_gib: int = setting(2, "Memory of the key-value cache on a CPU, in GiB; for each model.", ge=1)
    max_num_seqs: int = setting(128, "Most windows decoded at once.", ge=1)
    max_num_batched_tokens: int = setting(
        24_000, "Encoder frames and tokens a step; 1,500 frames a window, so 24,000 encode 16 at once.", ge=1_500
    )
    quantization: str = setting(
        "", "Weights of 8 bits or fewer: `fp8`, or another of vLLM's names. `make precision` measures its effect."
    )
    pack_short_clips: bool = setting(
        False, "Decode clips of at most 10 s with a named language together: faster, 0.1 points more word errors."
    )
    enforce_eager: bool | None = setting(None, "No torch.compile and CUDA graphs; unset: on GPUs compile.")
    engine_args: dict[str, Any] = setting({}, "More arguments for vLLM's engine, as JSON; unknown ones are refused.")
    model_cache: str = setting(
        "", "Folder of converted models and of those from packages; empty: whisper-endpoint/models in "
        "`XDG_CACHE_HOME`, or in ~/.cache.",
    )  # fmt: skip
    hf_token: SecretStr | None = setting(None, "Token for gated models of the hub.")
