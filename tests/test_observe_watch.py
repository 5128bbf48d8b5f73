"""Gauges are set from models, jobs and admission; what cannot be reached changes nothing."""

from __future__ import annotations

import time

import pytest

from endpoint.errors import EngineFailed, StoreUnavailable
from endpoint.observe.watch import Backlog, Watch
from endpoint.types import EngineLoad
from tests.test_observe_metrics import Change, value


class Models:
    def __init__(self) -> None:
        self.load = EngineLoad({"live": 4, "request": 3, "job": 1}, steps=10, windows=50)
        self.down = False

    async def loads(self) -> dict[str, EngineLoad]:
        if self.down:
            raise EngineFailed("dead")
        return {"watched": self.load}


class Jobs:
    def __init__(self) -> None:
        self.down = False

    async def backlog(self) -> Backlog:
        if self.down:
            raise StoreUnavailable("gone")
        return Backlog(5, 2, 90_000, 4, {"queued": time.time() - 100})


@pytest.mark.parametrize("first", [True, False])
async def test_what_processes_share_is_counted_by_one_of_them(first: bool) -> None:
    steps, windows = Change("stt_engine_steps_total", model="watched"), Change("stt_engine_step_windows_total", model="watched")  # noqa: E501  # fmt: skip
    models = Models()
    watch = Watch(models, Jobs(), lambda: {"live": 60.0, "request": 12.5}, lambda: 6, first=first)
    await watch.look()
    models.load = EngineLoad({"live": 1, "request": 0, "job": 2}, steps=12, windows=70)
    await watch.look()
    assert value("stt_windows_in_flight", **{"class": "request", "model": "watched"}) == 0
    assert value("stt_windows_in_flight", **{"class": "job", "model": "watched"}) == 2
    assert value("stt_windows_in_flight", **{"class": "live", "model": "watched"}) == 1
    assert value("stt_live_sessions") == 6
    assert (float(steps), float(windows)) == ((12, 70) if first else (0, 0))
    if first:
        assert value("stt_queue_audio_seconds", **{"class": "request"}) == 12.5
        assert value("stt_queue_audio_seconds", **{"class": "live"}) == 60
        assert value("stt_queue_audio_seconds", **{"class": "job"}) == 90
        assert (value("stt_jobs", status="queued"), value("stt_jobs", status="running")) == (5, 2)
        assert value("stt_oldest_job_seconds", status="queued") == pytest.approx(100, abs=60)
        assert value("stt_oldest_job_seconds", status="running") == 0
        assert value("stt_webhooks_waiting") == 4


async def test_what_cannot_be_reached_keeps_its_value() -> None:
    models, jobs = Models(), Jobs()
    watch = Watch(models, jobs, lambda: {"request": 7.0})
    await watch.look()
    models.down = jobs.down = True
    await watch.look()
    assert value("stt_windows_in_flight", **{"class": "request", "model": "watched"}) == 3
    assert value("stt_jobs", status="queued") == 5


async def test_without_jobs_only_the_engines_are_looked_at() -> None:
    await Watch(Models(), None, lambda: {"request": 1.0}).look()
    assert value("stt_queue_audio_seconds", **{"class": "request"}) == 1
