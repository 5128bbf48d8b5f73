"""Speak the small slice of `make quality` for tests: tests/audio/quality.

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
from tests.recordings import encode

FOLDER = Path(__file__).parent / "audio" / "quality"
RATE = 16_000


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    kept = []
    with tempfile.TemporaryDirectory() as folder:
        for item in record_all(Path(folder), small=True):
            with wave.open(str(Path(folder, item.name))) as file:
                sound = np.frombuffer(file.readframes(file.getnframes()), "<i2")[None]
            name = item.name.replace(" ", "-").replace(".wav", ".ogg")
            packed = encode(sound, "ogg", "libopus", 48_000, from_rate=RATE, bit_rate=24_000)
            (FOLDER / name).write_bytes(packed)
            kept.append(asdict(replace(item, name=name)))
    (FOLDER / "recordings.json").write_text(json.dumps(kept, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
