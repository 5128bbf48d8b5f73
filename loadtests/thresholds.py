"""Limits that a run must keep; else it fails."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """One kind of request: latencies in seconds."""

    name: str
    requests: int
    failures: int
    p95: float


@dataclass(frozen=True)
class Thresholds:
    """failures: most, as a share of all requests. p95: most, in seconds, of every kind but health checks.

    growth: most memory gained from the first third of the run to the end, as a share.
    """

    failures: float = 0.0
    p95: float = 30.0
    health_p95: float = 0.5
    growth: float = 0.25


HEALTH = "health"


def broken(kinds: Iterable[Measured], limits: Thresholds, growth: float | None = None) -> list[str]:
    """A line for each threshold that was not kept. growth: of the server's memory, None where it is not known."""
    kinds, lines = list(kinds), list[str]()
    requests, failures = sum(kind.requests for kind in kinds), sum(kind.failures for kind in kinds)
    if not requests:
        lines.append("no request got a response")
    elif failures > limits.failures * requests:
        lines.append(f"{failures} of {requests} requests failed; at most {limits.failures:.1%} may")
    for kind in kinds:
        most = limits.health_p95 if kind.name == HEALTH else limits.p95
        if kind.requests and kind.p95 > most:
            lines.append(f"{kind.name}: p95 {kind.p95:.2f} s; at most {most:g} s")
    if growth is not None and growth > limits.growth:
        lines.append(f"the server's memory grew by {growth:.0%}; at most {limits.growth:.0%}")
    return lines
