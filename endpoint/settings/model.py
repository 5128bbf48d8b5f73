"""Settings: which models are served, and on which processes."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, field_validator
from pydantic_core import PydanticCustomError

from endpoint.languages import AUTO, find_language
from endpoint.options import MAX_BEAMS
from endpoint.settings.base import setting, split

NO_ADAPTERS = (
    "vLLM gives an adapter to the wrong rows of Whisper's encoder (docs/decisions/0009). Merge it into the weights "
    "(peft: merge_and_unload, then save_pretrained) and name that folder in MODELS"
)


class ModelSettings(BaseModel):
    """Models, and the processes that serve them."""

    model_id: str | None = setting(
        None, "Hub name, size, folder or .pt file; unset: /repository if it exists, else the test model.",
        "model_id", "model", "whisper_model",
    )  # fmt: skip
    served_model_name: str | None = setting(None, "The name clients see; unset: the model's own name.")
    models: str = setting(
        "", "Several models instead of `MODEL_ID`, separated by commas, each a model or name=model.",
        "models", "whisper_models",
    )  # fmt: skip
    default_model: str | None = setting(None, "Which of `MODELS` serves requests that name none; unset: the first.")
    model_aliases: dict[str, str] = setting(
        {}, "More names for served models, as JSON: alias to name.", "model_aliases", "whisper_aliases"
    )
    allowed_models: str = setting("", "Names and aliases that clients may send, separated by commas; empty: all.")
    default_language: str | None = setting(
        None, "Language of requests that name none, code or English name; unset: detected.",
        "default_language", "whisper_language",
    )  # fmt: skip
    lora_modules: str = setting("", "Must be empty: merge adapters into the weights, and serve the result in `MODELS`.")
    beam_size: int = setting(
        1, "Beams for each window; 1: greedy decoding. Requests may set their own.",
        "beam_size", "whisper_beam_size", ge=1, le=MAX_BEAMS,
    )  # fmt: skip
    engine: Literal["vllm", "fake"] = setting("vllm", "`fake` returns fixed text without a model, for load tests.")

    # Processes
    gpus: str = setting(
        "", "GPUs to use, an engine on each: `all`, or indices such as `0,1`; empty: the first one seen."
    )
    api_processes: int = setting(
        0, "Processes that serve HTTP; 0: one for every 8 cores, at least one, at most two for each engine.",
        ge=0, le=64,
    )  # fmt: skip

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
