"""How many engines there should be, as Kubernetes decides it from KEDA's figure. deploy/kubernetes/scaling.yaml has the
same numbers.

Source: "Horizontal Pod Autoscaling" in Kubernetes' documentation: the algorithm, tolerance, stabilization, policies.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

TOLERANCE = 0.1  # of the ratio of figure and goal, within which nothing changes: Kubernetes' default
RATE_SECONDS = 60.0  # in which `up` and `down` count


@dataclass(frozen=True)
class Rules:
    """threshold: seconds of audio waiting for each engine. least, most: engines. start: seconds until one is ready.

    poll: seconds between looks. settle: seconds for which a lower number must have been wanted. up, down: most engines
    that are added or removed in a minute.
    """

    threshold: float
    least: int = 1
    most: int = 8
    start: float = 180.0
    poll: float = 15.0
    settle: float = 600.0
    up: int = 4
    down: int = 1


class Autoscaler:
    """Look after look, in order of time."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._wanted = deque[tuple[float, int]]()
        self._changes = deque[tuple[float, int]]()

    def decide(self, now: float, queued: float, engines: int) -> int:
        """How many engines there should be. queued: seconds of audio admitted and not done; engines: wanted now."""
        rules = self.rules
        ratio = queued / (rules.threshold * engines)
        wanted = engines if abs(ratio - 1) <= TOLERANCE else math.ceil(queued / rules.threshold)
        wanted = min(max(wanted, rules.least), rules.most)
        self._wanted.append((now, wanted))
        while self._wanted[0][0] < now - rules.settle:
            self._wanted.popleft()
        while self._changes and self._changes[0][0] <= now - RATE_SECONDS:
            self._changes.popleft()
        if wanted < engines:
            wanted = min(engines, max(number for _, number in self._wanted))
        added = sum(change for _, change in self._changes if change > 0)
        removed = -sum(change for _, change in self._changes if change < 0)
        wanted = min(max(wanted, engines - max(0, rules.down - removed)), engines + max(0, rules.up - added))
        if wanted != engines:
            self._changes.append((now, wanted - engines))
        return wanted
