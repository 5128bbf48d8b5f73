"""Workers that are lost, stores that are unavailable: what endpoint.jobs.runner and its progress make of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from endpoint.call import Priority
from endpoint.codec import decode_transcript
from endpoint.core.pipeline import Pipeline
from endpoint.errors import StoreUnavailable
from endpoint.jobs import progress, runner
from endpoint.jobs.job import Claim, Job, Status
from endpoint.jobs.runner import Runner
from endpoint.jobs.sqlite import SqliteStore
from endpoint.jobs.store import Swept
from endpoint.observe.calls import Observer
from endpoint.observe.metrics import Metrics
from endpoint.options import Options
from endpoint.types import Hypothesis, Window
from tests.test_core_pipeline import SECONDS, Engine, Sounds, sound
from tests.test_jobs_runner import LEVELS, PLAIN, World, until, working, world

__all__ = ["world"]
ENGLISH = replace(PLAIN, language="en")  # segments are settled before the end


class Held(Engine):
    """Decodes so many windows, then waits for the gate."""

    def __init__(self, windows: int = 0) -> None:
        super().__init__()
        self.windows, self.gate = windows, asyncio.Event()

    async def decode(self, window: Window, options: Options) -> Hypothesis:
        if len(self.asked) >= self.windows:
            await self.gate.wait()
        return await super().decode(window, options)


async def served(world: World, engine: Engine) -> None:
    """From now on."""
    pipeline = Pipeline(engine, Sounds(sound(*LEVELS)), SECONDS)
    await pipeline.start()
    world.transcriber = pipeline


async def seen(world: World, job: Job, kind: str) -> list[dict[str, Any]]:
    events = await world.store.events(job.id)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    return [json.loads(event.data) for event in events if event.type == kind]


async def segments(world: World, job: Job) -> list[tuple[int, str]]:
    """Of its result."""
    data = await world.store.result(job.id, 0)
    assert data is not None
    return [(segment.id, segment.text) for segment in decode_transcript(data).segments]


async def test_each_segment_is_an_event_once_although_workers_change(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.0)
    job = await world.submit(b"sound", options=ENGLISH)
    for windows in (2, 3):  # of each worker, beside those that were kept
        await served(world, Held(windows))
        before = len(await seen(world, job, "transcript.segment"))
        async with working(world.runner(f"worker {windows}")):
            while len(await seen(world, job, "transcript.segment")) == before:  # noqa: ASYNC110 - as a reader polls
                await asyncio.sleep(0.005)
    await served(world, Engine())
    async with working(world.runner("the last")):
        ended = await world.ended(job)
    assert (ended.status, ended.attempts) == (Status.SUCCEEDED, 3)
    events = await seen(world, job, "transcript.segment")
    assert [(event["id"], event["text"]) for event in events] == await segments(world, job)
    fractions = [event["fraction"] for event in await seen(world, job, "job.progress")]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


async def test_events_are_kept_once_although_nobody_knows_whether_they_were_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unsure(SqliteStore):
        """Every other write is done, and is not known to be."""

        writes = 0

        async def update(
            self, claim: Claim, job: Job, events: Sequence[tuple[str, bytes]] = (), after: int | None = None
        ) -> None:
            await super().update(claim, job, events, after)
            Unsure.writes += 1
            if Unsure.writes % 2:
                raise StoreUnavailable("it took too long")

    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(runner, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(world, "new_store", lambda: Unsure(world.path, wait_seconds=30))
    job = await world.submit(b"sound", options=ENGLISH)
    async with working(world.runner()):
        await world.ended(job)
    assert Unsure.writes > 2
    events = await seen(world, job, "transcript.segment")
    assert [(event["id"], event["text"]) for event in events] == await segments(world, job)


async def test_no_job_begins_beside_one_that_lost_a_worker(world: World) -> None:
    """It may kill this worker, too: the others would be lost with it."""
    suspect = await world.submit(b"sound", priority=Priority.HIGH)
    assert await world.store.claim("killed", 0.0) is not None
    assert (await world.store.sweep()).reclaimed == 1
    others = [await world.submit(b"sound") for _ in range(3)]
    engine = Held()
    await served(world, engine)
    worker = world.runner(at_once=4)
    async with working(worker):
        await until(lambda: worker.working > 0)
        for _ in range(5):  # it is to look for more
            worker.nudge()
            await asyncio.sleep(0.01)
        assert worker.working == 1
        assert [(await world.store.get(job.id)).status for job in others] == [Status.QUEUED] * 3  # type: ignore[union-attr]
        engine.gate.set()
        first = await world.ended(suspect)
        ended = [await world.ended(job) for job in others]
    assert (first.status, first.lost) == (Status.SUCCEEDED, 1)
    assert first.finished_at is not None
    assert all(job.started_at is not None and job.started_at >= first.finished_at for job in ended)


async def test_jobs_that_lost_none_are_worked_on_side_by_side(world: World) -> None:
    engine = Held()
    await served(world, engine)
    jobs = [await world.submit(b"sound") for _ in range(3)]
    worker = world.runner(at_once=2)
    async with working(worker):
        await until(lambda: worker.working == 2)
        engine.gate.set()
        assert {(await world.ended(job)).status for job in jobs} == {Status.SUCCEEDED}


async def test_after_an_outage_of_the_store_workers_may_renew_their_leases_before_any_is_taken_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, outages, sleep = list[object](), iter([True, True]), asyncio.sleep

    class Outage(SqliteStore):
        async def open(self) -> None:
            task = asyncio.current_task()
            if task is not None and task.get_name() == "sweep jobs" and next(outages, False):
                raise StoreUnavailable("no store")
            await super().open()

        async def sweep(self, limit: int = 100) -> Swept:
            steps.append("sweep")
            return await super().sweep(limit)

    async def noted(seconds: float) -> None:
        task = asyncio.current_task()
        swept = task is not None and task.get_name() == "sweep jobs"
        if swept:
            steps.append(seconds)
        await sleep(0.001 if swept else seconds)

    monkeypatch.setattr(asyncio, "sleep", noted)
    worker = Runner(
        lambda: Outage(world.path, wait_seconds=30),
        world.spool,
        world.find,
        world.fetch,
        observer=Observer(Metrics()),
        owner="w",
        lease_seconds=8.0,
    )
    async with working(worker):
        await until(lambda: len(steps) >= 6)
    pause = 8.0 / 3
    assert steps[:6] == [pause, pause, 4.0, "sweep", pause, "sweep"]
