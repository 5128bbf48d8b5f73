from dataclasses import replace

from endpoint.text.format import Rendering, render
from endpoint.text.paragraphs import PAUSE_MS, Paragraph, paragraphs_of
from endpoint.types import Word
from tests.api_support import TRANSCRIPT, segment

SEGMENTS = (
    segment(0, 0, 1_000, " One."),
    segment(1, 1_000 + PAUSE_MS - 1, 4_000, " Two."),
    segment(2, 5_000, 5_500, " "),
    segment(3, 4_000 + PAUSE_MS, 8_000, " Three."),
)


def test_paragraphs_end_in_pauses():
    assert paragraphs_of(SEGMENTS) == [Paragraph(0, 4_000, "One. Two."), Paragraph(6_000, 8_000, "Three.")]
    assert paragraphs_of(()) == []


def test_times_of_words_come_before_those_of_segments():
    timed = replace(segment(0, 0, 5_000, " One."), words=(Word(" One.", 100, 900),))
    assert paragraphs_of([timed, segment(1, 5_000, 6_000, " Two.")]) == [
        Paragraph(100, 900, "One."), Paragraph(5_000, 6_000, "Two."),
    ]  # fmt: skip


def test_text_has_blank_lines_between_them():
    transcript = replace(TRANSCRIPT, segments=SEGMENTS)
    assert render(transcript, Rendering("text", paragraphs=True))[0] == b"One. Two.\n\nThree.\n"
