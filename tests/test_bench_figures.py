"""The sums, on outcomes whose figures are known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from endpoint.bench.figures import Cost, figures_of, percentiles
from tests.bench_support import outcome, recording

COST = Cost(1.5, 3.0, 200.0)


def test_rates_are_of_what_succeeded() -> None:
    outcomes = [outcome(1.0, at=at) for at in (0.0, 1.0, 2.0)] + [outcome(2.0, at=2.0, failure="status 503")]
    found = figures_of(outcomes, COST, concurrency=1)
    assert (found.requests, found.failures, found.failed) == (4, {"status 503": 1}, 1)
    assert found.wall_seconds == 4.0
    assert found.requests_per_second == found.windows_per_second == 0.75
    assert found.audio_seconds_per_second == 1.5
    assert found.load == "1 at once"
    assert (found.client_cpu_seconds, found.server_cpu_seconds, found.server_peak_mib) == (1.5, 3.0, 200.0)


def test_a_failures_time_is_no_latency() -> None:
    found = figures_of([outcome(1.0), outcome(0.01, failure="status 503")], COST)
    assert found.latency is not None
    assert found.latency.p50 == found.latency.p99 == 1.0


def test_when_nothing_succeeds_there_are_no_latencies() -> None:
    found = figures_of([outcome(1.0, failure="timeout")], COST, rate=0.5)
    assert (found.latency, found.wer, found.requests_per_second) == (None, None, 0.0)
    assert found.load == "0.5 a second"


def test_first_text_and_lateness_count_from_the_time_intended() -> None:
    streamed = replace(outcome(3.0, at=10.0, late=0.25), first=11.0)
    found = figures_of([streamed], COST, rate=1.0)
    assert found.first_delta is not None
    assert found.late is not None
    assert (found.first_delta.p50, found.late.p50) == (1.0, 0.25)


def test_percentiles_lie_between_the_values() -> None:
    found = percentiles([float(k) for k in range(101)])
    assert found is not None
    assert (found.p50, found.p95, found.p99) == (50.0, 95.0, 99.0)
    assert percentiles([]) is None


def test_word_errors_are_of_all_words_of_the_references() -> None:
    silent = replace(outcome(1.0).request, recording=recording(text=None))
    outcomes = [outcome(1.0, text="one two three"), outcome(1.0, text="one"), outcome(1.0, text="x", failure="timeout")]
    unknown = replace(outcome(1.0, text="who knows"), request=silent)
    assert figures_of([*outcomes, unknown], COST).wer == pytest.approx(2 / 6)
    assert figures_of([unknown], COST).wer is None
