"""The figures of a run, from its outcomes."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from endpoint.bench.client import Outcome
from endpoint.bench.words import errors


@dataclass(frozen=True)
class Percentiles:
    """Seconds."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class Figures:
    """One run. Rates and latencies count requests that succeeded: rates per second of wall time, latencies from the
    time a request was due.

    concurrency: callers of a closed loop; rate: requests a second of an open one.
    failures: number of each kind. latency, first_delta, late: None where nothing succeeded, or nothing was streamed.
    late: how much later than due a request was sent. wer: errors per word of the reference, None where that is
    not known. *_cpu_seconds: processor time; None where the server's process is not known.
    """

    concurrency: int | None
    rate: float | None
    requests: int
    failures: dict[str, int]
    wall_seconds: float
    requests_per_second: float
    windows_per_second: float
    audio_seconds_per_second: float
    latency: Percentiles | None
    first_delta: Percentiles | None
    late: Percentiles | None
    wer: float | None
    client_cpu_seconds: float
    server_cpu_seconds: float | None
    server_peak_mib: float | None

    @property
    def failed(self) -> int:
        return sum(self.failures.values())

    @property
    def load(self) -> str:
        """The load, in words."""
        return f"{self.concurrency} at once" if self.rate is None else f"{self.rate:.3g} a second"


@dataclass(frozen=True)
class Cost:
    """Processor seconds of client and server, and the server's memory in MiB, None where its process is not known."""

    client_cpu_seconds: float
    server_cpu_seconds: float | None = None
    server_peak_mib: float | None = None


def percentiles(values: Sequence[float]) -> Percentiles | None:
    """None where there are no values."""
    if not values:
        return None
    cut = statistics.quantiles(values if len(values) > 1 else [*values] * 2, n=100, method="inclusive")
    return Percentiles(cut[49], cut[94], cut[98])


def figures_of(
    outcomes: Sequence[Outcome], cost: Cost, *, concurrency: int | None = None, rate: float | None = None
) -> Figures:
    """Figures of at least one outcome."""
    done = [outcome for outcome in outcomes if not outcome.failure]
    wall = max(outcome.done for outcome in outcomes) - min(outcome.intended for outcome in outcomes)
    return Figures(
        concurrency=concurrency,
        rate=rate,
        requests=len(outcomes),
        failures=dict(Counter(outcome.failure for outcome in outcomes if outcome.failure)),
        wall_seconds=wall,
        requests_per_second=len(done) / wall,
        windows_per_second=sum(outcome.request.recording.windows for outcome in done) / wall,
        audio_seconds_per_second=sum(outcome.request.recording.seconds for outcome in done) / wall,
        latency=percentiles([outcome.latency for outcome in done]),
        first_delta=percentiles([outcome.first - outcome.intended for outcome in done if outcome.first is not None]),
        late=percentiles([outcome.sent - outcome.intended for outcome in outcomes]),
        wer=word_error_rate(done),
        **vars(cost),
    )


def word_error_rate(outcomes: Sequence[Outcome]) -> float | None:
    """Errors per word of the reference, of recordings that have one."""
    pairs = [
        errors(outcome.request.recording.text, outcome.text)
        for outcome in outcomes
        if outcome.request.recording.text is not None
    ]
    words = sum(count for _, count in pairs)
    return sum(wrong for wrong, _ in pairs) / words if words else None
