"""Works jobs off: claims the next, transcribes its files window by window, keeps what comes of them.

What a worker did is never lost by more than the windows it was at: each is kept when it is decoded. Whoever loses the
claim stops at once, and its late writes are refused by the store.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import replace

import structlog

from endpoint.admission import Permit, Urgency
from endpoint.call import Call, Record, Stage
from endpoint.caller import Caller
from endpoint.codec import encode_transcript
from endpoint.core.transcriber import Progress, Transcriber
from endpoint.errors import EndpointError, EngineFailed, NotReady, RequestError, StoreUnavailable, Unavailable
from endpoint.jobs.job import Claim, Failure, Job, JobFile, Status
from endpoint.jobs.lease import Leases
from endpoint.jobs.progress import FileCheckpoint, Progresses
from endpoint.jobs.service import Settle, unsettled
from endpoint.jobs.spool import Spool
from endpoint.jobs.store import LEASE_SECONDS, JobStore, LostClaim
from endpoint.memfile import MemoryFile
from endpoint.observe.calls import Observer, measured
from endpoint.observe.metrics import job_begun, job_ended
from endpoint.tasks import done_anyway
from endpoint.types import Transcript

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0  # between looks for a job, where nothing nudges
RETRY_SECONDS = 1.0  # until a store that is unavailable is tried again
SWEEP_SECONDS = 3.0  # at most; a third of a short lease
ORPHAN_SECONDS = 3600.0  # between looks for audio that no job names, and how old it has to be

Find = Callable[[str], Transcriber]  # the model of a name
Fetch = Callable[[str], Awaitable[MemoryFile]]
Room = Callable[[float], AbstractAsyncContextManager[Permit | None]]  # for so many seconds of audio


@asynccontextmanager
async def any_room(_: float) -> AsyncIterator[Permit | None]:
    """Where nobody but jobs has work."""
    yield None


class Runner:
    """One worker. owner: its name, unlike that of every other. at_once: jobs worked on side by side.

    fetch: the bytes of a URL. observer: of what the work takes.
    """

    def __init__(
        self,
        store: Callable[[], JobStore],
        spool: Spool,
        find: Find,
        fetch: Fetch,
        *,
        observer: Observer,
        owner: str,
        at_once: int = 4,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._store, self._spool, self._find, self._fetch = store(), spool, find, fetch
        self._observer = observer
        self._owner, self._at_once, self._lease_seconds = owner, at_once, lease_seconds
        self._leases = Leases(store, self._cancel, lease_seconds)
        self._working: dict[str, asyncio.Task[None]] = {}
        self._suspect: str | None = None  # a job that lost a worker: no others begin beside it, it may kill this one
        self._nudged = asyncio.Event()
        self._draining = False
        self.settle: Settle = unsettled  # corrects what a job reserved, when it has ended
        self.room: Room = any_room  # waited for before a recording is worked on

    @property
    def working(self) -> int:
        """Jobs under way."""
        return len(self._working)

    def nudge(self) -> None:
        """There may be a job: look now."""
        self._nudged.set()

    async def run(self) -> None:
        """Until cancelled: then jobs under way are handed back."""
        self._leases.start()
        sweeping = asyncio.create_task(self._sweep(), name="sweep jobs")
        try:
            while True:
                if not await self._claim():
                    with suppress(TimeoutError):
                        async with asyncio.timeout(POLL_SECONDS):
                            await self._nudged.wait()
                self._nudged.clear()
        finally:
            sweeping.cancel()
            await self._hand_back()
            await asyncio.gather(sweeping, return_exceptions=True)
            await self._leases.close()
            await self._store.close()

    def stop(self) -> None:
        """Take no more jobs."""
        self._draining = True

    async def drain(self, seconds: float) -> None:
        """Take no more jobs, and wait until those under way are done, for so long at most."""
        self.stop()
        if self._working:
            await asyncio.wait(self._working.values(), timeout=seconds)

    async def _claim(self) -> bool:
        """Whether there was a job to begin."""
        if self._draining or self._suspect is not None or len(self._working) >= self._at_once:
            return False
        try:
            await self._store.open()
            claim = await self._take()
        except StoreUnavailable as error:
            log.warning("no job claimed", why=error.message)
            return False
        if claim is None:
            return False
        if claim.job.lost:
            self._suspect = claim.job.id
        self._leases.hold(claim)
        task = asyncio.create_task(self._work(claim), name=claim.job.id)
        self._working[claim.job.id] = task
        task.add_done_callback(lambda _: self._done(claim.job.id))
        return True

    async def _take(self) -> Claim | None:
        """The next job. A claim that comes while this worker ends is handed back."""
        taking = asyncio.ensure_future(self._store.claim(self._owner, self._lease_seconds))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            with suppress(StoreUnavailable):
                if (claim := await taking) is not None:
                    await self._release(claim)
            raise

    def _done(self, job_id: str) -> None:
        self._leases.drop(job_id)
        self._working.pop(job_id, None)
        if self._suspect == job_id:
            self._suspect = None
        self._nudged.set()

    def _cancel(self, job_id: str) -> None:
        """The claim is lost."""
        if task := self._working.get(job_id):
            task.cancel()

    async def _hand_back(self) -> None:
        tasks = list(self._working.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _sweep(self) -> None:
        looked, unavailable = float("-inf"), False
        while True:
            try:
                await self._store.open()
                if unavailable:  # nobody could renew a lease: those who live do it first
                    unavailable = False
                    await asyncio.sleep(self._lease_seconds / 2)
                swept = await self._store.sweep()
                for source in swept.sources:
                    await self._spool.delete(source)
                await self._store.forget_sources(swept.sources)
                if swept.reclaimed or swept.failed:
                    log.warning("workers were lost", reclaimed=swept.reclaimed, failed=swept.failed)
                    self.nudge()
                if swept.failed:
                    for job in await self._store.list(None, Status.FAILED, None, 100):
                        await self.settle(job)
                if time.monotonic() - looked > ORPHAN_SECONDS:
                    looked = time.monotonic()
                    await delete_orphans(self._store, self._spool)
            except StoreUnavailable as error:
                log.warning("jobs not swept", why=error.message)
                unavailable = True
            await asyncio.sleep(min(SWEEP_SECONDS, self._lease_seconds / 3))

    # ---- one job

    async def _work(self, claim: Claim) -> None:
        job = claim.job
        log.info("job begins", job=job.id, attempt=job.attempts, files=len(job.files))
        job_begun(job.attempts)
        progresses = Progresses(self._store, claim)
        try:
            await progresses.begin()
            results = dict[int, bytes]()
            for number in range(len(job.files)):
                if (made := await self._file(progresses, number)) is not None:
                    results[number] = made
            await self._last(progresses)
            await self._finish(claim, _final(progresses.job), results)
        except LostClaim:
            log.info("job given up: the claim is lost", job=job.id)
        except asyncio.CancelledError:
            await self._release(claim)
            raise
        except (EngineFailed, NotReady, Unavailable) as error:
            log.warning("job handed back", job=job.id, why=error.message)
            await self._release(claim)
            await asyncio.sleep(RETRY_SECONDS)
        except Exception:
            log.exception("job failed by a fault of the server", job=job.id)
            failure = Failure("The server failed; its log says more.", "internal_error", "server_error")
            with suppress(LostClaim):
                await self._finish(claim, replace(progresses.job, status=Status.FAILED, error=failure), {})

    async def _release(self, claim: Claim) -> None:
        with suppress(LostClaim, StoreUnavailable):  # then its lease runs out
            await done_anyway(self._store.release(claim))  # a worker that ends now would keep the job until then

    async def _last(self, progresses: Progresses) -> None:
        """What became of the last segments is written, too."""
        while True:
            if await progresses.write():
                return
            log.warning("last segments not kept yet", job=progresses.job.id)
            await asyncio.sleep(RETRY_SECONDS)

    async def _finish(self, claim: Claim, job: Job, results: dict[int, bytes]) -> None:
        while True:
            try:
                await self._store.finish(claim, job, results)
            except StoreUnavailable as error:
                log.warning("result not kept yet", job=job.id, why=error.message)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                seconds = time.time() - job.created_at
                job_ended(job.status.value, seconds)
                log.info("job ended", job=job.id, status=job.status.value, seconds=seconds)
                await self.settle(job)
                return

    async def _file(self, progresses: Progresses, number: int) -> bytes | None:
        """The transcript of one file; None where it failed, which its state says."""
        job = progresses.job
        file = job.files[number]
        checkpoint = FileCheckpoint(self._store, progresses.claim, number)
        try:
            await checkpoint.load()
            data = await self._bytes(file)
            transcript = await self._transcribe(progresses, number, data, checkpoint)
        except (EngineFailed, Unavailable):
            raise  # not the file's fault
        except EndpointError as error:
            kind = "invalid_request_error" if isinstance(error, RequestError) else "server_error"
            failure = Failure(error.message, error.code, kind, error.param)
            progresses.change(number, status=Status.FAILED, error=failure)
            return None
        progresses.change(
            number, status=Status.SUCCEEDED, duration_ms=transcript.duration_ms, done_ms=transcript.duration_ms
        )
        progresses.add_usage(transcript.usage)
        return encode_transcript(transcript)

    async def _bytes(self, file: JobFile) -> MemoryFile:
        return await self._fetch(file.source) if file.url else await self._spool.open(file.source)

    async def _transcribe(
        self, progresses: Progresses, number: int, data: MemoryFile, checkpoint: FileCheckpoint
    ) -> Transcript:
        job = progresses.job
        record, caller = Record(), Caller(job.caller, sampling=job.sampling)
        async with AsyncExitStack() as held:
            with record.waiting(Stage.QUEUE):
                permit = await held.enter_async_context(self.room(job.files[number].audio_ms / 1000))
            record.model = job.model
            given = Call(
                job.id, caller, job.priority, permit=permit, record=record, urgency=Urgency.JOB, checkpoint=checkpoint,
                traceparent=job.traceparent,
            )  # fmt: skip
            call = held.enter_context(self._observer.observing(given))
            progresses.change(number, status=Status.RUNNING, error=None)
            steps = self._find(job.model).segments(data, job.options, call)
            async with aclosing(steps):
                async for step in steps:
                    if isinstance(step, Transcript):
                        log.info("recording transcribed", job=job.id, file=number, **measured(call))
                        return step
                    assert isinstance(step, Progress)
                    await progresses.step(number, step, call.record.audio_seconds)
        raise AssertionError("no transcript came")


async def delete_orphans(store: JobStore, spool: Spool) -> int:
    """Delete audio that no job names: of servers that were killed while a job was submitted. How many there were."""
    old = {key for key, age in await spool.keys() if age > ORPHAN_SECONDS}
    if not old:
        return 0
    for status in (Status.QUEUED, Status.RUNNING, Status.FAILED):
        after: str | None = None
        while page := await store.list(None, status, after, 100):
            old -= {file.source for job in page for file in job.files}
            after = page[-1].id
    for key in old:
        await spool.delete(key)
    return len(old)


def _final(job: Job) -> Job:
    """A job whose files are done: it has failed where all of them have."""
    failed = [file for file in job.files if file.status is Status.FAILED]
    if len(failed) == len(job.files):
        return replace(job, status=Status.FAILED, error=failed[0].error)
    return replace(job, status=Status.SUCCEEDED)
