"""`python -m benchmarks.speakers.calibration`: writes what the export of speaker models is calibrated and checked on.

endpoint/weights/speaker_calibration.npz, out of the recordings of the demo (public domain): log-mel features of pieces
of 2 s, in tenths from -16 on, and a window of 10 s in which two people speak. Over a telephone the features of some
bands are at their floor, and hiss raises others, so two thirds of the pieces are changed that way.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import soxr

from benchmarks.human.clips import HERE
from benchmarks.human.laid import RATE, Sound
from endpoint.speakers.worker.frames import WINDOW
from endpoint.speakers.worker.mel import log_mel
from endpoint.weights import speaker_networks

PIECES, PIECE, APART = 2, 2 * RATE, 4 * RATE  # of each recording
BAND = (300, 3_400)  # Hz, of a telephone
HISS = 0.01
TURNS = (("LJ001-0001", 0.0, 5.0), ("jfk", 4.0, 8.0), ("LJ001-0001", 8.3, 9.6))  # at these seconds of both


def main() -> int:
    sounds = {path.stem: load(path) for path in sorted(HERE.glob("*.flac"))}
    pieces = [sound[at : at + PIECE] for sound in sounds.values() for at in range(0, PIECES * APART, APART)]
    whole = [piece for piece in pieces if len(piece) == PIECE]
    features = np.stack([log_mel(changed(piece, number)) for number, piece in enumerate(whole)])
    tenths = np.clip(np.rint((features - speaker_networks.LOWEST) * 10), 0, 255).astype(np.uint8)
    window = np.zeros(WINDOW, np.float32)
    for name, begin, end in TURNS:
        here = slice(int(begin * RATE), int(end * RATE))
        window[here] += sounds[name][here]
    target = speaker_networks.CALIBRATION
    np.savez_compressed(target, features=tenths, window=as_int16(window))
    print(f"{target}: {len(tenths)} pieces, {target.stat().st_size / 1e3:.0f} kB")
    return 0


def load(path: Path) -> Sound:
    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return soxr.resample(sound.mean(axis=1), rate, RATE)


def changed(piece: Sound, number: int) -> Sound:
    """Every third one as it is, over a telephone, with hiss."""
    if number % 3 == 1:
        spectrum, hertz = np.fft.rfft(piece), np.fft.rfftfreq(len(piece), 1 / RATE)
        spectrum[(hertz < BAND[0]) | (hertz > BAND[1])] = 0
        piece = np.fft.irfft(spectrum, len(piece))
    elif number % 3 == 2:
        piece = piece + HISS * np.random.default_rng(number).standard_normal(len(piece))
    return as_int16(piece).astype(np.float32) / np.float32(32_768)


def as_int16(sound: Sound) -> np.ndarray:
    return np.rint(np.clip(sound, -1, 1) * 32_767).astype(np.int16)


if __name__ == "__main__":
    raise SystemExit(main())
