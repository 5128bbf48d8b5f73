"""Traces: their two kinds of moments, and that a bad row is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from endpoint.capacity.trace import Arrival, audio_seconds, read_trace
from endpoint.errors import InvalidRequest


def written(folder: Path, *rows: str, head: str = "arrival,duration") -> Path:
    path = folder / "trace.csv"
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


def test_seconds_in_any_order_and_columns_that_are_not_used(tmp_path: Path) -> None:
    found = read_trace(written(tmp_path, "a,12,3.5", "b,10,2", head="name,arrival,duration"))
    assert found == [Arrival(0, 2), Arrival(2, 3.5)]
    assert audio_seconds(found) == 5.5


def test_dates_and_times(tmp_path: Path) -> None:
    rows = "2026-11-26T10:00:00Z,30", "2026-11-26T12:00:30.5+02:00,60"
    assert read_trace(written(tmp_path, *rows)) == [Arrival(0, 30), Arrival(30.5, 60)]


def test_twice_the_traffic(tmp_path: Path) -> None:
    assert read_trace(written(tmp_path, "0,1", "10,1"), speed=2)[1] == Arrival(5, 1)


@pytest.mark.parametrize("row", ["x,1", "1,x", "1,0", "1,-2", "1,inf", "nan,1", "1", ",3"])
def test_a_bad_row_is_named(tmp_path: Path, row: str) -> None:
    with pytest.raises(InvalidRequest, match="line 3"):
        read_trace(written(tmp_path, "0,1", row))


def test_what_is_no_trace(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="no column duration"):
        read_trace(written(tmp_path, "0", head="arrival"))
    with pytest.raises(InvalidRequest, match="no row"):
        read_trace(written(tmp_path))
    with pytest.raises(InvalidRequest, match="cannot read"):
        read_trace(tmp_path / "none.csv")
