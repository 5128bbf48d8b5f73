"""One JSON object a line on standard error, ours and the libraries'; read from a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = """
import logging, sys, structlog
from endpoint.observe.log import configure_logging
configure_logging(*sys.argv[1:])
log = structlog.get_logger("endpoint.ours")
log.debug("d1"); log.info("i1", number=3); log.warning("w1"); log.error("e1")
structlog.contextvars.bind_contextvars(request="r7")
log.error("with request")
theirs = logging.getLogger("theirs")
theirs.debug("d2"); theirs.info("i2 %d", 5); theirs.warning("w2")
logging.getLogger("httpx").info("GET something"); logging.getLogger("httpx").warning("httpx warns")
logging.getLogger("uvicorn.error").debug("a header"); logging.getLogger("websockets.server").debug("a header")
logging.getLogger("vllm").warning("vllm warns"); logging.getLogger("vllm.deep").error("vllm fails")
logging.getLogger("python_multipart").warning("odd form")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("failed")
try:
    try:
        raise OSError(28, "disk full")
    except OSError as error:
        raise ValueError("canary transcript") from error
except ValueError:
    log.exception("quoting")
    logging.getLogger("theirs").exception("quoting too")
print("text")
"""


def lines(level: str, style: str = "auto", *process: str) -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, level, style, *process], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "text\n"
    return [json.loads(line) for line in done.stderr.splitlines()]


def events(level: str) -> list[object]:
    return [line["event"] for line in lines(level)]


def test_lines_are_json_with_level_time_and_context() -> None:
    made = lines("info")
    first = made[0]
    assert (first["event"], first["level"], first["number"]) == ("i1", "info", 3)
    assert str(first["timestamp"]).endswith("Z")
    (bound,) = [line for line in made if line["event"] == "with request"]
    assert bound["request"] == "r7"
    (failed,) = [line for line in made if line["event"] == "failed"]
    assert "ZeroDivisionError" in str(failed["exception"])


@pytest.mark.parametrize(
    ("level", "shown", "hidden"),
    [
        ("info", {"i1", "i2 5", "w2", "httpx warns", "vllm fails"}, {"d1", "d2", "GET something", "vllm warns"}),
        ("debug", {"d1", "i2 5", "vllm warns", "odd form"}, {"d2", "GET something", "a header"}),
        ("error", {"e1", "vllm fails"}, {"i1", "w1", "w2", "httpx warns", "odd form"}),
    ],
)  # fmt: skip
def test_levels(level: str, shown: set[str], hidden: set[str]) -> None:
    made = set(events(level))
    assert made >= shown
    assert not made & hidden


def test_every_line_says_which_process_speaks() -> None:
    assert {line["process"] for line in lines("info", "json", "api-1")} == {"api-1"}
    assert "process" not in lines("info")[0]


def test_errors_that_may_quote_a_request_are_shown_without_their_message() -> None:
    made = lines("debug")
    assert "canary" not in str(made)
    for event in ("quoting", "quoting too"):
        (line,) = [line for line in made if line["event"] == event]
        shown = str(line["exception"])
        assert "ValueError: its message may quote a request" in shown
        assert "raise ValueError" not in shown  # the program's text is not in a file
        assert "OSError: [Errno 28] disk full" in shown
        assert shown.index("OSError") < shown.index("ValueError")


def test_lines_for_people_are_no_json() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "info", "console"], capture_output=True, text=True, check=True, timeout=60
    )
    assert "i1" in done.stderr
    assert not done.stderr.startswith("{")
