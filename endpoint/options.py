"""What a caller asks of the core: Options and the values they are made of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

MAX_BEAMS = 10
BEST_OF = 5  # openai/whisper transcribe.py: candidates at a temperature above 0


class Task(StrEnum):
    TRANSCRIBE = "transcribe"
    TRANSLATE = "translate"  # into English


class Postprocess(StrEnum):
    """What a language model does with a transcript."""

    PUNCTUATION = "punctuation"
    PARAGRAPHS = "paragraphs"
    SPEAKERS = "speakers"
    SUMMARY = "summary"
    ACTIONS = "actions"


@dataclass(frozen=True)
class VadOptions:
    """Voice activity detection, in OpenAI's terms (server_vad).

    threshold: probability, 0 to 1, from which a frame is speech.
    prefix_padding_ms: sound kept before speech. silence_duration_ms: a shorter pause is part of the speech.
    """

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 200


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen, named as in openai/whisper's DecodingOptions. Defaults change nothing.

    seed: of the random numbers at a temperature above 0; None: made from the window's samples.
    best_of: candidates decoded at a temperature above 0, of which the best is kept; None: BEST_OF in a fallback, 1 at
        a temperature that the caller gave.
    temperature_increment: added for each attempt of a fallback; 0: no fallback.
    top_p, top_k, min_p: limit the tokens that may be sampled, as vLLM defines them; 1, 0 and 0 mean all.
    repetition_penalty, frequency_penalty, presence_penalty: on tokens generated before, as vLLM defines them.
    beam_size: beams at temperature 0; 1: the likeliest token each time; None: the server's.
    patience: the search ends when patience * `beam_size` beams have ended; None: 1.
    length_penalty: compares beams of different length, as Google NMT's; None: by the mean of their tokens.
    suppress_tokens: ids that are not generated, in addition to those of the checkpoint.
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
    beam_size: int | None = None
    patience: float | None = None
    length_penalty: float | None = None
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
class Wording:
    """How the recognized text is changed before anybody gets it. Defaults change nothing.

    replacements: (what is recognized, what is written), whole words in any case.
    vocabularies: names of the server's sets of words.
    masked: words of which the first letter is left. mask: whether those of the server are masked, too.
    numerals: numbers in words are written in digits. fillers: whether words such as `uhm` are kept.
    """

    replacements: tuple[tuple[str, str], ...] = ()
    vocabularies: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()
    mask: bool = False
    numerals: bool = False
    fillers: bool = True


@dataclass(frozen=True)
class KnownVoice:
    """A speaker by name. reference: an audio file of any container, 2 to 10 s in which nobody else speaks."""

    name: str
    reference: bytes


@dataclass(frozen=True)
class SpeakerHints:
    """What is known of the speakers of a recording.

    number: how many there are; None: unknown, `least` to `most` then, where these are given. known: some of them.
    """

    number: int | None = None
    least: int | None = None
    most: int | None = None
    known: tuple[KnownVoice, ...] = ()


@dataclass(frozen=True)
class Options:
    """What a caller asks of the core; parsed and cross-checked once, at the edge.

    language: code of `endpoint.languages`, or None to detect it.
    prompt: text the recording continues, or words to expect; its last 223 tokens are used.
    hotwords: words that are likely, put before the prompt.
    temperature: 0 (greedy, then fallback) to 1; one above 0 is used without fallback.
    words: also time every word.
    vad: how speech is detected; the rest is left out. None: everything goes to the model.
    languages: codes to choose from in detection; empty: all that the model knows.
    multilingual: every window keeps its own language; else the file has one.
    condition_on_previous_text: each window is given the text before it, so windows are decoded one by one.
    detect_language: the language is detected although the server has a default.
    incremental: segments are settled as early as possible: the windows so far decide the file's language.
    logprobs: keep how likely each token of the text was.
    audio_track: index of the audio stream, from 0; None: the one a player would play.
    start_ms, end_ms: the part of the recording that is decoded and transcribed; None: to its end. Times of the
        transcript count from the start of the file all the same.
    wording: how the text is changed.
    postprocess: what a language model does with the transcript, each once.
    peaks: how many values the waveform is drawn with; 0: none.
    speakers: every segment and word gets its speaker; None: it is not asked who speaks.
    multichannel: each channel of the recording is transcribed by itself, and is a speaker.
    interim: the text will be replaced soon: the encoder works on the sound and a little silence, not on 30 s.
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
    incremental: bool = False
    start_ms: int = 0
    end_ms: int | None = None
    wording: Wording = Wording()
    postprocess: tuple[Postprocess, ...] = ()
    peaks: int = 0
    speakers: SpeakerHints | None = None
    multichannel: bool = False
    interim: bool = False

    def spoken_in(self, language: str | None) -> Options:
        """The same in `language`, unless these options choose languages themselves."""
        if language is None or self.language or self.languages or self.multilingual or self.detect_language:
            return self
        return replace(self, language=language)

    def known_to(self, languages: tuple[str, ...]) -> Options:
        """The same for a model of these languages: models before large-v3 write Cantonese as Chinese."""
        if not languages or "yue" in languages:
            return self
        among = tuple(dict.fromkeys("zh" if code == "yue" else code for code in self.languages))
        return replace(self, language="zh" if self.language == "yue" else self.language, languages=among)
