from __future__ import annotations

import random

from endpoint.text.interleave import Interleaver
from endpoint.types import Segment, Word
from tests.api_support import segment


def test_segments_wait_until_none_can_come_before() -> None:
    interleaver = Interleaver(["left", "right"])
    assert interleaver.feed(0, [segment(0, 1_000, 2_000, " a")]) == []
    (first,) = interleaver.feed(1, [segment(0, 500, 800, " b"), segment(1, 1_500, 1_700, " c")])[:1]
    assert (first.text, first.speaker, first.id) == (" b", "right", 0)
    assert [one.text for one in interleaver.segments] == [" b", " a"]
    assert interleaver.feed(0, []) == []
    assert [one.text for one in interleaver.end(0)] == [" c"]
    assert interleaver.end(1) == []
    assert [one.id for one in interleaver.segments] == [0, 1, 2]


def test_words_have_the_speaker_of_their_channel() -> None:
    interleaver = Interleaver(["left"])
    timed = segment(0, 0, 500, " a")
    timed = Segment(**{**timed.__dict__, "words": (Word(" a", 0, 500),)})
    interleaver.feed(0, [timed])
    interleaver.end(0)
    assert interleaver.segments[0].words == (Word(" a", 0, 500, speaker="left"),)


def test_any_order_of_arrival_gives_the_same() -> None:
    rng = random.Random(4)
    channels = [[segment(k, 300 * k + 37 * c, 300 * k + 250, f" {c}{k}") for k in range(20)] for c in range(3)]
    expected = sorted((one.start_ms, c, one.text) for c, found in enumerate(channels) for one in found)
    for _ in range(20):
        interleaver = Interleaver(["0", "1", "2"])
        left = [list(found) for found in channels]
        passed = list[Segment]()
        while any(left):
            c = rng.choice([c for c, found in enumerate(left) if found])
            count = rng.randint(1, 4)
            passed += interleaver.feed(c, left[c][:count])
            left[c] = left[c][count:]
            if not left[c]:
                passed += interleaver.end(c)
        assert [one.text for one in passed] == [text for _, _, text in expected]
        assert passed == interleaver.segments
