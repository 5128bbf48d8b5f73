"""Settings: read once from the environment (and the command line), frozen, printed with secrets masked.

This module alone touches the environment. Names are upper-case field names: MODEL_ID, PORT, MAX_UPLOAD_MB ...
Names that begin with WHISPER_ are those of older services.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from endpoint.errors import ConfigError
from endpoint.languages import AUTO, find_language
from endpoint.options import MAX_BEAMS, VadOptions
from endpoint.types import WINDOW_SECONDS

TEST_MODEL = Path(__file__).parent / "demo" / "model"
MOUNTED_MODEL = Path("/repository")  # where Hugging Face Inference Endpoints mount the chosen model
TEST_MODEL_WINDOW_SECONDS = 30.0  # the longest window the test model is accurate on; see its model card
NO_ADAPTERS = (
    "vLLM gives an adapter to the wrong rows of Whisper's encoder (docs/decisions/0009). Merge it into the weights "
    "(peft: merge_and_unload, then save_pretrained) and name that folder in MODELS"
)

_SIZES = "tiny tiny.en base base.en small small.en medium medium.en large-v2 large-v3 large-v3-turbo"
SHORT_NAMES = {  # short names of models in the settings; a folder of such a name is written with ./
    "test": str(TEST_MODEL),
    "demo": str(TEST_MODEL),  # its older name
    **{size: f"openai/whisper-{size}" for size in _SIZES.split()},
    "large-v1": "openai/whisper-large",
    "large": "openai/whisper-large-v3",  # as openai/whisper has it
    "turbo": "openai/whisper-large-v3-turbo",
}


def _field(default: Any, description: str, *aliases: str, **limits: Any) -> Any:
    if aliases:
        limits["validation_alias"] = AliasChoices(*aliases)
    return Field(default, description=description, **limits)


class Settings(BaseSettings):
    """Every setting, with its unit in the description. Unknown command-line flags are refused by the parser."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, populate_by_name=True, protected_namespaces=()
    )

    # The model
    model_id: str | None = _field(
        None, "Hub name, size, folder or .pt file; unset: /repository if it exists, else the test model.",
        "model_id", "model", "whisper_model",
    )  # fmt: skip
    served_model_name: str | None = _field(None, "The name clients see; unset: the model's own name.")
    models: str = _field(
        "", "Several models instead of `MODEL_ID`, separated by commas, each a model or name=model.",
        "models", "whisper_models",
    )  # fmt: skip
    default_model: str | None = _field(None, "Which of `MODELS` serves requests that name none; unset: the first.")
    model_aliases: dict[str, str] = _field(
        {}, "More names for served models, as JSON: alias to name.", "model_aliases", "whisper_aliases"
    )
    allowed_models: str = _field("", "Names and aliases that clients may send, separated by commas; empty: all.")
    default_language: str | None = _field(
        None, "Language of requests that name none, code or English name; unset: detected.",
        "default_language", "whisper_language",
    )  # fmt: skip
    lora_modules: str = _field("", "Must be empty: merge adapters into the weights, and serve the result in `MODELS`.")
    beam_size: int = _field(
        1, "Beams for each window; 1: greedy decoding. Requests may set their own.",
        "beam_size", "whisper_beam_size", ge=1, le=MAX_BEAMS,
    )  # fmt: skip
    engine: Literal["vllm", "fake"] = _field("vllm", "`fake` returns fixed text without a model, for load tests.")

    # Processes
    gpus: str = _field(
        "", "GPUs to use, an engine on each: `all`, or indices such as `0,1`; empty: the first one seen."
    )
    api_processes: int = _field(
        0, "Processes that serve HTTP; 0: one for every 8 cores, at least one, at most two for each engine.",
        ge=0, le=64,
    )  # fmt: skip

    # The HTTP API
    host: str = _field("0.0.0.0", "Address to listen on.", "host", "interface")  # noqa: S104 - it is a server
    port: int = _field(8000, "Port to listen on.", ge=0, le=65535)
    api_key: SecretStr | None = _field(
        None, "The key that requests must bring in `Authorization: Bearer`; unset: none is needed."
    )
    cors_origins: str = _field(
        "", "Origins of web pages that may call, such as https://app.example, separated by commas; `*`: all."
    )
    strict_fields: bool = _field(False, "Refuse unknown fields; else the response names them in `warnings`.")
    log_level: Literal["debug", "info", "warning", "error"] = _field("info", "How much is logged.")
    max_upload_mb: int = _field(512, "Largest upload, in MiB (1,048,576 bytes).", ge=1)
    max_audio_seconds: int = _field(4 * 3600, "Longest recording, in seconds.", ge=1)
    max_concurrent_requests: int = _field(256, "Requests worked on at once; more are refused with 503.", ge=1)
    max_concurrent_audio_seconds: int = _field(
        360_000, "Seconds of audio worked on at once; more is refused with 503, unless it is a single request.", ge=1
    )
    request_timeout_seconds: float = _field(600.0, "Longest a request may take, in seconds; then 504.", gt=0)
    url_hosts: str = _field("", "Hosts that `url` may name, separated by commas; empty: any public one.")
    url_networks: str = _field("", "Private networks that `url` may lead to, such as 10.1.0.0/16, separated by commas.")

    # Jobs
    jobs_url: str = _field(
        "", "Where jobs are kept: a file of SQLite, `redis://...`, or `off`; empty: jobs-PORT.db in "
        "whisper-endpoint in `XDG_STATE_HOME`, or in ~/.local/state.",
    )  # fmt: skip
    job_audio: str = _field(
        "", "Where audio of jobs waits: a folder, or `s3://bucket/prefix`; empty: beside `JOBS_URL`'s file."
    )
    job_workers: int = _field(4, "Jobs worked on at once in the server; 0: `endpoint worker` does it.", ge=0, le=64)
    job_lease_seconds: float = _field(
        30.0, "Seconds after which the jobs of a worker that died go to another one.", ge=1, le=3600
    )
    job_result_days: float = _field(7.0, "How long results of jobs are kept, in days.", gt=0)
    webhook_secrets: SecretStr | None = _field(
        None, "Secrets that sign webhooks, `whsec_...`; two during a rotation, separated by commas."
    )

    # Decoding audio
    decode_workers: int = _field(0, "Processes that decode uploads; 0: one per core, at most 16.", ge=0, le=256)
    decode_timeout_seconds: float = _field(120.0, "Longest one file may take to decode, in seconds.", gt=0)
    max_channels: int = _field(8, "Most channels a stream may have.", ge=1)
    vad_filter: bool = _field(
        True, "Detect speech, and leave long silences out. Requests may set their own.",
        "vad_filter", "whisper_vad_filter",
    )  # fmt: skip
    max_window_seconds: float | None = _field(
        None, "Longest window given to the model, in seconds; unset: 30.",
        ge=5, le=WINDOW_SECONDS,
    )  # fmt: skip

    # The engine
    audio_input: Literal["samples", "stock"] = _field(
        "samples",
        "What the engine is given: `samples`, log-mel is part of the model; `stock`, features by vLLM's processor.",
    )
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = _field(
        "auto", "Compute type of the model; `auto`: bfloat16 where the device multiplies it, else what is fastest."
    )
    kv_cache_dtype: str = _field(
        "auto", "`auto`: fp8 on GPUs of compute capability 8.9 or better, else the compute type; or a vLLM name."
    )
    gpu_memory_utilization: float = _field(
        0.9, "Share of the GPU's memory to use, 0 to 1; `MODELS` share it evenly.", gt=0, le=1
    )
    cpu_kv_cache_gib: int = _field(2, "Memory of the key-value cache on a CPU, in GiB; for each model.", ge=1)
    max_num_seqs: int = _field(128, "Most windows decoded at once.", ge=1)
    max_num_batched_tokens: int = _field(
        24_000, "Encoder frames and tokens a step; 1,500 frames a window, so 24,000 encode 16 at once.", ge=1_500
    )
    quantization: str = _field(
        "", "Weights of 8 bits or fewer: `fp8`, or another of vLLM's names. `make precision` measures its effect."
    )
    pack_short_clips: bool = _field(
        False, "Decode clips of at most 10 s with a named language together: faster, 0.1 points more word errors."
    )
    admission_milliseconds: int = _field(
        8, "On a GPU, how long a window may wait to be encoded with others, while some are decoded; 0: not at all.",
        ge=0, le=1000,
    )  # fmt: skip
    enforce_eager: bool | None = _field(None, "No torch.compile and CUDA graphs; unset: on GPUs compile.")
    engine_args: dict[str, Any] = _field({}, "More arguments for vLLM's engine, as JSON; unknown ones are refused.")
    model_cache: str = _field(
        "", "Folder of converted models and of those from packages; empty: whisper-endpoint/models in "
        "`XDG_CACHE_HOME`, or in ~/.cache.",
    )  # fmt: skip
    hf_token: SecretStr | None = _field(None, "Token for gated models of the hub.")

    @field_validator("default_language")
    @classmethod
    def _known_language(cls, value: str | None) -> str | None:
        if value is None or value.strip().lower() == AUTO:
            return None
        if code := find_language(value):
            return code
        raise PydanticCustomError("language", "no language of Whisper; give a code such as `en`, or a name")

    @field_validator("lora_modules")
    @classmethod
    def _no_adapters(cls, value: str) -> str:
        if value:
            raise PydanticCustomError("adapters", NO_ADAPTERS)
        return value

    @field_validator("gpus")
    @classmethod
    def _listed_gpus(cls, value: str) -> str:
        indices = split(value)
        if value.strip() in ("", "all"):
            return value.strip()
        if not all(re.fullmatch(r"\d{1,3}", index) for index in indices) or len(set(indices)) < len(indices):
            raise PydanticCustomError("gpus", "say `all`, or different indices separated by commas, such as `0,1`")
        return ",".join(indices)

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        origins = split(value)
        if origins != ["*"] and not all(re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\s*?#]+", origin) for origin in origins):
            raise PydanticCustomError("origins", "say `*`, or origins such as https://app.example, without a path")
        return ",".join(origins)

    @field_validator("api_key")
    @classmethod
    def _can_be_sent(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[!-~]+", value.get_secret_value()):
            raise PydanticCustomError("key", "a key is ASCII letters, digits and signs, without spaces")
        return value

    def each(self) -> tuple[Settings, ...]:
        """The settings of each model, in the order of MODELS. Raises ConfigError."""
        if not self.models:
            return (self,)
        for other, name in ((self.model_id, "MODEL_ID"), (self.served_model_name, "SERVED_MODEL_NAME")):
            if other:
                raise ConfigError(f"MODELS and {name} are both set; put name=model into MODELS, and unset {name}")
        made = []
        for entry in split(self.models):
            name, equals, model = map(str.strip, entry.partition("="))
            if not name:
                raise ConfigError(f"MODELS: `{entry}` has no name before the =")
            own = {"model_id": model or "demo", "served_model_name": name} if equals else {"model_id": name}
            made.append(self.model_copy(update={"models": "", **own}))
        if not made:
            raise ConfigError("MODELS names no model; leave it out, or list models as name=model, separated by commas")
        return tuple(made)

    @property
    def model_path(self) -> str:
        """What to load: MODEL_ID, else /repository, else the test model."""
        if self.model_id:
            return SHORT_NAMES.get(self.model_id, self.model_id)
        return str(MOUNTED_MODEL if MOUNTED_MODEL.exists() else TEST_MODEL)

    @property
    def model_folder(self) -> Path:
        """Where fetched and converted models are kept."""
        if self.model_cache:
            return Path(self.model_cache)
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "whisper-endpoint" / "models"

    @property
    def state_folder(self) -> Path:
        """Where jobs are kept, unless set otherwise."""
        return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "whisper-endpoint"

    @property
    def is_test_model(self) -> bool:
        return self.model_path == str(TEST_MODEL)

    @property
    def model_name(self) -> str:
        """The name clients see."""
        if self.served_model_name:
            return self.served_model_name
        if self.engine == "fake" and not self.model_id:
            return "fake"
        if self.is_test_model:
            return "whisper-demo"
        given = self.model_id or self.model_path
        if given.endswith(".pt"):  # OpenAI's file
            return Path(given).stem
        return Path(given).name if os.path.isdir(given) else given

    @property
    def window_seconds(self) -> float:
        if self.max_window_seconds is not None:
            return self.max_window_seconds
        return TEST_MODEL_WINDOW_SECONDS if self.is_test_model else float(WINDOW_SECONDS)

    @property
    def vad(self) -> VadOptions | None:
        """Voice activity detection of requests that do not set it."""
        return VadOptions() if self.vad_filter else None

    def front_processes(self, engines: int) -> int:
        """How many processes serve HTTP for this number of engines."""
        return self.api_processes or max(1, min(2 * engines, len(os.sched_getaffinity(0)) // 8))

    @property
    def decode_processes(self) -> int:
        return self.decode_workers or min(16, len(os.sched_getaffinity(0)))


def environment() -> dict[str, str]:
    """A copy of the process's environment: for child processes, and for variables of libraries."""
    return dict(os.environ)


def add_environment(variables: Mapping[str, str], *, keep: bool = False) -> None:
    """Set variables that libraries read when they are imported. keep: those that are set already stay."""
    for name, value in variables.items():
        if not keep or name not in os.environ:
            os.environ[name] = value


def load_settings(flags: list[str] | None = None, *, prog: str = "endpoint", **overrides: Any) -> Settings:
    """Settings from the environment, then `overrides`, then command-line `flags` (--port 80); None overrides nothing.

    Flags mirror the settings; an unknown one ends the process with a usage line, as --help does with all of them.

    Raises ConfigError that names every wrong variable.
    """
    try:
        given = {name: value for name, value in overrides.items() if value is not None}
        if flags is not None:
            given.update(_cli_parse_args=flags, _cli_prog_name=prog, _cli_kebab_case=True)
        return Settings(**given)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        raise ConfigError("wrong settings: " + "; ".join(lines)) from error
    except SettingsError as error:  # settings in JSON
        raise ConfigError(f"wrong settings: {error}; ENGINE_ARGS and MODEL_ALIASES must be JSON objects") from error


def split(listed: str) -> list[str]:
    """The entries of a setting that lists them, separated by commas."""
    return [entry.strip() for entry in listed.split(",") if entry.strip()]
