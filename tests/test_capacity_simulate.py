"""The simulation against what is known: one recording, two at once, Poisson arrivals at a single server."""

from __future__ import annotations

import statistics

import pytest

from endpoint.bench.loops import arrivals as poisson
from endpoint.capacity.autoscale import Rules
from endpoint.capacity.simulate import simulate
from endpoint.capacity.speed import Speed
from endpoint.capacity.trace import Arrival
from tests.capacity_support import steady


def test_one_recording_alone() -> None:
    found = simulate([Arrival(0, 10)], steady(2.0), 1)
    assert found.latencies == [0.5]
    assert found.seconds == found.engine_seconds == 0.5
    assert found.busy == 1


def test_two_at_once_share_an_engine_and_have_one_each_of_two() -> None:
    both = [Arrival(0, 10), Arrival(0, 10)]
    assert simulate(both, steady(2.0), 1).latencies == [1, 1]
    assert simulate(both, steady(2.0), 2).latencies == [0.5, 0.5]


def test_who_comes_later_slows_who_is_there() -> None:
    """Half of the first is done when the second comes; then both have half the rate."""
    assert simulate([Arrival(0, 10), Arrival(0.25, 10)], steady(2.0), 1).latencies == pytest.approx([0.75, 0.75])


def test_a_batch_costs_what_was_measured() -> None:
    speed = Speed(((1.0, 2.0), (4.0, 8.0)), 1.0, 0.0, 10.0)
    assert simulate([Arrival(0, 10)] * 4, speed, 1).latencies == pytest.approx([0.5] * 4)
    assert simulate([Arrival(0, 10)] * 8, speed, 1).latencies == pytest.approx([1.0] * 8)


def test_beyond_its_slots_windows_wait_in_turn() -> None:
    speed = Speed(((1.0, 2.0), (4.0, 8.0)), 1.0, 0.0, 10.0)
    found = simulate([Arrival(0, 10)] * 8, speed, 1, slots=4)
    assert found.latencies == pytest.approx([0.5] * 4 + [1.0] * 4)
    assert found.most_windows == 8


def test_a_long_recording_is_done_with_its_last_window() -> None:
    assert simulate([Arrival(0, 90)], steady(2.0), 1).latencies == pytest.approx([1.5])


def test_the_engine_with_the_least_audio_gets_the_work() -> None:
    found = simulate([Arrival(0, 29), Arrival(0, 5), Arrival(0, 5)], steady(2.0), 2)
    assert found.latencies == pytest.approx([0.5, 1, 1])


def test_random_arrivals_at_one_server() -> None:
    """A single server of rate m that is shared, arrivals at random with rate a, work that is the same for all: the mean
    latency is 1 / (m - a), as for every distribution of work (Kleinrock, 1976, processor sharing).
    """
    times = poisson(1.4, 20_000, seed=5)
    found = simulate([Arrival(at, 10) for at in times], steady(2.0), 1)
    assert statistics.fmean(found.latencies) == pytest.approx(1 / 0.6, rel=0.1)
    assert found.busy == pytest.approx(0.7, rel=0.05)


def test_nothing_is_lost_while_engines_come_and_go() -> None:
    quiet, rush = poisson(0.5, 2_000, seed=1), [2_000 + at for at in poisson(9, 600, seed=2)]
    calm = [2_600 + at for at in poisson(0.2, 4_000, seed=3)]
    trace = [Arrival(at, 10) for at in [*quiet, *rush, *calm]]
    rules = Rules(threshold=100, least=1, most=6, start=60)
    found = simulate(trace, steady(2.0), 1, rules)
    assert len(found.latencies) == len(trace)
    assert min(found.latencies) >= 0.5 - 1e-9
    numbers = [moment.engines for moment in found.moments]
    assert max(numbers) == 6
    assert numbers[-1] == 1
    assert found.moments[-1].queued < 100
    assert found.engine_seconds < 6 * found.seconds
    alone = simulate(trace, steady(2.0), 1)
    assert sum(found.latencies) < sum(alone.latencies)


def test_engines_that_start_take_nothing_before_they_are_ready() -> None:
    rules = Rules(threshold=1, least=1, most=2, start=1_000, poll=1)
    found = simulate([Arrival(0, 10)] * 4, steady(2.0), 1, rules)
    assert found.latencies == pytest.approx([2.0] * 4)
