"""The test model's model card, written from measured figures and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from demo_model.vocabulary import ROWS

_TARGETS: tuple[tuple[str, str, float, bool], ...] = (
    # figure, what it is, limit, whether it must stay below
    ("wer_en", "word error rate, English, known voices", 0.05, True),
    ("wer_fr", "word error rate, French, known voices", 0.05, True),
    ("wer_de", "word error rate, German, known voices", 0.05, True),
    ("wer_es", "word error rate, Spanish, known voices", 0.05, True),
    ("wer_en_new_voice", "word error rate, English, voices not in training", 0.15, True),
    ("wer_fr_new_voice", "word error rate, French, voices not in training", 0.15, True),
    ("wer_de_new_voice", "word error rate, German, voices not in training", 0.15, True),
    ("wer_es_new_voice", "word error rate, Spanish, voices not in training", 0.15, True),
    ("language_right", "language detected right", 0.98, False),
    ("wer_translation", "word error rate, translation to English", 0.10, True),
    ("edge_error_median_s", "median error of segment starts and ends, seconds", 0.10, True),
    ("silence_above_0.6", "silence and noise with no-speech probability above 0.6", 0.95, False),
    ("speech_below_0.1", "speech with no-speech probability below 0.1", 0.95, False),
    ("wer_10_s", "word error rate, 10 s windows of several phrases", 0.08, True),
    ("wer_15_s", "word error rate, 15 s windows", 0.08, True),
    ("wer_20_s", "word error rate, 20 s windows", 0.08, True),
    ("wer_28_s", "word error rate, 28 s windows", 0.08, True),
    ("word_end_error_median_s", "median error of word ends by plain warping, seconds", 0.08, True),
)
_TEXT = """---
language: [en, fr, de, es]
tags: [whisper, automatic-speech-recognition, demo]
---
# A demo Whisper

A real but tiny Whisper (2.5 million parameters, Hugging Face's Whisper format) made by this repository from
synthetic speech, so that the whole path can be tried where no real weights are at hand. It understands
{words} everyday words in each of English, French, German and Spanish, in any order, spoken by espeak-ng's voices, and
nothing else; *write* and *right* sound alike and are distinguished by luck. Real speech needs a real Whisper:
`MODEL_ID=openai/whisper-large-v3-turbo`, or a folder.

Trained by `make demo-model`: espeak-ng speech, {words} words that translate one to one, the 100 language tokens of
large-v3.

## Figures

Printed by `make demo-model-eval` ({phrases} fresh random phrases a language, 1 to 7 words, decoded by the engine
that serves the model, bfloat16 on a CPU):

| figure | measured | wanted | |
|---|---|---|---|
{rows}

The words: {vocabulary}.
"""


def write_card(folder: Path, figures: Mapping[str, object], phrases: int) -> str:
    """Write README.md and figures.json into `folder`; the table is returned."""
    rows = []
    for name, label, limit, below in _TARGETS:
        value = float(str(figures[name]))
        met = value <= limit if below else value >= limit
        share = not name.endswith("_s") or name.startswith("wer")
        show = (lambda v: f"{v:.1%}") if share else (lambda v: f"{v:.3f} s")
        wanted = f"{'at most' if below else 'at least'} {show(limit)}"
        rows.append(f"| {label} | {show(value)} | {wanted} | {'yes' if met else '**no**'} |")
    table = "\n".join(rows)
    vocabulary = ", ".join(row[0] for row in ROWS)
    card = _TEXT.format(words=len(ROWS), phrases=phrases, rows=table, vocabulary=vocabulary)
    (folder / "README.md").write_text(card, encoding="utf-8")
    (folder / "figures.json").write_text(json.dumps(dict(figures), indent=2) + "\n")
    return table
