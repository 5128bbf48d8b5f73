"""The nouns, one per stage: Audio, Window, Hypothesis, Segment, Word, Transcript; Options; the Engine seam.

Times are integers: samples before the engine, milliseconds after it. Offsets travel with the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

# Whisper's constants (openai/whisper audio.py), derived once.
SAMPLE_RATE = 16_000  # samples per second, mono
WINDOW_SECONDS = 30  # the most the encoder sees at once
WINDOW_SAMPLES = WINDOW_SECONDS * SAMPLE_RATE
TIMESTAMP_MS = 20  # between two timestamp tokens, and between two encoder frames
TIMESTAMP_SAMPLES = SAMPLE_RATE * TIMESTAMP_MS // 1000
SEEK_MS = 10  # unit of `seek` in OpenAI's segments: one log-mel frame
PCM_FULL_SCALE = 32_768  # int16 samples are in [-PCM_FULL_SCALE, PCM_FULL_SCALE - 1]
SPEECH_FRAME = 512  # samples, 32 ms, that voice activity judges at once
SPEECH_CERTAIN = 255  # a probability of 1, as Audio.speech has it
BEST_OF = 5  # openai/whisper transcribe.py: candidates at a temperature above 0

Samples = npt.NDArray[np.int16]


def samples_to_ms(samples: int) -> int:
    """Samples at 16 kHz to milliseconds, rounded half up."""
    return (samples * 1000 + SAMPLE_RATE // 2) // SAMPLE_RATE


class Task(StrEnum):
    TRANSCRIBE = "transcribe"
    TRANSLATE = "translate"  # into English


@dataclass(frozen=True)
class VadOptions:
    """Voice activity, in OpenAI's terms (server_vad).

    threshold: probability, 0 to 1, from which a frame is speech.
    prefix_padding_ms: sound kept before speech. silence_duration_ms: a shorter pause is part of the speech.
    """

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 200


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen. Defaults change nothing.

    seed: of the random numbers at a temperature above 0; None: made from the window's samples.
    best_of: candidates decoded at a temperature above 0, of which the best is kept; None: BEST_OF in a fallback, 1 at
        a temperature that the caller gave.
    temperature_increment: between the attempts of a fallback; 0: no fallback.
    top_p, top_k, min_p: of the tokens that may be sampled, as vLLM defines them; 1, 0 and 0 mean all.
    repetition_penalty, frequency_penalty, presence_penalty: on tokens generated before, as vLLM defines them.
    suppress_tokens: ids that are not generated, beside those of the checkpoint.
    max_new_tokens: most tokens generated for a window; None: what the model has room for.
    """

    seed: int | None = None
    best_of: int | None = None
    temperature_increment: float = 0.2
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    suppress_tokens: tuple[int, ...] = ()
    max_new_tokens: int | None = None


@dataclass(frozen=True)
class Thresholds:
    """When a result is bad, as openai/whisper's transcribe.py defines them; None switches a test off.

    no_speech: probability of no speech above which a window with a low average log-probability is silence.
    logprob: average log-probability, natural, below which a window is decoded again.
    compression_ratio: how repetitive a text may be before its window is decoded again.
    """

    no_speech: float | None = 0.6
    logprob: float | None = -1.0
    compression_ratio: float | None = 2.4


@dataclass(frozen=True)
class Notice:
    """Something that the caller should know although there is a result: a field ignored, sound that is missing.

    code: stable, for programs. message: for people. param: the field it is about, if it is one.
    """

    code: str
    message: str
    param: str | None = None


@dataclass(frozen=True)
class Options:
    """What a caller asks of the core; parsed and cross-checked once, at the edge.

    language: code of `endpoint.languages`, or None to detect it.
    prompt: text the recording continues, or words to expect; its last 223 tokens are used.
    hotwords: words that are likely, put before the prompt.
    temperature: 0 (greedy, and more where that fails) to 1 (used as it is).
    words: also time every word.
    vad: how speech is told from the rest, which is left out; None hands everything to the model.
    languages: codes to detect among; empty for all the model knows.
    multilingual: every window keeps the language heard in it; else the file has one.
    condition_on_previous_text: each window is given the text before it, so windows are decoded one by one.
    detect_language: the language is detected although the server has a default.
    logprobs: keep how likely each token of the text was.
    audio_track: which audio stream of the file, counted from 0; None: the one a player would play.
    """

    task: Task = Task.TRANSCRIBE
    language: str | None = None
    prompt: str | None = None
    hotwords: str | None = None
    languages: tuple[str, ...] = ()
    multilingual: bool = False
    condition_on_previous_text: bool = False
    temperature: float = 0.0
    words: bool = False
    logprobs: bool = False
    vad: VadOptions | None = VadOptions()
    sampling: Sampling = Sampling()
    thresholds: Thresholds = Thresholds()
    audio_track: int | None = None
    detect_language: bool = False

    def spoken_in(self, language: str | None) -> Options:
        """The same in `language`, unless they say anything of languages themselves."""
        if language is None or self.language or self.languages or self.multilingual or self.detect_language:
            return self
        return replace(self, language=language)

    def known_to(self, languages: tuple[str, ...]) -> Options:
        """The same for a model of these languages: those before large-v3 write Cantonese as Chinese."""
        if not languages or "yue" in languages:
            return self
        among = tuple(dict.fromkeys("zh" if code == "yue" else code for code in self.languages))
        return replace(self, language="zh" if self.language == "yue" else self.language, languages=among)


@dataclass(frozen=True)
class Audio:
    """Decoded sound.

    samples: int16 [n], mono, 16 kHz.
    speech: uint8 [ceil(n / SPEECH_FRAME)], probability of speech in each frame, SPEECH_CERTAIN meaning 1; None
        where nobody asked for it.
    unreadable: stretches in milliseconds, in order, whose sound the file should hold and that could not be decoded;
        `samples` are silent there, and the last stretch may lie behind their end.
    notices: what the caller should know of the file.
    """

    samples: Samples
    speech: npt.NDArray[np.uint8] | None = None
    unreadable: tuple[tuple[int, int], ...] = ()
    notices: tuple[Notice, ...] = ()

    @property
    def duration_ms(self) -> int:
        return samples_to_ms(len(self.samples))


@dataclass(frozen=True)
class Span:
    """Speech from sample `start` up to `end`, counted from the beginning of the file."""

    start: int
    end: int


@dataclass(frozen=True)
class Window:
    """A view of at most 30 s of an Audio.

    start: first sample, counted from the beginning of the file.
    samples: int16 [n], n <= WINDOW_SAMPLES, 16 kHz.
    speech: where voice activity heard speech in it; empty when that is off.
    overlap: how many of its first samples the window before it has too, for want of a pause to cut in.
    language: spoken in it, where that was found out before.
    """

    start: int
    samples: Samples
    speech: tuple[Span, ...] = ()
    overlap: int = 0
    language: str | None = None

    @property
    def start_ms(self) -> int:
        return samples_to_ms(self.start)

    @property
    def end_ms(self) -> int:
        return samples_to_ms(self.start + len(self.samples))

    def after(self, start: int) -> Window:
        """The rest of the window from sample `start` of the file on."""
        speech = tuple(Span(max(span.start, start), span.end) for span in self.speech if span.end > start)
        overlap = max(0, self.overlap - (start - self.start))
        return Window(start, self.samples[start - self.start :], speech, overlap, self.language)


@dataclass(frozen=True)
class Hypothesis:
    """What the engine heard in one window.

    tokens: generated ids after language and task: timestamps and text, without <|endoftext|>.
    pieces: text between timestamps, as (start, end, tokens, text); start and end are milliseconds from the
        window's start, end None where the model closed no timestamp.
    language_probabilities: code -> probability, over the languages allowed, summing to 1.
    no_speech_prob: probability of <|nospeech|> at the first position, 0 to 1.
    avg_logprob: mean natural-log probability of the generated tokens, <= 0.
    complete: False when the token limit ended it.
    logprobs: natural-log probability of each of `tokens`.
    words: timed from the window's start; None where nobody asked for them.
    key: by which the engine knows what it kept of this decoding.
    """

    window: Window
    tokens: tuple[int, ...]
    pieces: tuple[Piece, ...]
    language: str
    language_probabilities: Mapping[str, float]
    no_speech_prob: float
    avg_logprob: float
    temperature: float
    complete: bool = True
    input_tokens: int = 0
    logprobs: tuple[float, ...] = ()
    words: tuple[Word, ...] | None = None
    key: str = ""

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)


@dataclass(frozen=True)
class TokenScore:
    """A token of the text: the UTF-8 bytes it stands for, part of a character sometimes, and its log-probability."""

    data: bytes
    logprob: float  # natural, <= 0


@dataclass(frozen=True)
class Piece:
    """Text between two timestamp tokens; milliseconds from the window's start. `scores`: if they were asked for."""

    start_ms: int
    end_ms: int | None
    tokens: tuple[int, ...]  # with its timestamp tokens, as OpenAI's segments have them
    text: str
    scores: tuple[TokenScore, ...] = ()


@dataclass(frozen=True)
class Word:
    """A word with the space before it and the punctuation at it. probability: mean of its tokens', 0 to 1."""

    text: str
    start_ms: int
    end_ms: int
    probability: float = 1.0


@dataclass(frozen=True)
class Segment:
    """Timed text of the file. `text` keeps Whisper's leading space; times count from the file's start."""

    id: int
    start_ms: int
    end_ms: int
    text: str
    tokens: tuple[int, ...]
    seek: int  # start of its window, in 10 ms frames
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    language: str
    scores: tuple[TokenScore, ...] = ()
    words: tuple[Word, ...] | None = None  # those its text is made of; None where nobody asked for them


@dataclass(frozen=True)
class Usage:
    """Tokens, in OpenAI's sense: audio tokens are encoder frames, 50 a second."""

    audio_tokens: int = 0
    text_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True)
class Transcript:
    """The whole file. `words` is None unless they were asked for. `timings` are seconds by stage name."""

    task: Task
    language: str
    language_probability: float
    duration_ms: int
    segments: tuple[Segment, ...]
    words: tuple[Word, ...] | None = None
    usage: Usage = Usage()
    coverage: float | None = None  # share of the speech heard that segments cover, 0 to 1; None without voice activity
    uncovered: tuple[tuple[int, int], ...] = ()  # stretches of speech without text, in milliseconds
    notices: tuple[Notice, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return "".join(segment.text for segment in self.segments).strip()

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages with text, the first heard first; where there is no text, the file's."""
        return tuple(dict.fromkeys(segment.language for segment in self.segments)) or (self.language,)


@dataclass(frozen=True)
class EngineInfo:
    """What is running, for /v1/models, /version and `endpoint doctor`."""

    model: str  # the name clients see
    engine: str  # "vllm" or "fake"
    version: str
    device: str
    dtype: str
    multilingual: bool = True
    created: int = 0  # Unix seconds
    demo: bool = False
    languages: tuple[str, ...] = ()  # codes it knows; empty: English only, or all


class Engine(Protocol):
    """The one seam to a model. Cancelling `decode` aborts its work."""

    @property
    def info(self) -> EngineInfo: ...

    async def start(self) -> None:
        """Load the model and answer one silent window. Raises EngineFailed."""

    async def decode(self, window: Window, options: Options) -> Hypothesis:
        """Transcribe one window. Raises EngineFailed; InvalidRequest for options this model cannot follow."""
        ...

    async def detect(self, window: Window, options: Options) -> Hypothesis:
        """What language is spoken in one window: one decoder step. The hypothesis has no text. Raises as `decode`."""
        ...

    async def align(self, hypothesis: Hypothesis, task: Task) -> Hypothesis:
        """The same with `words`, and its pieces' times moved to them. For what `decode` gave with options.words."""
        ...

    async def check(self) -> None:
        """Raises EngineFailed if the model can answer no more."""

    async def close(self) -> None: ...
