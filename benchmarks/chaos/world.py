"""A store, a folder, servers and workers for one check."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.chaos.processes import Process, endpoint
from benchmarks.chaos.recordings import LONGEST_SECONDS, Recording, recording
from benchmarks.chaos.timeline import END, KILL, START, Timeline
from endpoint.codec import decode_transcript
from endpoint.errors import StoreUnavailable
from endpoint.jobs.job import Job, JobFile, new_id
from endpoint.jobs.spool import FolderSpool
from endpoint.jobs.store import JobStore
from endpoint.memfile import MemoryFile
from endpoint.net import free_port
from endpoint.options import Options

PLAIN = Options(vad=None, condition_on_previous_text=True)  # windows one after the other
FORM = {"condition_on_previous_text": "true", "vad_filter": "false"}
SAMPLE_SECONDS = 0.5
LEASE, SMALL_LEASE = 2.0, 3.0  # seconds; in the short form several checks are run side by side


@dataclass(frozen=True)
class Row:
    """One line of the report. timed: how busy the machine is counts, too."""

    name: str
    wanted: str
    figure: str
    met: bool
    timed: bool = False


@dataclass(frozen=True)
class Sent:
    """What became of a submission. status: None where the connection broke."""

    status: int | None
    body: dict[str, Any]
    retry_after: str | None
    seconds: float

    @property
    def id(self) -> str:
        return str(self.body["id"])

    @property
    def code(self) -> str:
        return str(self.body.get("error", {}).get("code"))


@dataclass
class World:
    """kind: sqlite or redis. lease: of workers, in seconds. small: the short form of every check."""

    kind: str
    folder: Path
    choose: random.Random
    small: bool
    lease: float
    timeline: Timeline = field(default_factory=Timeline)
    processes: list[Process] = field(default_factory=list)
    expected: dict[str, Recording] = field(default_factory=dict)  # by job
    redis: Any = None
    keep: bool = False  # the folder, with its logs
    store: JobStore = field(init=False)
    url: str = field(init=False)

    @property
    def windows_log(self) -> Path:
        return self.folder / "windows.txt"

    @property
    def spool(self) -> FolderSpool:
        return FolderSpool(self.folder / "audio")

    def settings(self, **more: str) -> dict[str, str]:
        arguments = {"delay": 0.2, "log": str(self.windows_log), "die": "hotel"}
        given = {
            "ENGINE": "fake",
            "ENGINE_ARGS": json.dumps(arguments),
            "MAX_WINDOW_SECONDS": str(LONGEST_SECONDS),
            "VAD_FILTER": "false",
            "DECODE_WORKERS": "1",
            "API_PROCESSES": "1",
            "JOBS_URL": self.url,
            "JOB_AUDIO": str(self.folder / "audio"),
            "JOB_WORKERS": "1",
            "JOB_LEASE_SECONDS": str(self.lease),
            "URL_NETWORKS": "127.0.0.0/8",
            "OMP_NUM_THREADS": "1",
        }
        if delay := more.pop("delay", ""):
            given["ENGINE_ARGS"] = json.dumps(arguments | {"delay": float(delay)})
        return given | more

    def new_store(self, **more: Any) -> JobStore:
        if self.kind == "redis":
            from endpoint.jobs.redis import RedisStore

            return RedisStore(self.redis.url, **more)
        from endpoint.jobs.sqlite import SqliteStore

        return SqliteStore(Path(self.url), **more)

    def worker(self, name: str, **settings: str) -> Process:
        """Not started yet."""
        made = Process(name, endpoint("worker"), self.settings(**settings), self.folder, self.timeline)
        self.processes.append(made)
        return made

    def server(self, **settings: str) -> tuple[Process, str]:
        """Not started yet, and its address."""
        port = free_port()
        command = endpoint("serve", "--host", "127.0.0.1", "--port", str(port))
        made = Process("server", command, self.settings(**settings), self.folder, self.timeline)
        self.processes.append(made)
        return made, f"http://127.0.0.1:{port}"

    def make(self, windows: int = 1, *, deadly: bool = False) -> Recording:
        return recording(self.choose, windows, deadly=deadly)

    async def put(self, sound: Recording, **fields: Any) -> Job:
        """A job, straight into the store."""
        file = JobFile("a.wav", await self.spool.put(MemoryFile(sound.data)), guess_ms=sound.seconds * 1000)
        job = Job(new_id(), (file,), PLAIN, "fake", created_at=time.time(), **fields)
        self.expected[job.id] = sound
        return await self.store.submit(job)

    async def sent(self, client: httpx2.AsyncClient, sound: Recording, key: str | None = None, **fields: str) -> Sent:
        """A job, over HTTP."""
        began = time.monotonic()
        try:
            response = await client.post(
                "/v1/audio/jobs",
                files={"file": ("a.wav", sound.data)},
                data=FORM | fields,
                headers={"idempotency-key": key} if key else {},
            )
        except httpx2.HTTPError as error:
            return Sent(None, {"error": {"code": type(error).__name__}}, None, time.monotonic() - began)
        made = Sent(
            response.status_code, response.json(), response.headers.get("retry-after"), time.monotonic() - began
        )
        if made.status == 202:
            self.expected[made.id] = sound
        return made

    async def ended(self, jobs: Sequence[str], seconds: float, pause: float = 0.1) -> dict[str, Job]:
        """The jobs by id, once all are final; as they are after so many seconds."""
        end, found = time.monotonic() + seconds, dict[str, Job]()
        while time.monotonic() < end:
            for job_id in jobs:
                if job_id not in found or not found[job_id].status.final:
                    job = await self.store.get(job_id)
                    if job is not None:
                        found[job_id] = job
            if len(found) == len(jobs) and all(job.status.final for job in found.values()):
                break
            await asyncio.sleep(pause)
        return found

    async def text(self, job_id: str) -> str | None:
        data = await self.store.result(job_id, 0)
        return None if data is None else decode_transcript(data).text.strip()

    async def watch(self) -> None:
        """Counts for the timeline."""
        while True:
            with suppress(StoreUnavailable):
                sizes = await self.store.sizes()
                self.timeline.count(sizes["jobs"], sizes["queued"], sizes["running"])
            await asyncio.sleep(SAMPLE_SECONDS)

    def decoded(self) -> list[tuple[float, int, str]]:
        """(time, process, checksum) of every window that was begun."""
        if not self.windows_log.exists():
            return []
        rows = [line.split() for line in self.windows_log.read_text().splitlines()]
        return [(float(at), int(pid), checksum) for at, pid, checksum in rows]

    def begun(self) -> list[tuple[float, int, str]]:
        """(time, process, job) of every job that a process began."""
        lines = (line for process in self.processes for line in process.lines() if line.get("event") == "job begins")
        return sorted((line["at"], line["pid"], line["job"]) for line in lines)

    # ---- Redis

    def start_redis(self) -> None:
        self.redis.start()
        self.timeline.mark("redis", START)

    def kill_redis(self) -> None:
        self.redis.kill()
        self.timeline.mark("redis", KILL)


def redis_program() -> str | None:
    from tests.redis_server import PROGRAMS

    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


@asynccontextmanager
async def world(kind: str, folder: Path, seed: str, small: bool) -> AsyncIterator[World]:
    """At the end every process is ended, and the folder is deleted unless it is to be kept."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    made = World(kind, folder, random.Random(seed), small, SMALL_LEASE if small else LEASE)
    watching: asyncio.Task[None] | None = None
    async with AsyncExitStack() as stack:
        stack.callback(lambda: made.keep or shutil.rmtree(folder, ignore_errors=True))
        made.url = str(folder / "jobs.db")
        if kind == "redis":
            from tests.redis_server import RedisProcess

            program = redis_program()
            assert program is not None
            (folder / "redis").mkdir()
            made.redis = RedisProcess(program, folder / "redis")
            made.url = made.redis.url
            stack.callback(made.redis.kill)
            made.start_redis()
        try:
            made.store = made.new_store()
            await made.store.open()
            stack.push_async_callback(made.store.close)
            watching = asyncio.create_task(made.watch())
            yield made
        finally:
            if watching is not None:
                watching.cancel()
            await asyncio.gather(*(process.end() for process in made.processes), return_exceptions=True)
            for process in made.processes:
                process.end_now()
            if kind == "redis":
                made.timeline.mark("redis", END)
