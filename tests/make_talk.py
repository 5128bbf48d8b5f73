"""Speak the phrases that tests lay out into long recordings: tests/audio/talk.ogg and talk.json.

python -m tests.make_talk        (needs espeak-ng; the files are committed, so tests do not)
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np

from demo_model.speech import SAMPLE_RATE, Speaker
from demo_model.vocabulary import WORDS, random_voice
from tests.recordings import encode

FOLDER = Path(__file__).parent / "audio"
PHRASES = 48
GAP = 0.3  # seconds between phrases in the file


def main() -> None:
    rng, speaker = random.Random(20261121), Speaker()
    parts, rows, at = [], [], 0
    while len(rows) < PHRASES:
        words = rng.sample(WORDS["en"], rng.randint(2, 6))
        utterance = speaker.say("en", words, random_voice(rng, "en"), rng.randint(140, 180), rng.randint(35, 65))
        if utterance is None:
            continue
        samples = (utterance.samples * 0.7).astype(np.int16)
        rows.append({"text": " ".join(words), "start": at, "samples": len(samples)})
        parts += [samples, np.zeros(int(GAP * SAMPLE_RATE), np.int16)]
        at += len(parts[-2]) + len(parts[-1])
    sound = np.concatenate(parts)[None]
    (FOLDER / "talk.ogg").write_bytes(encode(sound, "ogg", "libopus", 48_000, from_rate=SAMPLE_RATE, bit_rate=32_000))
    (FOLDER / "talk.json").write_text(json.dumps(rows, indent=0) + "\n")


if __name__ == "__main__":
    main()
