"""What everybody is given: the same recordings, of the same seed."""

from __future__ import annotations

from dataclasses import dataclass

from endpoint.bench.recordings import WORKLOADS, Recording, Workload, make

CONCURRENCY = 16


@dataclass(frozen=True)
class Case:
    """language: whether callers say it. rate: requests a second of an open loop, None for CONCURRENCY callers."""

    workload: str
    language: bool
    rate: float | None = None

    @property
    def name(self) -> str:
        said = "language given" if self.language else "no language"
        return f"{self.workload}, {said}{', paced' if self.rate else ''}"


@dataclass(frozen=True)
class Size:
    """How many requests of each workload a closed loop sends, and for how many seconds an open one does."""

    requests: dict[str, int]
    seconds: dict[str, float]


FULL = Size({"packed": 64, "long": 16}, {"packed": 45, "long": 120})
SMALL = Size({"packed": 32, "long": 4}, {"packed": 15, "long": 15})


def sent(workload: str, size: Size) -> list[Recording]:
    """The recordings that a closed loop of `endpoint bench` sends."""
    full = WORKLOADS[workload]
    count = size.requests[workload]
    made = make(Workload(workload, full.seconds, min(count, full.count)))
    return [made[k % len(made)] for k in range(count)]
