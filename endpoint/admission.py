"""How much work may be under way: requests, and estimated seconds of audio. What is above is refused, never queued.

Work has an urgency: live sessions before requests before jobs. Work is admitted beside what is as urgent or more so:
less urgent work gives way to it in the engine, so it takes no room from it. Only jobs wait for room.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, MutableSequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from enum import IntEnum

from endpoint.errors import Overloaded

GUESSED_BYTES_PER_SECOND = 128_000 / 8  # of 128 kbit/s, until recordings have shown another rate
LEAST_RATE, MOST_RATE = 500.0, 1_600_000.0  # bytes a second that a recording is believed to have
LEARN = 0.1  # weight of one recording in the rate
MEASURED_SECONDS = 30.0  # over which the work done is measured
SAMPLE_SECONDS = 0.25  # at most so often
UNKNOWN_SECONDS = 5  # to wait where nothing has been measured
MOST_WAIT_SECONDS = 600
POLL_SECONDS = 0.25  # between looks of a job for room


class Urgency(IntEnum):
    """Lower numbers go first."""

    LIVE = 0
    REQUEST = 1
    JOB = 2

    @property
    def label(self) -> str:
        """Of work of this urgency, in metrics and traces."""
        return self.name.lower()


@dataclass(frozen=True)
class Load:
    """Work under way in all API processes of a server: numbers in shared memory, each written by one process only.

    requests, seconds: one for each process and urgency. done: seconds of audio worked off since the start, one for each
    process. Two processes that read at the same moment can both admit a request, and exceed the limit by one.
    """

    requests: MutableSequence[int]
    seconds: MutableSequence[float]
    done: MutableSequence[float]

    @classmethod
    def of(cls, processes: int, integers: Callable[[int], MutableSequence[int]] = lambda size: [0] * size,
           floats: Callable[[int], MutableSequence[float]] = lambda size: [0.0] * size) -> Load:  # fmt: skip
        """integers, floats: make so many zeros; by default in this process."""
        size = processes * len(Urgency)
        return cls(integers(size), floats(size), floats(processes))

    def requests_beside(self, urgency: Urgency) -> int:
        """As urgent, or more so."""
        return sum(sum(self.requests[kind :: len(Urgency)]) for kind in range(urgency + 1))

    def seconds_beside(self, urgency: Urgency) -> float:
        return sum(self.seconds_of(kind) for kind in Urgency if kind <= urgency)

    def seconds_of(self, urgency: Urgency) -> float:
        """Of exactly this urgency."""
        return sum(self.seconds[urgency :: len(Urgency)])


class Speed:
    """Seconds of audio that all processes work off in a second, measured over the last MEASURED_SECONDS."""

    def __init__(self, load: Load, clock: Callable[[], float]) -> None:
        self._load, self._clock = load, clock
        self._samples = deque([(clock(), sum(load.done))])

    def sample(self) -> None:
        now = self._clock()
        if now - self._samples[-1][0] >= SAMPLE_SECONDS:
            self._samples.append((now, sum(self._load.done)))
        while len(self._samples) > 2 and now - self._samples[1][0] >= MEASURED_SECONDS:
            self._samples.popleft()

    def measured(self) -> float:
        """0 where nothing was worked off."""
        self.sample()
        (began, before), now = self._samples[0], self._clock()
        return (sum(self._load.done) - before) / (now - began) if now > began else 0.0


class Permit:
    """Admitted work: one request at first; then its files and their seconds of audio, as they become known."""

    def __init__(self, admission: Admission, urgency: Urgency, seconds: float, size: int = 0) -> None:
        self._admission, self._urgency = admission, urgency
        self.requests, self.seconds = 1, seconds  # that it holds
        self._expected, self._bytes = seconds, size
        self._decoded = list[tuple[float, float]]()  # of each file: its seconds, and those of all passes over them

    def expect(self, size: int) -> None:
        """Guess the seconds of files of so many bytes together. Raises Overloaded."""
        self._expected, self._bytes = self._admission.guess(size), size
        self._hold(self._expected)

    def files(self, count: int) -> None:
        """Count each of the request's `count` files as a request. Raises Overloaded."""
        self._admission.take(self._urgency, requests=count - self.requests, own=(self.requests, self.seconds))
        self.requests = count

    def add(self, audio_seconds: float, passes: int = 1) -> None:
        """A file is decoded. Once all are, their seconds take the place of the guess. Raises Overloaded."""
        decoded = [*self._decoded, (audio_seconds, audio_seconds * passes)]
        work = sum(seconds for _, seconds in decoded)
        self._hold(work if len(decoded) >= self.requests else max(work, self._expected))
        self._decoded = decoded

    def _hold(self, seconds: float) -> None:
        """A job goes on whatever its length was found to be: it has waited for its turn."""
        more = seconds - self.seconds
        if self._urgency is Urgency.JOB:
            self._admission.count(self._urgency, 0, more)
        else:
            self._admission.take(self._urgency, seconds=more, own=(self.requests, self.seconds))
        self.seconds = seconds

    def give_back(self) -> None:
        """The work is over, done or not."""
        self._admission.count(self._urgency, -self.requests, -self.seconds)
        self._admission.done(sum(work for _, work in self._decoded))
        if self._bytes and len(self._decoded) >= self.requests:
            self._admission.learn(self._bytes, sum(seconds for seconds, _ in self._decoded))


class Admission:
    """Permits for work under way.

    most_requests: each file of a request counts. most_seconds: of audio; a single request is admitted whatever its
    length. load: of all API processes. number: the index of this process.
    """

    def __init__(
        self, most_requests: int, most_seconds: int, load: Load, number: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._most_requests, self._most_seconds = most_requests, most_seconds
        self._load, self._number = load, number
        self.speed = Speed(load, clock)
        self._rate = GUESSED_BYTES_PER_SECOND

    @contextmanager
    def permit(
        self, urgency: Urgency = Urgency.REQUEST, size: int = 0, seconds: float | None = None
    ) -> Iterator[Permit]:
        """Hold a permit for one request. size: bytes of its body, 0 if unknown. seconds: of audio that it holds at any
        time, if that is known. Raises Overloaded: there is no room.
        """
        seconds = self.guess(size) if seconds is None else seconds
        self.take(urgency, requests=1, seconds=seconds)
        permit = Permit(self, urgency, seconds, size)
        try:
            yield permit
        finally:
            permit.give_back()

    @asynccontextmanager
    async def room(self, audio_seconds: float) -> AsyncIterator[Permit]:
        """Hold a permit for a job, as soon as there is room for so many seconds."""
        while not self._has_room(audio_seconds):  # noqa: ASYNC110 - other processes make room, too
            await asyncio.sleep(POLL_SECONDS)
        permit = Permit(self, Urgency.JOB, audio_seconds)
        try:
            yield permit
        finally:
            permit.give_back()

    def _has_room(self, audio_seconds: float) -> bool:
        try:
            self.take(Urgency.JOB, requests=1, seconds=audio_seconds)
        except Overloaded:
            return False
        return True

    def guess(self, size: int) -> float:
        """Seconds of audio in so many bytes, at the rate that recordings had lately."""
        return size / self._rate

    def learn(self, size: int, audio_seconds: float) -> None:
        if audio_seconds > 0:
            rate = min(MOST_RATE, max(LEAST_RATE, size / audio_seconds))
            self._rate += LEARN * (rate - self._rate)

    def take(
        self, urgency: Urgency, *, requests: int = 0, seconds: float = 0.0, own: tuple[int, float] = (0, 0.0)
    ) -> None:
        """Take requests or seconds, or raise Overloaded and take nothing. own: what the request holds of them already.

        A request that nothing else is beside is always admitted: no later attempt would find more room.
        """
        self.speed.sample()
        here, work = self._load.requests_beside(urgency), self._load.seconds_beside(urgency)
        if requests > 0 and here > own[0] and here + requests > self._most_requests:
            raise Overloaded(
                f"The server is at its limit of {self._most_requests} requests (MAX_CONCURRENT_REQUESTS; each file of "
                "a request counts).",
                retry_after=self._wait(work / here),
            )
        over = work + seconds - self._most_seconds
        if seconds > 0 and over > 0 and round(work - own[1]) > 0:
            raise Overloaded(
                f"{work - own[1]:.0f} s of audio are under way, and the limit is {self._most_seconds} s "
                "(MAX_CONCURRENT_AUDIO_SECONDS).",
                retry_after=self._wait(over),
            )
        self.count(urgency, requests, seconds)

    def count(self, urgency: Urgency, requests: int, seconds: float) -> None:
        """Take or give back, without a question."""
        here = self._number * len(Urgency) + urgency
        self._load.requests[here] += requests
        self._load.seconds[here] += seconds
        if self._load.requests[here] == 0:
            self._load.seconds[here] = 0.0  # what rounding left

    def done(self, audio_seconds: float) -> None:
        """So much was worked off."""
        self._load.done[self._number] += audio_seconds
        self.speed.sample()

    def _wait(self, seconds: float) -> int:
        """Whole seconds until so much audio is worked off, at the measured speed."""
        speed = self.speed.measured()
        return min(MOST_WAIT_SECONDS, max(1, math.ceil(seconds / speed))) if speed > 0 else UNKNOWN_SECONDS
