"""Options to the decoder's prompt, and its output to a Hypothesis: token ids, never text. Pure.

The prompt ends at <|startoftranscript|>; language and task are then decoded under the rules
(endpoint/engine/inside/rules.py), so that the first step also gives the probability of each language and of no speech.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from endpoint.engine.tokens import WhisperTokens
from endpoint.errors import InvalidRequest
from endpoint.options import Options, Task
from endpoint.types import Hypothesis, Notice, Piece, TokenScore, Window

MAX_PROMPT_TOKENS = 223  # openai/whisper: n_text_ctx // 2 - 1
MAX_HOTWORD_TOKENS = 111  # half of it
MAX_NEW_TOKENS = 224  # openai/whisper: n_text_ctx // 2, language and task not counted
CONTEXT_TOKENS = 448
ENCODER_TOKENS = 1_500  # frames the encoder gives for a window of 30 s, to which windows are filled up with silence
FRAME_SAMPLES = 320  # samples of a frame
# Windows of interim text are filled up with so many frames of silence at least, to a multiple of STEP_TOKENS.
SILENCE_TOKENS, STEP_TOKENS, LEAST_TOKENS = 300, 250, 750


def encoder_frames(samples: int, interim: bool) -> int:
    """How many frames the encoder gives for a window of so many samples."""
    if not interim:
        return ENCODER_TOKENS
    frames = -(-samples // FRAME_SAMPLES) + SILENCE_TOKENS
    return min(ENCODER_TOKENS, max(LEAST_TOKENS, -(-frames // STEP_TOKENS) * STEP_TOKENS))


def build_prompt(tokens: WhisperTokens, options: Options) -> list[int]:
    """Decoder prompt ids: [<|startofprev|>, hotwords, the end of the prompt,] <|startoftranscript|>.

    Hotwords take up to half of the room, and the prompt the rest.
    """
    hotwords, prompt = _encoded(tokens, options.hotwords), _encoded(tokens, options.prompt)
    hotwords = hotwords[:MAX_HOTWORD_TOKENS]
    text = hotwords + prompt[max(0, len(prompt) - (MAX_PROMPT_TOKENS - len(hotwords))) :]
    return [tokens.prev, *text, tokens.sot] if text else [tokens.sot]


def cut_hints(tokens: WhisperTokens, options: Options) -> list[Notice]:
    """Notices of hotwords and prompts that are too long and are cut."""
    hotwords, prompt = _encoded(tokens, options.hotwords), _encoded(tokens, options.prompt)
    room = MAX_PROMPT_TOKENS - min(len(hotwords), MAX_HOTWORD_TOKENS)
    notices = []
    if len(hotwords) > MAX_HOTWORD_TOKENS:
        message = f"only the first {MAX_HOTWORD_TOKENS} of {len(hotwords)} tokens of the hotwords are used"
        notices.append(Notice("hotwords_cut", message, "hotwords"))
    if len(prompt) > room:
        notices.append(Notice("prompt_cut", f"only the last {room} of {len(prompt)} tokens are used", "prompt"))
    return notices


def _encoded(tokens: WhisperTokens, text: str | None) -> list[int]:
    return tokens.encode(" " + text.strip()) if text and text.strip() else []


def max_new_tokens(tokens: WhisperTokens, prompt: Sequence[int], asked: int | None = None) -> int:
    """How many tokens may follow `prompt`, language and task included; `asked`: at most, without these two."""
    forced = 2 if tokens.multilingual else 0
    most = MAX_NEW_TOKENS if asked is None else min(asked, MAX_NEW_TOKENS)
    return min(most + forced, CONTEXT_TOKENS - len(prompt))


def check_options(tokens: WhisperTokens, options: Options) -> None:
    """Raises InvalidRequest for what this checkpoint cannot do."""
    if tokens.multilingual:
        for name, codes in (("language", (options.language,)), ("languages", options.languages)):
            if unknown := [code for code in codes if code is not None and code not in tokens.languages]:
                raise InvalidRequest(f"this model does not know the language {unknown[0]!r}", param=name)
        return
    if options.language not in (None, "en"):
        raise InvalidRequest("this model understands English only", param="language")
    if options.languages and "en" not in options.languages:
        raise InvalidRequest("this model understands English only", param="languages")
    if options.task is Task.TRANSLATE:
        raise InvalidRequest("this model understands English only and cannot translate", param="task")


@dataclass(frozen=True)
class Generation:
    """What came out of the decoder for one prompt.

    ids: generated token ids, <|endoftext|> included if it came.
    logprobs: natural-log probability of each, under the rules.
    no_speech_prob: 0 to 1. language_probabilities: code -> probability; empty for English-only models.
    """

    ids: Sequence[int]
    logprobs: Sequence[float]
    no_speech_prob: float
    language_probabilities: dict[str, float]
    complete: bool


def read_generation(
    tokens: WhisperTokens, window: Window, options: Options, prompt_size: int, generation: Generation
) -> Hypothesis:
    """The Hypothesis of one window."""
    ids, logprobs = list(generation.ids), list(generation.logprobs)
    language = options.language or "en"
    if tokens.multilingual and ids:
        language = next((code for code, number in tokens.languages.items() if number == ids[0]), language)
        ids, logprobs = ids[2:], logprobs[2:]
    average = math.fsum(logprobs) / len(logprobs) if logprobs else 0.0
    if ids and ids[-1] == tokens.eot:
        ids.pop()
        logprobs.pop()
    return Hypothesis(
        window=window,
        tokens=tuple(ids),
        pieces=tuple(split_pieces(tokens, ids, logprobs if options.logprobs else None)),
        language=language,
        language_probabilities=generation.language_probabilities or {language: 1.0},
        no_speech_prob=generation.no_speech_prob,
        avg_logprob=min(0.0, average),
        temperature=options.temperature,
        complete=generation.complete,
        input_tokens=prompt_size,
        logprobs=tuple(logprobs),
    )


def split_pieces(tokens: WhisperTokens, ids: Sequence[int], logprobs: Sequence[float] | None = None) -> list[Piece]:
    """Text between timestamps. Text after the last timestamp is a piece without an end: nothing is lost.

    logprobs: of each of `ids`, to be kept with the pieces.
    """
    pieces: list[Piece] = []
    start, opened, text, scores = 0, list[int](), list[int](), list[TokenScore]()

    def close(end: int | None, *closing: int) -> None:
        pieces.append(Piece(start, end, (*opened, *text, *closing), tokens.decode(text), tuple(scores)))

    for index, token in enumerate(ids):
        if not tokens.is_time(token):
            if token < tokens.eot:
                text.append(token)
                if logprobs is not None:
                    scores.append(TokenScore(tokens.data(token), min(0.0, logprobs[index])))
            continue
        at = tokens.milliseconds(token)
        if text:
            close(max(at, start), token)
            opened, text, scores = [], [], []
        else:
            opened = [token]
        start = at
    if text:
        close(None)
    return [piece for piece in pieces if piece.text.strip()]
