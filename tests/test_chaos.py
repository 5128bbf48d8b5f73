"""`make chaos` in its short form, on both stores: real processes that are killed, paused, cut off and filled up."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.chaos.__main__ import CHECKS
from benchmarks.chaos.recordings import WINDOW_SECONDS, recording
from benchmarks.chaos.timeline import GO_ON, KILL, PAUSE, READY, START, Timeline
from benchmarks.chaos.worker_killed import _repeated
from tests.test_architecture import ROOT

MOST_SECONDS = 400  # for each store; a minute on two idle cores


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def report(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[dict[str, object]]]:
    """The rows of every check."""
    if request.param == "redis":
        request.getfixturevalue("redis_program")  # skips without one
    folder: Path = tmp_path_factory.mktemp("chaos")
    command = [sys.executable, "-m", "benchmarks.chaos", "--store", request.param, "--small", "--folder", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=MOST_SECONDS, check=False)
    print(done.stdout, done.stderr)  # what was measured, where a test fails
    assert done.returncode in (0, 1)
    assert "<svg" in (folder / "report.html").read_text(encoding="utf-8")
    made = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return {check["check"]: check["rows"] for check in made["checks"]}


@pytest.mark.timeout(MOST_SECONDS + 100)
@pytest.mark.parametrize("check", [check.__name__ for check in CHECKS])
def test_it_holds(check: str, report: dict[str, list[dict[str, object]]]) -> None:
    """How long things take is for `make chaos` to judge, on a machine that does nothing else."""
    assert report[check]
    assert [row for row in report[check] if not row["met"] and not row["timed"]] == []


def test_what_was_decoded_again_counts_for_whom_it_was_taken_from() -> None:
    assert _repeated([(1.0, 7, "a"), (2.0, 7, "b"), (3.0, 8, "b"), (4.0, 9, "b")]) == {7: 1, 8: 1}


def test_no_window_of_a_recording_repeats_what_came_before() -> None:
    """It would be taken for an echo of the text before it, and decoded twice without a kill."""
    choose = random.Random(0)
    for _ in range(300):
        words = recording(choose, 12).text.split()
        for end in range(WINDOW_SECONDS, len(words), WINDOW_SECONDS):
            window = words[end : end + WINDOW_SECONDS]
            assert all(words[at : at + WINDOW_SECONDS] != window for at in range(end - WINDOW_SECONDS + 1))


def test_the_plot_has_a_row_for_each_process_and_a_cross_for_each_kill() -> None:
    timeline = Timeline()
    for kind in (START, READY, KILL, START, PAUSE, GO_ON):
        timeline.mark("worker", kind)
    timeline.count(3, 2, 1)
    timeline.count(3, 0, 1)
    plot = timeline.svg()
    assert plot.count("<path") == 1
    assert plot.count("<rect") == 3
    assert plot.count(">worker<") == 1
    assert plot.count("<polygon") == 3
