"""Jobs worked off on the fake engine, with a real store and spool: endpoint.jobs.runner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from endpoint.call import Call
from endpoint.codec import decode_transcript
from endpoint.core.pipeline import Pipeline
from endpoint.core.transcriber import Transcriber, transcribe
from endpoint.errors import EngineFailed, InvalidRequest, ModelNotFound
from endpoint.jobs.job import Job, JobFile, Status, new_id
from endpoint.jobs.runner import ORPHAN_SECONDS, Runner, delete_orphans
from endpoint.jobs.spool import FolderSpool
from endpoint.jobs.sqlite import SqliteStore
from endpoint.memfile import MemoryFile
from endpoint.observe.calls import Observer
from endpoint.observe.metrics import Metrics
from endpoint.options import Options
from endpoint.types import Hypothesis, Window
from tests.test_core_pipeline import SECONDS, Engine, Sounds, sound

PLAIN = Options(vad=None)
LEVELS = [500 + 37 * k for k in range(40)]


class World:
    """A store, a spool, and as many workers as are started."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "jobs.db"
        self.store, self.spool = self.new_store(), FolderSpool(folder / "audio")
        self.engine = Engine(delay=0.001)
        self.transcriber: Transcriber | None = None

    def new_store(self) -> SqliteStore:
        return SqliteStore(self.path, wait_seconds=30)

    def find(self, name: str) -> Transcriber:
        if name == "unknown":
            raise ModelNotFound("The model `unknown` is not served here.", param="model")
        assert self.transcriber is not None
        return self.transcriber

    @staticmethod
    async def fetch(url: str) -> MemoryFile:
        if "missing" in url:
            raise InvalidRequest("url: cannot be fetched", code="url_unreachable", param="url")
        return MemoryFile(b"fetched")

    def runner(self, owner: str = "worker", at_once: int = 4, lease_seconds: float = 30.0) -> Runner:
        return Runner(
            self.new_store,
            self.spool,
            self.find,
            self.fetch,
            observer=Observer(Metrics()),
            owner=owner,
            at_once=at_once,
            lease_seconds=lease_seconds,
        )

    async def submit(self, *data: bytes, **fields: object) -> Job:
        files = [JobFile(f"{number}.wav", await self.spool.put(MemoryFile(each))) for number, each in enumerate(data)]
        job = replace(Job(new_id(), tuple(files), PLAIN, "model"), **fields)
        return await self.store.submit(job)

    async def ended(self, job: Job) -> Job:
        """The job, once it is final."""
        while not (found := await self.store.get(job.id)) or not found.status.final:  # noqa: ASYNC110 - as a caller polls
            await asyncio.sleep(0.005)
        return found


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    await world.store.open()
    pipeline = Pipeline(world.engine, Sounds(sound(*LEVELS)), SECONDS)
    await pipeline.start()
    world.transcriber = pipeline
    yield world
    await world.store.close()


@asynccontextmanager
async def working(runner: Runner) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(runner.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - nothing to wait for
        await asyncio.sleep(0.002)


async def direct(world: World) -> str:
    assert world.transcriber is not None
    return (await transcribe(world.transcriber, b"?", PLAIN, Call())).text


async def test_a_job_gives_what_the_request_gives(world: World) -> None:
    job = await world.submit(b"sound")
    async with working(world.runner()):
        ended = await world.ended(job)
    assert (ended.status, ended.error, ended.attempts) == (Status.SUCCEEDED, None, 1)
    assert ended.started_at is not None
    assert ended.finished_at is not None
    assert ended.files[0].duration_ms == ended.done_ms == len(LEVELS) * 1000
    data = await world.store.result(job.id, 0)
    assert data is not None
    assert decode_transcript(data).text == await direct(world)
    assert await world.store.usage_rows() == [(job.id, job.caller, len(LEVELS) * 1000)]
    events = [event.type for event in await world.store.events(job.id)]
    assert events[0] == "job.queued"
    assert events[-1] == "job.succeeded"
    assert "job.progress" in events
    segments = decode_transcript(data).segments
    assert events.count("transcript.segment") == len(segments) > 0  # those of the last moment, too


async def test_one_bad_file_fails_alone_and_all_bad_ones_fail_the_job(world: World) -> None:
    class Some(Sounds):
        async def decode(self, data, *more: object, **named: object):  # type: ignore[no-untyped-def]
            if isinstance(data, MemoryFile) and data.read() == b"bad":
                raise InvalidRequest("no audio", code="no_audio", param="file")
            return await super().decode(data, *more, **named)

    pipeline = Pipeline(world.engine, Some(sound(*LEVELS)), SECONDS)
    await pipeline.start()
    world.transcriber = pipeline
    mixed, bad = await world.submit(b"good", b"bad"), await world.submit(b"bad")
    async with working(world.runner()):
        ended, failed = await world.ended(mixed), await world.ended(bad)
    assert ended.status is Status.SUCCEEDED
    assert [file.status for file in ended.files] == [Status.SUCCEEDED, Status.FAILED]
    assert ended.files[1].error is not None
    assert ended.files[1].error.code == "no_audio"
    assert failed.status is Status.FAILED
    assert failed.error is not None
    assert failed.error.code == "no_audio"
    assert [caller for caller, *_ in await world.store.usage_rows()] == [mixed.id]


@pytest.mark.parametrize(("url", "status"), [("http://x/sound", Status.SUCCEEDED), ("http://x/missing", Status.FAILED)])
async def test_files_of_a_url_are_fetched_by_the_worker(world: World, url: str, status: Status) -> None:
    job = await world.submit(files=(JobFile(url, url, url=True),))
    async with working(world.runner()):
        assert (await world.ended(job)).status is status


async def test_a_model_that_is_not_served_fails_the_job(world: World) -> None:
    job = await world.submit(b"sound", model="unknown")
    async with working(world.runner()):
        ended = await world.ended(job)
    assert ended.error is not None
    assert (ended.status, ended.error.code) == (Status.FAILED, "model_not_found")


async def test_a_worker_that_ends_hands_back_and_the_next_goes_on_where_it_was(world: World) -> None:
    class Slow(Engine):
        async def decode(self, window: Window, options: Options) -> Hypothesis:
            if len(self.asked) >= 3:  # the first three windows are done, the others never
                await asyncio.Event().wait()
            return await super().decode(window, options)

    slow = Pipeline(Slow(), Sounds(sound(*LEVELS)), SECONDS)
    await slow.start()
    quick, world.transcriber = world.transcriber, slow
    job = await world.submit(b"sound")
    async with working(world.runner("first")):
        while len(await world.store.windows(job.id, 0)) < 3:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.005)
    back = await world.store.get(job.id)
    assert back is not None
    assert (back.status, back.lost) == (Status.QUEUED, 0)
    world.transcriber = quick
    async with working(world.runner("second")):
        ended = await world.ended(job)
    assert (ended.status, ended.attempts) == (Status.SUCCEEDED, 2)
    data = await world.store.result(job.id, 0)
    assert data is not None
    windows = len(world.engine.asked)  # of the second worker
    assert decode_transcript(data).text == await direct(world)
    assert windows == len(world.engine.asked) - windows - 3  # a request decodes all of them


async def test_cancelling_ends_the_work_in_the_engine(world: World) -> None:
    world.engine.delay = 1000
    job = await world.submit(b"sound")
    runner = world.runner(lease_seconds=3)  # a claim is looked after three times in that
    async with working(runner):
        await until(lambda: world.engine.running > 0)
        assert await world.store.cancel(job.id) is not None
        await until(lambda: world.engine.running == 0)
        assert (await world.ended(job)).status is Status.CANCELLED
        await until(lambda: runner.working == 0)
    assert await world.store.result(job.id, 0) is None


async def test_while_it_drains_no_job_is_taken(world: World) -> None:
    runner = world.runner()
    async with working(runner):
        first = await world.submit(b"sound")
        await world.ended(first)
        await runner.drain(60)
        second = await world.submit(b"sound")
        runner.nudge()
        await asyncio.sleep(0.05)
        found = await world.store.get(second.id)
        assert found is not None
        assert found.status is Status.QUEUED


async def test_an_engine_that_fails_costs_no_job(world: World) -> None:
    class Fails(Engine):
        async def decode(self, window: Window, options: Options) -> Hypothesis:
            self.asked.append((window, options))
            raise EngineFailed("gone")

    engine = Fails()
    broken = Pipeline(engine, Sounds(sound(*LEVELS)), SECONDS)
    await broken.start()
    world.transcriber = broken
    job = await world.submit(b"sound")
    async with working(world.runner()):
        await until(lambda: len(engine.asked) > 0)
    found = await world.store.get(job.id)
    assert found is not None
    assert found.status is Status.QUEUED


async def test_a_fault_of_ours_fails_the_job_and_not_the_worker(world: World) -> None:
    class Faulty(Engine):
        async def decode(self, window: Window, options: Options) -> Hypothesis:
            raise ZeroDivisionError

    faulty = Pipeline(Faulty(), Sounds(sound(*LEVELS)), SECONDS)
    await faulty.start()
    fine, world.transcriber = world.transcriber, faulty
    async with working(world.runner()):
        ended = await world.ended(await world.submit(b"sound"))
        world.transcriber = fine
        assert (await world.ended(await world.submit(b"sound"))).status is Status.SUCCEEDED
    assert ended.error is not None
    assert (ended.status, ended.error.code, ended.error.type) == (Status.FAILED, "internal_error", "server_error")


async def test_audio_that_no_job_names_is_deleted_once_it_is_old(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job = await world.submit(b"named")
    orphan = await world.spool.put(MemoryFile(b"orphan"))
    assert await delete_orphans(world.store, world.spool) == 0  # too young
    keys = await world.spool.keys()

    async def old() -> list[tuple[str, float]]:
        return [(key, ORPHAN_SECONDS + 1) for key, _ in keys]

    monkeypatch.setattr(world.spool, "keys", old)
    assert await delete_orphans(world.store, world.spool) == 1
    monkeypatch.undo()
    assert [key for key, _ in await world.spool.keys()] == [job.files[0].source]
    assert orphan not in dict(await world.spool.keys())
