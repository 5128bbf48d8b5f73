"""The decoding rules against openai/whisper's decoding.py, step by step on random scores.

The reference here is written again, a row at a time and as plainly as can be, from what decoding.py's SuppressBlank,
SuppressTokens and ApplyTimestampRules do; where the package openai-whisper is installed (`make quality` does), the same
runs are held against its own classes. Compared from the first position of the text on: before it stand language and
task, which the reference puts into its prompt. Two additions of ours are kept out of the way: ids of languages are
suppressed in the text as other special ids are, and loops end early (LOOP_* in rules.py; random scores never loop).
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoint.engine.inside.rules import LOOP_TOKENS, MAX_INITIAL_TIME, OFFSET, Grammar, RowRules
from endpoint.engine.tokens import TIMESTAMPS, WhisperTokens

BLANK, TEXTS = 7, 60  # id of " "; ids below TEXTS are text
EOT, SOT, ENGLISH, FRENCH, TRANSLATE, TRANSCRIBE, SLOT, PREV, NO_SPEECH, NO_TIMESTAMPS, FIRST_TIME = range(TEXTS, 71)
TOKENS = WhisperTokens(
    codec=None,  # type: ignore[arg-type]  # no text is read or written here
    vocabulary=FIRST_TIME + TIMESTAMPS,
    eot=EOT,
    sot=SOT,
    prev=PREV,
    slot=SLOT,
    no_speech=NO_SPEECH,
    no_timestamps=NO_TIMESTAMPS,
    first_time=FIRST_TIME,
    transcribe=TRANSCRIBE,
    translate=TRANSLATE,
    languages={"en": ENGLISH, "fr": FRENCH},
    suppressed=(3, 4, SOT, ENGLISH, FRENCH, TRANSLATE, TRANSCRIBE, SLOT, PREV, NO_SPEECH),
    suppressed_first=(BLANK,),
)
NO = -math.inf
Reference = Callable[[list[float], list[int]], list[float]]


def plain(scores: list[float], generated: list[int]) -> list[float]:
    """`scores` of one row that has `generated` so much of its text, under the reference's three filters."""
    scores = list(scores)

    def forbid(first: int, end: int) -> None:
        scores[first:end] = [NO] * (end - first)

    if not generated:  # SuppressBlank
        scores[BLANK] = scores[EOT] = NO
    for number in (*TOKENS.suppressed, NO_TIMESTAMPS):  # SuppressTokens
        scores[number] = NO
    times = [number for number in generated if number >= FIRST_TIME]
    last = bool(generated) and generated[-1] >= FIRST_TIME
    opening = len(generated) < 2 or generated[-2] >= FIRST_TIME
    if last:  # timestamps come in pairs, save before the end
        if opening:
            forbid(FIRST_TIME, len(scores))
        else:
            forbid(0, EOT)
    if times:  # and never run backwards; no segment is empty
        forbid(FIRST_TIME, times[-1] if last and not opening else times[-1] + 1)
    if not generated:
        forbid(0, FIRST_TIME)
        forbid(FIRST_TIME + MAX_INITIAL_TIME + 1, len(scores))
    mass = sum(math.exp(score) for score in scores[FIRST_TIME:])
    if mass > max(math.exp(score) for score in scores[:FIRST_TIME]):
        forbid(0, FIRST_TIME)
    return scores


def openai(scores: list[float], generated: list[int]) -> list[float]:
    """The same by the classes of the package openai-whisper."""
    from whisper.decoding import ApplyTimestampRules, SuppressBlank, SuppressTokens

    names = {"eot": EOT, "no_timestamps": NO_TIMESTAMPS, "timestamp_begin": FIRST_TIME}
    tokenizer = SimpleNamespace(encode=lambda _: [BLANK], **names)
    prompt = [SOT, ENGLISH, TRANSCRIBE]
    row, tokens = torch.tensor([scores]), torch.tensor([prompt + generated])
    SuppressBlank(tokenizer, len(prompt)).apply(row, tokens)
    SuppressTokens(TOKENS.suppressed).apply(row, tokens)
    ApplyTimestampRules(tokenizer, len(prompt), MAX_INITIAL_TIME).apply(row, tokens)
    return row[0].tolist()


class Row:
    """A request in the grammar: the text it has generated, and which tokens its scores favour."""

    def __init__(self, draw: torch.Generator) -> None:
        self.forced = [ENGLISH, TRANSCRIBE]  # generated before the text
        self.generated: list[int] = []
        lean = torch.rand(3, generator=draw).tolist()
        self.time_lean, self.eot_lean, self.scale = 14 * lean[0] - 9, 8 * lean[1] - 6, 1 + 5 * lean[2]

    def scores(self, draw: torch.Generator) -> torch.Tensor:
        scores = torch.randn(TOKENS.vocabulary, generator=draw) * self.scale
        scores[FIRST_TIME:] += self.time_lean - math.log(TIMESTAMPS)
        scores[EOT] += self.eot_lean
        return scores

    def advance(self, grammar: Grammar, place: int, allowed: torch.Tensor, draw: torch.Generator) -> None:
        if self.forced:
            number = self.forced.pop(0)
        else:
            allowed = allowed.clone()
            allowed[SLOT] = NO  # carries a score, see rules.py
            number = int(torch.multinomial(allowed.softmax(-1), 1, generator=draw))
            self.generated.append(number)
        grammar.advance(torch.tensor([place]), torch.tensor([number]))


def run(reference: Reference, seed: int, rows: int, steps: int) -> int:
    """Decode `rows` side by side, begun at different steps and swapped; returns how many steps were compared."""
    draw = torch.Generator().manual_seed(seed)
    grammar, requests, compared = Grammar(TOKENS, rows), list[Row](), 0
    for _ in range(steps):
        if len(requests) < rows and torch.rand(1, generator=draw) < 0.5:
            grammar.add(len(requests), RowRules(TRANSCRIBE, ENGLISH))
            requests.append(Row(draw))
        if len(requests) > 1 and torch.rand(1, generator=draw) < 0.2:
            one, other = torch.randperm(len(requests), generator=draw)[:2].tolist()
            grammar.move(one, other, swap=True)
            requests[one], requests[other] = requests[other], requests[one]
        if not requests:
            continue
        given = torch.stack([request.scores(draw) for request in requests])
        ours = grammar.apply(given.clone())
        for place, request in enumerate(requests):
            if not request.forced:
                compare(ours[place], reference(given[place].tolist(), request.generated))
                compared += 1
            request.advance(grammar, place, ours[place], draw)
            if request.generated[-1:] == [EOT]:  # another request takes its place
                grammar.add(place, RowRules(TRANSCRIBE, ENGLISH))
                requests[place] = Row(draw)
    return compared


def compare(ours: torch.Tensor, theirs: list[float]) -> None:
    expected = torch.tensor(theirs)
    total = ours[SLOT] + OFFSET  # the log-sum-exp under the rules leaves through the slot
    assert abs(total - expected.logsumexp(-1)) < 0.01
    expected[SLOT] = ours[SLOT]
    different = (ours != expected).nonzero().flatten().tolist()
    assert not different, f"ids {different[:9]}: {ours[different][:9].tolist()}, {expected[different][:9].tolist()}"


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 5))
def test_the_same_as_the_reference(seed: int, rows: int) -> None:
    assert run(plain, seed, rows, steps=LOOP_TOKENS) > 0


@pytest.mark.skipif(importlib.util.find_spec("whisper") is None, reason="openai-whisper is not installed")
@pytest.mark.filterwarnings("default")
def test_the_same_as_the_package() -> None:
    assert sum(run(openai, seed, rows=4, steps=40) for seed in range(20)) > 1_000


def test_random_runs_reach_every_rule() -> None:
    """What is compared above has texts, pairs, repeated times, ends and more than one segment in it."""
    seen: set[str] = set()

    def watch(scores: list[float], generated: list[int]) -> list[float]:
        kinds = "".join("t" if number >= FIRST_TIME else "w" for number in generated)
        seen.update(kinds[k : k + 4] for k in range(len(kinds)))
        if "ww" in kinds:
            seen.add("free" if sum(score > NO for score in plain(scores, generated)[:EOT]) else "timed")
        return plain(scores, generated)

    for seed in range(5):
        run(watch, seed, rows=4, steps=30)
    assert {"twtt", "ttwt", "twwt", "free", "timed"} <= seen
