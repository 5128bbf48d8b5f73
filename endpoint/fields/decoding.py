"""Fields that set how tokens are chosen and when a result is bad, for forms and for Hugging Face's parameters."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator
from pydantic_core import PydanticCustomError

from endpoint.options import MAX_BEAMS, Sampling, Thresholds

_INT64 = 2**63
_DEFAULT, _LIMITS = Sampling(), Thresholds()
MOST_CANDIDATES = 16  # of best_of: each one is decoded separately
LEAST_INCREMENT = 0.01  # above 0: a bad window is decoded at most a hundred times


def _none(value: Any) -> Any:
    """`none` and `null` switch a threshold off: a form field is text, and empty text counts as absent."""
    return None if isinstance(value, str) and value.strip().lower() in ("none", "null") else value


def _unset(value: Any) -> Any:
    """-1 means unset to whisper.cpp's clients."""
    return None if str(value).strip() == "-1" else value


def _steps(value: float) -> float:
    if 0 < value < LEAST_INCREMENT:
        raise PydanticCustomError("increment", f"must be 0, or from {LEAST_INCREMENT} to 1")
    return value


Threshold = Annotated[float | None, BeforeValidator(_none)]
_INCREMENTS = [{"const": 0}, {"minimum": LEAST_INCREMENT, "maximum": 1}]
Increment = Annotated[
    float, Field(ge=0, le=1), AfterValidator(_steps), WithJsonSchema({"type": "number", "anyOf": _INCREMENTS})
]


class Decoding(BaseModel):
    """All numbers are finite. endpoint/options.py explains them."""

    seed: int | None = Field(
        None, ge=-_INT64, lt=_INT64, description="Of the random numbers at a temperature above 0. As vLLM's."
    )
    best_of: int | None = Field(
        None, ge=1, le=MOST_CANDIDATES, description="Candidates at a temperature above 0, of which the best is kept."
    )
    beam_size: Annotated[int | None, BeforeValidator(_unset)] = Field(
        None, ge=1, le=MAX_BEAMS, description="Texts followed side by side at temperature 0; 1: greedy."
    )
    patience: float | None = Field(
        None, gt=0, le=10, description="How many times `beam_size` texts have to end before the search does."
    )
    length_penalty: float | None = Field(
        None, ge=0, le=1, description="By which beams are compared, as openai/whisper's; unset: by their tokens' mean."
    )
    use_beam_search: bool = Field(False, description="With `n` beams. As vLLM's.")
    n: int = Field(1, ge=1, le=MAX_BEAMS, description="Beams, where `use_beam_search` is set. As vLLM's.")
    temperature_increment: Increment = Field(
        _DEFAULT.temperature_increment,
        description=f"Between the attempts where a result is bad, at least {LEAST_INCREMENT}; 0: one attempt.",
    )
    top_p: float = Field(1.0, gt=0, le=1, description="Share of the probability that is sampled from. As vLLM's.")
    top_k: int = Field(0, ge=-1, description="Tokens that are sampled from; 0 and -1: all. As vLLM's.")
    min_p: float = Field(
        0.0, ge=0, le=1, description="Least probability, relative to the likeliest token's. As vLLM's."
    )
    repetition_penalty: float = Field(
        1.0, ge=0.01, le=10, description="On tokens generated before; above 1: fewer of them. As vLLM's."
    )
    frequency_penalty: float = Field(0.0, ge=-2, le=2, description="By how often a token was generated. As vLLM's.")
    presence_penalty: float = Field(0.0, ge=-2, le=2, description="On every token generated before. As vLLM's.")
    suppress_tokens: str = Field(
        "-1",
        description="Token ids that are not generated, separated by commas, after -1 for the model's own list. Those "
        "that are no text, such as timestamps, change nothing.",
        json_schema_extra={"pattern": r"^-1(,[0-9]{1,6})*$"},
    )
    max_new_tokens: int | None = Field(None, ge=1, description="Most tokens generated for a window of the recording.")
    no_speech_threshold: Threshold = Field(
        _LIMITS.no_speech, ge=0, le=1, description="Probability above which a window is silence; `none`: not tested."
    )
    logprob_threshold: Threshold = Field(
        _LIMITS.logprob, le=0, description="Mean log-probability under which a window is decoded again; `none`: never."
    )
    compression_ratio_threshold: Threshold = Field(
        _LIMITS.compression_ratio, gt=0, description="Repetition above which a window is decoded again; `none`: never."
    )

    @field_validator("n")
    @classmethod
    def _of_a_search(cls, value: int, info: ValidationInfo) -> int:
        if value > 1 and not info.data.get("use_beam_search"):
            raise PydanticCustomError("several", "the response has one text; `n` counts beams, with `use_beam_search`")
        return value

    @field_validator(
        "temperature_increment", "top_p", "min_p", "repetition_penalty", "frequency_penalty", "presence_penalty",
        "no_speech_threshold", "logprob_threshold", "compression_ratio_threshold",
    )  # fmt: skip
    @classmethod
    def _finite(cls, value: float | None) -> float | None:
        if value is not None and value in (float("inf"), float("-inf")):
            raise PydanticCustomError("finite", "must be a finite number")
        return value

    @field_validator("suppress_tokens", mode="before")
    @classmethod
    def _ids(cls, value: Any) -> str:
        listed = value if isinstance(value, list | tuple) else str(value).strip().strip("[]").split(",")
        texts = [str(item).strip() for item in listed]
        if not all(text == "-1" or (text.isascii() and text.isdecimal() and len(text) <= 6) for text in texts):
            raise PydanticCustomError("ids", "must be token ids separated by commas, such as `-1,50`")
        if "-1" not in texts:
            raise PydanticCustomError("ids", "put -1 before the ids: the model's own list always stays in force")
        return ",".join(texts)

    def sampling(self) -> Sampling:
        """The fields in the type of the core."""
        return Sampling(
            seed=None if self.seed == -1 else self.seed,  # -1 means unset to vLLM's clients
            best_of=self.best_of,
            beam_size=self.n if self.use_beam_search and self.beam_size is None else self.beam_size,
            patience=self.patience,
            length_penalty=self.length_penalty,
            temperature_increment=self.temperature_increment,
            top_p=self.top_p,
            top_k=max(self.top_k, 0),
            min_p=self.min_p,
            repetition_penalty=self.repetition_penalty,
            frequency_penalty=self.frequency_penalty,
            presence_penalty=self.presence_penalty,
            suppress_tokens=tuple(number for number in map(int, self.suppress_tokens.split(",")) if number >= 0),
            max_new_tokens=self.max_new_tokens,
        )

    def thresholds(self) -> Thresholds:
        return Thresholds(self.no_speech_threshold, self.logprob_threshold, self.compression_ratio_threshold)
