"""Values as the scripts of the Redis store take and give them: endpoint.jobs.redis_values."""

from __future__ import annotations

import json
from dataclasses import replace

from endpoint.jobs import redis_values as values
from endpoint.jobs.job import Delivery, Failure, Job, JobFile, Status

JOB = Job("job_1", (JobFile("a", "spool/a", guess_ms=5), JobFile("b", "https://b.test/", url=True)), metadata={"a": []})


def test_a_job_is_its_document_with_what_scripts_changed() -> None:
    document = values.write_job(JOB)
    assert values.read_job([document, b"queued", b"0", b"0"]) == JOB
    assert values.read_job([document, b"running", b"2", b"1", b"more"]) == replace(
        JOB, status=Status.RUNNING, attempts=2, lost=1
    )


def test_events_and_deliveries_come_back_as_they_were() -> None:
    event = values.read_event(7, values.write_event("job.progress", b'{"\0": 1}\0'))
    assert (event.number, event.type, event.data) == (7, "job.progress", b'{"\0": 1}\0')
    delivery = Delivery("msg_1", "job_1", "https://a.test/", b"\x00\xff", 1.5, attempts=2, due=3.25, failed="no")
    assert values.read_delivery(values.write_delivery(delivery)) == delivery
    assert json.loads(values.write_delivery(delivery))["value"]["job"] == "job_1"  # read by scripts


def test_sources_are_keys_of_the_spool() -> None:
    assert json.loads(values.sources(JOB)) == ["spool/a"]


def test_only_a_job_with_an_address_has_a_webhook() -> None:
    assert values.webhook(None) == values.webhook(JOB) == ("", "", "")
    ended = values.final(replace(JOB, callback_url="https://a.test/", status=Status.CANCELLED), 5.0, 10.0)
    assert (ended.finished_at, ended.expires_at) == (5.0, 15.0)
    hook, document, due = values.webhook(ended)
    assert due == 5.0
    assert isinstance(document, bytes)
    assert values.read_delivery(document).id == hook


def test_another_chance_is_from_the_start() -> None:
    file = replace(JOB.files[0], status=Status.FAILED, error=Failure("no", "no"), done_ms=3, duration_ms=9)
    failed = replace(JOB, files=(file,), status=Status.FAILED, lost=3, error=Failure("no", "no"), attempts=4)
    ended = values.final(replace(failed, started_at=1.0, finished_at=4.0), 5.0, 10.0)
    assert ended.finished_at == 4.0
    queued = replace(JOB, files=(replace(JOB.files[0], duration_ms=9),), attempts=4)
    assert values.queued_again(ended) == queued
