"""The sums of `make compare` on figures that are known, and that everybody is given the same."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("num2words", reason="`make compare` installs it")

from benchmarks.compare import report
from benchmarks.compare.cases import CASES, SMALL, Case, sent
from benchmarks.compare.contenders import FASTER, INT8, OURS, STOCK, Contender, Row
from benchmarks.compare.settings import engine_settings, server_flags
from benchmarks.human.clips import shipped

CASE = Case("clips", 2, 2)
CLIPS = shipped()[:2]
RIGHT = {clip.name: clip.text for clip in CLIPS}


def rows(*seconds: float, texts: dict[str, str] = RIGHT, failures: int = 0) -> list[Row]:
    return [Row(each, each, texts, [each], failures) for each in seconds]


def measured(lines: list[report.Check], start: str) -> tuple[str, bool]:
    (line,) = [line for line in lines if line[0].startswith(start)]
    return line[1], line[3]


def test_ratios_are_of_the_same_round() -> None:
    assert report.ratios({OURS: rows(1, 2, 4), STOCK: rows(2, 6, 4)}, STOCK) == [2.0, 3.0, 1.0]


def test_every_line_is_judged_but_the_one_that_is_only_shown() -> None:
    found = {OURS: rows(10), STOCK: rows(21), FASTER: rows(19), INT8: rows(5)}
    lines = report.checks([CASE], {CASE.name: found}, {CASE.name: CLIPS})
    assert measured(lines, f"times as fast as {STOCK}") == ("2.10 (2.10 to 2.10)", True)
    assert measured(lines, f"times as fast as {FASTER}") == ("1.90 (1.90 to 1.90)", False)
    assert measured(lines, f"times as fast as {INT8}") == ("0.50 (0.50 to 0.50)", True)
    assert measured(lines, "word errors") == ("0.00 %", True)
    assert measured(lines, "requests that failed") == ("0", True)


def test_speed_is_not_bought_with_errors_or_failures() -> None:
    found = {OURS: rows(1, texts=dict.fromkeys(RIGHT, ""), failures=1), STOCK: rows(9)}
    lines = report.checks([CASE], {CASE.name: found}, {CASE.name: CLIPS})
    assert measured(lines, "word errors") == ("100.00 %", False)
    assert measured(lines, "requests that failed") == ("1", False)


def test_who_is_not_there_is_not_judged_and_the_page_shows_who_is() -> None:
    assert report.checks([CASE], {CASE.name: {STOCK: rows(1)}}, {CASE.name: CLIPS}) == []
    page = report.page([CASE], {CASE.name: {OURS: rows(2), STOCK: rows(4)}}, {CASE.name: 8.0}, "a & b", {})
    assert page.count("class=bar") == 2
    assert "<b>4.00</b>" in page
    assert "a &amp; b" in page


def test_a_search_is_held_against_greedy_decoding_and_against_others_that_search() -> None:
    plain, wide = Case("plain", 2, 2), Case("wide", 2, 2, beam=5)
    found = {"plain": {OURS: rows(2, 2, 2)}, "wide": {OURS: rows(4, 6, 5), FASTER: rows(5, 5, 5)}}
    clips = {"plain": CLIPS, "wide": CLIPS}
    lines = report.checks([plain, wide], found, clips)
    assert measured(lines, "times as long as greedy") == ("2.50", True)
    assert measured(lines, f"times as fast as {FASTER}") == ("1.00 (0.83 to 1.25)", True)
    page = report.page([plain, wide], found, {"plain": 8.0, "wide": 8.0}, "", clips)
    assert page.count("<circle") == 3
    assert "this endpoint, 5: 1.6, 0.0 %" in page


def test_everybody_is_given_the_same_recordings() -> None:
    for case in (*CASES, *SMALL):
        assert sent(case, CLIPS * 40, CLIPS) == (CLIPS if case.long else CLIPS * 40)[: case.count]


def test_who_waits_for_a_turn_stands_still_with_all_it_started(tmp_path: Path) -> None:
    child = "import sys; sys.stdin.read()"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], stdin=subprocess.PIPE)"
    program = program.replace("subprocess.run", "subprocess.Popen") + ".wait()"
    who = Contender("somebody", [sys.executable, "-c", program], {}, tmp_path / "log")
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


SERVER = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.respond(200, b"{}")
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.respond(200 if b"LJ001-0001" in body else 500, b'{"text": "Printing"}')
    def respond(self, status, body):
        self.send_response(status); self.send_header("content-length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[-1])), Handler).serve_forever()
"""


def test_texts_times_and_failures_are_kept(tmp_path: Path) -> None:
    who = Contender(OURS, [sys.executable, "-c", SERVER], {}, tmp_path / "log")
    try:
        who.wait()
        row = who.measure(CLIPS, 2, language=True)
    finally:
        who.close()
    assert row.texts == {CLIPS[0].name: "Printing", CLIPS[1].name: ""}
    assert row.failures == 1
    assert len(row.latencies) == 2
    assert row.seconds > 0


def test_a_server_that_does_not_start_is_an_error(tmp_path: Path) -> None:
    who = Contender("nobody", [sys.executable, "-c", "raise SystemExit(3)"], {}, tmp_path / "log")
    try:
        with pytest.raises(RuntimeError, match="nobody did not start"):
            who.wait()
    finally:
        who.close()


def test_vllms_server_gets_the_settings_of_the_engine() -> None:
    flags, settings = server_flags(), engine_settings()
    assert flags[flags.index("--max-num-batched-tokens") + 1] == str(settings["max_num_batched_tokens"])
    assert "--enforce-eager" in flags
    assert "--no-enable-prefix-caching" in flags
    assert flags[flags.index("--limit-mm-per-prompt") + 1] == '{"audio": 1}'
    assert settings["dtype"] != "auto"  # vLLM's own `auto` is the checkpoint's
