"""What is measured of live sessions, for logs and metrics."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from enum import StrEnum

LAST = 1_000  # values that are kept of each lag


class Lag(StrEnum):
    """Seconds from the sound to its text: from the end of a word until it was agreed on; from the end of a turn's sound
    until its final text; from the beginning of speech until the first text.
    """

    WORD = "word"
    FINAL = "final"
    FIRST = "first"


class LiveRecord:
    """Of all sessions of a process.

    open: sessions now. counts: since the start: sessions, turns, failed turns, interim passes, passes that failed.
    lags: the last values of each kind. observers: called with each value.
    """

    def __init__(self) -> None:
        self.open = 0
        self.counts = Counter[str]()
        self.lags: dict[Lag, deque[float]] = {lag: deque(maxlen=LAST) for lag in Lag}
        self.observers = list[Callable[[Lag, float], None]]()

    def observe(self, lag: Lag, seconds: float) -> None:
        self.lags[lag].append(seconds)
        for observer in self.observers:
            observer(lag, seconds)
