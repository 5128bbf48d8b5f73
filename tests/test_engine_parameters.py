"""Options to vLLM's sampling parameters, and vLLM's scores to probabilities; no model is loaded."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from endpoint.config import TEST_MODEL

pytest.importorskip("torch", reason="the base build has no engine")
pytest.importorskip("vllm", reason="the base build has no vLLM")
import torch
from vllm import SamplingParams
from vllm.sampling_params import RequestOutputKind

from endpoint.engine.beam import Beam
from endpoint.engine.inside.beams import FORCED, NOT_ENDED, carriers
from endpoint.engine.inside.choice import Choice
from endpoint.engine.inside.rules import OFFSET, Grammar, RowRules
from endpoint.engine.parameters import read, read_beams, sampling_params
from endpoint.engine.prompt import Generation
from endpoint.engine.tokens import WhisperTokens
from endpoint.options import Options, Sampling, Task

TOKENS = WhisperTokens.load(TEST_MODEL)
ENGLISH = replace(TOKENS, languages={})


def rules_of(params: SamplingParams) -> RowRules:
    return RowRules(**(params.extra_args or {})["whisper"])


def test_options_become_sampling_parameters() -> None:
    params = sampling_params(TOKENS, Options(language="de", task=Task.TRANSLATE, temperature=0.4), 17)
    assert rules_of(params) == RowRules(TOKENS.translate, TOKENS.languages["de"])
    assert (params.temperature, params.max_tokens) == (0.4, 17)
    assert params.stop_token_ids == [TOKENS.eot]
    assert params.output_kind is RequestOutputKind.FINAL_ONLY
    assert not params.detokenize
    assert params.logprob_token_ids == [TOKENS.slot, TOKENS.no_speech]


def test_languages_to_detect_among() -> None:
    params = sampling_params(TOKENS, Options(languages=("fr", "de")), 1)
    assert rules_of(params) == RowRules(TOKENS.transcribe, -1, (TOKENS.languages["fr"], TOKENS.languages["de"]))
    assert params.logprob_token_ids == [TOKENS.slot, TOKENS.no_speech, *TOKENS.languages.values()]


@pytest.mark.parametrize("options", [Options(), Options(language="en"), Options(languages=("en", "de"))])
def test_an_english_only_model_is_asked_for_no_language(options: Options) -> None:
    params = sampling_params(ENGLISH, options, 1)
    assert rules_of(params) == RowRules(TOKENS.transcribe)
    assert params.logprob_token_ids == [TOKENS.slot, TOKENS.no_speech]


def generate(raw: torch.Tensor, options: Options, tokens: WhisperTokens = TOKENS) -> Generation:
    """One greedy step from logits [vocabulary], under the rules, with the scores vLLM would return."""
    params = sampling_params(tokens, options, 1)
    grammar = Grammar(tokens, 1)
    grammar.add(0, rules_of(params))
    out = grammar.apply(raw[None].clone())[0] / (params.temperature or 1)  # vLLM's sampler works in this order
    token = int(out.argmax())
    row = out[[token, *(params.logprob_token_ids or [])]].tolist()
    flat = SimpleNamespace(logprobs=row, start_indices=[0])
    output = SimpleNamespace(token_ids=[token], logprobs=flat, finish_reason="length")
    return read(tokens, options, params.temperature, output)


RAW = torch.randn(TOKENS.vocabulary, generator=torch.Generator().manual_seed(2)) * 2
PROBABILITIES = RAW.double().softmax(-1)


def shares(codes: list[str]) -> dict[str, float]:
    chances = PROBABILITIES[[TOKENS.languages[code] for code in codes]]
    return dict(zip(codes, (chances / chances.sum()).tolist(), strict=True))


@pytest.mark.parametrize("temperature", [0.0, 0.001, 0.005, 0.0099, 0.02, 0.6, 1.0])  # vLLM raises those under 0.01
def test_one_step_tells_speech_and_languages_at_any_temperature(temperature: float) -> None:
    made = generate(RAW, Options(temperature=temperature))
    assert made.language_probabilities == pytest.approx(shares(list(TOKENS.languages)), abs=1e-4)
    assert sum(made.language_probabilities.values()) == pytest.approx(1)
    assert made.no_speech_prob == pytest.approx(float(PROBABILITIES[TOKENS.no_speech]), abs=1e-5)
    assert not made.complete


def test_probabilities_are_over_the_languages_allowed() -> None:
    best = max(TOKENS.languages, key=lambda code: float(RAW[TOKENS.languages[code]]))
    some = [code for code in ("fr", "de", "yue") if code != best]
    made = generate(RAW, Options(languages=tuple(some)))
    assert made.language_probabilities == pytest.approx(shares(some), abs=1e-4)
    named = {TOKENS.languages[code]: code for code in some}[made.ids[0]]
    assert named == max(some, key=lambda code: made.language_probabilities[code])


def test_a_language_that_was_given_and_english_only_models_have_none() -> None:
    assert generate(RAW, Options(language="de")).language_probabilities == {}
    assert generate(RAW, Options(), ENGLISH).language_probabilities == {}
    assert generate(RAW, Options(), ENGLISH).no_speech_prob == pytest.approx(
        float(PROBABILITIES[TOKENS.no_speech]), abs=1e-5
    )


def test_log_probabilities_are_under_the_rules() -> None:
    (made,) = generate(RAW, Options(), ENGLISH).logprobs
    raw = RAW.clone()
    raw[TOKENS.first_time :] += 30  # a certain timestamp
    (sure,) = generate(raw, Options(), ENGLISH).logprobs
    assert made < 0
    assert math.isfinite(sure)


def test_what_vllm_would_change_of_the_parameters_is_known() -> None:
    """Values that its SamplingParams replaces without a word: scores are read with the one it used."""
    assert sampling_params(TOKENS, Options(temperature=0.001), 1).temperature == 0.01
    given = Sampling(seed=7, top_p=0.5, top_k=3, min_p=0.1, repetition_penalty=1.5, suppress_tokens=(5,))
    params = sampling_params(TOKENS, Options(temperature=0.5, sampling=given), 9)
    # Its own truncation and penalties would erase the scores; the rules do both.
    assert (params.top_p, params.top_k, params.min_p, params.repetition_penalty) == (1.0, 0, 0.0, 1.0)
    assert (params.seed, params.max_tokens, params.n) == (7, 9, 1)
    choice = Choice(**rules_of(params).choice or {})
    assert choice == Choice((5,), 0.5, 0.5, 3, 0.1, 1.5)
    assert sampling_params(TOKENS, Options(sampling=Sampling(seed=7)), 1).seed is None  # nothing is drawn


@pytest.mark.parametrize(
    ("given", "temperature", "made"),
    [
        ({"suppress_tokens": (5, TOKENS.eot, TOKENS.transcribe, TOKENS.first_time, 999_999)}, 0.0, Choice((5,))),
        ({"top_k": 10**30}, 0.5, Choice(temperature=0.5, top_k=TOKENS.vocabulary)),
        ({"top_p": 0.5}, 1e-300, Choice(temperature=sampling_params(TOKENS, Options(temperature=1e-300), 1).temperature,
                                        top_p=0.5)),
    ],
)  # fmt: skip
def test_no_value_that_is_accepted_breaks_the_engine(given: dict[str, Any], temperature: float, made: Choice) -> None:
    """Ids that are no text, numbers beyond 64 bits, and temperatures that no float32 divides by."""
    params = sampling_params(TOKENS, Options(temperature=temperature, sampling=Sampling(**given)), 9)
    assert Choice(**(rules_of(params).choice or {})) == made


def test_a_beam_asks_for_what_is_carried() -> None:
    beam = Beam("g", 1, 5, 5)
    params = sampling_params(TOKENS, Options(), 10, "shared", beam)
    assert params.logprob_token_ids == carriers(TOKENS)  # only the first beam carries the languages
    assert Beam(**(rules_of(params).beam or {})) == beam
    first = sampling_params(TOKENS, Options(), 10, "shared", replace(beam, index=0))
    assert first.logprob_token_ids == [*carriers(TOKENS), *TOKENS.languages.values()]


def beams(*rows: list[list[float]], complete: bool = True) -> list[SimpleNamespace]:
    """Outputs of beams with the language named: language and task, then `rows` as `carriers` carry them."""
    opening = [[0.0, -OFFSET, -OFFSET - 3.0, 0.0, 0.0, 0.0], [0.0, -OFFSET, 0.0, 0.0, 0.0, 0.0]]
    language, task = TOKENS.languages["de"], TOKENS.transcribe
    return [
        SimpleNamespace(
            token_ids=[language, task, *(int(row[-1]) for row in own)],
            logprobs=SimpleNamespace(logprobs=[value for row in [*opening, *own] for value in row], start_indices=[0]),
            finish_reason="stop" if complete else "length",
        )
        for own in rows
    ]


def test_the_best_text_of_the_beams_is_read() -> None:
    first = [[FORCED, -0.5, 0, 0, NOT_ENDED, 11], [FORCED, -0.25, 0, 1, NOT_ENDED, 12], [FORCED, -9, 0, 0, -0.125, 5]]
    second = [[FORCED, -0.75, 0, 0, NOT_ENDED, 13], [FORCED, -2.0, 0, 0, NOT_ENDED, 14], [FORCED, -9, 0, 1, -1.0, 5]]
    made = read_beams(TOKENS, Options(language="de"), beams(first, second))
    assert made.ids == (TOKENS.languages["de"], TOKENS.transcribe, 13, 12, TOKENS.eot)
    assert made.logprobs == pytest.approx((0, 0, -0.75, -0.25, -0.125))
    assert made.complete
    assert made.no_speech_prob == pytest.approx(math.exp(-3))
    assert made.language_probabilities == {}


def test_a_text_that_was_cut_off_is_not_complete() -> None:
    rows = [[[FORCED, -0.5, 0, 0, NOT_ENDED, 11]], [[FORCED, -0.75, 0, 0, NOT_ENDED, 13]]]
    made = read_beams(TOKENS, Options(language="de"), beams(*rows, complete=False))
    assert made.ids[2:] == (11,)
    assert not made.complete


def test_beams_of_different_length_are_an_error() -> None:
    rows = [[[FORCED, -0.5, 0, 0, NOT_ENDED, 11]] * 2, [[FORCED, -0.75, 0, 0, NOT_ENDED, 13]]]
    with pytest.raises(ValueError, match="torn apart"):
        read_beams(TOKENS, Options(language="de"), beams(*rows))
