"""The session object of OpenAI's Realtime protocol, for transcription: what clients may set, checked.

Fields are those of https://developers.openai.com/api/reference/resources/realtime (type `transcription`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from endpoint.errors import InvalidRequest
from endpoint.languages import AUTO, find_language
from endpoint.live.convert import Encoding
from endpoint.live.session import TurnDetection
from endpoint.options import Options, VadOptions

LOGPROBS = "item.input_audio_transcription.logprobs"
WORDS = "item.input_audio_transcription.words"  # an extension
UNSTABLE = "item.input_audio_transcription.unstable"  # an extension
LONGEST_MS = 30_000
# Silence that ends a turn, in milliseconds: OpenAI's eagerness is how long it waits at most while a model doubts.
EAGERNESS = {"low": 2_000, "medium": 1_000, "auto": 1_000, "high": 500}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Pcm(_Part):
    type: Literal["audio/pcm"]
    rate: Literal[24000] | None = 24_000  # OPENAI_RATE


class MuLaw(_Part):
    type: Literal["audio/pcmu"]


class ALaw(_Part):
    type: Literal["audio/pcma"]


class Transcription(_Part):
    """delay: how long text is held back until it is sure; see endpoint/live/agreement.py."""

    model: str | None = None
    language: str | None = None
    languages: tuple[str, ...] | None = None
    prompt: str | None = None
    keywords: tuple[str, ...] | None = None
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None

    @field_validator("language")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        return _language(value) if value and value.strip().lower() != AUTO else None

    @field_validator("languages")
    @classmethod
    def _all_known(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return tuple(map(_language, value)) if value else None

    @model_validator(mode="after")
    def _one_of_both(self) -> Transcription:
        if self.language and self.languages:
            raise PydanticCustomError("languages", "give either `language` or `languages`")
        return self


class ServerVad(_Part):
    """create_response, interrupt_response and idle_timeout_ms concern responses, which there are none of here."""

    type: Literal["server_vad"]
    threshold: float = Field(TurnDetection.threshold, ge=0, le=1, allow_inf_nan=False)
    prefix_padding_ms: int = Field(TurnDetection.prefix_padding_ms, ge=0, le=LONGEST_MS)
    silence_duration_ms: int = Field(TurnDetection.silence_duration_ms, ge=0, le=LONGEST_MS)
    create_response: bool | None = None
    interrupt_response: bool | None = None
    idle_timeout_ms: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, value: Any) -> Any:
        return {name: part for name, part in value.items() if part is not None} if isinstance(value, dict) else value


class SemanticVad(_Part):
    type: Literal["semantic_vad"]
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    create_response: bool | None = None
    interrupt_response: bool | None = None

    _defaults = model_validator(mode="before")(ServerVad._defaults.__func__)


class NoiseReduction(_Part):
    """Accepted without effect: Whisper is given the sound as it is."""

    type: Literal["near_field", "far_field"] | None = None
    strength: float | None = None


class Input(_Part):
    format: Annotated[Pcm | MuLaw | ALaw, Field(discriminator="type")] = Pcm(type="audio/pcm")
    transcription: Transcription | None = Transcription()
    turn_detection: Annotated[ServerVad | SemanticVad, Field(discriminator="type")] | None = ServerVad(
        type="server_vad"
    )
    noise_reduction: NoiseReduction | None = None


class Audio(_Part):
    input: Input = Input()


class LiveConfig(_Part):
    """The whole of it. include: more fields in the events; `words` and `unstable` are extensions."""

    type: Literal["transcription"] = "transcription"
    audio: Audio = Audio()
    include: tuple[Literal["item.input_audio_transcription.logprobs", "item.input_audio_transcription.words",
                           "item.input_audio_transcription.unstable"], ...] | None = None  # fmt: skip

    def updated(self, given: Any) -> LiveConfig:
        """With the fields of a `session.update`; those that it lacks stay. Raises InvalidRequest."""
        if not isinstance(given, dict):
            raise InvalidRequest("session: must be an object", param="session")
        if given.get("type", "transcription") != "transcription":
            raise InvalidRequest("session.type: this server transcribes: it must be `transcription`",
                                 param="session.type")  # fmt: skip
        try:
            return LiveConfig.model_validate(_merged(self.model_dump(mode="json"), given))
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            kinds = {"server_vad", "semantic_vad", *Encoding}  # parts of a location that are no names
            param = ".".join(["session", *(str(part) for part in first["loc"] if part not in kinds)])
            code = "unknown_parameter" if first["type"] == "extra_forbidden" else "invalid_value"
            raise InvalidRequest(f"{param}: {first['msg']}", param=param, code=code) from error

    @property
    def detection(self) -> TurnDetection | None:
        found = self.audio.input.turn_detection
        if isinstance(found, SemanticVad):
            return TurnDetection(silence_duration_ms=EAGERNESS[found.eagerness])
        if found is None:
            return None
        return TurnDetection(found.threshold, found.prefix_padding_ms, found.silence_duration_ms)

    @property
    def encoding(self) -> Encoding:
        return Encoding(self.audio.input.format.type)

    @property
    def delay(self) -> str | None:
        return (self.audio.input.transcription or Transcription()).delay

    def options(self, vad: VadOptions | None) -> Options:
        """Of the core, for a turn. vad: the server's voice activity detection."""
        asked = self.audio.input.transcription or Transcription()
        include = self.include or ()
        return Options(
            language=asked.language,
            languages=asked.languages or (),
            prompt=asked.prompt or None,
            hotwords=", ".join(asked.keywords or ()) or None,
            words=WORDS in include,
            logprobs=LOGPROBS in include,
            vad=vad,
        )

    def as_json(self) -> dict[str, Any]:
        """As the session object shows it: without what is not set, but turn_detection null is a setting."""
        shown = self.model_dump(mode="json", exclude_none=True)
        for name in ("turn_detection", "transcription", "noise_reduction"):
            shown["audio"]["input"].setdefault(name, None)
        return shown


def _merged(old: Any, new: dict[str, Any]) -> dict[str, Any]:
    """Objects are merged, unless they change their type; everything else is replaced."""
    if not isinstance(old, dict) or ("type" in new and new["type"] != old.get("type")):
        return new
    merged = dict(old)
    for name, value in new.items():
        merged[name] = _merged(old.get(name), value) if isinstance(value, dict) else value
    if "language" in new or "languages" in new:  # the one that is given takes the other's place
        merged |= {name: new.get(name) for name in ("language", "languages")}
    return merged


def _language(value: str) -> str:
    if code := find_language(value):
        return code
    raise PydanticCustomError("language", "no language of Whisper; give a code such as `en`")
