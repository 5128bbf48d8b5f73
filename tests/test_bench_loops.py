"""When requests are sent, and that a server that cannot keep up shows in the latency."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

import pytest

from endpoint.bench.client import Outcome
from endpoint.bench.loops import arrivals, closed_loop, open_loop
from endpoint.bench.request import Request
from tests.bench_support import REQUEST


class Slow:
    """A client whose server takes `seconds` for a request, `slots` at a time."""

    def __init__(self, seconds: float, slots: int = 1_000) -> None:
        self.seconds, self.slots = seconds, asyncio.Semaphore(slots)
        self.running = self.most = 0
        self.asked = list[Request]()

    async def ask(self, request: Request, intended: float | None = None) -> Outcome:
        sent = time.perf_counter()
        self.asked.append(request)
        self.running += 1
        self.most = max(self.most, self.running)
        async with self.slots:
            await asyncio.sleep(self.seconds)
        self.running -= 1
        return Outcome(request, sent if intended is None else intended, sent, time.perf_counter())


@pytest.mark.parametrize(("callers", "total", "most"), [(1, 3, 1), (4, 10, 4), (5, 2, 2), (2, 0, 0)])
async def test_callers_send_one_request_each_at_a_time(callers: int, total: int, most: int) -> None:
    client, others = Slow(0.001), [REQUEST, Request(b"other", "x", REQUEST.recording)]
    outcomes = await closed_loop(client, others, callers, total)  # type: ignore[arg-type]
    assert len(outcomes) == total
    assert client.most == most
    assert [request.body for request in client.asked] == [others[k % 2].body for k in range(total)]


def test_arrivals_are_random_reproducible_and_of_the_rate_asked_for() -> None:
    times = arrivals(50, 40, seed=1)
    assert times == sorted(times) == arrivals(50, 40, seed=1)
    assert times != arrivals(50, 40, seed=2)
    assert len(times) == pytest.approx(2_000, rel=0.1)
    assert 0 < times[0] < times[-1] < 40
    gaps = [later - sooner for sooner, later in pairwise(times)]
    assert sum(gap > 1 / 50 for gap in gaps) / len(gaps) == pytest.approx(0.368, abs=0.05)  # 1 / e
    assert len(arrivals(0.001, 0.001, seed=3)) == 1


async def test_an_open_loop_does_not_wait_for_responses() -> None:
    client = Slow(0.05)
    outcomes = await open_loop(client, [REQUEST], [0.0] * 20)  # type: ignore[arg-type]
    assert len(outcomes) == client.most == 20


async def test_what_waits_for_a_slow_server_counts_from_its_time() -> None:
    """One slot of 20 ms and ten requests at once: the last one took ten times as long."""
    outcomes = await open_loop(Slow(0.02, slots=1), [REQUEST], [0.001 * k for k in range(10)])  # type: ignore[arg-type]
    assert max(outcome.latency for outcome in outcomes) >= 10 * 0.02 - 0.009
