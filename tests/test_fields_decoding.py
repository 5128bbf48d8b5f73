"""Sampling and thresholds as the core receives them, and their limits."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from endpoint.fields.decoding import Decoding
from endpoint.options import Sampling, Thresholds


def test_nothing_sent_changes_nothing() -> None:
    assert Decoding().sampling() == Sampling()
    assert Decoding().thresholds() == Thresholds()


def test_values_reach_the_core() -> None:
    made = Decoding(seed="7", best_of="3", top_p="0.9", top_k="-1", suppress_tokens="-1, 50", max_new_tokens="9")
    assert made.sampling() == Sampling(seed=7, best_of=3, top_p=0.9, suppress_tokens=(50,), max_new_tokens=9)
    made = Decoding(no_speech_threshold="none", logprob_threshold="-2", compression_ratio_threshold="3")
    assert made.thresholds() == Thresholds(None, -2.0, 3.0)
    assert Decoding(use_beam_search=True, n=4, patience=2).sampling() == Sampling(beam_size=4, patience=2.0)
    assert Decoding(suppress_tokens=[-1, 3]).sampling().suppress_tokens == (3,)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("temperature_increment", 0, True), ("temperature_increment", 0.01, True), ("temperature_increment", 1, True),
        ("temperature_increment", 0.009, False), ("temperature_increment", 1.5, False),
        ("suppress_tokens", "-1", True), ("suppress_tokens", "-1,50,999999", True), ("suppress_tokens", "x", False),
        ("suppress_tokens", "-1,1000000", False), ("suppress_tokens", "5", False),
    ],
)  # fmt: skip
def test_what_is_documented_is_what_is_accepted(name: str, value: object, allowed: bool) -> None:
    assert Draft202012Validator(Decoding.model_json_schema()).is_valid({name: value}) is allowed
    with nullcontext() if allowed else pytest.raises(ValidationError):
        Decoding.model_validate({name: value})


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": "x"}, {"seed": 2**63}, {"best_of": 0}, {"best_of": 17}, {"top_p": 0}, {"top_p": 2}, {"top_k": -2},
        {"min_p": -1}, {"repetition_penalty": 0.001}, {"frequency_penalty": 3}, {"presence_penalty": "nan"},
        {"suppress_tokens": "5"}, {"suppress_tokens": "-1,x"}, {"max_new_tokens": 0}, {"no_speech_threshold": 2},
        {"beam_size": 0}, {"beam_size": 11}, {"patience": 0}, {"length_penalty": 1.5}, {"n": 2}, {"n": 0},
        {"logprob_threshold": 1}, {"logprob_threshold": "-inf"}, {"temperature_increment": 2},
        {"temperature_increment": 0.001},
    ],
    ids=str,
)  # fmt: skip
def test_out_of_range(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Decoding.model_validate(wrong)
