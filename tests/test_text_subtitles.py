"""Subtitles against the published rules, measured cue by cue with counts of the test's own."""

from __future__ import annotations

import itertools
import unicodedata
from dataclasses import replace

import pysubs2
import pytest
import regex
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from endpoint.options import Task
from endpoint.text.cues import laid_out
from endpoint.text.format import Rendering, render
from endpoint.text.layout import Layout
from endpoint.text.lines import line_text
from endpoint.text.subtitles import cues_of
from endpoint.types import Transcript, Word
from tests.api_support import TRANSCRIPT, segment

# Letters, whether words are written apart, and marks at the end of words.
SCRIPTS = {
    "en": ("abcdefghilmnoprstuw'", True, [",", ".", "?", ""]),
    "ru": ("абвгдежзиклмнопрст", True, [",", ".", "!", ""]),
    "el": ("αβγδεζηθικλμνξο", True, [",", ".", "·", ""]),
    "ar": ("ابتثجحخدذرزسشصض", True, ["،", ".", "؟", ""]),
    "he": ("אבגדהוזחטיכלמנס", True, [",", ".", "?", ""]),
    "hi": ("कखगघचछजझािीुूे", True, [",", "।", "?", ""]),
    "ko": ("가나다라마바사아자차", True, [",", ".", "?", ""]),
    "zh": ("今天我们去北京看朋友", False, ["，", "。", "？", "", ""]),
    "ja": ("今日は東京へ行きましたカー", False, ["、", "。", "", "", ""]),
    "th": ("กขคงจฉชซเาิ่ะ", False, [" ", "", "", ""]),
    "km": ("កខគឃងចឆជា្", False, ["។", "", "", ""]),
}
# Netflix, Timed Text Style Guides: characters of a line, and a second, for adults.
LINE = {"zh": 16, "ja": 13, "ko": 16, "th": 35}
SPEED = {"en": 20, "zh": 9, "ja": 4, "ko": 12}
SHORTEST, LONGEST, FRAMES = 5 / 6, 7.0, 2 / 24
BBC = Layout(max_line_width=37, max_line_count=2, min_ms=1_000, max_ms=7_000, speed=15.0)  # 180 words a minute


def count(text: str, language: str) -> float:
    """Characters as Netflix counts them."""
    seen = [c for c in regex.findall(r"\X", text) if not regex.fullmatch(r"[\p{M}\p{C}]+", c)]
    wide = [c for c in seen if unicodedata.east_asian_width(c[0]) in "WF"]
    return len(wide) + (len(seen) - len(wide)) / 2 if language in ("zh", "ja", "ko") else len(seen) + len(wide)


@st.composite
def transcripts(draw, languages=tuple(SCRIPTS)) -> Transcript:
    """One to three segments in one script, timed word by word or not, with pauses of any length between words."""
    language = draw(st.sampled_from(languages))
    letters, apart, marks = SCRIPTS[language]
    timed, at, segments = draw(st.booleans()), draw(st.integers(0, 5_000)), []
    for number in range(draw(st.integers(1, 3))):
        words, begin = [], at
        for _ in range(draw(st.integers(1, 25))):
            text = draw(st.text(letters, min_size=1, max_size=11 if apart else 4)) + draw(st.sampled_from(marks))
            length = draw(st.integers(1, 120)) * len(text)
            words.append(Word(f" {text}" if apart else text, at, at + length))
            at += length + draw(st.sampled_from([0, 0, 0, 40, 350, 1_200, 4_000]))
        whole = replace(segment(number, begin, words[-1].end_ms, "".join(word.text for word in words)))
        segments.append(replace(whole, language=language, words=tuple(words) if timed else None))
    return replace(TRANSCRIPT, segments=tuple(segments), language=language)


def bare(text: str) -> str:
    return "".join(text.replace("\u200f", "").split())


def parsed(transcript: Transcript, form: str, layout: Layout) -> pysubs2.SSAFile:
    return pysubs2.SSAFile.from_string(render(transcript, Rendering(form, layout=layout))[0].decode(), form)


def assert_sound(transcript: Transcript, layout: Layout, form: str) -> None:
    """The file can be read, its cues come one after the other, and no text is missing."""
    events = parsed(transcript, form, layout)
    assert all(one.start < one.end for one in events)
    assert all(one.end <= following.start for one, following in itertools.pairwise(events))
    assert bare("".join(event.plaintext for event in events)) == bare(transcript.text)


@given(transcripts(), st.sampled_from(["srt", "vtt"]))
@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
def test_broadcast_obeys_the_published_rules(transcript: Transcript, form: str) -> None:
    """Two lines, their length, from 5/6 s to 7 s, two frames between, and the speed of reading; where speech is too
    fast for the last three, the cue is shown until the next one begins.
    """
    language, layout = transcript.language, Layout("broadcast")
    assert_sound(transcript, layout, form)
    cues = laid_out(transcript, layout)
    starts = [cue.start_ms / 1000 for cue in cues[1:]] + [float("inf")]
    for cue, following in zip(cues, starts, strict=True):
        lines = [line_text(line) for line in cue.lines]
        assert len(lines) <= 2
        for line, units in zip(lines, cue.lines, strict=True):
            assert count(line, language) <= LINE.get(language, 42) or len(units) == 1
        start, shown = cue.start_ms / 1000, (cue.end_ms - cue.start_ms) / 1000
        room = following - start
        assert shown <= LONGEST
        assert following - start - shown >= FRAMES or room <= FRAMES + 0.001
        until_next = shown >= room - FRAMES - 0.002
        assert shown >= SHORTEST or until_next
        characters = sum(count(line, language) for line in lines)
        reading = characters / SPEED.get(language, 17)
        assert shown >= min(reading, LONGEST) - 0.001 or until_next
        if shown < reading - 0.5:  # the space between two lines is counted, too
            assert cue.too_fast
        spoken = [unit for line in cue.lines for unit in line]
        gaps = [b.start_ms - a.end_ms for a, b in itertools.pairwise(spoken)]
        assert max(gaps, default=0) < 3_000


@given(
    transcripts(),
    st.builds(
        Layout,
        preset=st.sampled_from([None, "broadcast"]),
        max_line_width=st.one_of(st.none(), st.integers(1, 60)),
        max_line_count=st.one_of(st.none(), st.integers(1, 4)),
        max_words_per_line=st.one_of(st.none(), st.integers(1, 9)),
        min_ms=st.one_of(st.none(), st.integers(0, 2_000)),
        max_ms=st.one_of(st.none(), st.integers(1, 9_000)),
        speed=st.one_of(st.none(), st.floats(1e-300, 40)),
        highlight=st.booleans(),
    ),
)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_layout_is_obeyed_and_loses_no_text(transcript: Transcript, layout: Layout) -> None:
    limits, cues = layout.limits(transcript.language), laid_out(transcript, layout)
    assert bare("".join(line_text(line) for cue in cues for line in cue.lines)) == bare(transcript.text)
    for cue in cues:
        assert 1 <= len(cue.lines) <= limits.lines
        assert all(len(line) <= limits.words for line in cue.lines)
        assert all(len(line) == 1 or limits.measure(line_text(line)) <= limits.width for line in cue.lines)
        assert 0 < cue.end_ms - cue.start_ms <= limits.max_ms
    if not layout.highlight:
        assert_sound(transcript, layout, "vtt")
    else:
        events = parsed(transcript, "srt", layout)
        assert all(one.end <= following.start for one, following in itertools.pairwise(events))


@given(transcripts(languages=("en", "ru", "el")))
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_bbc_rules_as_fields(transcript: Transcript) -> None:
    """37 characters in two lines, and time for 180 words a minute where the next cue leaves it."""
    cues = laid_out(transcript, BBC)
    for cue, following in zip(cues, [*(cue.start_ms for cue in cues[1:]), float("inf")], strict=True):
        lines = [line_text(line) for line in cue.lines]
        assert len(lines) <= 2
        assert all(count(line, "en") <= 37 for line in lines)
        words = sum(len(line.split()) for line in lines)
        assert cue.end_ms - cue.start_ms >= min(7_000, 1_000, following - cue.start_ms) - 1, words


def spoken(text: str, language: str = "en", step: int = 300, length: int = 250) -> Transcript:
    words = tuple(Word(f" {word}", k * step, k * step + length) for k, word in enumerate(text.split()))
    one = replace(segment(0, 0, words[-1].end_ms, f" {text}"), words=words, language=language)
    return replace(TRANSCRIPT, segments=(one,), language=language)


def lines_of(transcript: Transcript, layout: Layout) -> list[list[str]]:
    return [[line_text(line) for line in cue.lines] for cue in cues_of(transcript.segments, layout)]


FOX = "The quick brown fox jumps over the lazy dog, and then it runs away. Nobody saw it."


def test_cues_end_with_sentences_and_clauses() -> None:
    assert lines_of(spoken(FOX), Layout(max_line_width=25, max_line_count=2)) == [
        ["The quick brown fox", "jumps over the lazy dog,"],
        ["and then it runs away.", "Nobody saw it."],
    ]


@pytest.mark.parametrize(
    ("layout", "lines"),
    [
        (Layout(max_line_width=25), [["The quick brown fox", "jumps over the lazy dog,", "and then it runs away.",
                                      "Nobody saw it."]]),
        (Layout(max_words_per_line=9), [["The quick brown fox jumps over the lazy dog,"],
                                        ["and then it runs away. Nobody saw it."]]),
        (Layout(max_line_width=25, max_line_count=1), [["The quick brown fox"], ["jumps over the lazy dog,"],
                                                       ["and then it runs away."], ["Nobody saw it."]]),
    ],
)  # fmt: skip
def test_whispers_names_mean_what_they_mean_there(layout: Layout, lines: list[list[str]]) -> None:
    """A width alone breaks the lines of a segment; a number of words makes cues of one line; both numbers make cues
    across segments.
    """
    assert lines_of(spoken(FOX), layout) == lines


def test_a_cue_may_have_words_of_two_segments_only_where_its_lines_are_counted() -> None:
    first, second = (replace(segment(k, k * 1_000, k * 1_000 + 900, f" word{k}")) for k in range(2))
    both = replace(TRANSCRIPT, segments=(first, second))
    assert lines_of(both, Layout(max_line_width=40)) == [["word0"], ["word1"]]
    assert lines_of(both, Layout(max_line_width=40, max_line_count=1)) == [["word0 word1"]]


def test_a_word_is_never_broken() -> None:
    long = "Donaudampfschifffahrtsgesellschaft"
    assert lines_of(spoken(f"Die {long} fährt", "de"), Layout(max_line_width=10)) == [["Die", long, "fährt"]]


def test_text_without_spaces_breaks_by_rules_of_its_script() -> None:
    """No line begins with a closing mark or a small kana, and none ends with an opening bracket or a leading vowel."""
    japanese = replace(segment(0, 0, 9_000, "「ちょっと」と彼は言って、「待ってください」と続けた。"), language="ja")
    thai = replace(segment(0, 0, 9_000, "เราจะไปเที่ยวเชียงใหม่และเชียงราย"), language="th")
    for one in (japanese, thai):
        for width in range(2, 12):
            for lines in lines_of(replace(TRANSCRIPT, segments=(one,)), Layout(max_line_width=width)):
                assert not any(line[0] in "」、。ょาะ" for line in lines)
                assert not any(line[-1] in "「เแโใไ" for line in lines)


@pytest.mark.parametrize(
    ("language", "text", "lines"),
    [
        ("ja", "今日は東京へ行きました", [["今日は東京へ", "行きました"]]),
        ("th", "เราจะพูดถึงเรื่องสำคัญมาก", [["เราจะพูดถึง", "เรื่องสำคัญมาก"]]),
    ],
)
def test_lines_end_with_phrases(language: str, text: str, lines: list[list[str]]) -> None:
    """Also where the recognized words are single characters."""
    timed = tuple(Word(letter, k * 200, k * 200 + 200) for k, letter in enumerate(text))
    for words in (timed, None):
        one = replace(segment(0, 0, 5_000, text), language=language, words=words)
        assert (
            lines_of(replace(TRANSCRIPT, segments=(one,)), Layout(max_line_width=14 if language == "th" else 7))
            == lines
        )


def test_right_to_left_lines_begin_with_a_mark_where_a_player_would_turn_them() -> None:
    transcript = spoken("Microsoft أعلنت شركة", "ar")
    body = render(transcript, Rendering("srt", layout=Layout("broadcast")))[0].decode()
    assert "\n\u200fMicrosoft أعلنت شركة\n" in body
    assert "\u200f" not in render(spoken("أعلنت شركة", "ar"), Rendering("srt", layout=Layout("broadcast")))[0].decode()


def test_words_are_highlighted_as_whispers_writers_do_it() -> None:
    body = render(spoken("Hello big world"), Rendering("vtt", layout=Layout(highlight=True)))[0].decode()
    assert body == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:00.250\n<u>Hello</u> big world\n\n"
        "00:00:00.250 --> 00:00:00.300\nHello big world\n\n"
        "00:00:00.300 --> 00:00:00.550\nHello <u>big</u> world\n\n"
        "00:00:00.550 --> 00:00:00.600\nHello big world\n\n"
        "00:00:00.600 --> 00:00:00.850\nHello big <u>world</u>\n\n"
    )


def test_a_translation_is_laid_out_as_english() -> None:
    transcript = replace(spoken("a " * 30, "ja"), task=Task.TRANSLATE)
    assert max(len(line_text(line)) for cue in laid_out(transcript, Layout("broadcast")) for line in cue.lines) > 13


def test_nothing_gives_nothing() -> None:
    empty = replace(TRANSCRIPT, segments=(segment(0, 0, 1_000, " "), segment(1, 1_000, 1_000, "")))
    assert cues_of(empty.segments, Layout("broadcast")) == []
    assert render(empty, Rendering("vtt", layout=Layout("broadcast")))[0] == b"WEBVTT\n\n"
