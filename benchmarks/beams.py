"""make beams: beam search beside openai/whisper's, token for token, on the same float32 weights and human recordings.

    --count 100      windows, of LJ Speech and of prompts in five languages
    --beams 5        beam_size
    --model test     the test model on its own recordings; else whisper-base
    --patience 1 --length-penalty none

Each window is decoded by both at temperature 0, the language named, under the same prompt and rules. Prints each window
that differs with the score of both texts, by openai/whisper's measure. Exit status 1 under 98 of 100.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks import openai_file
from benchmarks.human.clips import PROMPTS, prompts, shipped
from benchmarks.human.laid import load
from endpoint.bench.recordings import WORKLOADS, make
from endpoint.config import TEST_MODEL, load_settings
from endpoint.engine.tokens import WhisperTokens
from endpoint.options import Options, Sampling
from endpoint.types import PCM_FULL_SCALE, Hypothesis, Samples, Window
from endpoint.weights.find import find_checkpoint
from endpoint.weights.packages import fetch_base

FOLDER, ENOUGH = Path("build/beams"), 0.98


@dataclass(frozen=True)
class Sound:
    name: str
    language: str
    samples: Samples


def human(count: int) -> list[Sound]:
    clips = [*shipped(), *(clip for language in PROMPTS for clip in prompts(language, Path("build/human/prompts"), 40))]
    step = max(1, len(clips) // count)
    return [Sound(clip.name, clip.language, _integers(load(clip.path))) for clip in clips[::step][:count]]


def _integers(sound: np.ndarray) -> Samples:
    return np.clip(np.rint(sound * PCM_FULL_SCALE), -PCM_FULL_SCALE, PCM_FULL_SCALE - 1).astype(np.int16)


def of_the_test_model(count: int) -> list[Sound]:
    made = make(replace(WORKLOADS["short"], count=count), ["en", "de", "fr", "es"])
    return [Sound(f"{k}", recording.language, recording.samples) for k, recording in enumerate(made)]


async def ours(folder: Path, sounds: Sequence[Sound], sampling: Sampling) -> list[Hypothesis]:
    from endpoint.engine.client import VllmEngine

    engine = VllmEngine(load_settings(model_id=str(folder), dtype="float32", log_level="error"))
    await engine.start()
    try:
        return await asyncio.gather(
            *(
                engine.decode(Window(0, sound.samples), Options(language=sound.language, sampling=sampling))
                for sound in sounds
            )
        )
    finally:
        await engine.close()


def theirs(file: Path, tokens: WhisperTokens, sounds: Sequence[Sound], sampling: Sampling) -> list[Any]:
    import whisper

    whisper.decoding.get_tokenizer = lambda *_, language, task, **__: as_theirs(tokens, language)
    model = whisper.load_model(str(file), device="cpu")
    found = []
    for sound in sounds:
        mel = whisper.log_mel_spectrogram(
            whisper.pad_or_trim(sound.samples.astype(np.float32) / PCM_FULL_SCALE), model.dims.n_mels
        )
        options = whisper.DecodingOptions(
            language=sound.language,
            beam_size=sampling.beam_size,
            patience=sampling.patience,
            length_penalty=sampling.length_penalty,
            fp16=False,
        )
        found.append(whisper.decode(model, mel, options))
    return found


def as_theirs(tokens: WhisperTokens, language: str) -> SimpleNamespace:
    """A checkpoint's tokens as openai/whisper's tokenizer has them: the test model's vocabulary is its own."""
    start = (tokens.sot, tokens.languages[language], tokens.transcribe)
    special = (tokens.transcribe, tokens.translate, tokens.sot, tokens.prev, tokens.slot, tokens.no_speech)
    return SimpleNamespace(
        sot=tokens.sot,
        eot=tokens.eot,
        sot_prev=tokens.prev,
        sot_lm=tokens.slot,
        no_speech=tokens.no_speech,
        no_timestamps=tokens.no_timestamps,
        timestamp_begin=tokens.first_time,
        transcribe=tokens.transcribe,
        translate=tokens.translate,
        sot_sequence=start,
        sot_sequence_including_notimestamps=(*start, tokens.no_timestamps),
        non_speech_tokens=tuple(number for number in tokens.suppressed if number not in special),
        language=language,
        encode=lambda text: list(tokens.suppressed_first[:-1]) if text == " " else tokens.encode(text),
        decode=tokens.decode,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--beams", type=int, default=5)
    parser.add_argument("--model", choices=("test", "base"), default="base")
    parser.add_argument("--patience", type=float, default=None)
    parser.add_argument("--length-penalty", type=float, default=None)
    args = parser.parse_args()
    sampling = Sampling(beam_size=args.beams, patience=args.patience, length_penalty=args.length_penalty)
    FOLDER.mkdir(parents=True, exist_ok=True)
    if args.model == "test":
        folder, sounds = TEST_MODEL, of_the_test_model(args.count)
    else:
        cache = load_settings().model_folder
        folder, sounds = find_checkpoint(str(fetch_base(cache)), cache), human(args.count)
    file = openai_file.write(folder, FOLDER / f"{args.model}.pt")
    recognized = asyncio.run(ours(folder, sounds, sampling))
    expected = theirs(file, WhisperTokens.load(folder), sounds, sampling)
    same = 0
    for sound, our, their in zip(sounds, recognized, expected, strict=True):
        if list(our.tokens) == list(their.tokens):
            same += 1
            continue
        print(f"{sound.name}: ours {our.avg_logprob:.4f} {our.text!r}; theirs {their.avg_logprob:.4f} {their.text!r}")
    print(f"beam of {args.beams}, {args.model}: {same} of {len(sounds)} windows token for token as openai/whisper's")
    return 0 if same >= math.floor(ENOUGH * len(sounds)) else 1


if __name__ == "__main__":
    sys.exit(main())
