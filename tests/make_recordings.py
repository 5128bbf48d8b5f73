"""Make the recordings in tests/audio: `python -m tests.make_recordings`, with espeak-ng installed.

One phrase in every container, so that each decoded file can be compared with the wav, and a second phrase.
"""

import json
from pathlib import Path

import numpy as np

from demo_model.speech import SAMPLE_RATE, Speaker
from tests.recordings import encode

FOLDER = Path(__file__).parent / "audio"
VOICE, SPEED, PITCH = "en-us", 150, 50
SILENCE = SAMPLE_RATE // 10  # samples before and after the phrase
PHRASE = "seven green apple three"
# file -> container, codec, sample rate, bits a second
FORMATS = {
    "seven.wav": ("wav", "pcm_s16le", 16_000, None),
    "seven.flac": ("flac", "flac", 16_000, None),
    "seven.mp3": ("mp3", "libmp3lame", 44_100, 96_000),
    "seven.ogg": ("ogg", "libopus", 48_000, 48_000),
    "seven.webm": ("webm", "libopus", 48_000, 48_000),
    "seven.m4a": ("ipod", "aac", 44_100, 96_000),
    "seven.mp4": ("mp4", "aac", 48_000, 96_000),  # with a video stream, first in the file
}
SECOND = ("house.flac", "three white house")


def main() -> None:
    speaker = Speaker()

    def say(phrase: str) -> np.ndarray:
        utterance = speaker.say("en", phrase.split(), VOICE, SPEED, PITCH)
        if utterance is None:
            raise SystemExit(f"espeak-ng merged words of {phrase!r}")
        return np.pad(utterance.samples, SILENCE)[np.newaxis]

    def write(name: str, samples: np.ndarray, container: str, codec: str, rate: int, bit_rate: int | None) -> None:
        video = name.endswith(".mp4")
        data = encode(samples, container, codec, rate, from_rate=SAMPLE_RATE, bit_rate=bit_rate, video=video)
        (FOLDER / name).write_bytes(data)

    samples = say(PHRASE)
    for name, how in FORMATS.items():
        write(name, samples, *how)
    write(SECOND[0], say(SECOND[1]), "flac", "flac", SAMPLE_RATE, None)
    transcripts = {**dict.fromkeys(FORMATS, PHRASE), SECOND[0]: SECOND[1]}
    (FOLDER / "transcripts.json").write_text(json.dumps(transcripts, indent=2) + "\n")


if __name__ == "__main__":
    main()
