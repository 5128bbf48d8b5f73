"""How a route treats the fields of other services that it does not have itself. docs/fields.md is made from it.

A field is an alias of another one, or is accepted because it changes nothing, or is refused with a hint what to use
instead. Sources: the request models of OpenAI, vLLM, openai-whisper, faster-whisper, WhisperX, whisper.cpp's server,
speaches and transformers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

OPENAI, VLLM, WHISPER, FASTER = "OpenAI", "vLLM", "openai-whisper", "faster-whisper"
WHISPERX, CPP, SPEACHES, HF = "WhisperX", "whisper.cpp", "speaches", "Hugging Face"
DEEPGRAM, ASSEMBLYAI, ELEVENLABS = "Deepgram", "AssemblyAI", "ElevenLabs"

_OFF = ("false", "0", "no", "off")
_SPEAKERS = "this route does not tell speakers apart; use /v1/audio/transcriptions"
_VAD = "send `chunking_strategy` with `threshold`, `prefix_padding_ms` and `silence_duration_ms`"
_LINES = "use `max_line_width`"
_CUES = "this route has no subtitles of this kind; use /v1/audio/transcriptions"
_WORDS = "send `response_format=verbose_json` and `timestamp_granularities[]=word`"
_CUT = "use `start` and `end`"
_SAMPLING = "use `temperature`, `top_p`, `top_k` and `min_p`"
_LENGTH = "use `max_new_tokens`"


@dataclass(frozen=True)
class Row:
    """owners: the services that have the field. taken_as: the field of which it is an alias.

    harmless: values in lower case that are accepted, as they change nothing; "*": all values; "untimed": all values
    where the response has no times. instead: the hint of a refusal. example: a value that the tests send.
    """

    name: str
    owners: tuple[str, ...]
    instead: str = ""
    harmless: tuple[str, ...] = ()
    taken_as: str = ""
    example: str = "5"
    note: str = ""

    def accepts(self, value: str, timed: bool) -> bool:
        """Whether `value` is accepted. timed: whether the response has times."""
        plain = value.strip().lower()
        if "*" in self.harmless or plain in self.harmless:
            return True
        if "untimed" in self.harmless and not timed:
            return True
        return any(_same_number(plain, known) for known in self.harmless)


def _same_number(first: str, second: str) -> bool:
    try:
        return float(first) == float(second)
    except ValueError:
        return False


def _alias(taken_as: str, names: str, *owners: str, example: str = "0") -> list[Row]:
    return [Row(name, owners, taken_as=taken_as, example=example) for name in names.split()]


def _accepted(note: str, names: str, *owners: str) -> list[Row]:
    return [Row(name, owners, harmless=("*",), note=note) for name in names.split()]


def _refused(instead: str, names: str, *owners: str, harmless: tuple[str, ...] = (), example: str = "5") -> list[Row]:
    return [Row(name, owners, instead, harmless, example=example) for name in names.split()]


_ROWS = [
    # Other names
    *_alias("prompt", "initial_prompt", WHISPER, FASTER, WHISPERX, example="Names."),
    *_alias("temperature_increment", "temperature_inc temperature_increment_on_fallback", CPP, WHISPER),
    *_alias("beam_size", "num_beams", HF, example="5"),
    *_alias("max_new_tokens", "max_completion_tokens max_tokens", VLLM, example="100"),
    *_alias("logprob_threshold", "log_prob_threshold logprob_thold", FASTER, CPP, example="-2"),
    *_alias("no_speech_threshold", "no_speech_thold", CPP, example="0.5"),
    *_alias("vad_filter", "vad", CPP, example="false"),
    *_alias("condition_on_previous_text", "condition_on_prev_tokens", HF, example="true"),
    # Accepted: they change nothing
    *_accepted("Windows are decoded together in any case.", "batch_size", FASTER, WHISPERX, HF),
    *_accepted("Windows are cut in pauses, at most 30 s long.", "chunk_length", FASTER),
    *_accepted("Windows are cut in pauses, at most 30 s long.", "chunk_size", WHISPERX),
    *_accepted("Windows are cut in pauses, at most 30 s long.", "chunk_length_s stride_length_s", HF),
    *_accepted("Usage is always in the last event.", "stream_include_usage stream_options", VLLM, OPENAI),
    *_accepted("Always in the response.", "return_language", HF),
    *_accepted("Set by the server.", "compute_type device device_index threads processors cpu_threads", CPP),
    *_accepted("Set by the server.", "num_workers fp16 use_cache ignore_warning", FASTER, WHISPER, HF),
    *_accepted("Changes printed output only.", "verbose print_progress print_realtime print_special print_colors", CPP),
    *_accepted("Changes printed output only.", "no_language_probabilities log_progress", CPP, FASTER),
    *_accepted("Only with `max_len`.", "split_on_word", CPP),
    # Speakers
    *_alias("diarize", "diarization diarise", WHISPERX, example="true"),
    *_alias("diarize", "speaker_labels", ASSEMBLYAI, example="true"),
    *_alias("num_speakers", "speakers_expected", ASSEMBLYAI, example="2"),
    *_alias("multichannel", "use_multi_channel", ELEVENLABS, example="true"),
    *_refused("use `diarize`", "tinydiarize", CPP, harmless=_OFF, example="true"),
    *_refused("voice prints are not given away; leave it out", "speaker_embeddings", WHISPERX, harmless=_OFF,
              example="true"),
    *_refused(_SPEAKERS, "diarize", WHISPERX, CPP, harmless=_OFF, example="true"),
    *_refused(_SPEAKERS, "min_speakers max_speakers num_speakers", WHISPERX),
    *_refused(_SPEAKERS, "known_speaker_names known_speaker_references", OPENAI, example="Anna"),
    *_refused(_SPEAKERS, "multichannel", DEEPGRAM, harmless=_OFF, example="true"),
    # Search
    *_refused("use `beam_size`", "num_beam_groups", HF, harmless=("1",)),
    *_refused("the search ends as openai/whisper's does; use `patience`", "early_stopping", HF,
              harmless=_OFF, example="true"),
    *_refused("set `temperature` above 0", "do_sample", HF, harmless=_OFF, example="true"),
    *_refused(_SAMPLING, "typical_p", HF, harmless=("1",), example="0.5"),
    *_refused(_SAMPLING, "epsilon_cutoff eta_cutoff penalty_alpha", HF, harmless=("0",), example="0.5"),
    *_refused(_LENGTH, "max_length", HF, harmless=("448",), example="50"),
    *_refused("leave it out", "min_length min_new_tokens", HF, harmless=("0",)),
    *_refused("use `repetition_penalty`", "no_repeat_ngram_size", FASTER, HF, harmless=("0",)),
    *_refused("use `suppress_tokens`", "begin_suppress_tokens forced_decoder_ids bad_words_ids", HF),
    *_refused("use the fields by name", "vllm_xargs decoder_kwargs logits_processor", VLLM, HF, example="{}"),
    *_refused("use `compression_ratio_threshold`", "entropy_thold", CPP, harmless=("2.4",)),
    *_refused("the encoder's whole window is used; leave it out", "audio_ctx", CPP, harmless=("0",)),
    *_refused("use `suppress_tokens`", "suppress_nst suppress_non_speech", CPP, harmless=("true", "1"), example="0"),
    *_refused(
        "an empty beginning is never generated; leave it out",
        "suppress_blank",
        WHISPER,
        FASTER,
        harmless=("true", "1", "yes", "on"),
        example="false",
    ),
    # Preceding text
    *_refused("use `prompt`", "prefix prompt_ids", WHISPER, FASTER, HF, example="Before"),
    *_refused("`prompt` is given to every window", "carry_initial_prompt", CPP, harmless=_OFF, example="true"),
    *_refused("use `condition_on_previous_text`", "no_context", CPP, harmless=("true", "1"), example="false"),
    *_refused("use `condition_on_previous_text`", "max_context", CPP, harmless=("-1", "0"), example="64"),
    *_refused("use `condition_on_previous_text`", "prompt_reset_on_temperature prompt_condition_type", FASTER, HF,
              harmless=("0.5", "first-segment")),
    # Times and speech
    *_refused("use `response_format` json or text", "without_timestamps", WHISPER, FASTER, SPEACHES,
              harmless=(*_OFF, "untimed"), example="true"),
    *_refused("use `response_format` json or text", "no_timestamps", CPP, harmless=(*_OFF, "untimed"), example="true"),
    *_refused("leave it out", "max_initial_timestamp", WHISPER, FASTER, harmless=("1",)),
    *_refused("silence is left out by `vad_filter`", "hallucination_silence_threshold", WHISPER, FASTER),
    *_refused(_CUT, "clip_timestamps offset_t offset_n duration", WHISPER, FASTER, CPP, harmless=("0",)),
    *_refused(_VAD, "vad_parameters", FASTER, example='{"threshold":0.3}'),
    *_refused(_VAD, "vad_onset vad_offset vad_method", WHISPERX, example="0.3"),
    *_refused(_VAD, "vad_threshold vad_min_speech_duration_ms vad_min_silence_duration_ms", CPP, example="0.3"),
    *_refused(_VAD, "vad_max_speech_duration_s vad_speech_pad_ms vad_samples_overlap", CPP, example="0.3"),
    *_refused(_WORDS, "word_timestamps", WHISPER, FASTER, harmless=_OFF, example="true"),
    *_refused(_WORDS, "return_timestamps token_timestamps", HF, CPP, harmless=_OFF, example="true"),
    *_refused(_WORDS, "return_char_alignments", WHISPERX, harmless=_OFF, example="true"),
    *_refused("words are timed by the model itself; leave it out", "align_model interpolate_method", WHISPERX),
    *_refused("words are timed by the model itself; leave it out", "word_thold", CPP, harmless=("0.01",)),
    *_refused("words are timed by the model itself; leave it out", "prepend_punctuations append_punctuations", WHISPER),
    # Subtitles
    *_refused(_LINES, "max_len segment_resolution", CPP, WHISPERX, harmless=("0", "sentence")),
    # Tasks
    *_refused("use the route /v1/audio/translations, which writes English", "translate", CPP, harmless=_OFF,
              example="true"),
    *_refused("use the route /v1/audio/detect-language", "detect_language", CPP, harmless=_OFF, example="true"),
    *_refused("only English is written, by the route /v1/audio/translations", "to_language", VLLM, example="de"),
    *_refused("use the usage in the last event", "stream_continuous_usage_stats", VLLM, harmless=_OFF, example="true"),
    *_refused("use `language=multi`", "multilingual", FASTER, harmless=_OFF, example="true"),
    *_refused("leave it out; up to eight windows are used", "language_detection_segments", FASTER,
              harmless=("1",)),
    *_refused("leave it out; `languages[]` limits the choice", "language_detection_threshold", FASTER,
              harmless=("0.5",), example="0.9"),
    # Fields that only some routes have
    *_refused("this route does not time words", "timestamp_granularities", OPENAI, harmless=("segment",),
              example="word"),
    *_refused("this route has no token scores; use /v1/audio/transcriptions", "include", OPENAI, example="logprobs"),
    *_refused("this route responds in JSON only; use /v1/audio/transcriptions", "response_format", OPENAI,
              harmless=("json", "verbose_json"), example="srt"),
    *_refused("this route does not stream; use /v1/audio/transcriptions", "stream", OPENAI, harmless=_OFF,
              example="true"),
    *_refused("this route does not take it; use `language`, or /v1/audio/transcriptions", "languages", OPENAI,
              example="de"),
    *_refused("this route does not take it; use `hotwords`", "keywords", OPENAI, example="Anna"),
    *_refused("this route does not take it; use /v1/audio/transcriptions", "url model", OPENAI, example="x"),
    *_refused("this route does not take it; use /v1/audio/transcriptions", "vad_filter audio_track", SPEACHES,
              example="1"),
    *_refused("this route does not take it; use /v1/audio/transcriptions", "chunking_strategy", OPENAI,
              harmless=("auto",), example="none"),
    *_refused(_CUES, "max_line_width max_line_count max_words_per_line", WHISPER, WHISPERX),
    *_refused(_CUES, "highlight_words", WHISPER, WHISPERX, harmless=_OFF, example="true"),
    *_refused("this route has no paragraphs; use /v1/audio/transcriptions", "paragraphs", DEEPGRAM, harmless=_OFF,
              example="true"),
    *_refused("this route does one task; use /v1/audio/transcriptions or /v1/audio/translations", "task", WHISPER,
              example="sing"),
]  # fmt: skip
ROWS = {row.name: row for row in _ROWS}

_HEAD = """# How each field is treated

Made from `endpoint/fields/table.py`; a test sends every row. Names may also be written in camelCase or kebab-case, and
with `[]` or `[0]` at the end. A field that is sent twice is an error only if the values differ. A name that is in no
table is ignored and listed in `warnings` (with text formats in the header `x-warnings`); with `STRICT_FIELDS=true` it
is refused with code `unknown_field`. A refused field gives status 400 and code `unsupported`; the message says what to
use instead.

## Fields of this server

`/docs` describes them: {own}.

## Fields of other services

| field | known from | treatment |
|---|---|---|
"""


def table_text(own: Iterable[str]) -> str:
    """The text of docs/fields.md. own: the fields of POST /api/v1/audio/transcriptions."""
    names = set(own)
    rows = [f"| `{row.name}` | {', '.join(row.owners)} | {_treatment(row)} |\n" for row in ROWS.values()
            if row.name not in names]  # fmt: skip
    return _HEAD.format(own=", ".join(f"`{name}`" for name in sorted(names))) + "".join(rows)


def _treatment(row: Row) -> str:
    if row.taken_as:
        return f"the same as `{row.taken_as}`"
    if row.harmless == ("*",):
        return f"accepted, changes nothing: {row.note}"
    values = [f"`{value}`" for value in row.harmless if value != "untimed"]
    if "untimed" in row.harmless:
        values.append("any value where the response has no times")
    refused = f"refused: {row.instead}"
    return f"{refused}. Accepted: {', '.join(values)}" if values else refused
