"""`endpoint capacity`: the smallest fleet that holds the goal, what it costs, and its reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from endpoint.__main__ import main
from endpoint.bench.loops import arrivals
from tests.capacity_support import a_run


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    """Engines of 4 windows a second, and 6 recordings of 10 s a second for ten minutes."""
    report = {"runs": [a_run(1, 2.0), a_run(4, 4.0), a_run(16, 4.0)]}
    (tmp_path / "bench.json").write_text(json.dumps(report))
    rows = [f"{at},10" for at in arrivals(6, 600, seed=7)]
    (tmp_path / "trace.csv").write_text("\n".join(["arrival,duration", *rows]))
    return ["capacity", "--bench", f"{tmp_path}/bench.json", "--trace", f"{tmp_path}/trace.csv"]


def test_two_engines_are_too_few_for_a_second_and_enough_for_three(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {}
    for goal in ("1.1", "3"):
        flags = ["--goal", goal, "--price", "2", "--json", f"{tmp_path}/out.json", "--html", f"{tmp_path}/out.html"]
        assert main([*given, *flags]) == 0
        found[goal] = json.loads((tmp_path / "out.json").read_text())
        page = (tmp_path / "out.html").read_text()
        assert page.count("<svg") == 5
        assert "autoscaled" in page
    assert [found[goal]["engines that hold it"] for goal in found] == [3, 2]
    one, two, *_ = found["3"]["fleets"]
    assert not one["holds"]
    assert two["holds"]
    assert two["cost"] == pytest.approx(2 * two["hours"])
    assert two["audio_cost"] == pytest.approx(two["cost"] / found["3"]["audio hours"], rel=0.01)
    assert found["3"]["fleets"][-1]["engines"] == "autoscaled"
    assert found["3"]["threshold, seconds of audio for an engine"] == 120
    assert "engines that hold it: 2" in capsys.readouterr().out


def test_a_goal_that_nothing_holds_is_status_1(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*given, "--goal", "0.1", "--most", "3"]) == 1
    assert "no fleet of up to 3 engines" in capsys.readouterr().err


def test_what_was_not_measured_is_noted(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main([*given, "--goal", "0.1", "--most", "1"])
    assert "the report measured 16" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--goal", "0"], ["--most", "-1"], ["--price", "nan"], ["--slots", "x"]])
def test_numbers_are_checked(given: list[str], flags: list[str]) -> None:
    with pytest.raises(SystemExit):
        main([*given, *flags])


def test_files_that_cannot_be_read_or_written(given: list[str], tmp_path: Path) -> None:
    assert main([*given, "--bench", f"{tmp_path}/none.json"]) == 2
    assert main([*given, "--trace", f"{tmp_path}/none.csv"]) == 2
    assert main([*given, "--json", f"{tmp_path}/none/out.json"]) == 2
