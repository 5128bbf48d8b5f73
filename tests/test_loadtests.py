"""How many callers there are when, and when a run has failed; and a run of a few seconds on the fake engine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.shapes import SHAPES, stage_at
from loadtests.thresholds import HEALTH, Measured, Thresholds, broken

ROOT = Path(__file__).parents[1]
FINE = Measured("short", 100, 0, 1.0)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("callers", [1, 12])
def test_a_shape_has_its_length_and_never_exceeds_the_callers(name: str, callers: int) -> None:
    stages = SHAPES[name](60, callers)
    assert stages[-1].end == pytest.approx(60)
    assert [stage.end for stage in stages] == sorted(stage.end for stage in stages)
    assert all(1 <= stage.callers <= callers and stage.pace > 0 for stage in stages)
    assert stage_at(stages, 60.001) is None


def test_shapes_are_what_their_names_say() -> None:
    def callers(name: str) -> list[int]:
        stages = SHAPES[name](60, 20)
        found = (stage_at(stages, second) for second in (1, 25, 59))
        return [stage.callers for stage in found if stage]

    assert callers("ramp") == [4, 12, 20]
    assert callers("spike") == [5, 20, 5]
    assert callers("soak") == [10, 10, 10]
    assert callers("brief") == [4, 5, 10]


def test_a_good_run_breaks_nothing() -> None:
    assert broken([FINE, Measured(HEALTH, 5, 0, 0.1), Measured("unused", 0, 0, 0.0)], Thresholds(), 0.1) == []


@pytest.mark.parametrize(
    ("kinds", "growth", "message"),
    [
        ([], None, "no request got a response"),
        ([Measured("short", 100, 1, 1.0)], None, "1 of 100 requests failed"),
        ([Measured("short", 100, 0, 31.0)], None, "short: p95 31.00 s; at most 30 s"),
        ([Measured(HEALTH, 100, 0, 0.6)], None, "health: p95 0.60 s; at most 0.5 s"),
        ([FINE], 0.3, "memory grew by 30%"),
    ],
)
def test_what_is_not_kept_is_named(kinds: list[Measured], growth: float | None, message: str) -> None:
    (line,) = broken(kinds, Thresholds(), growth)
    assert message in line


def test_some_failures_can_be_allowed() -> None:
    assert broken([Measured("short", 100, 1, 1.0)], Thresholds(failures=0.01)) == []


def drive(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loadtests", "--seconds", "4", "--callers", "3", *flags]
    fake = {"ENGINE": "fake", "DECODE_WORKERS": "1", "VAD_FILTER": "false", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=folder, env=os.environ | fake, capture_output=True, text=True, timeout=110, check=False
    )


def test_a_short_run_passes_and_leaves_a_report(tmp_path: Path) -> None:
    done = drive(tmp_path, "--any-words")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "window mp3" in done.stdout + done.stderr
    assert (tmp_path / "build" / "load" / "report.html").stat().st_size > 10_000


def test_a_threshold_that_is_not_kept_fails_the_run(tmp_path: Path) -> None:
    done = drive(tmp_path, "--any-words", "--most-p95", "0.000001")
    assert done.returncode == 1
    assert "not kept: " in done.stdout
