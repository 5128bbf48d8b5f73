"""Where sound belongs in a file, on the file's own clock, and what of it is missing. Pure.

A player counts from the start of the container, which is that of its earliest track. So sound that begins later gets
silence before it, and a gap in the sound keeps its length.
"""

from __future__ import annotations

from dataclasses import dataclass, field

JITTER = 0.2  # seconds that timestamps may be off: containers round them, and recorders' clocks drift
FIRST_JITTER = 0.02  # the same of the first one, up to which nothing can have drifted
MISSING = 0.5  # seconds of a gap, or at the end, from which sound is missing
LONGEST_GAP = 3_600  # seconds; a greater jump of timestamps is no gap


@dataclass
class Report:
    """What became of a file, filled while it is read. gaps: (begin, end) in seconds that could not be read.

    notices: (code, message).
    """

    gaps: list[tuple[float, float]] = field(default_factory=list)
    notices: list[tuple[str, str]] = field(default_factory=list)


class Clock:
    """The clock of one track: frames in, seconds of silence before each out.

    start: of the container, in seconds; None: that of the first frame. length: of the track's sound in seconds from
    there on, where a header declares it. longest: seconds of a recording that are taken. pauses: the encoder may send
    nothing while there is silence, so that a gap is missing sound only in a file that is `damaged`.
    """

    def __init__(
        self, report: Report, start: float | None, length: float | None, longest: float, pauses: bool = False
    ) -> None:
        self._report, self._start, self._length = report, start, length
        self._longest, self._pauses = longest, pauses
        self.damaged = False
        self.position = 0.0  # seconds of the file up to here
        self._shift: float | None = None  # what timestamps are off by since the last jump
        self._lost = 0.0

    def lose(self, seconds: float) -> None:
        """So much sound is missing before the next frame, whatever its timestamp is."""
        self._lost += seconds

    def before(self, time: float | None, seconds: float) -> float:
        """Seconds of silence that belong before a frame of `seconds` with the timestamp `time`."""
        gap = min(self._lost, self._longest) if self._lost >= MISSING else self._gap(time)
        if self._lost >= MISSING:
            self._note(gap)
            self._shift = None if time is None else self.position + gap - time
        self._lost = 0.0
        self.position += gap + seconds
        return gap

    def _gap(self, time: float | None) -> float:
        if time is None:
            return 0.0
        first = self._shift is None
        if self._shift is None:
            self._shift = -(time if self._start is None else self._start)
        off = time + self._shift - self.position
        if abs(off) < (FIRST_JITTER if first else JITTER):
            return 0.0
        longest = min(LONGEST_GAP, self._longest)
        if 0 < off <= longest and (self._length is None or self.position + off <= self._length + 1):
            if not first and off >= MISSING and (self.damaged or not self._pauses):
                self._note(off)
            return off
        self._shift = self.position - time  # back, or far off: the clock was set anew
        return 0.0

    def _note(self, gap: float) -> None:
        self._report.gaps.append((self.position, self.position + gap))

    def finish(self, estimate: float = 0.0) -> None:
        """The end: what a header declares and was not there is missing. estimate: the length by its bytes."""
        length = max(self._length or 0.0, estimate)
        if length - self.position >= MISSING:
            self._report.gaps.append((self.position, min(length, self._longest)))
