"""`endpoint usage`."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from endpoint.__main__ import main
from endpoint.access.keys_sqlite import SqliteKeys
from endpoint.access.usage import UsageRow
from endpoint.access.usage_sqlite import SqliteLedger
from tests.access_support import made_key, made_secret

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp()
DAY = ["--start", "2026-11-26", "--end", "2026-11-26"]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "jobs.db"
    monkeypatch.setenv("JOBS_URL", str(path))
    monkeypatch.setenv("PRICES", '{"*": 0.6}')

    async def fill() -> None:
        ledger = SqliteLedger(path, wait_seconds=60)
        await ledger.open()
        rows = [UsageRow(f"req_{n}", ("alice", "bob")[n % 2], "base", "transcribe", 1_500, 2, NOON) for n in range(3)]
        await ledger.add(rows)
        await ledger.close()

    asyncio.run(fill())


@pytest.mark.usefixtures("store")
def test_usage_is_shown_with_its_total(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage", *DAY, "--group-by", "key"]) == 0
    shown = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.splitlines() if "│" in line]
    assert rows == [
        ["alice", "2", "3.000", "4", "0.040000"],
        ["bob", "1", "1.500", "2", "0.020000"],
        ["", "3", "4.500", "6", "0.060000"],
    ]


@pytest.mark.usefixtures("store")
def test_keys_are_shown_by_name_and_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = made_key(1, name="Alice of accounting")

    async def fill() -> None:
        keys, ledger = SqliteKeys(tmp_path / "jobs.db"), SqliteLedger(tmp_path / "jobs.db", wait_seconds=60)
        await keys.open()
        await keys.add(key, made_secret(key))
        await keys.close()
        await ledger.open()
        rows = [
            UsageRow(f"k{n}", name, "base", "transcribe", 1_500, 2, NOON) for n, name in enumerate((key.id, "key_x"))
        ]
        await ledger.add(rows)
        await ledger.close()

    asyncio.run(fill())
    assert main(["usage", *DAY, "--group-by", "key"]) == 0
    shown = [line.split("│")[1].strip() for line in capsys.readouterr().out.splitlines() if "│" in line]
    assert shown == ["alice", "bob", f"Alice of accounting {key.id}", "key_x", ""]


@pytest.mark.usefixtures("store")
def test_usage_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage", *DAY, "--format", "json", "--key", "bob"]) == 0
    assert json.loads(capsys.readouterr().out)["total"]["audio_seconds"] == 1.5
    assert main(["usage", *DAY, "--format", "csv"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "2026-11-26,3,4.500,6,0.060000,USD"


@pytest.mark.usefixtures("store")
def test_there_may_be_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage", "--start", "2020-01-01", "--end", "2020-01-31"]) == 0
    assert "no usage from 2020-01-01 to 2020-01-31" in capsys.readouterr().out


def test_what_cannot_be_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage", "--start", "2026-11-27", "--end", "2026-11-26"]) == 2
    monkeypatch.setenv("JOBS_URL", "off")
    assert main(["usage"]) == 2
    assert "JOBS_URL is off" in capsys.readouterr().err
