"""Penalties, suppression and truncation of single rows, against plain arithmetic."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("torch", reason="the base build has no engine")
import torch

from endpoint.engine.inside.choice import READABLE, Choice, Choices

TEXTS, SIZE, NO = 6, 10, -math.inf


def made(choice: Choice | None, row: int = 0) -> Choices:
    choices = Choices(TEXTS, torch.device("cpu"))
    choices.add(row, choice)
    return choices


def weighed(choices: Choices, *values: float) -> list[float]:
    logits = torch.tensor([values])
    choices.weigh(logits, slice(1))
    return logits[0].tolist()


ROW = (2.0, -1.0, 0.5, 1.0, 0.0, 3.0, 4.0, 1.0, 1.0, 1.0)


def test_a_request_without_wishes_costs_nothing() -> None:
    assert not made(None)
    assert not made(Choice(temperature=0.4))
    assert weighed(made(None), *ROW) == list(ROW)


def test_suppressed_tokens_cannot_be_generated() -> None:
    found = weighed(made(Choice(suppress=(0, 7))), *ROW)
    assert [k for k, value in enumerate(found) if value == NO] == [0, 7]


def test_penalties_are_vllms_and_reach_text_only() -> None:
    choices = made(Choice(repetition_penalty=2.0, frequency_penalty=0.25, presence_penalty=0.5))
    choices.give(0, torch.tensor([4, 5, 8]))
    for token in (0, 0, 1, 7):
        choices.note(slice(1), torch.tensor([token]))
    found = weighed(choices, *ROW)
    # The repetition penalty divides scores above 0 and multiplies those below, and counts the prompt too; the others
    # count generated tokens only.
    assert found == [2.0 / 2 - 0.5 - 0.5, -1.0 * 2 - 0.25 - 0.5, 0.5, 1.0, 0.0, 1.5, 4.0, 1.0, 1.0, 1.0]


def test_rows_are_found_by_their_numbers_and_move() -> None:
    choices = made(Choice(suppress=(2,)), row=3)
    choices.add(5, Choice(suppress=(4,)))
    logits = torch.zeros(2, SIZE)
    choices.weigh(logits, torch.tensor([5, 3]))
    assert logits[0, 4] == logits[1, 2] == NO
    choices.move(3, 5, swap=True)
    logits = torch.zeros(6, SIZE)
    choices.weigh(logits, slice(6))
    assert logits[5, 2] == logits[3, 4] == NO
    choices.move(5, 0, swap=False)
    choices.add(3, None)
    logits = torch.zeros(6, SIZE)
    choices.weigh(logits, slice(6))
    assert (logits == NO).nonzero().tolist() == [[0, 2]]


CHANCES = (0.4, 0.3, 0.15, 0.1, 0.05)


@pytest.mark.parametrize(
    ("choice", "left"),
    [
        (Choice(temperature=1.0, top_k=2), 2),
        (Choice(temperature=1.0, top_p=0.5), 2),
        (Choice(temperature=1.0, top_p=0.71), 3),
        (Choice(temperature=1.0, top_p=1e-300), 1),  # in float32 that is 0
        (Choice(temperature=1.0, min_p=0.3), 3),
        (Choice(temperature=1.0, top_k=4, min_p=0.7), 2),
        (Choice(temperature=0.01, top_p=0.9), 1),  # at this temperature the first has nearly all of it
        (Choice(top_k=1), 5),  # the most probable token is taken anyway
    ],
)
def test_truncation_leaves_what_it_should_and_scores_readable(choice: Choice, left: int) -> None:
    logits = torch.tensor([[*map(math.log, CHANCES), -2 * READABLE]])
    made(choice).truncate(logits, slice(1))
    assert (logits[0, :5] > NO).tolist() == [True] * left + [False] * (5 - left)
    assert logits[0, 5] == -2 * READABLE
