"""`endpoint jobs`, against a live server."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import structlog

from endpoint import client as client_module
from endpoint.__main__ import main
from endpoint.jobs.job import Failure, Job, JobFile, Priority, Status
from endpoint.net import free_port
from tests.api_support import AUDIO, TRANSCRIPT, StandIn, serve
from tests.jobs_memory import MemoryStore, end_next, memory_jobs


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    monkeypatch.setattr(client_module, "POLL_SECONDS", 0.01)
    return MemoryStore()


@pytest.fixture
def url(store: MemoryStore) -> Iterator[str]:
    """The server runs in this process, whose output is looked at: it logs nothing."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with serve(StandIn(), jobs=memory_jobs(store=store)) as address:
        yield f"{address}/v1"


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    path = tmp_path / "talk.wav"
    path.write_bytes(AUDIO)
    return path


def jobs(capsys: pytest.CaptureFixture[str], *arguments: object, status: int = 0) -> str:
    """What a command prints."""
    assert main(["jobs", *map(str, arguments)]) == status
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    return shown.out if status == 0 else shown.out + shown.err


def test_from_submission_to_result(
    url: str, store: MemoryStore, talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = ["--server", url]
    flags = ["--language", "en", "--words", "--priority", "low", "--metadata", '{"order": 7}', "--idempotency-key", "k"]
    job = jobs(capsys, "submit", talk, *server, *flags).strip()
    assert jobs(capsys, "submit", talk, *server, *flags).strip() == job
    kept = store.jobs[job]
    assert (kept.options.language, kept.options.words, kept.priority) == ("en", True, Priority.LOW)
    assert json.loads(jobs(capsys, "status", job, *server))["metadata"] == {"order": 7}
    assert "is not finished after 0.05 s" in jobs(capsys, "wait", job, *server, "--timeout", 0.05, status=2)
    assert "job is queued" in jobs(capsys, "result", job, *server, status=2)
    asyncio.run(end_next(store))
    assert jobs(capsys, "wait", job, *server) == "succeeded\n"
    assert jobs(capsys, "result", job, *server) == f"{TRANSCRIPT.text}\n"
    assert json.loads(jobs(capsys, "result", job, *server, "--format", "json"))["text"] == TRANSCRIPT.text
    assert "segments" in jobs(capsys, "result", job, *server, "--format", "verbose_json", "--words")
    output = tmp_path / "out.srt"
    assert jobs(capsys, "result", job, *server, "--format", "srt", "--output", output) == ""
    assert output.read_text(encoding="utf-8").startswith("1\n00:00:00,000 -->")
    assert "cannot write" in jobs(capsys, "result", job, *server, "--output", tmp_path, status=2)


def test_speakers_are_asked_for(url: str, store: MemoryStore, talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = ["--known-speaker-names", "Linda", "--known-speaker-references", talk]  # a file, sent as a data URL
    job = jobs(capsys, "submit", talk, "--diarize", "--num-speakers", 2, *known, "--server", url).strip()
    asked = store.jobs[job].options.speakers
    assert asked is not None
    assert (asked.number, [(one.name, one.reference) for one in asked.known]) == (2, [("Linda", talk.read_bytes())])
    apart = jobs(capsys, "submit", talk, "--multichannel", "--server", url).strip()
    assert store.jobs[apart].options.multichannel


def test_addresses_and_files(url: str, store: MemoryStore, talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = jobs(capsys, "submit", "https://example.com/a.mp3", "http://example.com/b.mp3", "--server", url).strip()
    assert [file.source for file in store.jobs[job].files] == ["https://example.com/a.mp3", "http://example.com/b.mp3"]
    assert "either files or addresses" in jobs(
        capsys, "submit", talk, "https://example.com/a.mp3", "--server", url, status=2
    )
    assert "nothing.wav" in jobs(capsys, "submit", "nothing.wav", "--server", url, status=2)


def test_the_list(url: str, talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert jobs(capsys, "list", "--server", url) == "no jobs\n"
    first, second = (jobs(capsys, "submit", talk, "--server", url).strip() for _ in range(2))
    shown = jobs(capsys, "list", "--server", url, "--limit", 1)
    assert second in shown
    assert f"--after {second}" in shown
    assert first in jobs(capsys, "list", "--server", url, "--after", second)
    assert jobs(capsys, "cancel", first, "--server", url) == "cancelled\n"
    assert second not in jobs(capsys, "list", "--server", url, "--status", "cancelled")


def test_what_failed(url: str, store: MemoryStore, talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = jobs(capsys, "submit", talk, "--server", url).strip()
    asyncio.run(end_next(store, error=Failure("no audio in it", "no_audio")))
    assert jobs(capsys, "wait", job, "--server", url, status=1).split("\n", 1)[0] == "failed"
    assert "no audio in it" in jobs(capsys, "wait", job, "--server", url, status=1)
    assert "no audio in it" in jobs(capsys, "result", job, "--server", url, status=2)


def test_a_server_that_is_away(talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = f"http://127.0.0.1:{free_port()}/v1"
    for command in (["submit", talk], ["list"], ["wait", "job_1"]):
        assert base in jobs(capsys, *command, "--server", base, status=2)
    assert "http://" in jobs(capsys, "list", "--server", "localhost", status=2)


@pytest.mark.parametrize("text", ["[1]", "{"])
def test_metadata_is_an_object(text: str, talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["jobs", "submit", str(talk), "--metadata", text])
    assert ended.value.code == 2
    assert "--metadata" in capsys.readouterr().err


def test_a_failed_job_is_queued_again(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    store, wiring = MemoryStore(), ModuleType("wiring")
    wiring.open_store = lambda settings: store  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "endpoint.jobs.wiring", wiring)
    store.jobs["job_1"] = Job("job_1", (JobFile("a.wav", "s1"),), status=Status.FAILED)
    assert jobs(capsys, "requeue", "job_1") == "queued\n"
    assert store.jobs["job_1"].status is Status.QUEUED
    assert "no job job_1 that failed" in jobs(capsys, "requeue", "job_1", status=2)
