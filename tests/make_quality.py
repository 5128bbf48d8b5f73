"""Speak the slice of `make quality` that `make test` runs: tests/audio/quality.

python -m tests.make_quality        (needs espeak-ng; the files are committed, so tests do not)
"""

from __future__ import annotations

import json
import tempfile
import wave
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from benchmarks.quality.recordings import record_all
from demo_model.speech import SAMPLE_RATE
from tests.recordings import encode

FOLDER = Path(__file__).parent / "audio" / "quality"


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for item in record_all(Path(folder), small=True):
            with wave.open(str(Path(folder, item.name))) as file:
                sound = np.frombuffer(file.readframes(file.getnframes()), "<i2")[None]
            made = replace(item, name=item.name.replace(" ", "-").replace(".wav", ".ogg"))
            data = encode(sound, "ogg", "libopus", 48_000, from_rate=SAMPLE_RATE, bit_rate=24_000)
            (FOLDER / made.name).write_bytes(data)
            words = [(text, round(start, 3), round(end, 3)) for text, start, end in made.words]
            spans = [(round(start, 3), round(end, 3)) for start, end in made.segments]
            rows.append(asdict(replace(made, words=words, segments=spans, seconds=round(made.seconds, 3))))
    (FOLDER / "recordings.json").write_text(
        "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n"
    )


if __name__ == "__main__":
    main()
