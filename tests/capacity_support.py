"""Reports of `endpoint bench` as they would be of an engine that is known."""

from __future__ import annotations

from typing import Any

from endpoint.capacity.speed import Speed


def a_run(concurrency: int, rate: float, seconds: float = 10.0, latencies: list[float] | None = None) -> dict[str, Any]:
    """One run of callers, of recordings of one window each. rate: of windows a second."""
    return {
        "concurrency": concurrency,
        "failures": {},
        "wall_seconds": 20.0,
        "requests_per_second": rate,
        "windows_per_second": rate,
        "audio_seconds_per_second": rate * seconds,
        "latencies": latencies or [concurrency / rate] * 4,
        "audio_seconds": [seconds] * len(latencies or range(4)),
    }


def steady(rate: float = 2.0) -> Speed:
    """One window at once is as fast as many: `rate` windows a second."""
    return Speed(((1.0, rate),), 1.0, 0.0, 10.0)
