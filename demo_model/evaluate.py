"""Measure the test model on fresh random phrases, through the engine that serves it, and write its model card.

    python -m demo_model.evaluate [--model DIR] [--phrases N] [--bundle]

Phrases are drawn with a seed training never used. Transcripts come from endpoint.engine.client, so what is
measured is what is served; only the word alignment is read from transformers' attentions.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import statistics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import jiwer
import numpy as np

from demo_model.alignment import word_end_errors
from demo_model.card import write_card
from demo_model.speech import SAMPLE_RATE, Speaker, Utterance
from demo_model.vocabulary import (
    LANGUAGES,
    PITCH_PERCENT,
    SPEED_WORDS_PER_MINUTE,
    random_phrase,
    random_voice,
    translate,
)
from endpoint.config import TEST_MODEL, load_settings
from endpoint.options import Options, Task
from endpoint.types import Hypothesis, Samples, Window

SEED = 7_777_777
LONG_SECONDS = (10, 15, 20, 28)
Decode = Callable[[Samples, Options], Awaitable[Hypothesis]]


@dataclass(frozen=True)
class Laid:
    """A window with its reference: segments of (start s, end s, words), and (start s, end s) of every word."""

    samples: Samples
    language: str
    segments: list[tuple[float, float, list[str]]]
    word_spans: list[tuple[float, float]]

    @property
    def words(self) -> list[str]:
        return [word for _, _, words in self.segments for word in words]


class Phrases:
    """Fresh random phrases; never repeats a random state of the training corpus."""

    def __init__(self, seed: int) -> None:
        self.rng, self.speaker = random.Random(seed), Speaker()
        self.noise = np.random.default_rng(seed)

    def say(self, language: str, *, known: bool = True) -> Utterance:
        while True:
            rng = self.rng
            voice = random_voice(rng, language, known=known)
            speed, pitch = rng.randint(*SPEED_WORDS_PER_MINUTE), rng.randint(*PITCH_PERCENT)
            utterance = self.speaker.say(language, random_phrase(rng, language), voice, speed, pitch)
            if utterance is not None:
                return utterance

    def short(self, language: str, *, known: bool = True) -> Laid:
        """One phrase after up to half a second of quiet."""
        return self._lay(language, [(self.rng.uniform(0.05, 0.5), self.say(language, known=known))], None)

    def long(self, language: str, seconds: float) -> Laid:
        """Phrases with pauses of 0.3 to 1.2 s, filling `seconds`."""
        at, placed = self.rng.uniform(0.1, 0.8), list[tuple[float, Utterance]]()
        while True:
            utterance = self.say(language)
            if at + utterance.duration > seconds - 0.1:
                return self._lay(language, placed, seconds)
            placed.append((at, utterance))
            at += utterance.duration + self.rng.uniform(0.3, 1.2)

    def _lay(self, language: str, placed: list[tuple[float, Utterance]], seconds: float | None) -> Laid:
        end = seconds or placed[-1][0] + placed[-1][1].duration + self.rng.uniform(0.1, 0.5)
        sound = self.noise.standard_normal(int(end * SAMPLE_RATE)) * 32768 * 10 ** self.rng.uniform(-5, -3)
        for start, utterance in placed:
            first = int(start * SAMPLE_RATE)
            sound[first : first + len(utterance.samples)] += utterance.samples * self.rng.uniform(0.4, 0.9)
        segments = [(start, start + u.duration, list(u.words)) for start, u in placed]
        spans = [(start + a, start + b) for start, u in placed for a, b in u.spans]
        return Laid(np.clip(sound, -32768, 32767).astype(np.int16), language, segments, spans)

    def nothing(self) -> Samples:
        """Silence or noise, 1 to 28 s."""
        length = int(self.rng.uniform(1, 28) * SAMPLE_RATE)
        level = 0.0 if self.rng.random() < 0.25 else 10 ** self.rng.uniform(-4.5, -1.3)
        white = self.noise.standard_normal(length)
        if self.rng.random() < 0.4:  # brown, as rumble and wind are
            white = np.cumsum(white) - np.linspace(0, white.sum(), length)
            white /= white.std() + 1e-9
        return np.clip(white * level * 32768, -32768, 32767).astype(np.int16)


def error_rate(reference: list[list[str]], recognized: list[str]) -> float:
    return float(jiwer.wer([" ".join(words) for words in reference], [text.strip() for text in recognized]))


async def measure(decode: Decode, count: int, model: Path) -> dict[str, object]:
    phrases, figures = Phrases(SEED), dict[str, object]()

    async def run(laid: list[Laid], options: Options, labelled: bool = False) -> list[Hypothesis]:
        asked = [replace(options, language=item.language) if labelled else options for item in laid]
        return list(await asyncio.gather(*(decode(x.samples, o) for x, o in zip(laid, asked, strict=True))))

    known = {code: [phrases.short(code) for _ in range(count)] for code in LANGUAGES}
    fresh = {code: [phrases.short(code, known=False) for _ in range(count)] for code in LANGUAGES}
    right = total = 0
    no_speech: list[float] = []
    edges: list[float] = []
    for code in LANGUAGES:
        results = await run(known[code], Options())
        right += sum(h.language == code for h in results)
        total += len(results)
        no_speech += [h.no_speech_prob for h in results]
        edges += [error for item, h in zip(known[code], results, strict=True) for error in _edge_errors(item, h)]
        labelled = await run(known[code], Options(), labelled=True)
        unknown = await run(fresh[code], Options(), labelled=True)
        figures[f"wer_{code}"] = error_rate([x.words for x in known[code]], [h.text for h in labelled])
        figures[f"wer_{code}_new_voice"] = error_rate([x.words for x in fresh[code]], [h.text for h in unknown])
        print(
            f"{code}: {figures[f'wer_{code}']:.1%} known voices, {figures[f'wer_{code}_new_voice']:.1%} new", flush=True
        )
    figures["language_right"] = right / total
    figures["speech_below_0.1"] = float(np.mean([p < 0.1 for p in no_speech]))
    figures["edge_error_median_s"] = statistics.median(edges)
    english = {c: await run(known[c], Options(task=Task.TRANSLATE), labelled=True) for c in LANGUAGES[1:]}
    figures["wer_translation"] = error_rate(
        [translate(x.words, c) for c in english for x in known[c]], [h.text for c in english for h in english[c]]
    )
    quiet = await asyncio.gather(*(decode(phrases.nothing(), Options()) for _ in range(count)))
    figures["silence_above_0.6"] = float(np.mean([h.no_speech_prob > 0.6 for h in quiet]))
    for seconds in LONG_SECONDS:
        laid = [phrases.long(LANGUAGES[k % 4], seconds) for k in range(max(8, count // 2))]
        results = await run(laid, Options(), labelled=True)
        figures[f"wer_{seconds}_s"] = error_rate([x.words for x in laid], [h.text for h in results])
        print(f"{seconds} s windows: {figures[f'wer_{seconds}_s']:.1%}", flush=True)
    errors = word_end_errors(model, [phrases.say(LANGUAGES[k % 4]) for k in range(max(20, count // 2))])
    figures["word_end_error_median_s"] = statistics.median(errors)
    return figures


def _edge_errors(laid: Laid, hypothesis: Hypothesis) -> list[float]:
    """|error| in seconds of the phrase's start and end; nothing for one recognized as several segments or none."""
    if len(hypothesis.pieces) != 1 or hypothesis.pieces[0].end_ms is None:
        return []
    (start, end, _), piece = laid.segments[0], hypothesis.pieces[0]
    return [abs(piece.start_ms / 1000 - start), abs((piece.end_ms or 0) / 1000 - end)]


async def run_engine(model: Path, count: int) -> dict[str, object]:
    from endpoint.engine.client import VllmEngine

    engine = VllmEngine(load_settings(model_id=str(model)))
    await engine.start()
    try:
        return await measure(lambda samples, options: engine.decode(Window(0, samples), options), count, model)
    finally:
        await engine.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=TEST_MODEL)
    parser.add_argument("--phrases", type=int, default=200, help="phrases per language")
    parser.add_argument("--bundle", action="store_true", help="take build/demo-model/model into the package first")
    args = parser.parse_args()
    if args.bundle:
        shutil.copytree("build/demo-model/model", TEST_MODEL, dirs_exist_ok=True)
    figures = asyncio.run(run_engine(args.model, args.phrases))
    print(json.dumps(figures, indent=2))
    print(write_card(args.model, figures, args.phrases))


if __name__ == "__main__":
    main()
