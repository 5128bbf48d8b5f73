"""Live windows before those of jobs: endpoint.core.gate."""

from __future__ import annotations

import asyncio

from endpoint.admission import Urgency
from endpoint.core.gate import Gate


class Window:
    """A window that is decoded until it is released."""

    def __init__(self, gate: Gate, urgency: Urgency) -> None:
        self.begun, self.release = asyncio.Event(), asyncio.Event()
        self.task = asyncio.create_task(self._decode(gate, urgency))

    async def _decode(self, gate: Gate, urgency: Urgency) -> None:
        async with gate.window(urgency):
            self.begun.set()
            await self.release.wait()

    async def end(self) -> None:
        self.release.set()
        await self.task


async def turn() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_without_live_windows_those_of_jobs_do_not_wait() -> None:
    gate = Gate(least=1)
    windows = [Window(gate, Urgency.JOB) for _ in range(5)]
    await turn()
    assert all(window.begun.is_set() for window in windows)
    for window in windows:
        await window.end()
    assert gate.decoding.total() == 0


async def test_live_windows_go_first_but_some_of_jobs_go_on() -> None:
    gate = Gate(least=2)
    live = [Window(gate, urgency) for urgency in (Urgency.LIVE, Urgency.REQUEST, Urgency.REQUEST)]
    await turn()
    jobs = [Window(gate, Urgency.JOB) for _ in range(4)]
    await turn()
    assert [job.begun.is_set() for job in jobs] == [True, True, False, False]
    more = Window(gate, Urgency.REQUEST)  # live ones never wait
    await turn()
    assert more.begun.is_set()
    await jobs[0].end()
    await turn()
    assert [job.begun.is_set() for job in jobs] == [True, True, True, False]
    for window in (*live, more):
        await window.end()
    await turn()
    assert jobs[3].begun.is_set()
    for job in jobs:
        await job.end()


async def test_a_job_that_is_cancelled_while_it_waits_leaves_nothing_behind() -> None:
    gate = Gate(least=0)
    live, job = Window(gate, Urgency.REQUEST), Window(gate, Urgency.JOB)
    await turn()
    job.task.cancel()
    await asyncio.gather(job.task, return_exceptions=True)
    assert +gate.decoding == {Urgency.REQUEST: 1}
    await live.end()
