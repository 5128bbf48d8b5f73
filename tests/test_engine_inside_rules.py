"""The grammar alone: what each row may generate, whatever its logits. (Against the reference: ..._reference.)"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoint.config import TEST_MODEL

pytest.importorskip("torch", reason="the base build has no engine")
import torch

from endpoint.engine.inside import rules
from endpoint.engine.inside.rules import LOOP_PERIOD, LOOP_TOKENS, OFFSET, Grammar, RowRules
from endpoint.engine.tokens import WhisperTokens

TOKENS = WhisperTokens.load(TEST_MODEL)
ENGLISH = replace(TOKENS, languages={})
VOCABULARY, EOT, ZERO = TOKENS.vocabulary, TOKENS.eot, TOKENS.first_time
ONE, TWO = TOKENS.encode(" one")[0], TOKENS.encode(" two")[0]
START = [TOKENS.languages["de"], TOKENS.transcribe]  # what every multilingual output begins with
CARRIERS = {TOKENS.slot, TOKENS.no_speech, *TOKENS.languages.values()}  # ids that carry scores, lowered by OFFSET


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads that wait for each other on a busy machine cost more than they bring on rows this small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def grammar(*rows: RowRules | None, tokens: WhisperTokens = TOKENS) -> Grammar:
    made = Grammar(tokens, len(rows))
    for row, asked in enumerate(rows):
        made.add(row, asked)
    return made


def say(made: Grammar, *ids: int, row: int = 0) -> Grammar:
    for number in ids:
        made.advance(torch.tensor([row]), torch.tensor([number]))
    return made


def after(*ids: int, asked: RowRules | None = None) -> Grammar:
    """A grammar whose only row has generated language, task and `ids`."""
    return say(grammar(asked or RowRules(TOKENS.transcribe)), *START, *ids)


def random(rows: int = 1, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, VOCABULARY, generator=torch.Generator().manual_seed(seed))


def likely(*ids: int) -> torch.Tensor:
    """Logits where `ids` are far likelier than the rest."""
    logits = torch.zeros(1, VOCABULARY)
    logits[0, list(ids)] = 50.0
    return logits


def allowed(made: Grammar, logits: torch.Tensor | None = None, row: int = 0) -> set[int]:
    """Ids that can be sampled. No logits: every text token likelier than all timestamps together."""
    if logits is None:
        logits = torch.zeros(len(made.phase), VOCABULARY)
        logits[:, ZERO:] = -30.0
    out = made.apply(logits.clone())[row]
    return set(torch.nonzero(out > out.max() - OFFSET / 2).flatten().tolist())


def times(*steps: int) -> set[int]:
    return {ZERO + step for step in steps}


ALL_TIMES = times(*range(1501))
TEXT = set(range(EOT)) - set(TOKENS.suppressed)


def test_a_given_language_is_generated_whatever_the_logits() -> None:
    german = TOKENS.languages["de"]
    made = grammar(RowRules(TOKENS.transcribe, german))
    assert allowed(made, likely(TOKENS.languages["en"], ONE, EOT)) == {german}


def test_the_likeliest_language_is_generated() -> None:
    made, logits = grammar(RowRules(TOKENS.transcribe)), random()
    ids = list(TOKENS.languages.values())
    assert allowed(made, logits) == {ids[int(logits[0, ids].argmax())]}


def test_only_allowed_languages_are_generated() -> None:
    some = tuple(TOKENS.languages[code] for code in ("fr", "yue"))
    made = grammar(RowRules(TOKENS.transcribe, allowed=some))
    assert allowed(made, likely(TOKENS.languages["en"])) <= set(some)
    assert allowed(made, likely(some[1])) == {some[1]}


@pytest.mark.parametrize("task", [TOKENS.transcribe, TOKENS.translate])
def test_the_task_is_generated_next(task: int) -> None:
    made = say(grammar(RowRules(task)), START[0])
    assert allowed(made, likely(ONE, EOT, TOKENS.languages["en"])) == {task}


def test_an_english_only_model_begins_with_its_text() -> None:
    made = grammar(RowRules(TOKENS.transcribe), tokens=ENGLISH)
    assert allowed(made, likely(ONE, EOT)) <= times(*range(rules.MAX_INITIAL_TIME + 1))


def test_text_begins_with_a_timestamp_of_the_first_second() -> None:
    assert allowed(after(), likely(ONE, EOT, ZERO + 51)) == times(*range(51))


def test_without_timestamps_text_begins_with_text_that_is_not_blank() -> None:
    made = after(asked=RowRules(TOKENS.transcribe, timestamps=False))
    first = allowed(made)
    assert first == TEXT - set(TOKENS.suppressed_first)
    assert EOT not in first
    say(made, ONE)
    assert allowed(made) == TEXT | {EOT}


def test_after_the_first_timestamp_text_may_follow() -> None:
    made = after(ZERO)
    assert allowed(made) == TEXT | {EOT}
    assert not allowed(made, likely(ZERO + 7)) & ALL_TIMES  # not a second timestamp at once


def test_what_is_suppressed_is_never_generated() -> None:
    for ids in ([ZERO], [ZERO, ONE], [ZERO, ONE, ZERO + 5]):
        never = [*TOKENS.suppressed, TOKENS.no_timestamps]
        assert not allowed(after(*ids), likely(*never)) & set(never)


def test_timestamps_come_in_pairs() -> None:
    opened = after(ZERO, ONE)
    assert allowed(opened, likely(ZERO + 9)) == times(*range(1, 1501))  # may close
    closed = say(opened, ZERO + 9)
    assert not allowed(closed, random()) & set(range(EOT))  # no text outside of a pair
    assert EOT in allowed(closed)
    opened = say(closed, ZERO + 9)  # the same time opens the next
    assert allowed(opened, likely(ZERO + 20)) & ALL_TIMES == set()
    assert ONE in allowed(opened)


def test_times_rise() -> None:
    assert allowed(after(ZERO + 10, ONE), likely(*times(3, 10, 11))) == times(*range(11, 1501))  # text takes time
    assert allowed(after(ZERO, ONE, ZERO + 10), likely(*times(9, 10))) == times(*range(10, 1501))
    assert allowed(after(ZERO, ONE, ZERO + 10, ZERO + 10, TWO), likely(*times(10))) == times(*range(11, 1501))


def test_at_the_end_of_the_window_only_the_end_is_left() -> None:
    assert allowed(after(ZERO, ONE, ZERO + 1500), random()) <= {ZERO + 1500, EOT}
    assert allowed(after(ZERO, ONE, ZERO + 1500, ZERO + 1500), likely(ZERO + 1500)) & ALL_TIMES == set()


def test_timestamps_that_outweigh_every_text_token_together_win() -> None:
    made = after(ZERO, ONE)
    logits = torch.full((1, VOCABULARY), -30.0)
    logits[0, TWO] = 2.0
    logits[0, list(times(*range(100, 200)))] = 0.0  # each less likely than the word; together e^4.6
    assert allowed(made, logits) <= ALL_TIMES
    logits[0, TWO] = 5.0
    assert TWO in allowed(made, logits)


@settings(deadline=None, max_examples=3)
@given(st.integers(0, 10**6))
def test_whatever_is_sampled_is_a_transcript(seed: int) -> None:
    """Each example samples 16 outputs at once: with and without timestamps, where those are likely and where not."""
    generator, rows = torch.Generator().manual_seed(seed), torch.arange(16)
    made = grammar(*[RowRules(TOKENS.translate, timestamps=row % 2 == 0) for row in range(16)])
    outputs: list[list[int]] = [[] for _ in rows]
    for _ in range(24):
        logits = torch.randn(len(rows), VOCABULARY, generator=generator) * 3
        logits[8:, ZERO:] += 12.0
        generated = torch.multinomial(made.apply(logits).softmax(-1), 1, generator=generator)[:, 0]
        made.advance(rows, generated)
        for output, number in zip(outputs, generated.tolist(), strict=True):
            output.append(number)
    for row, output in enumerate(outputs):
        assert output[0] in TOKENS.languages.values()
        assert output[1] == TOKENS.translate
        check_text(output[2 : output.index(EOT)] if EOT in output else output[2:], timed=row % 2 == 0)


def check_text(text: list[int], timed: bool) -> None:
    assert all(number in TEXT or TOKENS.is_time(number) for number in text)
    stamps = [number for number in text if TOKENS.is_time(number)]
    assert stamps == sorted(stamps)
    if not timed:
        assert stamps == []
        return
    assert ZERO <= text[0] <= ZERO + rules.MAX_INITIAL_TIME
    inside = False  # between a timestamp that opens and one that closes
    for before, number in zip([-1, *text], text, strict=False):
        if TOKENS.is_time(number):
            assert not (inside and TOKENS.is_time(before)), "an empty pair"
            inside = not inside
        else:
            assert inside, "text outside of a pair"


@pytest.mark.parametrize("generated", [[ZERO], [ZERO, ONE], [ZERO, ONE, ZERO + 40]])
def test_the_slot_carries_the_log_sum_exp_under_the_rules(generated: list[int]) -> None:
    out = after(*generated).apply(random(seed=3))[0]
    sampled = torch.tensor([k for k in range(VOCABULARY) if k not in CARRIERS])
    assert float(out[TOKENS.slot] + OFFSET) == pytest.approx(float(out[sampled].logsumexp(-1)), abs=1e-3)
    logprob = (out - (out[TOKENS.slot] + OFFSET))[sampled]
    assert float(logprob.exp().sum()) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("tokens", [TOKENS, ENGLISH])
def test_the_first_step_tells_of_speech_and_of_every_language(tokens: WhisperTokens) -> None:
    raw = random(seed=4)
    expected = raw[0].log_softmax(-1)
    out = grammar(RowRules(TOKENS.transcribe), tokens=tokens).apply(raw.clone())[0]
    total = out[TOKENS.slot]  # carriers are lowered alike
    assert float(out[TOKENS.no_speech] - total) == pytest.approx(float(expected[TOKENS.no_speech]), abs=1e-3)
    best = int(out.argmax())
    for number in tokens.languages.values():
        level = out[number] - total - (OFFSET if number == best else 0)
        assert float(level) == pytest.approx(float(expected[number]), abs=1e-3)


def test_carriers_are_never_sampled() -> None:
    for made in (grammar(RowRules(TOKENS.transcribe)), after(), after(ZERO), after(ZERO, ONE, ZERO + 3)):
        chances = made.apply(likely(TOKENS.slot, TOKENS.no_speech))[0].softmax(-1)
        assert float(chances[[TOKENS.slot, TOKENS.no_speech]].sum()) == 0


# ---- rows -----------------------------------------------------------------------------------------


def test_a_row_without_rules_is_left_alone() -> None:
    made, logits = grammar(None, RowRules(TOKENS.transcribe)), random(2)
    say(made, ONE, ONE, row=0)
    assert int(made.phase[0]) == rules.FREE
    assert torch.equal(made.apply(logits.clone())[0], logits[0])


GENERATED = ([], START, [*START, ZERO + 3, ONE], [*START, ZERO, TWO, TWO, ZERO + 90])


def alone(generated: list[int], logits: torch.Tensor) -> torch.Tensor:
    return say(grammar(RowRules(TOKENS.transcribe)), *generated).apply(logits[None].clone())[0]


def crowd() -> Grammar:
    made = grammar(*[RowRules(TOKENS.transcribe)] * len(GENERATED))
    for row, generated in enumerate(GENERATED):
        say(made, *generated, row=row)
    return made


def check(made: Grammar, rows: dict[int, list[int]]) -> None:
    """Row -> what it has generated: each behaves as if it were alone."""
    logits = random(len(made.phase), seed=9)
    out = made.apply(logits.clone())
    for row, generated in rows.items():
        torch.testing.assert_close(out[row], alone(generated, logits[row]))


def test_rows_do_not_mind_each_other() -> None:
    check(crowd(), dict(enumerate(GENERATED)))


def test_rows_are_moved_and_swapped() -> None:
    made = crowd()
    made.move(3, 0, swap=False)
    check(made, {0: GENERATED[3], 1: GENERATED[1], 2: GENERATED[2]})
    made.move(0, 2, swap=True)
    check(made, {0: GENERATED[2], 1: GENERATED[1], 2: GENERATED[3]})
    say(made, ZERO + 90, row=2)
    check(made, {0: GENERATED[2], 2: [*GENERATED[3], ZERO + 90]})


def test_a_row_used_again_starts_anew() -> None:
    made = say(crowd(), *[ONE] * 60, row=3)
    made.add(3, RowRules(TOKENS.transcribe))
    check(made, {2: GENERATED[2], 3: []})
    check(say(made, *START, ZERO, ONE, row=3), {3: [*START, ZERO, ONE]})  # the loop is forgotten
    made.add(2, None)
    assert int(made.phase[2]) == rules.FREE


def test_rows_can_be_named_in_any_order() -> None:
    made, order = crowd(), [2, 0, 3]
    logits = random(3, seed=5)
    out = made.apply(logits.clone(), torch.tensor(order))
    for at, row in enumerate(order):
        torch.testing.assert_close(out[at], alone(GENERATED[row], logits[at]))


def test_several_rows_advance_at_once() -> None:
    made = crowd()
    made.advance(torch.tensor([3, 1]), torch.tensor([ZERO + 90, ZERO + 2]))
    check(made, {0: GENERATED[0], 1: [*GENERATED[1], ZERO + 2], 2: GENERATED[2], 3: [*GENERATED[3], ZERO + 90]})


# ---- loops ----------------------------------------------------------------------------------------

WORDS = sorted(TEXT)[:200]


def ends(made: Grammar) -> bool:
    return allowed(made, likely(ONE)) == {EOT}


def ended(text: list[int]) -> list[bool]:
    """Whether the row is ended before the last of `text`, and after it."""
    made = say(after(ZERO), *text[:-1])
    return [ends(made), ends(say(made, text[-1]))]


@pytest.mark.parametrize("period", [1, 2, 5, 10, LOOP_PERIOD])
def test_a_loop_is_ended_and_soon(period: int) -> None:
    limit = period + max(LOOP_TOKENS, period * (rules.LOOP_TIMES - 1))
    assert ended((WORDS[:period] * 60)[:limit]) == [False, True]
    assert ends(after(ZERO, *(WORDS[:period] * 60)[: limit + 7]))  # and stays so


def test_a_loop_is_seen_behind_normal_text_and_through_timestamps() -> None:
    assert ended([*WORDS[50:100], *[ONE] * (1 + LOOP_TOKENS)]) == [False, True]
    generated = [token for k in range(1 + LOOP_TOKENS // 2) for token in (ONE, TWO, ZERO + 10 + k, ZERO + 10 + k)]
    assert ended(generated[:-2]) == [False, True]


@pytest.mark.parametrize(
    "text",
    [
        [ONE] * LOOP_TOKENS,
        [ONE, TWO] * (LOOP_TOKENS // 2),
        WORDS[:30] * (rules.LOOP_TIMES - 1),  # a chorus
        [*[ONE] * 30, TWO] * 4,
        WORDS[: LOOP_PERIOD + 1] * 5,
        WORDS,
    ],
)
def test_normal_repetition_is_left_alone(text: list[int]) -> None:
    made = after(ZERO)
    for begin in range(0, len(text), 10):
        assert not ends(say(made, *text[begin : begin + 10]))
