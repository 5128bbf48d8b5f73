"""The wire models of replies, as they are documented; endpoint.text.format and events write them.

Tests hold what is written against these models. Names and types are OpenAI's.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Reply(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DurationUsage(Reply):
    type: Literal["duration"]
    seconds: float = Field(ge=0, description="Length of the recording in seconds, rounded up.")


class InputTokens(Reply):
    audio_tokens: int = Field(ge=0, description="Encoder frames: 50 for each second given to the model.")
    text_tokens: int = Field(ge=0, description="Tokens of the prompt.")


class TokenUsage(Reply):
    type: Literal["tokens"]
    input_tokens: int = Field(ge=0)
    output_tokens: int = Field(ge=0)
    total_tokens: int = Field(ge=0)
    input_token_details: InputTokens


class TranscriptionSegment(Reply):
    id: int = Field(ge=0, description="Counted from 0 through the whole file.")
    seek: int = Field(ge=0, description="Start of the segment's window, in frames of 10 ms.")
    start: float = Field(ge=0, description="Seconds from the start of the file.")
    end: float = Field(ge=0, description="Seconds from the start of the file.")
    text: str = Field(description="With Whisper's leading space.")
    tokens: list[int] = Field(description="Token ids of the text, with its timestamps.")
    temperature: float = Field(ge=0, le=1)
    avg_logprob: float = Field(le=0, description="Mean natural-log probability of the window's tokens.")
    compression_ratio: float = Field(ge=0, description="Bytes of the text over its bytes compressed.")
    no_speech_prob: float = Field(ge=0, le=1, description="Probability that the window holds no speech.")
    language: str | None = Field(None, description="ISO 639-1 code; present where a recording has several languages.")


class TranscriptionWord(Reply):
    word: str
    start: float = Field(ge=0, description="Seconds from the start of the file.")
    end: float = Field(ge=0, description="Seconds from the start of the file.")


class Uncovered(Reply):
    start: float = Field(ge=0, description="Seconds from the start of the file.")
    end: float = Field(ge=0, description="Seconds from the start of the file.")


class _Covered(Reply):
    """Extensions, absent where speech was not told from the rest."""

    coverage: float | None = Field(None, ge=0, le=1, description="Share of the speech heard that has text.")
    uncovered: list[Uncovered] = Field([], description="Stretches of speech of a second and more without text.")


class TokenLogprob(Reply):
    token: str = Field(description="Text of the token; a part of a character is shown as U+FFFD.")
    logprob: float = Field(le=0, description="Natural-log probability.")
    bytes: list[int] = Field(description="The token's bytes of UTF-8.")


class HeardLanguage(Reply):
    code: str = Field(description="ISO 639-1 code.")


class Transcription(Reply):
    text: str
    languages: list[HeardLanguage] = Field(description="Spoken in the recording, the first heard first.")
    logprobs: list[TokenLogprob] = Field([], description="Of the text's tokens; present when asked for.")
    usage: TokenUsage


class VerboseTranscription(_Covered):
    task: Literal["transcribe"]
    language: str = Field(description="English name of the language, in lower case.")
    duration: float = Field(ge=0, description="Length of the recording in seconds.")
    text: str
    segments: list[TranscriptionSegment] = Field([], description="Absent when only words were asked for.")
    words: list[TranscriptionWord] = Field([], description="Present when words were asked for.")
    usage: DurationUsage


class Translation(Reply):
    text: str


class TextDelta(Reply):
    """An event of a stream: the text that follows what was sent before."""

    type: Literal["transcript.text.delta"]
    delta: str = Field(description="All of them joined are the final text.")
    logprobs: list[TokenLogprob] = Field([], description="Of its tokens; present when asked for.")
    start: float | None = Field(None, ge=0, description="Seconds from the start of the file; with verbose_json.")
    end: float | None = Field(None, ge=0, description="Seconds from the start of the file; with verbose_json.")


class TextDone(_Covered):
    """The last event of a stream. With verbose_json it has what that format has."""

    type: Literal["transcript.text.done"]
    text: str = Field(description="The whole text.")
    languages: list[HeardLanguage] = Field([], description="Spoken in the recording; not of a translation.")
    logprobs: list[TokenLogprob] = Field([], description="Of all tokens; present when asked for.")
    usage: TokenUsage
    task: Literal["transcribe"] | None = Field(None, description="With verbose_json; not of a translation.")
    language: str | None = Field(None, description="English name of the language, in lower case; with verbose_json.")
    duration: float | None = Field(None, ge=0, description="Length of the recording in seconds; with verbose_json.")
    segments: list[TranscriptionSegment] = Field([], description="With verbose_json, unless only words were asked for.")
    words: list[TranscriptionWord] = Field([], description="With verbose_json, when words were asked for.")


class VerboseTranslation(_Covered):
    language: Literal["english"]
    duration: float = Field(ge=0, description="Length of the recording in seconds.")
    text: str
    segments: list[TranscriptionSegment]


class LanguageProbability(Reply):
    language: str = Field(description="ISO 639-1 code.")
    name: str = Field(description="English name, lower case.")
    probability: float = Field(ge=0, le=1)


class DetectedLanguage(LanguageProbability):
    duration: float = Field(ge=0, description="Length of the recording in seconds.")
    languages: list[LanguageProbability] = Field(description="The likeliest five, the best first.")


class Model(Reply):
    id: str
    object: Literal["model"] = "model"
    created: int = Field(ge=0, description="Unix time in seconds; 0 if unknown.")
    owned_by: str


class ModelList(Reply):
    object: Literal["list"] = "list"
    data: list[Model]


class Status(Reply):
    status: Literal["ok"] = "ok"


class Index(Reply):
    name: Literal["whisper-endpoint"] = "whisper-endpoint"
    version: str
    docs: Literal["/docs"] = "/docs"
    openapi: Literal["/openapi.json"] = "/openapi.json"


class Version(Reply):
    version: str = Field(description="Of this server.")
    model: str = Field(description="What requests that name no model get.")
    models: list[str]
    engine: str
    engine_version: str
    device: str
    dtype: str


class ErrorDetail(Reply):
    message: str
    type: Literal["invalid_request_error", "server_error"]
    param: str | None = Field(description="The field that is wrong, if it is one.")
    code: str | None = Field(description="Stable, for programs.")


class ErrorBody(Reply):
    error: ErrorDetail


class FileResult(Reply):
    """What came of one file of several: `result` or `error`."""

    index: int = Field(ge=0, description="Place among the files, in the order sent.")
    filename: str
    status: int = Field(description="As the HTTP status of a request with this file alone.")
    result: Transcription | VerboseTranscription | Translation | VerboseTranslation | str | None = Field(
        None, description="The reply, as for this file alone: an object, or the text of the formats text, srt and vtt."
    )
    error: ErrorDetail | None = None


class FileResults(Reply):
    object: Literal["list"] = "list"
    data: list[FileResult]
