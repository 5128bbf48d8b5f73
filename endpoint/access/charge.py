"""What one request is charged: reserved, then corrected to what was made of it, and written to the ledger."""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from endpoint.access.audio_limits import AudioLimit, MinuteOfAudio, MonthOfAudio
from endpoint.access.counters import Counters
from endpoint.access.usage import UsageRow, billed
from endpoint.caller import Caller, Limits
from endpoint.errors import RateLimited

HEADER = "x-ratelimit-"
REQUESTS = "requests"  # of a minute, in the headers


class Meter(Protocol):
    def add(self, row: UsageRow) -> None:
        """Keep it; it is in the ledger soon."""


class Books(Protocol):
    """Where charges are counted and written. hold_seconds: longest that a request takes."""

    @property
    def counters(self) -> Counters: ...

    @property
    def meter(self) -> Meter | None: ...

    @property
    def hold_seconds(self) -> float: ...

    @property
    def clock(self) -> Callable[[], float]: ...


class Charge:
    """limits: those that hold for the caller. headers: OpenAI's, as far as limits were looked at.

    What counts is what was transcribed. A stream that its client leaves counts whole once text was sent.
    """

    def __init__(self, books: Books, caller: Caller, request_id: str, limits: Limits) -> None:
        self._books, self.caller, self.limits = books, caller, limits
        self._name = f"{request_id}.{secrets.token_hex(4)}"  # clients may send the same request id again
        self.model = ""
        self.headers: dict[str, str] = {}
        self._slot = False
        self._task = ""
        self._audio = list[AudioLimit]()
        self._taken: dict[str, list[tuple[str, int]]] = {}  # by name of the limit: keys, and milliseconds counted there
        self._decoded_ms = 0
        self._made_ms = list[int]()  # of each transcript
        self._sent = False  # text of a stream

    async def begin(self, model: str) -> None:
        """Count the request, of a served model; once. Raises RateLimited, QuotaExceeded, StoreUnavailable."""
        if self.model:
            return  # it was begun when the body was still to come
        self.model = model
        base, limits = f"{self.caller.id}/{model}", self.limits
        if limits.audio_seconds_per_month is not None:
            self._audio.append(MonthOfAudio(self._books.counters, base, limits.audio_seconds_per_month))
        if limits.audio_seconds_per_minute is not None:
            self._audio.append(MinuteOfAudio(self._books.counters, base, limits.audio_seconds_per_minute))
        if self.limits.requests_in_flight is not None:
            await settled(self._enter(self.limits.requests_in_flight))
        await self._count(0)  # whether anything is left
        if self.limits.requests_per_minute is not None:
            await self._count_request(self.limits.requests_per_minute)

    async def _enter(self, most: int) -> None:
        slots, seconds = self._books.counters.slots, self._books.hold_seconds
        self._slot = await slots.enter(self._key("flight"), self._name, most, seconds)
        if not self._slot:
            raise RateLimited(f"The caller has {most} requests under way, its limit.", retry_after=1)

    async def _count_request(self, most: int) -> None:
        admitted, left, more_at = await self._books.counters.hit(self._key("requests"), most)
        seconds = more_at - self._books.clock()
        self._show(REQUESTS, most, left, seconds)
        if not admitted:
            raise RateLimited(
                f"The limit of {most} requests a minute is reached.", retry_after=max(1, math.ceil(seconds))
            )

    async def take(self, audio_ms: int) -> None:
        """Reserve the audio of a decoded recording. Raises RateLimited, QuotaExceeded, StoreUnavailable."""
        await settled(self._count(audio_ms))
        self._decoded_ms += audio_ms

    async def _count(self, audio_ms: int) -> None:
        for limit in self._audio:
            now = self._books.clock()
            left_ms, more_at = await limit.take(audio_ms, now)
            self._show(limit.name, limit.limit, left_ms // 1000, more_at - now)
            if audio_ms:
                self._taken.setdefault(limit.name, []).append((limit.key(now), audio_ms))

    @property
    def reserved(self) -> tuple[str, ...]:
        """Where audio was counted."""
        return tuple(key for counted in self._taken.values() for key, _ in counted)

    def hand_over(self) -> None:
        """What was reserved is a job's from now on, and settled with it."""
        self._taken.clear()
        self._audio.clear()

    def begun(self, task: str) -> None:
        """Text of a stream goes to the client."""
        self._sent, self._task = True, task

    def made(self, audio_ms: int, task: str) -> None:
        """One recording is transcribed."""
        self._made_ms.append(audio_ms)
        self._task = task

    async def close(self, *, left: bool = False, failed: bool = False) -> None:
        """The request is over. left: its client has gone. failed: with an error, which costs nothing.

        Raises StoreUnavailable: then what was reserved stays counted; the ledger is right.
        """
        made = [] if failed else self._made_ms
        if left and not made and self._sent:
            made = [self._decoded_ms]
        if made and self._books.meter is not None:
            row = UsageRow(
                self._name, self.caller.id, self.model, self._task, sum(made), billed(made), self._books.clock()
            )
            self._books.meter.add(row)
        try:
            await self._correct(sum(made))
        finally:
            if self._slot:
                await self._books.counters.slots.leave(self._key("flight"), self._name)

    async def _correct(self, kept_ms: int) -> None:
        """Give back what was reserved beyond it, or count what was not reserved."""
        for limit in self._audio:
            counted = self._taken.get(limit.name) or [(limit.key(self._books.clock()), 0)]
            rest = sum(amount for _, amount in counted) - kept_ms
            for key, amount in reversed(counted):
                back = min(rest, amount) if rest > 0 else rest
                if back:
                    await limit.correct(key, -back)
                rest -= back

    def _key(self, kind: str) -> str:
        return f"{self.caller.id}/{self.model}/{kind}"

    def _show(self, name: str, limit: int, left: int, seconds: float) -> None:
        self.headers |= {
            f"{HEADER}limit-{name}": str(limit),
            f"{HEADER}remaining-{name}": str(max(0, left)),
            f"{HEADER}reset-{name}": duration(max(0.0, seconds)),
        }


async def settled(step: Coroutine[Any, Any, None]) -> None:
    """Do it to its end, also where this task is cancelled meanwhile: else nobody knew what was counted."""
    doing = asyncio.ensure_future(step)
    try:
        await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.gather(doing, return_exceptions=True)
        raise


def duration(seconds: float) -> str:
    """As OpenAI writes it: `6m0s`, `1.5s`."""
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{f'{hours:.0f}h' if hours else ''}{f'{minutes:.0f}m' if hours or minutes else ''}{round(rest, 3):g}s"
