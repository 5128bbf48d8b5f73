"""Closed loop and open loop: when requests are sent."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from itertools import count

from endpoint.bench.client import Client, Outcome
from endpoint.bench.request import Request


async def closed_loop(client: Client, requests: Sequence[Request], callers: int, total: int) -> list[Outcome]:
    """`callers` at once, each sending its next request after the last response: measures the highest throughput."""
    numbers, outcomes = iter(range(total)), list[Outcome]()

    async def caller() -> None:
        for number in numbers:
            outcomes.append(await client.ask(requests[number % len(requests)]))

    async with asyncio.TaskGroup() as group:
        for _ in range(min(callers, total)):
            group.create_task(caller())
    return outcomes


def arrivals(rate: float, seconds: float, seed: int) -> list[float]:
    """Seconds from the start, of a Poisson process of `rate` a second; at least one."""
    rng, times = random.Random(seed), list[float]()  # noqa: S311 - not a secret
    at = rng.expovariate(rate)
    while at < seconds or not times:
        times.append(at)
        at += rng.expovariate(rate)
    return times


async def open_loop(client: Client, requests: Sequence[Request], times: Sequence[float]) -> list[Outcome]:
    """A request at each of `times`, in seconds from now, whether or not earlier ones have a response.

    Latency counts from these times, so that a server or client that falls behind shows in the latency.
    """
    outcomes, began = list[Outcome](), time.perf_counter()

    async def one(request: Request, intended: float) -> None:
        outcomes.append(await client.ask(request, intended))

    async with asyncio.TaskGroup() as group:
        for number, at in zip(count(), times, strict=False):
            await asyncio.sleep(began + at - time.perf_counter())
            group.create_task(one(requests[number % len(requests)], began + at))
    return outcomes
