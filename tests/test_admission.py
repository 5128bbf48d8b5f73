"""How much work is admitted: endpoint.admission."""

from __future__ import annotations

import asyncio

import pytest

from endpoint.admission import GUESSED_BYTES_PER_SECOND, UNKNOWN_SECONDS, Admission, Load, Urgency
from endpoint.errors import Overloaded
from tests.jobs_support import Clock


def admissions(
    requests: int = 3, seconds: int = 100, processes: int = 1, clock: Clock | None = None
) -> tuple[Load, list[Admission]]:
    load, clock = Load.of(processes), clock or Clock()
    return load, [Admission(requests, seconds, load, number, clock) for number in range(processes)]


def under_way(load: Load) -> tuple[int, float]:
    return sum(load.requests), sum(load.seconds)


def test_more_requests_than_may_be_under_way_are_refused() -> None:
    load, (admission,) = admissions(requests=2)
    with admission.permit(), admission.permit():
        with pytest.raises(Overloaded, match="MAX_CONCURRENT_REQUESTS"), admission.permit():
            pass
        assert under_way(load) == (2, 0)
    assert under_way(load) == (0, 0)
    with admission.permit():
        pass


def test_every_file_of_a_request_counts_as_one() -> None:
    load, (admission,) = admissions(requests=3)
    with admission.permit() as first:
        first.files(2)
        with admission.permit() as second, pytest.raises(Overloaded):
            second.files(2)
        with admission.permit():
            assert under_way(load) == (3, 0)
    assert under_way(load) == (0, 0)


def test_a_request_alone_is_admitted_with_more_files_than_the_limit() -> None:
    """Or it would be refused for ever, each time with the advice to try again."""
    load, (admission,) = admissions(requests=3)
    with admission.permit() as alone:
        alone.files(5)
        assert under_way(load) == (5, 0)
        with pytest.raises(Overloaded), admission.permit():
            pass
    assert under_way(load) == (0, 0)


def test_seconds_of_audio_are_bounded_but_a_request_alone_is_admitted() -> None:
    load, (admission,) = admissions(seconds=100)
    with admission.permit() as long:
        long.files(2)
        long.add(250.5)
        long.add(10)  # of its next file; no other request has any
        assert under_way(load) == (2, 260.5)
        with admission.permit() as short, pytest.raises(Overloaded, match="MAX_CONCURRENT_AUDIO_SECONDS"):
            short.add(1)
    assert under_way(load) == (0, 0)
    with admission.permit() as short:
        short.add(60)
        with admission.permit() as other:
            other.files(2)
            other.add(40)
            with pytest.raises(Overloaded):
                other.add(1)
            assert under_way(load) == (3, 100)


def test_all_processes_count_together() -> None:
    load, (first, second) = admissions(requests=2, seconds=10, processes=2)
    with first.permit() as one, second.permit() as two:
        with pytest.raises(Overloaded), second.permit():
            pass
        one.add(6)
        with pytest.raises(Overloaded):
            two.add(5)
        two.add(4, passes=1)
        assert under_way(load) == (2, 10)
    assert under_way(load) == (0, 0)


def test_a_request_that_fails_leaves_nothing_behind() -> None:
    load, (admission,) = admissions()

    def fail() -> None:
        with admission.permit(size=1000) as permit:
            permit.add(7)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert under_way(load) == (0, 0)


def test_a_body_of_known_size_is_refused_before_it_is_read() -> None:
    load, (admission,) = admissions(seconds=100)
    size = int(60 * GUESSED_BYTES_PER_SECOND)
    with admission.permit(size=size) as first:
        assert under_way(load) == (1, 60)
        with pytest.raises(Overloaded), admission.permit(size=size):
            pass
        first.add(20)  # it was shorter than its size let expect
        with admission.permit(size=size):
            assert under_way(load) == (2, 80)


def test_the_guess_stands_until_all_files_are_decoded() -> None:
    load, (admission,) = admissions(requests=9, seconds=1000)
    with admission.permit() as permit:
        permit.files(2)
        permit.expect(int(50 * GUESSED_BYTES_PER_SECOND))
        permit.add(10)
        assert sum(load.seconds) == 50
        permit.add(5, passes=2)
        assert sum(load.seconds) == 20


def test_the_guess_learns_from_recordings() -> None:
    _, (admission,) = admissions(seconds=10_000)
    before = admission.guess(1_000_000)
    for _ in range(100):
        with admission.permit(size=1_000_000) as permit:
            permit.add(1_000)  # 1 kB a second
    assert before == pytest.approx(62.5)
    assert admission.guess(1_000_000) == pytest.approx(1_000, rel=0.01)
    with admission.permit(size=1_000_000):
        pass  # it failed: nothing is learned of it
    assert admission.guess(1_000_000) == pytest.approx(1_000, rel=0.01)


def test_the_wait_is_what_the_work_before_takes() -> None:
    clock = Clock()
    _, (admission, other) = admissions(seconds=100, processes=2, clock=clock)
    with admission.permit() as permit:
        permit.add(90)
        with pytest.raises(Overloaded) as caught, admission.permit() as late:
            late.add(20)
        assert caught.value.retry_after == UNKNOWN_SECONDS  # nothing was measured yet
        clock.now += 10
        for one in (admission, other):
            with one.permit() as done:
                done.add(10)  # 2 s of audio a second, by both
        with pytest.raises(Overloaded) as caught, admission.permit() as late:
            late.add(50)
        assert caught.value.retry_after == 20  # 40 s too much, at 2 a second
        clock.now += 1000
        with pytest.raises(Overloaded) as caught, admission.permit() as late:
            late.add(50)
        assert caught.value.retry_after >= 20


def test_what_is_less_urgent_takes_no_room() -> None:
    load, (admission,) = admissions(requests=10, seconds=100)
    with admission.permit(Urgency.JOB) as job, admission.permit() as request, admission.permit(Urgency.LIVE) as live:
        job.add(100)
        request.add(60)
        live.add(90)  # the 60 s beside it give way
        assert sum(load.seconds) == 250
        with pytest.raises(Overloaded), admission.permit() as another:
            another.add(20)


async def test_a_job_waits_for_room() -> None:
    load, (admission,) = admissions(requests=10, seconds=100)
    begun = asyncio.Event()

    async def job() -> None:
        async with admission.room(50) as permit:
            permit.add(400)  # it was longer; it has waited, and goes on
            begun.set()

    with admission.permit() as request:
        request.add(80)
        task = asyncio.create_task(job())
        await asyncio.sleep(0)
        assert under_way(load) == (1, 80)
    await asyncio.wait_for(begun.wait(), 60)
    await task
    assert under_way(load) == (0, 0)


async def test_a_job_that_no_longer_waits_leaves_nothing() -> None:
    load, (admission,) = admissions(requests=1)
    with admission.permit():
        waiting = asyncio.create_task(admission.room(5).__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert under_way(load) == (0, 0)
