"""What a request is charged: endpoint.access.charge."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from endpoint.access.charge import Charge, duration
from endpoint.access.counters import Counters
from endpoint.access.limits import Limiter
from endpoint.access.usage import UsageRow
from endpoint.caller import Caller, Limits
from endpoint.errors import QuotaExceeded, RateLimited

pytest_plugins = ["tests.access_contract"]


class Rows:
    def __init__(self) -> None:
        self.rows = list[UsageRow]()

    def add(self, row: UsageRow) -> None:
        self.rows.append(row)


class Desk:
    """Charges of one caller."""

    def __init__(self, counters: Counters, **limits: int) -> None:
        self.meter = Rows()
        self.limiter = Limiter(lambda: counters, Limits(**limits), self.meter)
        self.now = time.time()  # that the clock has once; spans of limits do not end in a test
        self.limiter.clock = lambda: self.now

    async def begun(self, model: str = "base", caller: str = "alice") -> Charge:
        charge = self.limiter.charge(Caller(caller), "req_1")
        try:
            await charge.begin(model)
        except Exception:
            await charge.close(failed=True)
            raise
        return charge

    async def left(self) -> int:
        """Of this month, in seconds."""
        charge = await self.begun()
        await charge.close()
        return int(charge.headers["x-ratelimit-remaining-audio-seconds-month"])


@pytest.fixture
def desk(counters: Counters) -> Any:
    return lambda **limits: Desk(counters, **limits)


async def test_the_request_after_the_last_is_refused(desk: Any) -> None:
    one = desk(requests_per_minute=2)
    headers = [(await one.begun()).headers for _ in range(2)]
    assert [each["x-ratelimit-remaining-requests"] for each in headers] == ["1", "0"]
    assert headers[0]["x-ratelimit-limit-requests"] == "2"
    assert headers[0]["x-ratelimit-reset-requests"].endswith("s")
    with pytest.raises(RateLimited) as caught:
        await one.begun()
    assert (caught.value.code, caught.value.kind) == ("rate_limit_exceeded", "requests")
    assert 1 <= caught.value.retry_after <= 61
    await one.begun("large")
    await one.begun(caller="bob")


async def test_a_slot_is_free_again_however_a_request_ends(desk: Any) -> None:
    one = desk(requests_in_flight=1)
    for end in ({}, {"failed": True}, {"left": True}):
        charge = await one.begun()
        with pytest.raises(RateLimited, match="under way"):
            await one.begun()
        await charge.close(**end)
    await (await one.begun()).close()


async def test_what_was_transcribed_stays_counted(desk: Any) -> None:
    one = desk(audio_seconds_per_month=100, audio_seconds_per_minute=100)
    charge = await one.begun()
    await charge.take(10_000)
    await charge.take(20_000)
    charge.made(19_500, "transcribe")  # the other file failed
    await charge.close()
    assert await one.left() == 80
    (row,) = one.meter.rows
    assert (row.key, row.model, row.task, row.audio_ms, row.billed_seconds) == (
        "alice", "base", "transcribe", 19_500, 20,
    )  # fmt: skip
    assert row.id.startswith("req_1.")


async def test_a_failure_costs_nothing(desk: Any) -> None:
    one = desk(audio_seconds_per_month=100)
    charge = await one.begun()
    await charge.take(10_000)
    charge.begun("transcribe")
    charge.made(10_000, "transcribe")
    await charge.close(failed=True)
    assert (await one.left(), one.meter.rows) == (100, [])


async def test_a_client_that_leaves_pays_for_a_stream_it_got_text_of(desk: Any) -> None:
    one = desk(audio_seconds_per_month=100)
    early = await one.begun()
    await early.take(10_000)
    await early.close(left=True)
    assert (await one.left(), one.meter.rows) == (100, [])
    late = await one.begun()
    await late.take(10_000)
    late.begun("translate")
    await late.close(left=True)
    assert (await one.left(), [row.audio_ms for row in one.meter.rows]) == (90, [10_000])


async def test_what_nobody_reserved_is_counted_at_the_end(desk: Any) -> None:
    """Of a recording that another server decodes."""
    one = desk(audio_seconds_per_month=100)
    charge = await one.begun()
    charge.made(30_000, "transcribe")
    await charge.close()
    assert await one.left() == 70


async def test_audio_beyond_a_limit_is_refused_and_leaves_nothing(desk: Any) -> None:
    one = desk(audio_seconds_per_month=100, audio_seconds_per_minute=50)
    charge = await one.begun()
    with pytest.raises(QuotaExceeded) as caught:
        await charge.take(101_000)
    assert (caught.value.code, caught.value.kind) == ("insufficient_quota", "insufficient_quota")
    with pytest.raises(RateLimited) as refused:
        await charge.take(51_000)  # the month took it, the minute does not
    assert refused.value.kind == "audio_seconds"
    await charge.close(failed=True)
    assert await one.left() == 100


async def test_a_caller_without_audio_left_is_refused_before_the_work(desk: Any) -> None:
    one = desk(audio_seconds_per_month=10, requests_per_minute=9)
    charge = await one.begun()
    await charge.take(10_000)
    charge.made(10_000, "transcribe")
    await charge.close()
    with pytest.raises(QuotaExceeded):
        await one.begun()
    other = await one.begun("large")
    assert other.headers["x-ratelimit-remaining-requests"] == "8"


async def test_what_a_job_reserves_is_left_to_it(desk: Any) -> None:
    one = desk(audio_seconds_per_month=100)
    charge = await one.begun()
    await charge.take(40_000)
    (key,) = charge.reserved
    charge.hand_over()
    await charge.close()
    assert await one.left() == 60
    await one.limiter.settle("job_1", [key], -40_000)
    assert await one.left() == 100


async def test_a_client_that_leaves_while_it_is_counted_leaves_nothing(desk: Any) -> None:
    one = desk(audio_seconds_per_month=100, requests_in_flight=1)
    charge = one.limiter.charge(Caller("alice"), "req_1")
    for step in (charge.begin("base"), charge.take(50_000)):
        task = asyncio.ensure_future(step)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await charge.close(left=True)
    assert await one.left() == 100


def test_durations_are_written_as_openai_does() -> None:
    assert [duration(seconds) for seconds in (0, 1.5, 60, 360, 3600, 90061)] == [
        "0s", "1.5s", "1m0s", "6m0s", "1h0m0s", "25h1m1s",
    ]  # fmt: skip
