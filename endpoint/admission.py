"""How much work is under way: requests, and seconds of audio. More is refused at the edge; nobody queues here."""

from __future__ import annotations

import math
from collections.abc import Iterator, MutableSequence
from contextlib import contextmanager
from dataclasses import dataclass

from endpoint.errors import Overloaded


@dataclass(frozen=True)
class Load:
    """Of all API processes together, one number of each: requests under way, and their seconds of audio.

    They are shared; each process writes its own only, so that two that look at the same moment can both admit one
    request too many.
    """

    requests: MutableSequence[int]
    seconds: MutableSequence[int]

    @classmethod
    def alone(cls) -> Load:
        """Of a process that serves alone."""
        return cls([0], [0])


class Permit:
    """Admitted work: one request, then its files and their seconds of audio as they become known."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.requests, self.seconds = 1, 0

    def files(self, count: int) -> None:
        """The request brought `count` files: each counts as a request. Raises Overloaded."""
        self._admission.take(requests=count - self.requests)
        self.requests = count

    def add(self, audio_seconds: float) -> None:
        """The request has so many seconds of audio (times passes over them) more. Raises Overloaded."""
        seconds = math.ceil(audio_seconds)
        self._admission.take(seconds=seconds, own=self.seconds)
        self.seconds += seconds


class Admission:
    """Permits for requests under way.

    most_requests: files of one request count each. most_seconds: of audio; a request alone is always admitted.
    load: of all API processes. number: which of them this one is.
    """

    def __init__(self, most_requests: int, most_seconds: int, load: Load, number: int = 0) -> None:
        self._most_requests, self._most_seconds = most_requests, most_seconds
        self._load, self._number = load, number

    @contextmanager
    def permit(self) -> Iterator[Permit]:
        """Hold a permit for one request. Raises Overloaded when there is none."""
        self.take(requests=1)
        permit = Permit(self)
        try:
            yield permit
        finally:
            self._load.requests[self._number] -= permit.requests
            self._load.seconds[self._number] -= permit.seconds

    def take(self, *, requests: int = 0, seconds: int = 0, own: int = 0) -> None:
        """own: seconds that the same request holds already. Raises Overloaded, and takes nothing then."""
        if requests > 0 and sum(self._load.requests) + requests > self._most_requests:
            raise Overloaded(
                f"All {self._most_requests} requests that may be under way are (MAX_CONCURRENT_REQUESTS; files of one "
                "request count each). Try again in a few seconds."
            )
        others = sum(self._load.seconds) - own
        if seconds and others > 0 and others + own + seconds > self._most_seconds:
            raise Overloaded(
                f"{others} s of audio are under way, and {self._most_seconds} s may be (MAX_CONCURRENT_AUDIO_SECONDS). "
                "Try again later."
            )
        self._load.requests[self._number] += requests
        self._load.seconds[self._number] += seconds
