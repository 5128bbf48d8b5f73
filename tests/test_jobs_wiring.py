"""Jobs joined by the settings: endpoint.jobs.wiring, and a server with jobs from end to end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from endpoint.config import Settings
from endpoint.errors import ConfigError
from endpoint.jobs.redis import RedisStore
from endpoint.jobs.sqlite import SqliteStore
from endpoint.jobs.wiring import audio_of, build_jobs, open_store
from endpoint.wiring import build_app

ACTIVE = ("queued", "running")
SPEECH = Path(__file__).parents[1] / "endpoint" / "demo" / "recordings" / "LJ001-0011.flac"


def settings(**more: object) -> Settings:
    return Settings(engine="fake", decode_workers=1, **more)


def test_the_store_is_that_of_the_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert isinstance(open_store(settings()), SqliteStore)
    assert isinstance(open_store(settings(jobs_url=str(tmp_path / "deep" / "jobs.db"))), SqliteStore)
    assert (tmp_path / "deep").is_dir()
    assert isinstance(open_store(settings(jobs_url="redis://localhost:1/0")), RedisStore)
    with pytest.raises(ConfigError, match="mysql is no store"):
        open_store(settings(jobs_url="mysql://x"))
    assert build_jobs(settings(jobs_url="off")) is None


def test_audio_is_beside_the_store_unless_set_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert audio_of(settings(port=80)) == str(tmp_path / "whisper-endpoint" / "jobs-80-audio")
    assert audio_of(settings(port=80, jobs_url="/data/all.db")) == "/data/all-audio"
    assert audio_of(settings(jobs_url="redis://x", job_audio="s3://bucket/a")) == "s3://bucket/a"


def test_without_a_folder_that_was_asked_for_there_are_no_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server starts all the same: a container may have nowhere to write."""
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert build_jobs(settings()) is None
    with pytest.raises(ConfigError, match="JOBS_URL"):
        build_jobs(settings(jobs_url=str(tmp_path / "file" / "jobs.db")))


@pytest.mark.timeout(300)
async def test_a_server_works_its_jobs_off_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    one = settings(jobs_url=str(tmp_path / "jobs.db"), job_workers=0)
    async with running(one) as client:
        sent = await client.post("/v1/audio/jobs", files={"file": ("speech.flac", SPEECH.read_bytes())})
        assert sent.status_code == 202, sent.text
        job = sent.json()
        assert (job["status"], job["queue"]["position"]) == ("queued", 0)
    async with running(settings(jobs_url=str(tmp_path / "jobs.db"))) as client:
        while (found := (await client.get(f"/v1/audio/jobs/{job['id']}")).json())["status"] in ACTIVE:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        assert (found["status"], found["error"], found["progress"]["fraction"]) == ("succeeded", None, 1.0)
        result = await client.get(f"/v1/audio/jobs/{job['id']}/result", params={"response_format": "verbose_json"})
        direct = await client.post(
            "/v1/audio/transcriptions",
            files={"file": ("speech.flac", SPEECH.read_bytes())},
            data={"response_format": "verbose_json"},
        )
        assert result.json() == direct.json()


class running:  # noqa: N801 - used as a function
    """The application with its lifespan, in this loop, and a client."""

    def __init__(self, own: Settings) -> None:
        self._app = build_app(own)

    async def __aenter__(self) -> httpx.AsyncClient:
        self._lifespan = self._app.router.lifespan_context(self._app)
        await self._lifespan.__aenter__()
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(self._app), base_url="http://test")
        while (await self._client.get("/ready")).status_code != 200:  # noqa: ASYNC110 - as a client waits
            await asyncio.sleep(0.01)
        return self._client

    async def __aexit__(self, *failure: object) -> None:
        await self._client.aclose()
        await self._lifespan.__aexit__(None, None, None)
