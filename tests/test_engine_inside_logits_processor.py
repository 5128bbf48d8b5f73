"""The V1 runner's adapter, driven as that runner drives it: rows added, moved, swapped and removed between steps."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from endpoint.config import TEST_MODEL

pytest.importorskip("vllm", reason="the base build has no vLLM")
import torch
from vllm import SamplingParams
from vllm.v1.sample.logits_processor.interface import BatchUpdate, MoveDirectionality

from endpoint.engine.inside.logits_processor import WhisperRules
from endpoint.engine.inside.rules import Grammar, RowRules
from endpoint.engine.tokens import WhisperTokens

ROWS = 4
TOKENS = WhisperTokens.load(TEST_MODEL)
RULES = RowRules(TOKENS.transcribe)
PARAMS = SamplingParams(extra_args={"whisper": vars(RULES)})
GENERATED = [TOKENS.languages["de"], TOKENS.transcribe, TOKENS.first_time + 3, 300, 301, TOKENS.first_time + 90]


@pytest.fixture
def rules() -> WhisperRules:
    config = SimpleNamespace(
        scheduler_config=SimpleNamespace(max_num_seqs=ROWS), model_config=SimpleNamespace(model=str(TEST_MODEL))
    )
    return WhisperRules(config, torch.device("cpu"), is_pin_memory=False)


def update(rules: WhisperRules, size: int, *, added=(), moved=(), removed=()) -> None:
    rows = [(row, params, [TOKENS.sot], generated) for row, params, generated in added]
    rules.update_state(BatchUpdate(batch_size=size, removed=list(removed), added=rows, moved=list(moved)))


def alone(generated: list[int], logits: torch.Tensor) -> torch.Tensor:
    grammar = Grammar(TOKENS, 1)
    grammar.add(0, RULES)
    for token in generated:
        grammar.advance(torch.tensor([0]), torch.tensor([token]))
    return grammar.apply(logits[None].clone())[0]


def check(rules: WhisperRules, *rows: list[int] | None) -> None:
    """One step; what each row has generated, None for one without rules."""
    logits = torch.randn(len(rows), TOKENS.vocabulary, generator=torch.Generator().manual_seed(len(rows)))
    out = rules.apply(logits.clone())
    for row, generated in enumerate(rows):
        torch.testing.assert_close(out[row], logits[row] if generated is None else alone(generated, logits[row]))


def test_the_rules_change_what_is_likeliest_and_check_their_arguments(rules: WhisperRules) -> None:
    assert rules.is_argmax_invariant() is False
    rules.validate_params(PARAMS)
    rules.validate_params(SamplingParams())
    with pytest.raises(TypeError):
        rules.validate_params(SamplingParams(extra_args={"whisper": {"tusk": 1}}))


def test_rows_follow_the_lists_that_vllm_fills(rules: WhisperRules) -> None:
    first, second = list[int](), list[int]()
    update(rules, 1, added=[(0, PARAMS, first)])
    check(rules, first)
    for token in GENERATED[:3]:
        first.append(token)
        rules.update_state(None)
        check(rules, first)
    update(rules, 2, added=[(1, PARAMS, second)])
    first.append(GENERATED[3])
    check(rules, first, second)
    for token, other in zip(GENERATED[4:], GENERATED, strict=False):
        first.append(token)
        second.append(other)
        check(rules, first, second)


def test_a_request_that_was_preempted_goes_on_where_it_was(rules: WhisperRules) -> None:
    generated = GENERATED[:4]
    update(rules, 1, added=[(0, PARAMS, generated)])
    check(rules, generated)
    generated.append(GENERATED[4])
    check(rules, generated)


def test_others_are_left_alone(rules: WhisperRules) -> None:
    theirs, ours = [5, 6], list[int]()
    update(rules, 2, added=[(0, SamplingParams(), theirs), (1, PARAMS, ours)])
    check(rules, None, ours)
    theirs.append(7)
    ours.append(GENERATED[0])
    check(rules, None, ours)


def test_rows_move_and_swap_with_their_lists(rules: WhisperRules) -> None:
    lists = [GENERATED[:k] for k in (1, 3, 5)]
    update(rules, 3, added=[(row, PARAMS, generated) for row, generated in enumerate(lists)])
    check(rules, *lists)
    # Row 0 ends, the last row fills its place: as vLLM condenses its batch.
    update(rules, 2, removed=[0], moved=[(2, 0, MoveDirectionality.UNIDIRECTIONAL)])
    for generated, token in ((lists[2], GENERATED[5]), (lists[1], GENERATED[3])):
        generated.append(token)
    check(rules, lists[2], lists[1])
    update(rules, 2, moved=[(0, 1, MoveDirectionality.SWAP)])
    check(rules, lists[1], lists[2])
    lists[1].append(GENERATED[4])
    check(rules, lists[1], lists[2])


def test_a_row_used_again_starts_anew(rules: WhisperRules) -> None:
    old, new = GENERATED[:5], list[int]()
    update(rules, 1, added=[(0, PARAMS, old)])
    check(rules, old)
    update(rules, 1, added=[(0, PARAMS, new)])  # vLLM replaces a finished request without naming it removed
    old.append(GENERATED[5])
    check(rules, new)
    update(rules, 0, removed=[0])
    update(rules, 1, added=[(0, SamplingParams(), [])])
    check(rules, None)
