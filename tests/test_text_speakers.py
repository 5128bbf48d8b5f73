from __future__ import annotations

from dataclasses import replace

from endpoint.text.speakers import by_speaker, labelled_text, turns_of
from endpoint.types import Segment, TokenScore, Word
from endpoint.voices import SpeakerTurn
from tests.api_support import segment

WORDS = (Word(" How", 0, 300), Word(" are", 300, 500), Word(" you?", 500, 900), Word(" Fine.", 1_100, 1_500))
TIMED = replace(segment(3, 0, 2_000, " How are you? Fine."), words=WORDS, scores=(TokenScore(b" How", -0.1),))


def test_a_segment_is_cut_where_its_speaker_changes() -> None:
    first, second = by_speaker(TIMED, ["A", "A", "A", "B"])
    assert (first.text, first.speaker, first.start_ms, first.end_ms) == (" How are you?", "A", 0, 900)
    assert (second.text, second.speaker, second.start_ms, second.end_ms) == (" Fine.", "B", 1_100, 2_000)
    assert second.words == (replace(WORDS[3], speaker="B"),)
    assert first.tokens + second.tokens == TIMED.tokens
    assert first.scores + second.scores == TIMED.scores
    assert first.text + second.text == TIMED.text


def test_one_speaker_or_no_words_are_not_cut() -> None:
    (whole,) = by_speaker(TIMED, ["A"] * 4)
    assert (whole.text, whole.speaker, whole.end_ms) == (TIMED.text, "A", 2_000)
    assert {word.speaker for word in whole.words or ()} == {"A"}
    assert by_speaker(segment(0, 0, 10, " a"), ["B"]) == [replace(segment(0, 0, 10, " a"), speaker="B")]
    assert by_speaker(replace(TIMED, words=()), ["B"])[0].speaker == "B"


def test_parts_do_not_overlap_whatever_the_times_of_words_are() -> None:
    odd = (Word(" a", 0, 1_900), Word(" b", 100, 2_500), Word(" c", 2_400, 2_600))
    parts = by_speaker(replace(TIMED, words=odd, text=" a b c"), ["A", "B", "A"])
    edges = [edge for part in parts for edge in (part.start_ms, part.end_ms)]
    assert edges == sorted(edges)
    assert edges[-1] == 2_000


def spoken(start: int, end: int, speaker: str | None, text: str = " x") -> Segment:
    return replace(segment(0, start, end, text), speaker=speaker)


def test_turns_end_in_pauses_and_may_overlap() -> None:
    found = [spoken(0, 100, "A"), spoken(50, 300, "B"), spoken(200, 400, "A"), spoken(900, 1_000, "A"),
             spoken(1_000, 1_100, "A", " "), spoken(1_200, 1_300, None)]  # fmt: skip
    assert turns_of(found) == (SpeakerTurn(0, 400, "A"), SpeakerTurn(50, 300, "B"), SpeakerTurn(900, 1_000, "A"))


def test_a_line_for_each_change() -> None:
    found = [spoken(0, 1, "A", " Hi."), spoken(1, 2, "A", " You?"), spoken(2, 3, "B", " "), spoken(3, 4, "B", " Fine.")]
    assert labelled_text(found) == "A: Hi. You?\nB: Fine."
    assert labelled_text([spoken(0, 1, None, " Hi."), spoken(1, 2, None, " You?")]) == "Hi. You?"
