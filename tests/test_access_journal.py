"""Rows that outlive their process: endpoint.access.journal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from endpoint.access import journal
from endpoint.access.journal import Journal
from endpoint.access.usage import UsageRow

KILLED = """
import os, signal, sys
from pathlib import Path
from endpoint.access.journal import Journal
from endpoint.access.usage import UsageRow
Journal(Path(sys.argv[1])).write([UsageRow(f"req_{n}", "alice", "base", "transcribe", n, 1, 5.0) for n in range(3)])
os.kill(os.getpid(), signal.SIGKILL)
"""


def row(number: int) -> UsageRow:
    return UsageRow(f"req_{number}", "älice", "base", "transcribe", number, 1, 5.0)


def left(folder: Path) -> list[str]:
    reader = Journal(folder)
    found = [one.id for path, rows in reader.left_behind() for one in rows if path.exists()]
    reader.close()
    return found


def test_a_killed_process_leaves_its_rows(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert left(tmp_path) == ["req_0", "req_1", "req_2"]


def test_a_live_process_keeps_its_own(tmp_path: Path) -> None:
    live = Journal(tmp_path)
    live.write([row(1)])
    assert left(tmp_path) == []
    live.close()  # the ledger was not there
    assert left(tmp_path) == ["req_1"]


def test_what_is_in_the_ledger_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MOST_BYTES", 200)
    one = Journal(tmp_path)
    one.write([row(number) for number in range(10)])
    one.keep([row(9)])
    one.write([row(10)])
    assert len(list(tmp_path.iterdir())) == 1
    one.close()
    assert left(tmp_path) == ["req_9", "req_10"]
    other = Journal(tmp_path)
    other.write([row(11)])
    other.keep([])
    other.close()
    assert len(list(tmp_path.iterdir())) == 1  # of the first


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    one = Journal(tmp_path)
    one.write([row(1), row(2)])
    one.close()
    (path,) = tmp_path.iterdir()
    os.truncate(path, path.stat().st_size - 5)
    assert left(tmp_path) == ["req_1"]
