"""Scores of the ids that rows asked for, held against vLLM's own sampler."""

from __future__ import annotations

import pytest

pytest.importorskip("vllm", reason="the base build has no vLLM")
import torch
from vllm.v1.sample.sampler import Sampler

from endpoint.engine.inside.scores import gather


def test_scores_are_those_of_vllms_sampler() -> None:
    scores = torch.randn(4, 50, generator=torch.Generator().manual_seed(1))
    asked, sampled = {0: [3, 7], 2: [9, 8, 1, 4], 3: []}, torch.tensor([5, 0, 49, 2])
    found, wanted = gather(scores, asked, sampled), Sampler().gather_specific_token_logprobs(scores, asked, sampled)
    assert torch.equal(found.logprobs, wanted.logprobs)
    there = wanted.logprobs > float("-inf")
    assert torch.equal(found.logprob_token_ids[there], wanted.logprob_token_ids[there])
    assert found.logprob_token_ids.dtype == wanted.logprob_token_ids.dtype
    assert found.selected_token_ranks.shape == wanted.selected_token_ranks.shape


def test_nothing_asked_is_nothing_found() -> None:
    assert gather(torch.zeros(1, 3), {}, torch.zeros(1, dtype=torch.long)) is None
