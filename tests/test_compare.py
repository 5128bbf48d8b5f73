"""The sums of `make compare` on figures that are known, and that everybody is given the same."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.compare import report
from benchmarks.compare.__main__ import CLOSED, paced
from benchmarks.compare.cases import CONCURRENCY, FULL, SMALL, Case, sent
from benchmarks.compare.contenders import ENGINE, FASTER, OURS, STOCK, Contender
from benchmarks.compare.settings import engine_settings, server_flags

GIVEN, UNKNOWN = Case("packed", True), Case("packed", False)


def rows(*speeds: float, wer: float = 0.01, latency: float = 1.0) -> list[dict[str, Any]]:
    return [
        {
            "audio_seconds_per_second": speed,
            "windows_per_second": speed / 28,
            "requests_per_second": speed / 28,
            "wer": wer,
            "latencies": [latency] * 20,
        }
        for speed in speeds
    ]


def measured(lines: list[report.Check], start: str) -> tuple[str, bool]:
    (line,) = [line for line in lines if line[0].startswith(start)]
    return line[1], line[3]


def test_ratios_are_of_the_same_round() -> None:
    found = {OURS: rows(100, 200, 90), STOCK: rows(50, 100, 90)}
    assert report.ratio(found, OURS, STOCK, "audio_seconds_per_second") == 2.0


@pytest.mark.parametrize(
    ("ours", "stock", "engine", "met"), [(130, 100, 200, True), (120, 100, 130, True), (120, 100, 140, False)]
)
def test_with_a_language_either_ratio_is_enough(ours: float, stock: float, engine: float, met: bool) -> None:
    found = {OURS: rows(ours), STOCK: rows(stock), ENGINE: rows(engine)}
    lines = report.checks([GIVEN], {GIVEN.name: found})
    assert measured(lines, "audio s/s over")[1] is met


def test_without_a_language_more_is_wanted() -> None:
    lines = report.checks([UNKNOWN], {UNKNOWN.name: {OURS: rows(170), STOCK: rows(100)}})
    assert measured(lines, "audio s/s over") == ("1.70", False)


def test_word_errors_and_the_library_count_too() -> None:
    found = {OURS: rows(100, wer=0.02), STOCK: rows(10), FASTER: rows(101)}
    lines = report.checks([GIVEN], {GIVEN.name: found})
    assert measured(lines, "word errors") == ("2.00%", False)
    assert measured(lines, "windows/s over") == ("0.99", False)


def test_latency_is_compared_at_a_pace_over_all_rounds() -> None:
    slow = Case("packed", True, rate=2.0)
    found = {OURS: [*rows(1, latency=1.0), *rows(1, latency=3.0)], STOCK: rows(1, 1, latency=2.0)}
    assert report.checks([slow], {slow.name: found}) == [("p95 s, " + slow.name, "3.00", "at most 2.00", False)]


def test_the_pace_is_that_of_the_slower_one() -> None:
    results: Any = {case.name: {OURS: rows(280), STOCK: rows(140)} for case in CLOSED}
    assert [case.rate for case in paced(results)] == [pytest.approx(0.7 * 5)] * 3
    assert paced({case.name: {OURS: rows(280)} for case in CLOSED}) == []


def test_who_is_not_there_is_not_judged() -> None:
    assert report.checks(CLOSED, {GIVEN.name: {OURS: rows(1)}}) == []


def test_who_waits_for_a_turn_stands_still_with_all_it_started(tmp_path: Path) -> None:
    child = "import sys; sys.stdin.read()"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    who = Contender("somebody", [sys.executable, "-c", program], {}, tmp_path / "log", stdin=subprocess.PIPE)
    try:
        while len(who._tree()) < 2:
            time.sleep(0.01)
        who.rest()
        assert [process.status() for process in who._tree()] == ["stopped"] * 2
        who.turn()
        assert "stopped" not in [process.status() for process in who._tree()]
        who.rest()
    finally:
        tree = who._tree()
        who.close()
    assert [process for process in tree if process.is_running()] == []


def test_everybody_is_given_the_same_recordings() -> None:
    for size in (SMALL, FULL):
        once, again = sent("packed", size), sent("packed", size)
        assert len(once) == size.requests["packed"] >= CONCURRENCY
        assert [item.samples.tobytes() for item in once] == [item.samples.tobytes() for item in again]


def test_vllms_server_gets_the_settings_of_the_engine() -> None:
    flags, settings = server_flags(), engine_settings()
    assert flags[flags.index("--max-num-batched-tokens") + 1] == str(settings["max_num_batched_tokens"])
    assert "--enforce-eager" in flags
    assert "--no-enable-prefix-caching" in flags
    assert flags[flags.index("--limit-mm-per-prompt") + 1] == '{"audio": 1}'
