"""What is shown of runs: cells, JSON, and a page that needs nothing from elsewhere."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

from endpoint.bench.figures import Cost, figures_of
from endpoint.bench.report import HEADS, Run, as_html, as_json, remarks, row
from tests.bench_support import outcome

GOOD = [outcome(0.5 + k / 10, at=float(k)) for k in range(10)]
MIXED = [*GOOD, outcome(1.0, failure="<status 503>")]
RUNS = [
    Run(figures_of(GOOD, Cost(0.1, 2.0, 300.0), concurrency=4), GOOD),
    Run(figures_of(MIXED, Cost(0.1), rate=2.5), MIXED),
]
NOTHING = [outcome(1.0, failure="timeout")]


def test_a_row_has_a_cell_for_every_head() -> None:
    full, bare = (dict(zip(HEADS, row(run.figures), strict=True)) for run in RUNS)
    assert (full["load"], full["p95 s"], full["word errors"], full["peak MiB"]) == (
        "4 at once",
        "1.355",
        "0.00%",
        "300",
    )
    assert (bare["load"], bare["failed"], bare["server CPU s"], bare["peak MiB"]) == ("2.5 a second", "1", "", "")


def test_failures_are_listed_by_run_and_kind() -> None:
    assert remarks(RUNS) == ["2.5 a second: <status 503>: 1 of 11"]


def test_a_client_that_is_too_slow_says_so() -> None:
    late = [outcome(1.0, late=0.5)]
    (line,) = remarks([Run(figures_of(late, Cost(0.1), rate=3.0), late)])
    assert line == "3 a second: requests left up to 0.50 s late: this machine is too slow"


def test_json_holds_figures_and_latencies() -> None:
    found = json.loads(json.dumps(as_json(RUNS, {"url": "http://x"})))
    assert found["url"] == "http://x"
    assert [run["concurrency"] for run in found["runs"]] == [4, None]
    assert found["runs"][0]["latencies"] == [round(0.5 + k / 10, 4) for k in range(10)]
    assert len(found["runs"][0]["audio_seconds"]) == 10
    assert found["runs"][1]["failures"] == {"<status 503>": 1}


def test_the_page_stands_alone() -> None:
    page = as_html(RUNS, {"url": "http://<b>", "language": None})
    assert "http://&lt;b&gt;" in page
    assert "&lt;status 503&gt;" in page
    assert "<status" not in page
    assert page.count("<svg") == 4
    assert not re.findall(r"(?:src|href|url\()", page)
    HTMLParser().feed(page)


def test_a_page_of_nothing_but_failures_is_a_page() -> None:
    page = as_html([Run(figures_of(NOTHING, Cost(0.1), concurrency=1), NOTHING)], {})
    assert "timeout: 1 of 1" in page
