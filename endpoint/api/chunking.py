"""Fields of voice activity detection: `vad_filter`, and `chunking_strategy` in the three forms that clients send."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, WithJsonSchema, field_validator
from pydantic_core import PydanticCustomError

from endpoint.options import VadOptions

STRATEGY = "chunking_strategy"
_DEFAULT = VadOptions()
_LONGEST_MS = 30_000  # of a padding or a pause: the length of a window


class ServerVad(BaseModel):
    """OpenAI's VadConfig."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="server_vad")

    type: Literal["server_vad"] = Field(description="Always this word.")
    threshold: float = Field(
        _DEFAULT.threshold, ge=0, le=1, allow_inf_nan=False, description="Probability from which sound is speech."
    )
    prefix_padding_ms: int = Field(
        _DEFAULT.prefix_padding_ms, ge=0, le=_LONGEST_MS, description="Sound kept before speech, in milliseconds."
    )
    silence_duration_ms: int = Field(
        _DEFAULT.silence_duration_ms, ge=0, le=_LONGEST_MS, description="Shortest pause to cut in, in milliseconds."
    )


# Without references, as the request bodies in the OpenAPI document have none.
_SCHEMA = {"anyOf": [{"type": "string", "enum": ["auto", "none", "off"]}, ServerVad.model_json_schema()]}


class Chunking(BaseModel):
    """Fields of every form that set how a recording is cut into windows."""

    chunking_strategy: Annotated[Literal["auto", "none", "off"] | ServerVad, WithJsonSchema(_SCHEMA)] = Field(
        "auto",
        description="`auto`: windows are cut in pauses, and long silences are left out. `server_vad`, as JSON or as "
        "fields `chunking_strategy[type]` and so on: the same with your numbers. `none` or `off`: no silence is left "
        "out (an extension).",
    )
    vad_filter: bool | Literal[""] = Field(
        "", description="Whether to detect speech and leave silence out; empty: as the server is set. An extension."
    )

    @field_validator(STRATEGY, mode="before")
    @classmethod
    def _parsed(cls, value: Any) -> Any:
        given = _read_json(value) if isinstance(value, str) else value
        if isinstance(given, str) and (plain := given.strip().lower()) in ("auto", "none", "off"):
            return plain
        return _server_vad(given)

    @field_validator("vad_filter")
    @classmethod
    def _agrees(cls, value: bool | Literal[""], info: ValidationInfo) -> bool | Literal[""]:
        strategy = info.data.get(STRATEGY, "auto")
        if value != "" and strategy != "auto" and value != isinstance(strategy, ServerVad):
            raise PydanticCustomError("vad_filter", "contradicts `chunking_strategy`; leave one of them out")
        return value

    def vad(self, default: VadOptions | None) -> VadOptions | None:
        """The options of voice activity detection, None without it. default: the server's options."""
        match self.chunking_strategy:
            case ServerVad(threshold=threshold, prefix_padding_ms=prefix, silence_duration_ms=silence):
                return VadOptions(threshold, prefix, silence)
            case "none" | "off":
                return None
        if self.vad_filter == "":
            return default
        return default or VadOptions() if self.vad_filter else None


def _read_json(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _server_vad(value: Any) -> ServerVad:
    if isinstance(value, ServerVad):
        return value
    if not isinstance(value, dict):
        raise PydanticCustomError(
            STRATEGY,
            'must be `auto`, `none` or an object such as {"type": "server_vad", "threshold": 0.5, '
            '"prefix_padding_ms": 300, "silence_duration_ms": 200}',
        )
    try:
        return ServerVad.model_validate({name: part for name, part in value.items() if part is not None})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        reason = f"{first['loc'][0]}: {first['msg']}"
        raise PydanticCustomError(STRATEGY, reason) from None
