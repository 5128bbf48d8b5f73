"""Beam search in a batch, beside a plain one of one window at a time written as openai/whisper's decoding.py has it."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest

pytest.importorskip("torch", reason="the base build has no engine")
import torch
from torch import Tensor

from endpoint.config import TEST_MODEL
from endpoint.engine import beam as search
from endpoint.engine.beam import Beam, Step
from endpoint.engine.inside.beams import FORCED, Beams, carriers, read_step
from endpoint.engine.tokens import WhisperTokens

TOKENS = WhisperTokens.load(TEST_MODEL)
WORDS = list(range(12))  # ids of text that the pretended model knows
LONGEST = 14


def logits_of(window: int, text: Sequence[int]) -> Tensor:
    """What the pretended model gives after `text`: float32 [vocabulary], -inf but for WORDS and the end."""
    source = torch.Generator().manual_seed(hash((window, *text)) % 2**31)
    logits = torch.full((TOKENS.vocabulary,), -math.inf)
    logits[WORDS] = torch.randn(len(WORDS), generator=source) * 2
    logits[TOKENS.eot] = torch.randn(1, generator=source).item() * 2 + len(text) / 4
    return logits


def plain_search(window: int, size: int, patience: float) -> dict[tuple[int, ...], float]:
    """Texts and their log-probabilities, among which the best is chosen."""
    most = round(size * patience)
    beams, ended = {(): 0.0}, dict[tuple[int, ...], float]()
    for _ in range(LONGEST):
        candidates = {
            (*text, int(token)): total + float(logprob)
            for text, total in beams.items()
            for logprob, token in zip(*logits_of(window, text).log_softmax(-1).topk(size + 1), strict=True)
        }
        beams, new = _taken(candidates, size)
        ended |= dict(list(new.items())[: most - len(ended)])
        if len(ended) >= most:
            break
    rest = sorted(beams.items(), key=lambda item: -item[1])
    return ended | dict(rest[: max(0, size - len(ended))])


def _taken(candidates: dict[tuple[int, ...], float], size: int) -> tuple[dict[tuple[int, ...], float], ...]:
    """(texts that go on, texts that end), the likeliest first."""
    going, new = dict[tuple[int, ...], float](), dict[tuple[int, ...], float]()
    for text, total in sorted(candidates.items(), key=lambda item: -item[1]):
        if text[-1] == TOKENS.eot:
            new[text[:-1]] = total
        else:
            going[text] = total
        if len(going) == size:
            break
    return going, new


class Batch:
    """Windows decoded in one batch whose rows are in any order; each row knows its text as the blocks would."""

    def __init__(self, windows: Sequence[tuple[int, int, float]], shuffle: random.Random) -> None:
        self.windows = windows
        seats = [(number, index) for number, (_, size, _) in enumerate(windows) for index in range(size)]
        shuffle.shuffle(seats)
        self.beams = Beams(TOKENS, len(seats))
        self.rows = {seat: row for row, seat in enumerate(seats)}
        self.texts: list[tuple[int, ...]] = [()] * len(seats)
        self.steps: dict[int, list[list[Step]]] = {number: [] for number in range(len(windows))}
        self.done = set[int]()
        for (number, index), row in self.rows.items():
            _, size, patience = windows[number]
            self.beams.add(row, Beam(f"w{number}", index, size, round(size * patience)))

    def step(self) -> None:
        logits = torch.full((len(self.texts), TOKENS.vocabulary), -math.inf)
        for (number, _), row in self.rows.items():
            logits[row] = logits_of(self.windows[number][0], self.texts[row])
        groups, torn = self.beams.groups()
        assert torn == []
        moves = self.beams.rank(logits, groups)
        before = list(self.texts)
        for row, parent in zip(moves.rows.tolist(), moves.parents.tolist(), strict=True):
            self.texts[row] = before[parent]
        generated = logits.argmax(-1)
        taken = list(self.rows.values())
        assert (logits[taken, generated[taken]] == FORCED).all()
        scores = logits[:, carriers(TOKENS)]
        for number, (_, size, _) in enumerate(self.windows):
            if number in self.done:
                continue
            rows = [self.rows[number, index] for index in range(size)]
            self.steps[number].append([read_step([0.0, *scores[row].tolist()]) for row in rows])
            if generated[rows[0]] == TOKENS.eot:
                assert (generated[rows] == TOKENS.eot).all()  # all end together
                self.finish(number)
        for row, token in enumerate(generated.tolist()):
            self.texts[row] = (*self.texts[row], token)

    def finish(self, number: int) -> None:
        self.done.add(number)
        for seat in [seat for seat in self.rows if seat[0] == number]:
            self.beams.add(self.rows.pop(seat), None)

    def swap(self, first: int, second: int) -> None:
        self.beams.move(first, second, swap=True)
        self.texts[first], self.texts[second] = self.texts[second], self.texts[first]
        names = {row: seat for seat, row in self.rows.items()}
        for seat, row in ((names.get(first), second), (names.get(second), first)):
            if seat is not None:
                self.rows[seat] = row


@pytest.mark.parametrize("seed", range(4))
def test_every_window_of_a_batch_ends_as_it_does_alone(seed: int) -> None:
    shuffle = random.Random(seed)
    windows = [
        (shuffle.randrange(1_000), shuffle.randint(2, 10), shuffle.choice([0.5, 1.0, 1.0, 2.0])) for _ in range(6)
    ]
    batch = Batch(windows, shuffle)
    for _ in range(LONGEST):
        if batch.rows:
            batch.step()
            batch.swap(*shuffle.sample(range(len(batch.texts)), 2))
    for number, (window, size, patience) in enumerate(windows):
        expected = plain_search(window, size, patience)
        found = {text.ids: text.total for text in search.finished(batch.steps[number], size)}
        assert found.keys() == expected.keys()
        assert found == pytest.approx(expected, abs=1e-3)


def test_a_continuation_stays_in_the_row_of_its_text() -> None:
    """Of four texts that go on once each, none moves."""
    beams = Beams(TOKENS, 4)
    for row in range(4):
        beams.add(row, Beam("w", row, 4, 4))
    logits = torch.full((4, TOKENS.vocabulary), -math.inf)
    logits[:, :4] = torch.tensor([1.0, 0.9, 0.8, 0.7])
    beams.rank(logits, [(0, 1, 2, 3)])  # all go on from the first
    logits = torch.full((4, TOKENS.vocabulary), -math.inf)
    logits[:, 5] = torch.tensor([1.0, 2.0, 3.0, 4.0])  # the only token, whatever came before
    moves = beams.rank(logits, [(0, 1, 2, 3)])
    assert moves.rows.tolist() == moves.parents.tolist() == [0, 1, 2, 3]


def test_before_the_text_all_say_what_the_first_says() -> None:
    beams = Beams(TOKENS, 3)
    for row in range(3):
        beams.add(row, Beam("w", 2 - row, 3, 3))
    logits = torch.randn(3, TOKENS.vocabulary)
    first = logits[2].clone()
    beams.follow(logits, beams.groups()[0])
    assert (logits == first).all()


def test_beams_that_lost_others_end_and_say_so() -> None:
    beams = Beams(TOKENS, 4)
    for row in (0, 1, 3):
        beams.add(row, Beam("w", row, 4, 4))
    groups, torn = beams.groups()
    assert (groups, sorted(torn)) == ([], [0, 1, 3])
    logits = torch.randn(4, TOKENS.vocabulary)
    beams.give_up(logits, torn)
    assert logits[torn].argmax(-1).tolist() == [TOKENS.eot] * 3
    assert read_step([FORCED, *logits[0, carriers(TOKENS)].tolist()]).parent == -1


def test_no_speech_is_carried_at_the_first_step_of_an_english_model() -> None:
    beams = Beams(TOKENS, 2)
    for row in range(2):
        beams.add(row, Beam("w", row, 2, 2))
    logits = torch.randn(2, TOKENS.vocabulary)
    logits[:, TOKENS.slot], logits[:, TOKENS.no_speech] = -990.0, -992.5
    beams.rank(logits, [(0, 1)])
    slot, no_speech = logits[0, [TOKENS.slot, TOKENS.no_speech]].tolist()
    assert no_speech - slot == pytest.approx(-2.5, abs=1e-3)
