"""A step is done as a whole or not at all: endpoint.jobs.sqlite_rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from endpoint.jobs import sqlite_rows
from endpoint.jobs.sqlite import SqliteStore
from tests.jobs_support import make_job, succeeded


async def test_a_step_that_fails_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(tmp_path / "jobs.db", wait_seconds=60.0)
    await store.open()
    await store.submit(make_job(1, callback_url="https://example.test/hook"))
    claim = await store.claim("worker")
    assert claim is not None
    await store.save_window(claim, 0, 0, b"window")
    before = await store.sizes()
    with monkeypatch.context() as patch:
        patch.setattr(sqlite_rows, "orphan", lambda *_: 1 / 0)  # the last thing that is done
        with pytest.raises(ZeroDivisionError):
            await store.finish(claim, succeeded(claim.job), {0: b"result"})
        with pytest.raises(ZeroDivisionError):
            await store.cancel(claim.job.id)
    assert await store.sizes() == before
    assert await store.get(claim.job.id) == claim.job
    assert await store.usage_rows() == []
    await store.finish(claim, succeeded(claim.job), {0: b"result"})
    assert (await store.sizes())["outbox"] == 1
    await store.close()
