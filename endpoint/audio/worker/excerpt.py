"""The part of a recording that is asked for: samples and times outside of it are left out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from endpoint.audio.worker.level import Part
from endpoint.audio.worker.protocol import Selection
from endpoint.errors import InvalidAudio
from endpoint.types import SAMPLE_RATE, ms_to_samples


class Excerpt:
    """One recording's parts in, those inside out. position: samples of the file that went by, up to the end of the
    part at most.
    """

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._first = ms_to_samples(selection.start_ms)
        self._last = None if selection.end_ms is None else ms_to_samples(selection.end_ms)
        self.position = 0

    def of(self, parts: Iterable[Part | int]) -> Iterator[Part | int]:
        """Samples, or the number of silent ones, of the part; may be empty. Ends with the part, not with `parts`."""
        for part in parts:
            size = part if isinstance(part, int) else len(part)
            begin = max(self._first - self.position, 0)
            end = size if self._last is None else min(size, self._last - self.position)
            self.position += max(end, 0) if end < size else size
            if begin < end:
                yield end - begin if isinstance(part, int) else part[begin:end]
            else:
                yield 0
            if self._last is not None and self.position >= self._last:
                return

    def times(self, spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """What lies inside of spans in milliseconds of the file."""
        start, end = self._selection.start_ms, self._selection.end_ms
        cut = [(max(begin, start), finish if end is None else min(finish, end)) for begin, finish in spans]
        return [(begin, finish) for begin, finish in cut if begin < finish]

    def empty(self) -> InvalidAudio:
        """The error where nothing lies inside."""
        if self.position and self._selection.start_ms:
            seconds = self.position / SAMPLE_RATE
            message = f"start: the recording has only {seconds:.3f} s; begin earlier, or send a longer one"
            return InvalidAudio(message, code="no_audio", param="start")
        return InvalidAudio("The recording holds no sound: its length is zero. Record it again.", code="no_audio")
