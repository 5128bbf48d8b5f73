"""What `make harden` makes of its checks; the checks themselves take their time."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from importlib import import_module
from inspect import iscoroutinefunction
from pathlib import Path

import pytest

from benchmarks.harden.__main__ import CHECKS, chosen, run
from benchmarks.harden.gateway import _added, _interval
from benchmarks.harden.overload import Load, _found
from benchmarks.harden.report import Found, Line, Outcome, write


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_is_there_and_says_what_it_is(name: str) -> None:
    module = import_module(f"benchmarks.harden.{name}")
    assert iscoroutinefunction(module.check)
    assert module.__doc__


def test_some_of_them_can_be_chosen() -> None:
    assert chosen("soak,leavers") == ["soak", "leavers"]
    with pytest.raises(ArgumentTypeError, match="sok"):
        chosen("sok,leavers")


def test_the_report_has_every_line(tmp_path: Path) -> None:
    lines = [Line("a < b", "1", "1", True), Line("c", "2", "3", False)]
    write(tmp_path, [Outcome("one", "about it", 1.0, Found(lines, ["<svg></svg>"]))])
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "a &lt; b" in page
    assert "<svg>" in page
    (check,) = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert (check["met"], [line["met"] for line in check["lines"]]) == (False, [True, False])


async def test_a_check_that_breaks_is_a_line_that_falls_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(*_: object) -> Found:
        raise RuntimeError("no server")

    monkeypatch.setattr("benchmarks.harden.overload.check", broken)
    (outcome,) = await run(tmp_path, ["overload"], small=True)
    assert not outcome.met
    assert "FAIL the check came to its end" in capsys.readouterr().out


def test_what_a_gateway_adds_is_without_the_engine_whose_time_differs() -> None:
    engine = {
        f"{way}{number}": 800.0 + 50 * ((7 * number + len(way)) % 5) for way in ("a", "bb") for number in range(9)
    }
    for more, met in ((3.0, True), (6.0, False)):
        pairs = [((engine[f"a{k}"] + 4, f"a{k}"), (engine[f"bb{k}"] + 4 + more, f"bb{k}")) for k in range(9)]
        line = _added(pairs, engine, 3.4)
        assert line.met is met
        assert f"{more:.1f} ms ({more:.1f} to {more:.1f})" in line.figure
        assert "4.0 of them outside the engine" in line.figure


def test_the_interval_of_a_median() -> None:
    low, high = _interval([*range(100)])
    assert (low, high) == (39, 60)
    assert _interval([2.0]) == (2.0, 2.0)


def test_an_overload_that_is_borne_and_one_that_is_not() -> None:
    """Ten seconds a phase, ten requests a second at best."""
    load = Load(begun={"half": 0, "full": 10, "three times": 20, "half again": 30}, waits=[2, 3])
    load.memory = [(0, 100.0), (25, 150.0)]
    load.done = [(second + 0.5, 0.5) for second in range(40) for _ in range(10 if 10 <= second < 30 else 5)]
    load.refused = [(second + 0.5, 0.01) for second in range(20, 31) for _ in range(20)]
    assert all(line.met for line in _found(load, 10, 100).lines)
    load.done = [(at, took) for at, took in load.done if not 24 <= at < 30]
    load.refused += [(35.0, 0.9)] * 100
    failing = {line.name.partition(",")[0] for line in _found(load, 10, 100).lines if not line.met}
    assert failing == {"text at three times capacity", "refusals"}
