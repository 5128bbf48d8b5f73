"""How fast one engine is, by the number of windows it has at once, from a report of `endpoint bench`.

A closed loop always has the same number of requests in the server, so its throughput is the server's rate at that
number. What such a server does under other traffic follows from these rates alone: it is the flow-equivalent server of
Chandy, Herzog and Woo (1975, "Parametric analysis of queuing networks").
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from endpoint.errors import InvalidRequest
from endpoint.types import WINDOW_SECONDS


@dataclass(frozen=True)
class Speed:
    """points: (windows at once, windows a second), by the first. fixed, per_second: work of a window of average length
    is 1; one of s seconds of audio is fixed + per_second × s. window_audio: seconds of audio of an average window.
    """

    points: tuple[tuple[float, float], ...]
    fixed: float
    per_second: float
    window_audio: float

    def rate(self, windows: float) -> float:
        """Windows a second while there are `windows` at once, more than 0. Beyond what was measured: the last rate."""
        k = bisect_left(self.points, (windows, 0.0))
        if k == len(self.points):
            return self.points[-1][1]
        (low, slow), (high, fast) = self.points[k - 1] if k else (0.0, 0.0), self.points[k]
        return slow + (fast - slow) * (windows - low) / (high - low)

    def works(self, seconds: float) -> list[float]:
        """The work of each window of a recording; windows are as long as each other."""
        count = max(1, math.ceil(seconds / WINDOW_SECONDS))
        return [self.fixed + self.per_second * seconds / count] * count

    @property
    def best(self) -> float:
        """The highest measured rate, in windows a second."""
        return max(rate for _, rate in self.points)

    @property
    def best_audio(self) -> float:
        """Seconds of audio a second, at that rate."""
        return self.best * self.window_audio

    @property
    def most_measured(self) -> float:
        return self.points[-1][0]


def speed_of(report: Mapping[str, Any]) -> Speed:
    """Of a server with one engine. Runs of one concurrency count together. Raises InvalidRequest."""
    try:
        runs = [run for run in report["runs"] if run["concurrency"] is not None and run["requests_per_second"] > 0]
        if not runs:
            raise InvalidRequest("the bench report has no run of callers (--concurrency) that succeeded")
        failed = sum(sum(run["failures"].values()) for run in runs)
        if failed:
            raise InvalidRequest(f"{failed} requests of the bench report failed: its rates are not those of the engine")
        fixed, per_second = _work(runs)
        return Speed(_points(runs), fixed, per_second, _window_audio(runs))
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidRequest(f"this is not a report of `endpoint bench --json` of this version: {error!r}") from error


def _points(runs: Sequence[Mapping[str, Any]]) -> tuple[tuple[float, float], ...]:
    windows, walls = defaultdict[float, float](float), defaultdict[float, float](float)
    for run in runs:
        each = run["windows_per_second"] / run["requests_per_second"]  # windows of a request
        windows[run["concurrency"] * each] += run["windows_per_second"] * run["wall_seconds"]
        walls[run["concurrency"] * each] += run["wall_seconds"]
    return tuple((at, windows[at] / walls[at]) for at in sorted(windows))


def _window_audio(runs: Sequence[Mapping[str, Any]]) -> float:
    audio = sum(run["audio_seconds_per_second"] * run["wall_seconds"] for run in runs)
    return float(audio / sum(run["windows_per_second"] * run["wall_seconds"] for run in runs))


def _work(runs: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """A line through the latencies by the audio of a window, where the fewest were at once; their mean is 1."""
    least = min(run["concurrency"] for run in runs)
    pairs = [
        (seconds / max(1, math.ceil(seconds / WINDOW_SECONDS)), latency)
        for run in runs
        if run["concurrency"] == least
        for seconds, latency in zip(run["audio_seconds"], run["latencies"], strict=True)
    ]
    audio, latency = np.array(pairs).T
    if np.ptp(audio) < 0.1 * audio.mean():
        return 1.0, 0.0
    slope = float(np.cov(audio, latency, bias=True)[0, 1] / np.var(audio))
    slope = min(
        max(slope, 0.0), float(latency.mean() / audio.mean())
    )  # work is neither negative nor grows from nothing
    return float(1 - slope * audio.mean() / latency.mean()), float(slope / latency.mean())
