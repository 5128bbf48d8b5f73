"""What jobs say of themselves: endpoint.jobs.job."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoint.call import Priority
from endpoint.codec import decode, encode
from endpoint.jobs.job import Failure, Job, JobFile, Status, new_id
from endpoint.options import Options, Task
from endpoint.types import Usage

MOMENTS = st.floats(0, 4e9)


@pytest.mark.parametrize("status", Status)
def test_what_is_queued_or_running_is_not_final(status: Status) -> None:
    assert status.final is (status in {Status.SUCCEEDED, Status.FAILED, Status.CANCELLED})


def test_a_recordings_length_is_guessed_until_it_is_known() -> None:
    file = JobFile("a", "s", guess_ms=5000)
    assert file.audio_ms == 5000
    assert replace(file, duration_ms=0).audio_ms == 0
    job = Job("j", (file, replace(file, duration_ms=7000, done_ms=3000)))
    assert (job.audio_ms, job.done_ms) == (12_000, 3000)
    assert Job("j", ()).audio_ms == 0


@given(st.lists(MOMENTS, min_size=2, max_size=5, unique_by=lambda moment: int(moment * 1000)))
def test_ids_sort_by_time(moments: list[float]) -> None:
    ids = [new_id(now=moment) for moment in sorted(moments)]
    assert ids == sorted(ids)


def test_ids_are_unlike_each_other_and_safe_in_a_path() -> None:
    ids = {new_id("msg", 5.0) for _ in range(100)}
    assert len(ids) == 100
    assert all(name.startswith("msg_") and name.replace("_", "").isalnum() for name in ids)
    assert new_id() > new_id(now=1_700_000_000.0)


def test_a_job_is_the_same_after_it_was_written_and_read() -> None:
    job = Job(
        "j",
        (JobFile("ü.wav", "s", url=True, duration_ms=3, status=Status.FAILED, error=Failure("m", "c", param="p")),),
        options=Options(task=Task.TRANSLATE, languages=("de", "en")),
        priority=Priority.LOW,
        started_at=1.5,
        metadata={"a": [1, {"b": None}], "c": "ü"},
        usage=Usage(1, 2, 3),
        error=Failure("m", "c"),
        lost=2,
    )
    assert decode(Job, encode(Job, job)) == job
