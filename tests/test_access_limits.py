"""Which limits hold, live sessions, and what jobs reserved: endpoint.access.limits."""

from __future__ import annotations

import pytest

from endpoint.access.counters import Counters
from endpoint.access.limits import Limiter
from endpoint.caller import ANONYMOUS, Caller, Limits
from endpoint.errors import RateLimited

pytest_plugins = ["tests.access_contract"]


def test_a_callers_own_limits_take_precedence() -> None:
    limiter = Limiter(lambda: pytest.fail("nothing is counted"), Limits(requests_per_minute=5, upload_mb=7))
    own = Caller("alice", limits=Limits(requests_per_minute=9, live_sessions=1))
    assert limiter.limits_of(own) == Limits(requests_per_minute=9, upload_mb=7, live_sessions=1)
    assert limiter.limits_of(ANONYMOUS) == Limits(requests_per_minute=5, upload_mb=7)


async def test_live_sessions_are_bounded_for_each_caller_and_model(counters: Counters) -> None:
    limiter = Limiter(lambda: counters, Limits(live_sessions=1))
    async with limiter.live(ANONYMOUS, "base", "one"):
        with pytest.raises(RateLimited) as caught:
            await limiter.live(ANONYMOUS, "base", "two").__aenter__()
        assert caught.value.retry_after >= 1
        async with limiter.live(ANONYMOUS, "large", "two"), limiter.live(Caller("bob"), "base", "three"):
            pass
    async with limiter.live(ANONYMOUS, "base", "two"):
        pass


async def test_what_a_job_reserved_is_settled_once(counters: Counters) -> None:
    limiter = Limiter(lambda: counters)
    for key in ("month", "minute"):
        await counters.add(key, 60_000, 1_000)
    for _ in range(2):
        await limiter.settle("job_1", ("month", "minute"), -10_000)
    await limiter.settle("job_2", (), -10_000)
    assert await counters.sums(["month", "minute"]) == [50_000, 50_000]


async def test_without_limits_nothing_is_counted() -> None:
    limiter = Limiter(lambda: pytest.fail("nothing is counted"))
    charge = limiter.charge(ANONYMOUS, "req_1")
    await charge.begin("base")
    await charge.take(5_000)
    charge.made(5_000, "transcribe")
    await charge.close()
    async with limiter.live(ANONYMOUS, "base", "one"):
        pass
    await limiter.close()
    assert charge.headers == {}
