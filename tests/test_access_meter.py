"""Rows on their way to the ledger: endpoint.access.meter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from endpoint.access.journal import Journal
from endpoint.access.meter import LedgerMeter
from endpoint.access.usage import DayUsage, UsageRow
from endpoint.errors import StoreUnavailable


class StandIn:
    """A Ledger that may be unavailable."""

    def __init__(self, *, fails: int = 0) -> None:
        self.rows = dict[str, UsageRow]()
        self.calls, self.fails, self.closed = 0, fails, False

    async def open(self) -> None:
        if self.fails:
            self.fails -= 1
            raise StoreUnavailable("gone")

    async def close(self) -> None:
        self.closed = True

    async def add(self, rows: Sequence[UsageRow]) -> None:
        self.calls += 1
        for row in rows:
            self.rows.setdefault(row.id, row)

    async def days(self, start: str, end: str, key: str | None = None) -> Sequence[DayUsage]:
        return []


def row(number: int) -> UsageRow:
    return UsageRow(f"req_{number}", "alice", "base", "transcribe", number, 1, 5.0)


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_rows_are_written_many_at_once(tmp_path: Path) -> None:
    ledger = StandIn()
    meter = LedgerMeter(ledger, tmp_path)
    meter.start()
    for number in range(1_200):
        meter.add(row(number))
    await meter.flushed(60)
    assert list(ledger.rows) == [f"req_{number}" for number in range(1_200)]
    assert ledger.calls == 3
    await meter.close()
    assert ledger.closed
    assert files(tmp_path) == []


async def test_nothing_is_lost_at_the_end(tmp_path: Path) -> None:
    ledger = StandIn()
    meter = LedgerMeter(ledger, tmp_path)
    meter.start()
    meter.add(row(1))
    await meter.close(60)
    assert list(ledger.rows) == ["req_1"]


async def test_a_ledger_that_is_unavailable_gets_them_later(tmp_path: Path) -> None:
    ledger = StandIn(fails=1)
    meter = LedgerMeter(ledger, tmp_path)
    meter.start()
    meter.add(row(1))
    await meter.flushed(60)
    assert list(ledger.rows) == ["req_1"]
    await meter.close()


async def test_what_was_not_written_in_time_is_written_by_the_next_process(tmp_path: Path) -> None:
    gone = LedgerMeter(StandIn(fails=10**9), tmp_path)
    gone.start()
    gone.add(row(1))
    gone.add(row(2))
    await gone.close(0.01)
    ledger = StandIn()
    ledger.rows["req_1"] = row(1)  # that it has this one was not known
    after = LedgerMeter(ledger, tmp_path)
    after.start()
    after.add(row(3))
    await after.flushed(60)
    assert list(ledger.rows) == ["req_1", "req_2", "req_3"]
    await after.close()
    assert files(tmp_path) == []


async def test_it_works_without_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ledger = StandIn()
    meter = LedgerMeter(ledger, tmp_path / "file")
    meter.start()
    meter.add(row(1))
    await meter.close(60)
    assert list(ledger.rows) == ["req_1"]


def test_a_process_that_lives_is_left_alone(tmp_path: Path) -> None:
    live = Journal(tmp_path)
    live.write([row(1)])
    other = Journal(tmp_path)
    assert list(other.left_behind()) == []
    live.close()
    other.close()
