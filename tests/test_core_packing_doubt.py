"""A clip whose segments are in doubt is decoded again alone, whatever the model generates."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoint.core.packing import PackingEngine, lay, split
from endpoint.types import TIMESTAMP_MS, Hypothesis, Piece, Window
from tests.packing_support import GAP, LEAN_MS, ZERO, Reader, all_of, clip, hypothesis, piece, read, same

CLIPS = clip(1, 2), clip(3, 4), clip(5, 6)
TRUTH = [read(window) for window in CLIPS]
# 1.2 s each; the words of the second are at 2.4 to 3.2 s, of the third at 4.6 to 5.4 s.
FIRST, SECOND, THIRD = piece(200, 1000, 1, 2), piece(2400, 3200, 3, 4), piece(4600, 5400, 5, 6)
ALL = {0, 1, 2}


def of(*pieces: Piece, **more: object) -> Hypothesis:
    samples, _ = lay(CLIPS, GAP)
    return hypothesis(Window(0, samples), *pieces, **more)


@pytest.mark.parametrize(
    ("recognized", "refused"),
    [
        (of(FIRST, SECOND, THIRD), set[int]()),
        (of(FIRST, SECOND), {2}),  # a clip without text
        (of(), ALL),
        (of(piece(200, 3200, 1, 2, 3, 4), THIRD), {0, 1}),  # across a gap
        (of(piece(200, 5400, 1, 2, 3, 4, 5, 6)), ALL),
        (of(FIRST, piece(1600, 1800, 9), SECOND, THIRD), {0, 1}),  # in a gap: whose is it?
        (of(FIRST, SECOND, THIRD, complete=False), ALL),
        (of(SECOND, FIRST, THIRD), ALL),  # out of order
        (of(FIRST, replace(SECOND, end_ms=None), THIRD), ALL),
        (of(FIRST, SECOND, replace(THIRD, end_ms=None, tokens=THIRD.tokens[:-1])), ALL),  # ended early
        (of(FIRST, SECOND, THIRD, tokens=(*of(FIRST, SECOND, THIRD).tokens, 7)), ALL),  # a token left over
        (of(FIRST, SECOND, THIRD, logprobs=()), ALL),
        (of(FIRST, replace(SECOND, start_ms=2500), THIRD), ALL),  # not what its timestamp says
        (of(FIRST, piece(2400, 2400, 3), THIRD), ALL),
        (of(FIRST, SECOND, THIRD, logprob=-1.2), ALL),  # not sure
        (of(FIRST, piece(2400, 3200, *[3] * 200), THIRD), {1}),  # says one thing over and over
        (of(FIRST, piece(2400, 2600, 3), THIRD), set[int]()),  # 0.1 s more than is forgiven, less than counts
    ],
)
def test_what_is_not_plainly_a_clips_own_is_not_given_to_it(recognized: Hypothesis, refused: set[int]) -> None:
    _, slots = lay(CLIPS, GAP)
    made = split(recognized, slots, LEAN_MS)
    assert {k for k, own in enumerate(made) if own is None} == refused


def test_segments_may_lean_out_a_little() -> None:
    _, slots = lay(CLIPS, GAP)
    early = of(FIRST, piece(2200 - LEAN_MS, 3200, 3, 4), THIRD)
    own = split(early, slots, LEAN_MS)[1]
    assert own is not None
    assert (own.pieces[0].start_ms, own.tokens[0]) == (0, ZERO)
    further = of(FIRST, piece(2200 - LEAN_MS - 20, 3200, 3, 4), THIRD)
    assert [own is None for own in split(further, slots, LEAN_MS)] == [True, True, False]


def test_speech_without_text_is_doubtful() -> None:
    long = clip(1, 2, 3, 4, 5, 6, 7)  # 2.8 s of speech
    samples, slots = lay([long, clip(8)], GAP)
    eight = piece(4400, 4800, 8)
    for first, refused in ((piece(200, 3000, 1), False), (piece(200, 1400, 1), True), (piece(1800, 3000, 7), True)):
        made = split(hypothesis(Window(0, samples), first, eight), slots, LEAN_MS)
        assert [own is None for own in made] == [refused, False]


async def test_a_doubtful_clip_is_decoded_alone_and_the_others_are_not() -> None:
    inner = Reader(change=lambda packed: hypothesis(packed.window, *packed.pieces[:1], *packed.pieces[2:]))
    engine = PackingEngine(inner, 30)
    made = await all_of(engine, *CLIPS)
    assert all(same(recognized, truth) for recognized, truth in zip(made, TRUTH, strict=True))
    assert len(inner.seen) == 2
    assert engine.counts == {"packs": 1, "clips": 3, "again": 1}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 340), st.integers(0, 340)), max_size=8), st.integers(0, 2))
def test_nobody_is_given_words_from_outside_its_clip(times: list[tuple[int, int]], where: int) -> None:
    """For any hypothesis: by its timestamps, the segments given to a clip lie in that clip."""
    _, slots = lay(CLIPS, GAP)
    pieces = [piece(TIMESTAMP_MS * min(pair), TIMESTAMP_MS * max(pair), 10 + k) for k, pair in enumerate(times)]
    own = split(of(*pieces), slots, LEAN_MS)[where]
    if own is None:
        return
    begin, end = slots[where].milliseconds(LEAN_MS)
    within = {p.tokens[1] for p in pieces if p.end_ms is not None and begin <= p.start_ms and p.end_ms <= end}
    assert {p.tokens[1] for p in own.pieces} == within
    assert own.window is CLIPS[where]
