"""Seconds of audio in a minute and in a month: endpoint.access.audio_limits."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from endpoint.access.audio_limits import MinuteOfAudio, MonthOfAudio
from endpoint.access.counters import Counters
from endpoint.errors import QuotaExceeded, RateLimited

pytest_plugins = ["tests.access_contract"]

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp()  # a whole minute


async def test_a_minute_takes_as_much_as_its_limit(counters: Counters) -> None:
    minute = MinuteOfAudio(counters, "alice/base", 100)
    assert await minute.take(60_000, NOW) == (40_000, NOW + 70)
    with pytest.raises(RateLimited) as caught:
        await minute.take(40_001, NOW + 5)
    assert caught.value.kind == "audio_seconds"
    assert 55 < caught.value.retry_after <= 65
    assert (await minute.take(40_000, NOW + 5))[0] == 0  # the refused one left nothing
    with pytest.raises(RateLimited):
        await minute.take(0, NOW + 5)
    with pytest.raises(RateLimited):
        await minute.take(1, NOW + 59)


async def test_after_the_wait_it_is_taken(counters: Counters) -> None:
    minute = MinuteOfAudio(counters, "alice/base", 100)
    for second in range(0, 50, 10):
        await minute.take(20_000, NOW + second)
    for audio_ms in (1, 5_000, 20_000, 70_000):
        with pytest.raises(RateLimited) as caught:
            await minute.take(audio_ms, NOW + 55)
        wait = caught.value.retry_after
        key = minute.key(NOW + 55 + wait)
        await minute.take(audio_ms, NOW + 55 + wait)
        await minute.correct(key, -audio_ms)
        if wait > 1:
            with pytest.raises(RateLimited):
                await minute.take(audio_ms, NOW + 55 + wait - 1)


async def test_a_minute_that_moves_has_no_more_than_its_limit(counters: Counters) -> None:
    minute, taken = MinuteOfAudio(counters, "alice/base", 60), list[tuple[float, int]]()
    for second in range(0, 240, 3):
        try:
            await minute.take(7_000, NOW + second)
        except RateLimited:
            continue
        taken.append((NOW + second, 7_000))
    most = max(sum(ms for at, ms in taken if end - 60 < at <= end) for end, _ in taken)
    assert most <= 60_000 * 7 / 6  # a span is counted as if it had come evenly
    assert sum(ms for _, ms in taken) >= 0.85 * 4 * 60_000


async def test_a_recording_that_is_longer_than_the_limit_says_so(counters: Counters) -> None:
    minute = MinuteOfAudio(counters, "alice/base", 100)
    with pytest.raises(RateLimited, match="never"):
        await minute.take(100_001, NOW)
    await minute.take(100_000, NOW)


async def test_a_month_takes_as_much_as_its_quota(counters: Counters) -> None:
    month = MonthOfAudio(counters, "alice/base", 3_600)
    december = datetime(2026, 12, 1, tzinfo=UTC).timestamp()
    assert await month.take(3_000_000, NOW) == (600_000, december)
    with pytest.raises(QuotaExceeded, match="2026-12-01") as caught:
        await month.take(600_001, NOW)
    assert caught.value.retry_after == december - NOW
    assert (await month.take(600_000, NOW))[0] == 0
    with pytest.raises(QuotaExceeded):
        await month.take(0, NOW)
    await month.correct(month.key(NOW), -100_000)
    assert (await month.take(50_000, NOW + 86_400))[0] == 50_000
    assert await month.take(3_600_000, december) == (0, datetime(2027, 1, 1, tzinfo=UTC).timestamp())
