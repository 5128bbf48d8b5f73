"""The V2 runner's adapter, driven as that runner drives it: slots in any order, requests that come back."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from endpoint.config import TEST_MODEL
from endpoint.engine.inside.rules import Grammar, RowRules
from endpoint.engine.tokens import WhisperTokens

pytest.importorskip("vllm", reason="the base build has no vLLM")
from vllm import SamplingParams

from endpoint.engine.inside.logits_processor_v2 import WhisperRules

SLOTS, LENGTH = 4, 64
TOKENS = WhisperTokens.load(TEST_MODEL)
RULES = RowRules(TOKENS.transcribe)


class Runner:
    """The buffers of vLLM's runner that the adapter reads."""

    def __init__(self) -> None:
        self.ids = torch.zeros(SLOTS, LENGTH, dtype=torch.int32)
        self.prompt = torch.zeros(SLOTS, dtype=torch.int32)
        self.filled = torch.zeros(SLOTS, dtype=torch.int32)
        self.states = SimpleNamespace(
            device=torch.device("cpu"),
            max_num_reqs=SLOTS,
            all_token_ids=SimpleNamespace(gpu=self.ids),
            prompt_len=SimpleNamespace(np=self.prompt.numpy()),
            prefill_len=SimpleNamespace(np=self.filled.numpy()),
        )
        config = SimpleNamespace(model_config=SimpleNamespace(model=str(TEST_MODEL)))
        self.rules = WhisperRules(config, self.states)  # type: ignore[arg-type]

    def start(self, slot: int, prompt: list[int], generated: list[int]) -> None:
        everything = torch.tensor(prompt + generated, dtype=torch.int32)
        self.ids[slot, : len(everything)] = everything
        self.prompt[slot], self.filled[slot] = len(prompt), len(everything)
        params = SamplingParams(extra_args={"whisper": vars(RULES)})
        assert self.rules.add_request(slot, params)
        self.rules.apply_staged_writes()

    def step(self, logits: torch.Tensor, slots: list[int], lengths: list[int]) -> torch.Tensor:
        """`lengths`: tokens of each request so far, its prompt included."""
        rows = torch.tensor(slots, dtype=torch.int32)
        context = SimpleNamespace(
            expanded_idx_mapping=rows,
            pos=torch.tensor(lengths) - 1,
            input_ids=torch.stack([self.ids[slot, n - 1] for slot, n in zip(slots, lengths, strict=True)]),
        )
        return self.rules.apply(logits.clone(), context)  # type: ignore[arg-type]


def alone(generated: list[int], logits: torch.Tensor) -> torch.Tensor:
    """What the rules make of logits [vocabulary] after `generated`, in a grammar of one row."""
    grammar = Grammar(TOKENS, 1)
    grammar.add(0, RULES)
    for token in generated:
        grammar.advance(torch.tensor([0]), torch.tensor([token]))
    return grammar.apply(logits[None].clone())[0]


GENERATED = [TOKENS.languages["de"], TOKENS.transcribe, TOKENS.first_time + 3, 300, 301, TOKENS.first_time + 90]


def test_slots_in_any_order_follow_their_own_rules() -> None:
    runner, prompts = Runner(), {2: [TOKENS.sot], 0: [TOKENS.prev, 300, TOKENS.sot], 3: [TOKENS.sot]}
    for slot, prompt in prompts.items():
        runner.start(slot, prompt, [])
    random = torch.Generator().manual_seed(1)
    for step in range(len(GENERATED) + 1):
        order = list(prompts)[step % 3 :] + list(prompts)[: step % 3]
        logits = torch.randn(3, TOKENS.vocabulary, generator=random)
        made = runner.step(logits, order, [len(prompts[slot]) + step for slot in order])
        for row in range(3):
            torch.testing.assert_close(made[row], alone(GENERATED[:step], logits[row]))
        for slot, prompt in prompts.items():
            if step < len(GENERATED):
                runner.ids[slot, len(prompt) + step] = GENERATED[step]


def test_a_request_that_was_preempted_goes_on_where_it_was() -> None:
    runner = Runner()
    runner.start(1, [TOKENS.sot], GENERATED[:4])
    logits = torch.randn(1, TOKENS.vocabulary)
    made = runner.step(logits, [1], [5])
    torch.testing.assert_close(made[0], alone(GENERATED[:4], logits[0]))


def test_a_slot_used_again_starts_anew_and_others_are_left_alone() -> None:
    runner = Runner()
    runner.start(1, [TOKENS.sot], GENERATED[:4])
    runner.start(1, [TOKENS.sot], [])
    assert not runner.rules.add_request(0, SamplingParams())
    logits = torch.randn(2, TOKENS.vocabulary)
    made = runner.step(logits, [0, 1], [3, 1])
    torch.testing.assert_close(made[0], logits[0])
    torch.testing.assert_close(made[1], alone([], logits[1]))
