"""Speak the phrases that `endpoint bench` builds its recordings from: endpoint/bench/phrases.ogg and phrases.json.

python -m demo_model.phrases        (needs espeak-ng; the files are committed)
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from demo_model.evaluate import Phrases
from demo_model.speech import SAMPLE_RATE
from demo_model.vocabulary import LANGUAGES
from endpoint.bench.containers import encode

FOLDER = Path(__file__).parents[1] / "endpoint" / "bench"
SEED = 27_182
COUNT = 40  # of every language
GAP = SAMPLE_RATE // 10  # of silence between two, so that neighbours do not leak into each other


def main() -> None:
    phrases, at = Phrases(SEED), GAP
    sounds, rows = [np.zeros(GAP, np.int16)], []
    for language in LANGUAGES:
        spoken = 0
        while spoken < COUNT:
            phrase = phrases.say(language)
            if len(phrase.words) < 2 or "write" in phrase.words:  # which sounds like "right"
                continue
            sounds += [phrase.samples, np.zeros(GAP, np.int16)]
            end = at + len(phrase.samples)
            rows.append({"language": language, "text": " ".join(phrase.words), "start": at, "end": end})
            at, spoken = end + GAP, spoken + 1
    (FOLDER / "phrases.ogg").write_bytes(encode(np.concatenate(sounds), "opus"))
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (FOLDER / "phrases.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
