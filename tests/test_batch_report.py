"""The report shows all runs of an output, and escapes what is in it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from endpoint.batch.output import Output
from endpoint.batch.report import as_html
from endpoint.batch.storage import Storage
from endpoint.batch.table import SCHEMA

NASTY = "<script>&\"'"


def test_it_has_hours_languages_coverage_and_errors(tmp_path: Path) -> None:
    output = Output(str(tmp_path), Storage())
    done = {"duration": 1800.0, "language": "en", "coverage": 0.9, "notices": ["n"]}
    made = [{"path": str(k), "finished": datetime.fromtimestamp(k, UTC), **done} for k in range(4)]
    failed = {"path": NASTY, "error": "invalid_audio", "error_message": NASTY, "finished": datetime.now(UTC)}
    output.add(pa.Table.from_pylist([*made, failed], SCHEMA))
    output.flush()
    page = as_html(output, 12.5, "EUR")
    for shown in (
        "<b>2.00</b>",
        "<b>90.0%</b>",
        "<b>1,800</b>",
        "12.50 EUR",
        "invalid_audio",
        "Languages",
        "to 30 min",
    ):
        assert shown in page, shown
    assert NASTY not in page


def test_an_output_without_rows_has_a_page(tmp_path: Path) -> None:
    page = as_html(Output(str(tmp_path), Storage()), None, "USD")
    assert "<b>0</b>" in page
    assert "Errors" not in page
