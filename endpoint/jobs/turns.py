"""Whose turn it is: queued jobs of several callers in the order in which they will be claimed. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Queue:
    """The queued jobs of one caller, next one first: (id, audio in ms).

    work_ms: audio of theirs that was worked on. turn: grows with every claim, so that who has waited longer goes first
    among equals.
    """

    caller: str
    work_ms: int
    turn: int
    jobs: Sequence[tuple[str, int]]


def order(queues: Iterable[Queue]) -> Iterator[tuple[str, int]]:
    """(id, audio in ms) of all jobs, as they are claimed if none comes or goes meanwhile."""
    waiting = [(queue.work_ms, queue.turn, queue.caller, 0, queue.jobs) for queue in queues if queue.jobs]
    heapq.heapify(waiting)
    turn = max((turn for _, turn, *_ in waiting), default=0)
    while waiting:
        work_ms, _, caller, number, jobs = waiting[0]
        job_id, audio_ms = jobs[number]
        yield job_id, audio_ms
        turn += 1
        if number + 1 < len(jobs):
            heapq.heapreplace(waiting, (work_ms + audio_ms, turn, caller, number + 1, jobs))
        else:
            heapq.heappop(waiting)
