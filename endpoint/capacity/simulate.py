"""Recorded traffic on measured engines, event by event.

An engine shares its rate among its windows, up to `slots` of them; others wait in order of arrival. A recording goes to
the engine with the least audio in progress, as a gateway sends it, and is done with its last window.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from endpoint.capacity.autoscale import Autoscaler, Rules
from endpoint.capacity.speed import Speed
from endpoint.capacity.trace import Arrival

SLOTS = 128  # MAX_NUM_SEQS


@dataclass(frozen=True)
class Moment:
    """What there was at a look. at: seconds. queued: seconds of audio not done. engines: that are ready or starting."""

    at: float
    queued: float
    engines: int


@dataclass(frozen=True)
class Simulated:
    """latencies: seconds, by recording as they arrive. seconds: until the last was done. engine_seconds: engines that
    were ready or starting, added up over time. most_windows: at once on one engine. busy: work done, as a share of what
    the engines could have done at their best rate.
    """

    latencies: list[float]
    seconds: float
    engine_seconds: float
    most_windows: int
    busy: float
    moments: list[Moment]


@dataclass(eq=False)
class _Engine:
    """Windows in progress by the work at which they are done: all get the same, counted in `done` of each."""

    speed: Speed
    slots: int
    ready_at: float
    leaving: bool = False
    audio: float = 0.0
    done: float = 0.0
    at: float = 0.0
    running: list[tuple[float, int]] = field(default_factory=list)
    waiting: deque[tuple[float, int]] = field(default_factory=deque)

    def advance(self, now: float) -> None:
        if self.running:
            count = len(self.running)
            self.done += self.speed.rate(count) / count * (now - self.at)
        self.at = now

    def add(self, work: float, number: int) -> None:
        """A window of a recording, now."""
        if len(self.running) < self.slots:
            heapq.heappush(self.running, (self.done + work, number))
        else:
            self.waiting.append((work, number))

    def next_end(self) -> float:
        if not self.running:
            return float("inf")
        count = len(self.running)
        return self.at + max(0.0, self.running[0][0] - self.done) * count / self.speed.rate(count)

    def end_one(self) -> int:
        """The window that is done now; the next one begins."""
        _, number = heapq.heappop(self.running)
        if self.waiting:
            self.add(*self.waiting.popleft())
        return number


class _World:
    def __init__(self, arrivals: Sequence[Arrival], speed: Speed, engines: int, slots: int) -> None:
        self.arrivals, self.speed, self.slots = arrivals, speed, slots
        self.engines = [_Engine(speed, slots, 0.0) for _ in range(engines)]
        self.owners = dict[int, _Engine]()
        self.left = dict[int, int]()  # windows that are not done, by recording
        self.latencies = [0.0] * len(arrivals)
        self.held = deque[int]()  # recordings that came while no engine was ready
        self.queued = self.work = self.engine_seconds = self.now = 0.0
        self.most = 0
        self.moments = list[Moment]()

    def to(self, now: float) -> None:
        self.engine_seconds += len(self.engines) * (now - self.now)
        self.now = now

    def arrive(self, number: int) -> None:
        self.queued += self.arrivals[number].seconds
        self.held.append(number)
        self.send()

    def send(self) -> None:
        """What is held goes to engines that are ready."""
        able = [one for one in self.engines if not one.leaving and one.ready_at <= self.now]
        while self.held and able:
            number, engine = self.held.popleft(), min(able, key=lambda one: one.audio)
            works = self.speed.works(self.arrivals[number].seconds)
            engine.advance(self.now)
            engine.audio += self.arrivals[number].seconds
            self.owners[number], self.left[number] = engine, len(works)
            for work in works:
                engine.add(work, number)
                self.work += work
            self.most = max(self.most, len(engine.running) + len(engine.waiting))

    def end_one(self, engine: _Engine) -> None:
        engine.advance(self.now)
        number = engine.end_one()
        self.left[number] -= 1
        if self.left[number] == 0:
            arrival = self.arrivals[number]
            self.latencies[number] = self.now - arrival.at
            engine.audio -= arrival.seconds
            self.queued -= arrival.seconds
            del self.left[number], self.owners[number]
        if engine.leaving and not engine.running:
            self.engines.remove(engine)

    def look(self, scaler: Autoscaler | None) -> None:
        kept = [one for one in self.engines if not one.leaving]
        self.moments.append(Moment(self.now, max(0.0, self.queued), len(kept)))
        if scaler is None:
            return
        wanted = scaler.decide(self.now, max(0.0, self.queued), len(kept))
        for _ in range(wanted - len(kept)):
            self.engines.append(_Engine(self.speed, self.slots, self.now + scaler.rules.start))
        for engine in kept[wanted:]:
            engine.leaving = True
            if not engine.running:
                self.engines.remove(engine)


def simulate(
    arrivals: Sequence[Arrival],
    speed: Speed,
    engines: int,
    rules: Rules | None = None,
    slots: int = SLOTS,
) -> Simulated:
    """arrivals: sorted, at least one. engines: ready at the start; with `rules` their number changes.

    Moments are noted at the looks of the rules; without them, two hundred in the length of the trace.
    """
    world, scaler = _World(arrivals, speed, engines, slots), Autoscaler(rules) if rules else None
    every = rules.poll if rules else max(arrivals[-1].at / 200, 1e-3)
    coming, look_at = 0, 0.0
    while coming < len(arrivals) or world.left or world.held:
        ends = [(engine.next_end(), k) for k, engine in enumerate(world.engines)]
        end_at, which = min(ends, default=(float("inf"), -1))
        starts = min((one.ready_at for one in world.engines if one.ready_at > world.now), default=float("inf"))
        arrive_at = arrivals[coming].at if coming < len(arrivals) else float("inf")
        world.to(min(end_at, starts, arrive_at, look_at))
        if world.now == end_at:
            world.end_one(world.engines[which])
        elif world.now == arrive_at:
            world.arrive(coming)
            coming += 1
        elif world.now == starts:
            world.send()
        else:
            world.look(scaler)
            look_at += every
    could = world.engine_seconds * speed.best
    return Simulated(world.latencies, world.now, world.engine_seconds, world.most, world.work / could, world.moments)
