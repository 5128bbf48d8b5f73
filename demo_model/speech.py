"""Speech with known word times, from espeak-ng's library.

The library reports where each word begins in the samples it makes: exact times for training
and for measuring alignment. One process may hold one voice at a time, so callers use processes.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
import soxr

SAMPLE_RATE = 16_000
_RATE, _PITCH = 1, 3  # espeak_PARAMETER
_WORD, _END = 1, 0  # espeak_EVENT_TYPE
_SYNCHRONOUS, _UTF8, _BY_CHARACTER = 2, 1, 1
_AUDIBLE = 0.01  # of full scale; what is quieter at either end is trimmed


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


@dataclass(frozen=True)
class Utterance:
    """One spoken phrase.

    samples: int16 [n], 16 kHz, trimmed to what is audible.
    starts: seconds, one per word, rising; a word ends where the next starts.
    """

    language: str
    words: tuple[str, ...]
    samples: np.ndarray
    starts: tuple[float, ...]

    @property
    def duration(self) -> float:
        return len(self.samples) / SAMPLE_RATE

    @property
    def spans(self) -> list[tuple[float, float]]:
        """(start, end) in seconds of each word."""
        return list(zip(self.starts, (*self.starts[1:], self.duration), strict=True))


class Speaker:
    """espeak-ng's library, loaded once a process. Raises OSError when it is not installed."""

    def __init__(self) -> None:
        self._lib = ctypes.CDLL("libespeak-ng.so.1")
        self._rate = self._lib.espeak_Initialize(_SYNCHRONOUS, 0, None, 0)
        if self._rate <= 0:
            raise OSError("espeak-ng did not start; reinstall it (apt-get install espeak-ng)")
        self._pcm: list[np.ndarray] = []
        self._starts: list[float] = []
        self._last = self._length = 0  # text position of the last word reported; characters of the text
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
        self._callback = kind(self._collect)  # kept, or the library calls freed memory
        self._lib.espeak_SetSynthCallback(self._callback)

    def _collect(self, wav, count, events) -> int:  # type: ignore[no-untyped-def]
        if count and wav:
            self._pcm.append(np.ctypeslib.as_array(wav, (count,)).copy())
        k = 0
        while events[k].type != _END:
            # The library sometimes reports a word of an earlier text once more at the end.
            if events[k].type == _WORD and self._last < events[k].text_position <= self._length:
                self._last = events[k].text_position
                self._starts.append(events[k].audio_position / 1000)
            k += 1
        return 0

    def say(self, language: str, words: list[str], voice: str, speed: int, pitch: int) -> Utterance | None:
        """Speak `words`; None if espeak-ng merged words, so that their times are unknown."""
        self._pcm, self._starts, self._last = [], [], 0
        self._length = len(" ".join(words))
        self._lib.espeak_SetVoiceByName(voice.encode())
        self._lib.espeak_SetParameter(_RATE, speed, 0)
        self._lib.espeak_SetParameter(_PITCH, pitch, 0)
        text = " ".join(words).encode()
        self._lib.espeak_Synth(text, len(text) + 1, 0, _BY_CHARACTER, 0, _UTF8, None, None)
        self._lib.espeak_Synchronize()
        if len(self._starts) != len(words) or not self._pcm:
            return None
        wave = soxr.resample(np.concatenate(self._pcm).astype(np.float32) / 32768, self._rate, SAMPLE_RATE)
        loud = np.flatnonzero(np.abs(wave) > _AUDIBLE)
        if not len(loud):
            return None
        first, last = max(0, loud[0] - 160), min(len(wave), loud[-1] + 320)
        wave = wave[first:last]
        starts = tuple(max(0.0, start - first / SAMPLE_RATE) for start in self._starts)
        if any(b <= a for a, b in zip(starts, (*starts[1:], len(wave) / SAMPLE_RATE), strict=True)):
            return None
        samples = np.clip(wave * 32767, -32768, 32767).astype(np.int16)
        return Utterance(language, tuple(words), samples, starts)
