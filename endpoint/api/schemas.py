"""The models that document responses. endpoint.text.format and endpoint.text.events write the responses.

Tests check responses against these models. Names and types are OpenAI's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from endpoint.types import Notice


class ResponseModel(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Warning(ResponseModel):
    code: str = Field(description="Stable, for programs.")
    message: str = Field(description="For people.")
    param: str | None = Field(description="The field it concerns, if any.")


class Warned(ResponseModel):
    """An extension."""

    warnings: list[Warning] | None = Field(
        None, description="What was ignored, or is missing; absent if there is nothing."
    )


def warned(notices: Iterable[Notice]) -> dict[str, Any]:
    """`warnings` as an argument of a model that is Warned; empty without notices."""
    rows = [Warning(code=notice.code, message=notice.message, param=notice.param) for notice in notices]
    return {"warnings": rows} if rows else {}


class DurationUsage(ResponseModel):
    type: Literal["duration"] = Field(description="What is counted: seconds.")
    seconds: float = Field(ge=0, description="Length of the recording in seconds, rounded up.")


class InputTokens(ResponseModel):
    audio_tokens: int = Field(ge=0, description="Encoder frames: 50 for each second given to the model.")
    text_tokens: int = Field(ge=0, description="Tokens of the prompt.")


class TokenUsage(ResponseModel):
    type: Literal["tokens"] = Field(description="What is counted: tokens.")
    input_tokens: int = Field(ge=0, description="Of audio and text together.")
    output_tokens: int = Field(ge=0, description="Tokens of the text, with its timestamps.")
    total_tokens: int = Field(ge=0, description="Input and output together.")
    input_token_details: InputTokens = Field(description="What the input was.")


class TranscriptionSegment(ResponseModel):
    id: int = Field(ge=0, description="Counted from 0 through the whole file.")
    seek: int = Field(ge=0, description="Start of the segment's window, in frames of 10 ms.")
    start: float = Field(ge=0, description="Seconds from the start of the file.")
    end: float = Field(ge=0, description="Seconds from the start of the file.")
    text: str = Field(description="With Whisper's leading space.")
    tokens: list[int] = Field(description="Token ids of the text, with its timestamps.")
    temperature: float = Field(ge=0, le=1, description="Temperature it was decoded at, 0 to 1, without unit.")
    avg_logprob: float = Field(le=0, description="Mean natural-log probability of the window's tokens.")
    compression_ratio: float = Field(ge=0, description="Bytes of the text over its bytes compressed.")
    no_speech_prob: float = Field(ge=0, le=1, description="Probability that the window holds no speech.")
    language: str | None = Field(None, description="ISO 639-1 code; present where a recording has several languages.")
    speaker: str | None = Field(None, description="Who says it; present when speakers were requested. An extension.")


class TranscriptionWord(ResponseModel):
    word: str = Field(description="The word with its punctuation.")
    start: float = Field(ge=0, description="Seconds from the start of the file.")
    end: float = Field(ge=0, description="Seconds from the start of the file.")
    probability: float = Field(ge=0, le=1, description="Mean of its tokens' probabilities. An extension.")
    speaker: str | None = Field(None, description="Who says it; present when speakers were requested. An extension.")


class TranscriptParagraph(ResponseModel):
    """An extension. Paragraphs end in pauses, and where another one speaks; or where `postprocess[]` puts it."""

    start: float = Field(ge=0, description="Seconds from the start of the file.")
    end: float = Field(ge=0, description="Seconds from the start of the file.")
    text: str = Field(description="Without spaces around it.")
    speaker: str | None = Field(None, description="Who says it; present when speakers were requested.")


class Turn(ResponseModel):
    start: float = Field(ge=0, description="Seconds from the start of the file.")
    end: float = Field(ge=0, description="Seconds from the start of the file.")


class Speaker(ResponseModel):
    speaker: str = Field(description="`A`, `B` and so on; a known speaker's name; or a channel.")
    turns: list[Turn] = Field(description="When this one speaks. Those of several may overlap.")


class WithSpeakers(ResponseModel):
    """Extensions, present when speakers were requested."""

    speakers: list[Speaker] | None = Field(None, description="In the order of their first speech.")
    speakers_found: int | None = Field(None, ge=0, description="How many there are.")
    speakers_asked: int | None = Field(None, ge=1, description="How many there should be, at least; if that was given.")


class Uncovered(ResponseModel):
    start: float = Field(ge=0, description="Seconds from the start of the file.")
    end: float = Field(ge=0, description="Seconds from the start of the file.")


class _Covered(Warned):
    """Extensions; those of coverage are absent where speech was not detected."""

    peaks: str | None = Field(
        None,
        description="The loudest sample of equal stretches of the recording, a byte each, in base64; 255 is full "
        "scale. Present when requested, with verbose_json.",
    )
    coverage: float | None = Field(None, ge=0, le=1, description="Share of the detected speech that has text.")
    uncovered: list[Uncovered] = Field([], description="Stretches of speech of a second and more without text.")


class PostprocessStep(ResponseModel):
    """What came of one step of a language model."""

    status: Literal["done", "partial", "kept_raw", "failed", "skipped"] = Field(
        description="`partial`: some chunks of the text are as they were; `kept_raw`: all are; `failed`: there is no "
        "result; `skipped`: there was nothing to do."
    )
    reason: str | None = Field(description="A stable code, why it is not done.")
    chunks: int = Field(ge=0, description="Into how many the transcript was cut.")
    chunks_kept: int = Field(ge=0, description="How many of them are as they were.")
    tokens: int = Field(ge=0, description="Tokens of prompts and responses.")
    text: str | None = Field(None, description="The summary: plain text on one line.")
    items: list[str] | None = Field(None, description="The action points: plain text, one line each.")
    names: dict[str, str] | None = Field(None, description="Names of speakers by the labels that they had.")
    caveat: str | None = Field(None, description="Beside what was generated.")


class Postprocessed(Warned):
    """An extension."""

    postprocess: (
        dict[Literal["punctuation", "paragraphs", "speakers", "summary", "actions"], PostprocessStep] | None
    ) = Field(None, description="By the steps of `postprocess[]`; absent where nothing was asked for.")


class TokenLogprob(ResponseModel):
    token: str = Field(description="Text of the token; a part of a character is shown as U+FFFD.")
    logprob: float = Field(le=0, description="Natural-log probability.")
    bytes: list[int] = Field(description="The token's bytes of UTF-8.")


class SpokenLanguage(ResponseModel):
    code: str = Field(description="ISO 639-1 code.")


class Transcription(Postprocessed):
    """ResponseModel in json."""

    text: str = Field(description="The whole text.")
    languages: list[SpokenLanguage] = Field(
        description="Languages spoken in the recording, in the order of their first speech."
    )
    logprobs: list[TokenLogprob] = Field([], description="Of the text's tokens; present when requested.")
    usage: TokenUsage = Field(description="Input and output, in tokens.")


class VerboseTranscription(Postprocessed, _Covered, WithSpeakers):
    """ResponseModel in verbose_json."""

    task: Literal["transcribe"] = Field(description="What was done.")
    language: str = Field(description="English name of the language, in lower case.")
    duration: float = Field(
        ge=0, description="Length in seconds of the recording, or of its part from `start` to `end`."
    )
    text: str = Field(description="The whole text.")
    segments: list[TranscriptionSegment] = Field([], description="Absent when only words were requested.")
    words: list[TranscriptionWord] = Field([], description="Present when words were requested.")
    paragraphs: list[TranscriptParagraph] = Field([], description="Present when requested. An extension.")
    language_probability: float = Field(ge=0, le=1, description="How sure the language is. An extension.")
    usage: DurationUsage = Field(description="How long the recording is.")


class DiarizedSegment(ResponseModel):
    """What one speaker says; also an event of a stream."""

    type: Literal["transcript.text.segment"] = Field(description="Always this word.")
    id: str = Field(description="`seg_000`, `seg_001` and so on.")
    start: float = Field(ge=0, description="Seconds from the start of the file.")
    end: float = Field(ge=0, description="Seconds from the start of the file.")
    text: str = Field(description="With Whisper's leading space.")
    speaker: str = Field(description="Who says it.")


class DiarizedTranscription(Postprocessed, WithSpeakers):
    """ResponseModel in diarized_json."""

    task: Literal["transcribe", "translate"] = Field(description="What was done.")
    duration: float = Field(ge=0, description="Length of the recording in seconds.")
    text: str = Field(description="The whole text, with a line for each change of speaker: `A: Good morning.`")
    segments: list[DiarizedSegment] = Field(description="In order; none has two speakers.")
    usage: DurationUsage = Field(description="How long the recording is.")


class Translation(Postprocessed):
    """ResponseModel in json."""

    text: str = Field(description="The whole text, in English.")


class TextDelta(ResponseModel):
    """An event of a stream: the text that follows what was sent before."""

    type: Literal["transcript.text.delta"] = Field(description="Which event this is.")
    delta: str = Field(description="A part of the text; the deltas joined are the final text.")
    logprobs: list[TokenLogprob] = Field([], description="Of its tokens; present when requested.")
    start: float | None = Field(None, ge=0, description="Seconds from the start of the file; with verbose_json.")
    end: float | None = Field(None, ge=0, description="Seconds from the start of the file; with verbose_json.")
    segment_id: str | None = Field(None, description="Of the segment, which follows; with diarized_json.")


class TextDone(_Covered, WithSpeakers):
    """The last event of a stream. With verbose_json it also has the fields of that format."""

    type: Literal["transcript.text.done"] = Field(description="Which event this is.")
    text: str = Field(description="The whole text.")
    languages: list[SpokenLanguage] = Field([], description="Spoken in the recording; not of a translation.")
    logprobs: list[TokenLogprob] = Field([], description="Of all tokens; present when requested.")
    usage: TokenUsage = Field(description="Input and output, in tokens.")
    task: Literal["transcribe"] | None = Field(None, description="With verbose_json; not of a translation.")
    language: str | None = Field(None, description="English name of the language, in lower case; with verbose_json.")
    duration: float | None = Field(None, ge=0, description="Length of the recording in seconds; with verbose_json.")
    segments: list[TranscriptionSegment] = Field([], description="With verbose_json, unless only words were requested.")
    words: list[TranscriptionWord] = Field([], description="With verbose_json, when words were requested.")
    paragraphs: list[TranscriptParagraph] = Field([], description="With verbose_json, when requested.")
    language_probability: float | None = Field(None, ge=0, le=1, description="How sure the language is; as `task`.")


class VerboseTranslation(Postprocessed, _Covered, WithSpeakers):
    """ResponseModel in verbose_json."""

    language: Literal["english"] = Field(description="Of the text.")
    duration: float = Field(ge=0, description="Length of the recording in seconds.")
    text: str = Field(description="The whole text, in English.")
    segments: list[TranscriptionSegment] = Field(description="In order.")
    paragraphs: list[TranscriptParagraph] = Field([], description="Present when requested.")


class LanguageProbability(ResponseModel):
    language: str = Field(description="ISO 639-1 code.")
    name: str = Field(description="English name, lower case.")
    probability: float = Field(ge=0, le=1, description="0 to 1.")


class DetectedLanguage(LanguageProbability, Warned):
    duration: float = Field(ge=0, description="Length of the recording in seconds.")
    languages: list[LanguageProbability] = Field(description="The likeliest five, the best first.")


class Model(ResponseModel):
    id: str = Field(description="Its name, as `model` in requests.")
    object: Literal["model"] = Field("model", description="Always this word.")
    created: int = Field(ge=0, description="Unix time in seconds; 0 if unknown.")
    owned_by: str = Field(description="This server.")


class ModelList(ResponseModel):
    object: Literal["list"] = Field("list", description="Always this word.")
    data: list[Model] = Field(description="At least one.")


class Status(ResponseModel):
    status: Literal["ok"] = Field("ok", description="Always this word; else the status is 503.")


class Index(ResponseModel):
    name: Literal["whisper-endpoint"] = Field("whisper-endpoint", description="Of this server.")
    version: str = Field(description="Of this server.")
    docs: Literal["/docs"] = Field("/docs", description="Path of the interactive documentation.")
    openapi: Literal["/openapi.json"] = Field("/openapi.json", description="Path of this document.")


class Version(ResponseModel):
    version: str = Field(description="Of this server.")
    model: str = Field(description="The model of requests that name none.")
    models: list[str] = Field(description="The names of /v1/models.")
    engine: str = Field(description="`vllm`, or `fake`, which has no model.")
    engine_version: str = Field(description="Of the engine.")
    device: str = Field(description="What the model runs on.")
    dtype: str = Field(description="Compute type of the model.")


class ErrorDetail(ResponseModel):
    message: str = Field(description="For people.")
    type: Literal["invalid_request_error", "server_error", "requests", "audio_seconds", "insufficient_quota"] = Field(
        description="Whether the request or the server is at fault; or of what the caller has sent too much."
    )
    param: str | None = Field(description="The wrong field, if any.")
    code: str | None = Field(description="Stable, for programs.")


class ErrorBody(ResponseModel):
    error: ErrorDetail = Field(description="What is wrong.")


class FileResult(Warned):
    """The result of one file of several: `result` or `error`."""

    index: int = Field(ge=0, description="Index of the file, in the order sent, from 0.")
    filename: str = Field(description="As it was sent; empty if it had no name.")
    status: int = Field(description="The HTTP status of a request with this file alone.")
    result: (
        Transcription | VerboseTranscription | DiarizedTranscription | Translation | VerboseTranslation | str | None
    ) = Field(
        None, description="The response to this file alone: an object, or the text of the formats text, srt and vtt."
    )
    error: ErrorDetail | None = Field(None, description="What is wrong with this file.")


class FileResults(Warned):
    """ResponseModel to several files."""

    object: Literal["list"] = Field("list", description="Always this word.")
    data: list[FileResult] = Field(description="One for each file, in the order sent.")
