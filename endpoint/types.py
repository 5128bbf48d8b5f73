"""The value of each stage: Audio, Window, Hypothesis, Segment, Word, Transcript; and the Engine interface.

Times are integers: samples before the engine, milliseconds after it. Offsets travel with the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from endpoint.options import Options, Postprocess, Task
from endpoint.voices import Speakers

# Whisper's constants (openai/whisper audio.py), derived once.
SAMPLE_RATE = 16_000  # samples per second, mono
WINDOW_SECONDS = 30  # the most the encoder sees at once
WINDOW_SAMPLES = WINDOW_SECONDS * SAMPLE_RATE
TIMESTAMP_MS = 20  # between two timestamp tokens, and between two encoder frames
TIMESTAMP_SAMPLES = SAMPLE_RATE * TIMESTAMP_MS // 1000
SEEK_MS = 10  # unit of `seek` in OpenAI's segments: one log-mel frame
PCM_FULL_SCALE = 32_768  # int16 samples are in [-PCM_FULL_SCALE, PCM_FULL_SCALE - 1]
SPEECH_FRAME = 512  # samples, 32 ms: a frame of voice activity detection
SPEECH_CERTAIN = 255  # a probability of 1 in Audio.speech

Samples = npt.NDArray[np.int16]


def samples_to_ms(samples: int) -> int:
    """Samples at 16 kHz to milliseconds, rounded half up."""
    return (samples * 1000 + SAMPLE_RATE // 2) // SAMPLE_RATE


def ms_to_samples(milliseconds: int) -> int:
    """Milliseconds to samples at 16 kHz."""
    return milliseconds * SAMPLE_RATE // 1000


@dataclass(frozen=True)
class Notice:
    """Something that the caller should know although there is a result: a field ignored, sound that is missing.

    code: stable, for programs. message: for people. param: the field it is about, None if it is about none.
    """

    code: str
    message: str
    param: str | None = None


@dataclass(frozen=True)
class Audio:
    """Decoded sound.

    samples: int16 [n], mono, 16 kHz.
    speech: uint8 [ceil(n / SPEECH_FRAME)], probability of speech in each frame, SPEECH_CERTAIN meaning 1; None
        where it was not asked for.
    unreadable: stretches in milliseconds, in order, whose sound the file should hold and that could not be decoded;
        `samples` are silent there, and the last stretch may lie behind their end.
    notices: what the caller should know of the file.
    gain: what the samples were multiplied by, to be of a usual level.
    decode_seconds, vad_seconds: what these took.
    """

    samples: Samples
    speech: npt.NDArray[np.uint8] | None = None
    unreadable: tuple[tuple[int, int], ...] = ()
    notices: tuple[Notice, ...] = ()
    decode_seconds: float = 0.0
    vad_seconds: float = 0.0
    gain: float = 1.0

    @property
    def duration_ms(self) -> int:
        return samples_to_ms(len(self.samples))


@dataclass(frozen=True)
class Span:
    """Speech from sample `start` up to `end`, counted from the beginning of the file."""

    start: int
    end: int

    def later(self, samples: int) -> Span:
        return Span(self.start + samples, self.end + samples)


@dataclass(frozen=True)
class Window:
    """A view of at most 30 s of an Audio.

    start: first sample, counted from the beginning of the file.
    samples: int16 [n], n <= WINDOW_SAMPLES, 16 kHz.
    speech: the speech that voice activity detection found in it; empty when that is off.
    overlap: how many of its first samples the window before it has too, because there was no pause to cut in.
    language: spoken in it, where it was detected before.
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

    def later(self, samples: int) -> Window:
        """The same sound, where so many samples come before it."""
        return replace(self, start=self.start + samples, speech=tuple(span.later(samples) for span in self.speech))

    def after(self, start: int) -> Window:
        """The rest of the window from sample `start` of the file on."""
        speech = tuple(Span(max(span.start, start), span.end) for span in self.speech if span.end > start)
        overlap = max(0, self.overlap - (start - self.start))
        return Window(start, self.samples[start - self.start :], speech, overlap, self.language)


@dataclass(frozen=True)
class Hypothesis:
    """What the engine recognized in one window.

    tokens: generated ids after language and task: timestamps and text, without <|endoftext|>.
    pieces: text between timestamps, as (start, end, tokens, text); start and end are milliseconds from the
        window's start, end None where the model closed no timestamp.
    language_probabilities: code -> probability, over the languages allowed, summing to 1.
    no_speech_prob: probability of <|nospeech|> at the first position, 0 to 1.
    avg_logprob: mean natural-log probability of the generated tokens, <= 0.
    complete: False when the token limit ended the text.
    logprobs: natural-log probability of each of `tokens`.
    key: identifies what the engine kept of this decoding.
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
    key: str = ""

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    @property
    def words(self) -> tuple[Word, ...] | None:
        """Of all pieces, in milliseconds from the window's start; None where they were not timed."""
        if any(piece.words is None for piece in self.pieces):
            return None
        return tuple(word for piece in self.pieces for word in piece.words or ())


@dataclass(frozen=True)
class TokenScore:
    """A token of the text: the UTF-8 bytes it stands for, part of a character sometimes, and its log-probability."""

    data: bytes
    logprob: float  # natural, <= 0


@dataclass(frozen=True)
class Piece:
    """Text between two timestamp tokens; milliseconds from the window's start. `scores`: if they were asked for.

    words: those the text is made of, in milliseconds from the window's start; None where they were not timed.
    """

    start_ms: int
    end_ms: int | None
    tokens: tuple[int, ...]  # with its timestamp tokens, as OpenAI's segments have them
    text: str
    scores: tuple[TokenScore, ...] = ()
    words: tuple[Word, ...] | None = None


@dataclass(frozen=True)
class Word:
    """A word with the space before it and the punctuation at it. probability: mean of its tokens', 0 to 1.

    speaker: who says it; None where that was not asked for, or nobody's voice was found.
    """

    text: str
    start_ms: int
    end_ms: int
    probability: float = 1.0
    speaker: str | None = None


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
    words: tuple[Word, ...] | None = None  # those its text is made of; None where they were not asked for
    speaker: str | None = None  # as in Word; a segment never has two


@dataclass(frozen=True)
class Usage:
    """Tokens, in OpenAI's sense: audio tokens are encoder frames, 50 a second."""

    audio_tokens: int = 0
    text_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True)
class Postprocessed:
    """What came of one step of a language model.

    status: `done`; `partial`: some chunks are as they were; `kept_raw`: all are; `failed`: no result; `skipped`: there
        was nothing to do. reason: a code, why it is not done. chunks, kept: how many, and how many of them are as
        they were. tokens: of prompts and responses. text, items: what was generated. names: (label, name) of speakers.
    """

    step: Postprocess
    status: Literal["done", "partial", "kept_raw", "failed", "skipped"]
    reason: str | None = None
    chunks: int = 0
    kept: int = 0
    tokens: int = 0
    text: str | None = None
    items: tuple[str, ...] | None = None
    names: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True)
class Transcript:
    """The whole file. `words` is None unless they were asked for.

    paragraphs: indices of the segments that begin one, the first included; None: they are found by pauses.
    peaks: the waveform, the loudest sample of equal stretches, 255 being full scale; empty unless asked for.
    """

    task: Task
    language: str
    language_probability: float
    duration_ms: int
    segments: tuple[Segment, ...]
    words: tuple[Word, ...] | None = None
    usage: Usage = Usage()
    coverage: float | None = None  # share of the speech that segments cover, 0 to 1; None where it was not detected
    uncovered: tuple[tuple[int, int], ...] = ()  # stretches of speech without text, in milliseconds
    notices: tuple[Notice, ...] = ()
    paragraphs: tuple[int, ...] | None = None
    postprocessed: tuple[Postprocessed, ...] = ()
    peaks: bytes = b""
    speakers: Speakers | None = None  # None unless they were asked for

    @property
    def text(self) -> str:
        return "".join(segment.text for segment in self.segments).strip()

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages with text, in order of appearance; where there is no text, the file's."""
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


@dataclass(frozen=True)
class EngineLoad:
    """decoding: windows being decoded in this process, by the class of their work.

    steps, windows: of the engine since its start: its steps, and the windows of all of them together.
    """

    decoding: Mapping[str, int]
    steps: int
    windows: int


class WindowEngine(Protocol):
    """Decodes windows. Cancelling a call aborts its work."""

    async def decode(self, window: Window, options: Options) -> Hypothesis:
        """Transcribe one window. Raises EngineFailed; InvalidRequest for options this model cannot follow."""
        ...

    async def detect(self, window: Window, options: Options) -> Hypothesis:
        """Detect the language of one window: one decoder step. The hypothesis has no text. Raises as `decode`."""
        ...

    async def align(self, hypothesis: Hypothesis, task: Task) -> Hypothesis:
        """The hypothesis with `words`, its pieces' times adjusted to them. Only after `decode` with options.words."""
        ...


class Engine(WindowEngine, Protocol):
    """The one interface to a model."""

    @property
    def info(self) -> EngineInfo: ...

    async def start(self) -> None:
        """Load the model and decode one silent window. Raises EngineFailed."""

    def check_options(self, options: Options) -> tuple[Notice, ...]:
        """Notices of options that do not fit. Raises InvalidRequest for options that this model cannot follow."""
        ...

    async def check(self) -> None:
        """Raises EngineFailed if the model can decode no more."""

    async def steps(self) -> tuple[int, int]:
        """(steps, windows in all of them), since the start of the engine. Raises EngineFailed, NotReady."""
        ...

    async def close(self) -> None: ...
