"""A job as its caller sees it: endpoint.jobs.view."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from endpoint.jobs.job import Failure, JobFile, QueuePosition, Status
from endpoint.jobs.view import dumps, job_object, last_delivery, last_event
from endpoint.types import Usage
from tests.jobs_support import make_job, succeeded

HOOK = "https://example.test/hook"


def test_a_queued_job_says_when_it_may_start() -> None:
    seen = job_object(make_job(1, metadata={"a": 1}), QueuePosition(2, 120_000), speed=40.0)
    assert (seen["id"], seen["object"], seen["status"], seen["priority"]) == (
        "job_000001",
        "audio.job",
        "queued",
        "normal",
    )
    assert seen["queue"] == {"position": 2, "audio_seconds_ahead": 120.0, "estimated_start_seconds": 3.0}
    assert seen["metadata"] == {"a": 1}
    assert (seen["created_at"], seen["started_at"], seen["usage"], seen["error"]) == (1_700_000_001, None, None, None)
    assert seen["options"]["task"] == "transcribe"
    assert job_object(make_job(1))["queue"] is None


def test_the_next_job_starts_at_once() -> None:
    assert job_object(make_job(1), QueuePosition(0, 0))["queue"]["estimated_start_seconds"] == 0


@pytest.mark.parametrize(
    ("status", "guess_ms", "done_ms", "fraction"),
    [
        (Status.QUEUED, 0, 0, 0.0),  # its length is not known
        (Status.RUNNING, 60_000, 15_000, 0.25),
        (Status.RUNNING, 10_000, 15_000, 1.0),  # longer than was guessed
        (Status.SUCCEEDED, 0, 0, 1.0),
        (Status.FAILED, 60_000, 15_000, 0.25),
    ],
)
def test_progress_is_a_part_of_the_audio(status: Status, guess_ms: int, done_ms: int, fraction: float) -> None:
    file = JobFile("a", "s", guess_ms=guess_ms, done_ms=done_ms)
    progress = job_object(make_job(1, files=(file,), status=status))["progress"]
    assert progress == {
        "audio_seconds_done": done_ms / 1000,
        "audio_seconds_total": guess_ms / 1000,
        "fraction": fraction,
    }


@pytest.mark.parametrize("guesses_ms", [(60_000, 20_000), (0, 0)])
def test_progress_never_falls_whatever_the_files_turn_out_to_be(guesses_ms: tuple[int, int]) -> None:
    first, second = (JobFile("a", "s", guess_ms=guess) for guess in guesses_ms)
    steps = [
        (first, second),
        (replace(first, duration_ms=30_000, done_ms=10_000), second),
        (replace(first, duration_ms=30_000, done_ms=30_000, status=Status.SUCCEEDED), second),
        (replace(first, duration_ms=30_000, done_ms=30_000), replace(second, duration_ms=3_600_000)),
        (replace(first, duration_ms=30_000, done_ms=30_000), replace(second, duration_ms=3_600_000, done_ms=9_000)),
    ]
    jobs = [make_job(1, files=files, status=Status.RUNNING) for files in steps]
    fractions = [job_object(job)["progress"]["fraction"] for job in jobs]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0.0
    assert fractions[2] == fractions[3] == pytest.approx(0.75 if any(guesses_ms) else 0.5)
    ended = replace(jobs[-1], status=Status.SUCCEEDED)
    assert job_object(ended)["progress"]["fraction"] == 1.0


LOST = Failure("lost", "worker_lost", "server_error")
BAD = Failure("bad", "no_audio")


@pytest.mark.parametrize(
    ("status", "shown", "codes"),
    [
        (Status.QUEUED, ["queued", "succeeded", "failed"], [None, None, "no_audio"]),  # its worker was lost
        (Status.RUNNING, ["running", "succeeded", "failed"], [None, None, "no_audio"]),
        (Status.CANCELLED, ["cancelled", "succeeded", "failed"], [None, None, "no_audio"]),
        (Status.FAILED, ["failed", "succeeded", "failed"], ["worker_lost", None, "no_audio"]),
    ],
)
def test_files_that_were_not_finished_are_what_their_job_is(
    status: Status, shown: list[str], codes: list[str | None]
) -> None:
    files = (
        JobFile("a", "s", status=Status.RUNNING),
        JobFile("b", "s", status=Status.SUCCEEDED),
        JobFile("c", "s", status=Status.FAILED, error=BAD),
    )
    job = make_job(1, files=files, status=status, error=LOST if status is Status.FAILED else None)
    seen = job_object(job)["files"]
    assert [file["status"] for file in seen] == shown
    assert [file["error"] and file["error"]["code"] for file in seen] == codes


def test_files_and_failures_are_in_openais_terms() -> None:
    error = Failure("damaged", "invalid_audio", param="file")
    file = JobFile("a.mp3", "secret/key", duration_ms=1500, status=Status.FAILED, error=error)
    seen = job_object(make_job(1, files=(file,), status=Status.FAILED, error=error, usage=Usage(audio_tokens=75)))
    shown = {"message": "damaged", "type": "invalid_request_error", "param": "file", "code": "invalid_audio"}
    assert seen["files"] == [{"name": "a.mp3", "status": "failed", "duration": 1.5, "error": shown}]
    assert (seen["error"], seen["usage"]) == (shown, {"type": "duration", "seconds": 1})
    assert "secret" not in json.dumps(seen)  # where the audio is concerns nobody


def test_the_last_event_is_the_job_itself() -> None:
    job = replace(succeeded(make_job(1)), finished_at=5.0)
    kind, data = last_event(job)
    assert kind == "job.succeeded"
    assert json.loads(data) == job_object(job)


def test_the_webhook_is_small_and_names_the_job() -> None:
    job = replace(succeeded(make_job(1, callback_url=HOOK, metadata={"ü": 1})), finished_at=1_700_000_050.5)
    delivery = last_delivery(job)
    assert delivery is not None
    assert (delivery.job, delivery.url, delivery.attempts) == (job.id, HOOK, 0)
    assert delivery.created_at == delivery.due == 1_700_000_050.5
    body = json.loads(delivery.body)
    assert (body["type"], body["timestamp"]) == ("audio.job.succeeded", 1_700_000_050)
    assert body["data"]["metadata"] == {"ü": 1}
    assert body["data"]["links"]["result"] == "/v1/audio/jobs/job_000001/result"
    assert "ü".encode() in delivery.body


def test_without_an_address_there_is_no_webhook() -> None:
    assert last_delivery(succeeded(make_job(1))) is None


def test_json_has_no_spaces() -> None:
    assert dumps({"a": [1, "ü"]}) == '{"a":[1,"ü"]}'.encode()
