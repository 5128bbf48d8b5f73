"""Good or bad: the reference's thresholds, on either side of each."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoint.options import Thresholds
from endpoint.text.judge import (
    believable,
    compression_ratio,
    is_loop,
    is_silence,
    is_unsure,
    longest_common_run,
    repeats_itself,
)
from endpoint.types import Hypothesis, Piece, Span, Window, Word

BASE = Hypothesis(
    Window(0, np.zeros(16_000, np.int16)), (1,), (Piece(0, 1000, (1,), " fine"),), "en", {"en": 1.0}, 0.01, -0.2, 0.0
)


def recognized(text: str = " fine", **changes: object) -> Hypothesis:
    return replace(BASE, pieces=(Piece(0, 1000, (1,), text),), **changes)


@given(st.text(alphabet=st.characters(codec="ascii"), min_size=1))
def test_the_ratio_of_ascii_is_the_references(text: str) -> None:
    data = text.encode()
    assert compression_ratio(text) == len(data) / len(zlib.compress(data))


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1))
def test_the_ratio_is_of_characters(text: str) -> None:
    assert 0 < compression_ratio(text) <= len(text)


# The first sentences of the Universal Declaration of Human Rights, article 1.
FREE = {
    "English": "All human beings are born free and equal in dignity and rights. They are endowed with reason and "
    "conscience and should act towards one another in a spirit of brotherhood.",
    "Russian": "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью "
    "и должны поступать в отношении друг друга в духе братства.",
    "Greek": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα. Είναι προικισμένοι "
    "με λογική και συνείδηση, και οφείλουν να συμπεριφέρονται μεταξύ τους με πνεύμα αδελφοσύνης.",
    "Hindi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है। उन्हें बुद्धि और "
    "अन्तरात्मा की देन प्राप्त है और परस्पर उन्हें भाईचारे के भाव से बर्ताव करना चाहिए।",
    "Thai": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ ต่างมีเหตุผลและมโนธรรม และควรปฏิบัติต่อกันด้วยเจตนารมณ์แห่งภราดรภาพ",
    "Arabic": "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق. وقد وهبوا عقلا وضميرا وعليهم أن يعامل بعضهم بعضا "
    "بروح الإخاء.",
    "Chinese": "人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系的精神相对待。",
    "Japanese": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。人間は、理性と"
    "良心とを授けられており、互いに同胞の精神をもって行動しなければならない。",
    "Korean": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. 인간은 천부적으로 이성과 양심을 "
    "부여받았으며 서로 형제애의 정신으로 행동하여야 한다.",
    "Georgian": "ყველა ადამიანი იბადება თავისუფალი და თანასწორი თავისი ღირსებითა და უფლებებით. მათ მინიჭებული აქვთ "
    "გონება და სინდისი და ერთმანეთის მიმართ უნდა იქცეოდნენ ძმობის სულისკვეთებით.",
}


@pytest.mark.parametrize("text", FREE.values(), ids=FREE)
def test_the_ratio_does_not_depend_on_the_script(text: str) -> None:
    limit = Thresholds().compression_ratio
    assert limit is not None
    assert compression_ratio(text) < 1.8 < limit
    phrase = text[:12]
    assert compression_ratio(phrase * 12) > limit


def test_repetition_compresses_and_no_text_is_fine() -> None:
    assert compression_ratio("") == 0.0
    assert compression_ratio(" and then" * 30) > 2.4 > compression_ratio(" and then he went home to his wife")


@pytest.mark.parametrize(
    ("no_speech", "logprob", "silent"),
    [(0.61, -1.01, True), (0.6, -1.01, False), (0.61, -1.0, False), (0.99, -0.1, False), (0.1, -5.0, False)],
)
def test_silence_needs_both_signs(no_speech: float, logprob: float, silent: bool) -> None:
    assert is_silence(recognized(no_speech_prob=no_speech, avg_logprob=logprob)) is silent


def test_each_threshold_can_be_changed_or_switched_off() -> None:
    unsure = recognized(avg_logprob=-1.5, no_speech_prob=0.7)
    assert is_silence(unsure)
    assert not is_silence(unsure, Thresholds(no_speech=0.8))
    assert not is_silence(unsure, Thresholds(no_speech=None))
    assert is_silence(recognized(no_speech_prob=0.7), Thresholds(logprob=None))  # as in the reference
    assert is_unsure(recognized(avg_logprob=-1.01))
    assert not is_unsure(recognized(avg_logprob=-1.0))
    assert not is_unsure(unsure, Thresholds(logprob=-2.0))
    assert not is_unsure(unsure, Thresholds(logprob=None))
    loop = recognized(" again" * 60)
    assert repeats_itself(loop)
    assert not repeats_itself(loop, Thresholds(compression_ratio=100.0))
    assert not repeats_itself(loop, Thresholds(compression_ratio=None))


def words(*lengths: int) -> list[Word]:
    starts = [sum(lengths[:k]) for k in range(len(lengths))]
    return [Word(" again", start, start + length) for start, length in zip(starts, lengths, strict=True)]


def test_repetition_as_slow_as_speech_was_spoken() -> None:
    window = Window(0, np.zeros(160_000, np.int16))
    assert not is_loop(words(*[300] * 20), window)
    assert is_loop(words(*[300] * 10, *[20] * 10), window)
    assert not is_loop(words(*[300] * 18, 20, 20), window)  # a few words are always timed badly
    assert not is_loop([], window)


def test_repetition_without_speech_is_a_loop() -> None:
    window = Window(16_000, np.zeros(160_000, np.int16), (Span(16_000, 48_000),))  # speech in the first two seconds
    assert is_loop(words(*[300] * 20), window)
    assert not is_loop(words(*[300] * 6), window)


def test_the_longest_run_that_two_texts_have_in_common() -> None:
    assert longest_common_run("Thank you. See you next week!", "and SEE you, next week at") == 4
    assert longest_common_run("", "and so on") == 0
    assert longest_common_run("one two three", "three two one") == 1


def spoken(*pieces: tuple[int, int | None, str], seconds: float = 10.0) -> Hypothesis:
    window = Window(5_000, np.zeros(int(seconds * 16_000), np.int16))
    return replace(BASE, window=window, pieces=tuple(Piece(start, end, (1,), text) for start, end, text in pieces))


def texts(hypothesis: Hypothesis) -> list[str]:
    return [piece.text for piece in believable(hypothesis).pieces]


def test_of_a_stutter_faster_than_speech_one_stays() -> None:
    stutter = spoken(
        (0, 900, " Bild, Licht"), (900, 960, " bild licht"), (960, 1_040, " bild licht"), (1_200, None, " x")
    )
    assert texts(stutter) == [" Bild, Licht", " x"]
    assert texts(spoken((9_000, 9_900, " bild licht"), (9_900, None, " bild licht"))) == [" bild licht"]


def test_repetition_at_the_pace_of_speech_stays() -> None:
    again = spoken(*((k * 200, k * 200 + 180, " no") for k in range(5)))
    assert believable(again) is again
    quick = spoken((0, 500, " no no no"), (500, 620, " no no no"))  # 6 letters in 120 ms
    assert believable(quick) is quick
    other = spoken((0, 500, " bild licht"), (500, 540, " und so weiter"))  # timestamps may be bad where the text is not
    assert believable(other) is other
    marks = spoken((0, 500, " ..."), (500, 520, " ..."))
    assert believable(marks) is marks


def test_text_after_the_end_of_the_sound_is_removed() -> None:
    assert texts(spoken((0, 9_500, " all of it"), (11_000, 12_000, " thank you"), (12_000, None, " bye"))) == [
        " all of it"
    ]
    late = spoken((0, 9_500, " all"), (10_900, None, " of it"))  # a second may be the timestamps' error
    assert believable(late) is late
    alone = spoken((1_000, 1_500, " yes"), seconds=0.0)  # else the window would have no text
    assert believable(alone) is alone
