"""Limits on the work under way: requests, and seconds of audio. Work above a limit is refused, never queued."""

from __future__ import annotations

import math
from collections.abc import Iterator, MutableSequence
from contextlib import contextmanager
from dataclasses import dataclass

from endpoint.errors import Overloaded


@dataclass(frozen=True)
class Load:
    """Requests under way and their seconds of audio: one number for each API process, in shared memory.

    Each process writes its own number only. Two processes that read at the same moment can therefore both admit a
    request, and exceed the limit by one.
    """

    requests: MutableSequence[int]
    seconds: MutableSequence[int]

    @classmethod
    def alone(cls) -> Load:
        """The load of a server with one API process."""
        return cls([0], [0])


class Permit:
    """Admitted work: one request at first; then its files and their seconds of audio, as they become known."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.requests, self.seconds = 1, 0

    def files(self, count: int) -> None:
        """Count each of the request's `count` files as a request. Raises Overloaded."""
        self._admission.take(requests=count - self.requests, own=self.requests)
        self.requests = count

    def add(self, audio_seconds: float) -> None:
        """Add seconds of audio to the request, multiplied by the passes over them. Raises Overloaded."""
        seconds = math.ceil(audio_seconds)
        self._admission.take(seconds=seconds, own=self.seconds)
        self.seconds += seconds


class Admission:
    """Permits for requests under way.

    most_requests: each file of a request counts. most_seconds: of audio; a single request is admitted whatever its
    length. load: of all API processes. number: the index of this process.
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
        """Take requests or seconds, or raise Overloaded and take nothing. own: what the request holds of them already.

        A request that nothing else is beside is always admitted: no later attempt would find more room.
        """
        beside = sum(self._load.requests) - own
        if requests > 0 and beside > 0 and beside + own + requests > self._most_requests:
            raise Overloaded(
                f"The server is at its limit of {self._most_requests} requests (MAX_CONCURRENT_REQUESTS; each file of "
                "a request counts). Try again in a few seconds."
            )
        others = sum(self._load.seconds) - own
        if seconds and others > 0 and others + own + seconds > self._most_seconds:
            raise Overloaded(
                f"{others} s of audio are under way, and the limit is {self._most_seconds} s "
                "(MAX_CONCURRENT_AUDIO_SECONDS). Try again later."
            )
        self._load.requests[self._number] += requests
        self._load.seconds[self._number] += seconds
