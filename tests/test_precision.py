"""The sums of `make precision` on results that are known, and when it fails."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from benchmarks.precision import compared, settings_of, show, word_error_rate
from endpoint.bench.recordings import Recording
from endpoint.config import Settings

TEXT = " ".join(["one two three four five"] * 100)
RECORDINGS = [Recording("en", TEXT, np.zeros(16_000, np.int16))] * 2


def result(text: str = TEXT, tokens: tuple[int, ...] = (1, 2), odds: float = -0.5, start: int = 100) -> dict[str, Any]:
    return {"text": text, "tokens": tokens, "logprobs": [odds, odds], "words": [("one", start, 200)]}


def ran(*results: dict[str, Any]) -> dict[str, Any]:
    return {"results": list(results), "rate": 10.0, "bytes": 4096, "room": 7}


def test_differences_are_of_windows_with_the_same_tokens() -> None:
    truth = [result(), result()]
    assert compared(truth, truth) == (1.0, 0.0, 0.0)
    share, odds, times = compared([result(odds=-0.6, start=140), result(tokens=(1, 3), odds=-9.0)], truth)
    assert (share, odds, times) == (0.5, pytest.approx(0.1), 20.0)
    share, odds, times = compared([result(tokens=(3,))] * 2, truth)
    assert share == 0
    assert math.isnan(odds)
    assert math.isnan(times)


def shown(found: dict[str, dict[str, Any] | str]) -> tuple[bool, str]:
    out = io.StringIO()
    return show(found, RECORDINGS, Console(file=out, width=200)), out.getvalue()


def test_word_errors_beyond_the_limit_fail() -> None:
    one_wrong = TEXT.replace("five", "six", 1)  # of 500
    base = ran(result(), result())
    assert word_error_rate(base["results"], RECORDINGS) == 0
    assert shown({"float32": base, "bfloat16": base, "less": ran(result(one_wrong), result())})[0]  # 0.1 points
    good, text = shown({"float32": base, "bfloat16": base, "less": ran(result(one_wrong), result(one_wrong))})
    assert not good
    assert "less: word errors more than 0.1 points above bfloat16's" in text
    assert shown({"bfloat16": ran(result(one_wrong), result(one_wrong)), "less": base})[0]


def test_what_does_not_run_is_shown_and_is_no_failure() -> None:
    good, text = shown({"bfloat16": ran(result(), result()), "both": "no such [kernel]"})
    assert good
    assert "both did not run: no such [kernel]" in text
    assert not shown({"bfloat16": "no memory"})[0]  # there is nothing to compare with


def test_each_combination_is_settings() -> None:
    made = {name: Settings(**given) for name, given in settings_of("fp8", "fp8").items()}
    assert [(one.dtype, one.quantization, one.kv_cache_dtype) for one in made.values()] == [
        ("float32", "", "auto"), ("bfloat16", "", "auto"), ("bfloat16", "", "fp8"), ("bfloat16", "fp8", "auto"),
        ("bfloat16", "fp8", "fp8"),
    ]  # fmt: skip
    assert all(one.engine_args == {"kv_cache_dtype": "auto"} for one in made.values() if one.kv_cache_dtype == "auto")
