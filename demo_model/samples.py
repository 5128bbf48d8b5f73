"""Make the recordings that the demo transcribes: four languages, four containers.

python -m demo_model.samples
"""

from __future__ import annotations

import json

import av
import numpy as np

from demo_model.speech import SAMPLE_RATE, Speaker
from endpoint.config import TEST_MODEL

FOLDER = TEST_MODEL.parent / "samples"
PAUSE = 0.45  # seconds between phrases

# file, codec, language, voice, phrases; no "write", which nobody can tell from "right" by ear
RECORDINGS = (
    (
        "english.wav",
        "pcm_s16le",
        "en",
        "en-us",
        ("hello friend", "open window now", "bring letter monday morning", "milk with sugar", "one two three"),
    ),
    (
        "french.mp3",
        "mp3",
        "fr",
        "fr-fr+f2",
        ("bonjour ami", "ouvre porte maintenant", "écris lettre lundi matin", "apporte fromage avec pomme"),
    ),
    (
        "german.flac",
        "flac",
        "de",
        "de+m3",
        ("hallo freund", "öffne fenster jetzt", "schreibe brief montag morgen", "bringe milch mit zucker"),
    ),
    (
        "spanish.ogg",
        "libopus",
        "es",
        "es",
        ("hola amigo", "abre ventana ahora", "escribe carta lunes mañana", "lleva leche con azúcar"),
    ),
)


def speak(speaker: Speaker, language: str, voice: str, phrases: tuple[str, ...]) -> np.ndarray:
    """int16 [n], 16 kHz: the phrases with pauses around them."""
    quiet = np.zeros(int(PAUSE * SAMPLE_RATE), np.int16)
    parts = [quiet]
    for phrase in phrases:
        utterance = speaker.say(language, phrase.split(), voice, 155, 50)
        assert utterance is not None, phrase
        parts += [(utterance.samples * 0.7).astype(np.int16), quiet]
    return np.concatenate(parts)


def write(name: str, codec: str, samples: np.ndarray) -> None:
    with av.open(str(FOLDER / name), "w") as container:
        stream = container.add_stream(codec, rate=48_000 if codec == "libopus" else SAMPLE_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        resampler = av.AudioResampler(stream.codec_context.format, "mono", stream.rate, stream.frame_size or 1024)
        for part in (*resampler.resample(frame), *resampler.resample(None), None):
            container.mux(stream.encode(part))


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    speaker, texts = Speaker(), {}
    for name, codec, language, voice, phrases in RECORDINGS:
        write(name, codec, speak(speaker, language, voice, phrases))
        texts[name] = {"language": language, "text": " ".join(phrases)}
    (FOLDER / "texts.json").write_text(json.dumps(texts, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
