"""Plans the windows of a recording while its sound arrives: feed and flush. No I/O."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from endpoint.audio.spans import find_spans
from endpoint.audio.window import cut, pack, widen
from endpoint.options import Options, VadOptions
from endpoint.types import Audio, Span, Window


class WindowPlanner:
    """Windows of one recording in order, each span of speech once. `speech`: all spans of the recording, after `flush`.

    longest: samples of a window at most.
    """

    def __init__(self, options: Options, longest: int) -> None:
        self._options, self._longest = options, longest
        self._start = 0  # the sample up to which windows were planned
        self.speech: tuple[Span, ...] = ()

    def feed(self, beginning: Audio) -> list[Window]:
        """Windows that no later sound can change. beginning: of the recording, as far as it is known.

        The last span of speech may go on, so it is left for later. None where windows depend on the whole recording.
        """
        options = self._options
        if options.vad is None or options.multilingual or options.condition_on_previous_text:
            return []
        spans = self._rest(find_spans(_speech(beginning), len(beginning.samples), options.vad))
        if len(spans) < 2:
            return []
        windows = self._around(beginning, spans[:-1], high=_middle(spans[-2].end, spans[-1]))
        self._start = spans[-2].end
        return windows

    def flush(self, audio: Audio) -> list[Window]:
        """The rest of the windows. audio: the whole recording.

        Without voice activity detection the windows cover everything; `speech` is still found, for coverage.
        """
        options = self._options
        self.speech = find_spans(_speech(audio), len(audio.samples), options.vad or VadOptions())
        if options.vad is None:
            return cut(audio, self._longest, self.speech)
        return self._around(audio, self._rest(self.speech))

    def _rest(self, spans: tuple[Span, ...]) -> list[Span]:
        return [span for span in spans if span.start >= self._start]

    def _around(self, audio: Audio, spans: list[Span], high: int | None = None) -> list[Window]:
        low = _middle(self._start, spans[0]) if self._start and spans else 0
        return widen(audio, pack(audio, spans, self._longest), self._longest, low, high)


def _speech(audio: Audio) -> npt.NDArray[np.uint8]:
    assert audio.speech is not None
    return audio.speech


def _middle(end: int, following: Span) -> int:
    """The middle of a pause, where the windows on both sides of it meet."""
    return (end + following.start) // 2
