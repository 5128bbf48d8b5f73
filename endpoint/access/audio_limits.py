"""Seconds of audio of one caller and model: in a minute, and in a month of the calendar (UTC).

A minute is made up of spans of SPAN_SECONDS: from a span what was reserved in it can be taken back.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Protocol

from endpoint.access.counters import Counters
from endpoint.errors import QuotaExceeded, RateLimited

MINUTE, SPAN_SECONDS = 60, 10
SPANS = MINUTE // SPAN_SECONDS
KEPT_SECONDS = MINUTE + 2 * SPAN_SECONDS
MONTH_SECONDS = 32 * 86_400


class AudioLimit(Protocol):
    """One limit. Times are seconds since 1970."""

    name: str
    limit: int  # seconds

    def key(self, now: float) -> str:
        """Where audio is counted that comes now."""
        ...

    async def take(self, audio_ms: int, now: float) -> tuple[int, float]:
        """Count it: (milliseconds that are left, when there is more). Raises RateLimited, QuotaExceeded.

        audio_ms: 0 asks whether anything is left.
        """
        ...

    async def correct(self, key: str, audio_ms: int) -> None:
        """Count more there, or less, without a question."""
        ...


class MinuteOfAudio:
    """An AudioLimit of the last minute. base: what its keys begin with. limit: in seconds."""

    name = "audio-seconds"

    def __init__(self, counters: Counters, base: str, limit: int) -> None:
        self._counters, self._base, self.limit = counters, base, limit

    def key(self, now: float) -> str:
        return self._of(int(now // SPAN_SECONDS))

    def _of(self, span: int) -> str:
        return f"{self._base}/{self.name}/{span}"

    async def correct(self, key: str, audio_ms: int) -> None:
        await self._counters.add(key, audio_ms, KEPT_SECONDS)

    async def take(self, audio_ms: int, now: float) -> tuple[int, float]:
        if audio_ms > self.limit * 1000:
            raise RateLimited(
                f"The recording has {audio_ms / 1000:.0f} s; the limit of this caller is {self.limit} s a minute, so "
                "it can never be taken.",
                retry_after=MINUTE, kind="audio_seconds",
            )  # fmt: skip
        span = int(now // SPAN_SECONDS)
        if audio_ms:
            await self.correct(self._of(span), audio_ms)
        spans = [span - before for before in range(SPANS + 1)]
        sums = dict(zip(spans, await self._counters.sums([self._of(one) for one in spans]), strict=True))
        used, most = _within(sums, now), self.limit * 1000
        if used > most or (audio_ms == 0 and used >= most):
            if audio_ms:
                await self.correct(self._of(span), -audio_ms)
            sums[span] -= audio_ms
            raise RateLimited(
                f"The limit of {self.limit} seconds of audio a minute is reached.",
                retry_after=_until(sums, max(1, audio_ms), most, now), kind="audio_seconds",
            )  # fmt: skip
        return math.floor(most - used), now + (_until(sums, most, most, now) if used else 0)


def _within(sums: dict[int, int], now: float) -> float:
    """Milliseconds of the minute before `now`: of the oldest span only the share that is in it."""
    total = 0.0
    for span, value in sums.items():
        gone = now - MINUTE - span * SPAN_SECONDS
        total += value * min(1.0, max(0.0, 1 - gone / SPAN_SECONDS))
    return total


def _until(sums: dict[int, int], audio_ms: int, most: int, now: float) -> int:
    """Whole seconds until so much fits, if nothing else comes."""
    seconds = range(1, MINUTE + SPAN_SECONDS + 1)
    return next((later for later in seconds if _within(sums, now + later) + audio_ms <= most), seconds[-1])


class MonthOfAudio:
    """An AudioLimit of this month. base: what its keys begin with. limit: in seconds."""

    name = "audio-seconds-month"

    def __init__(self, counters: Counters, base: str, limit: int) -> None:
        self._counters, self._base, self.limit = counters, base, limit

    def key(self, now: float) -> str:
        return f"{self._base}/{self.name}/{datetime.fromtimestamp(now, UTC):%Y-%m}"

    async def correct(self, key: str, audio_ms: int) -> None:
        await self._counters.add(key, audio_ms, MONTH_SECONDS)

    async def take(self, audio_ms: int, now: float) -> tuple[int, float]:
        key = self.key(now)
        if audio_ms:
            used = await self._counters.add(key, audio_ms, MONTH_SECONDS)
        else:
            (used,) = await self._counters.sums([key])
        most, ends = self.limit * 1000, _next_month(datetime.fromtimestamp(now, UTC))
        if used > most or (audio_ms == 0 and used >= most):
            if audio_ms:
                await self.correct(key, -audio_ms)
            raise QuotaExceeded(
                f"The quota of {self.limit} seconds of audio a month is used up; it begins anew on {ends:%Y-%m-%d}.",
                retry_after=math.ceil(ends.timestamp() - now),
            )
        return most - used, ends.timestamp()


def _next_month(today: datetime) -> datetime:
    first = today.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
