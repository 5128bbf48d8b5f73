"""Words from timed tokens: splitting, punctuation, believable lengths, edges at the sound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoint.engine.words import (
    Sound,
    Timed,
    decibels,
    join_punctuation,
    snap,
    snap_to_sound,
    split_words,
    strayed,
    time_words,
)
from endpoint.types import SAMPLE_RATE, Hypothesis, Piece, Samples, Window

EOT = 1000


class Bytes:
    """A codec whose tokens are bytes, as the worst byte-level BPE has them."""

    @staticmethod
    def encode(text: str) -> list[int]:
        return list(text.encode())

    @staticmethod
    def decode(ids) -> str:
        return bytes(ids).decode(errors="replace")


def timed(*words: tuple[str, int, int]) -> list[Timed]:
    return [Timed(text, (k,), start, end, 1.0) for k, (text, start, end) in enumerate(words)]


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\x00\ufffd"), max_size=40), st.sampled_from(["en", "ja"])
)
def test_splitting_loses_nothing_and_breaks_no_character(text: str, language: str) -> None:
    ids = Bytes.encode(text)
    words = split_words(ids, Bytes.decode, language)
    assert "".join(word for word, _ in words) == text
    assert [token for _, tokens in words for token in tokens] == ids


def test_words_are_split_at_spaces_and_before_punctuation() -> None:
    words = split_words(Bytes.encode(" Hello, wörld isn't it"), Bytes.decode, "en")
    # A token for each byte: the apostrophe is a word of its own, and what follows it goes with it.
    assert [word for word, _ in words] == [" Hello", ",", " wörld", " isn", "'t", " it"]


def test_languages_without_spaces_are_split_at_characters() -> None:
    assert [word for word, _ in split_words(Bytes.encode("今日は"), Bytes.decode, "ja")] == ["今", "日", "は"]


def test_punctuation_goes_to_the_word_it_stands_at() -> None:
    words = timed(
        (' "', 0, 10),
        ("Hello", 10, 20),
        (",", 20, 22),
        (" you", 22, 30),
        ("!", 30, 31),
        (" (", 31, 32),
        ("so", 32, 40),
        (")", 40, 41),
    )
    join_punctuation(words)
    kept = [(word.text, word.start, word.end) for word in words if word.tokens]
    assert kept == [(' "Hello,', 10, 20), (" you!", 22, 30), (" (so)", 32, 40)]


def sound(*parts: tuple[int, float]) -> Samples:
    """Noise of these (milliseconds, level of full scale)."""
    random = np.random.default_rng(1)
    pieces = [random.standard_normal(ms * SAMPLE_RATE // 1000) * level * 32767 for ms, level in parts]
    return np.clip(np.concatenate(pieces), -32768, 32767).astype(np.int16)


def test_a_word_begins_and_ends_where_its_sound_does() -> None:
    samples = sound((500, 0.0003), (300, 0.2), (700, 0.0003), (400, 0.1), (300, 0.0003))
    words = timed(("one", 200, 1400), ("two", 1400, 2200))
    snap(words, Sound(samples))
    assert [(word.start, word.end) for word in words] == [(500, 800), (1500, 1900)]


def test_a_short_lull_is_inside_the_word_and_silence_moves_nothing() -> None:
    samples = sound((40, 0.0003), (100, 0.2), (50, 0.0003), (100, 0.2))
    words = timed(("ta", 0, 290))
    snap(words, Sound(samples))
    assert (words[0].start, words[0].end) == (0, 290)
    silent = timed(("x", 0, 100))
    snap(silent, Sound(np.zeros(1600, np.int16)))
    assert (silent[0].start, silent[0].end) == (0, 100)


def test_loudness_is_in_decibels_of_10_ms() -> None:
    assert decibels(np.zeros(1600, np.int16)).tolist() == [0.0] * 10
    assert decibels(np.full(1600, 1000, np.int16)) == pytest.approx([60.0] * 10, abs=0.01)
    assert len(decibels(np.zeros(0, np.int16))) == 0


def hypothesis_of(samples: Samples, *pieces: tuple[int, int | None, str]) -> Hypothesis:
    made = tuple(
        Piece(start, end, (EOT + 1 + start // 20, *Bytes.encode(text), EOT + 1 + (end or 0) // 20), text)
        for start, end, text in pieces
    )
    return Hypothesis(Window(0, samples), (), made, "en", {"en": 1.0}, 0.0, -0.1, 0.0)


def test_words_stand_in_their_pieces_and_move_their_edges() -> None:
    samples = sound((200, 0.0003), (800, 0.2), (1000, 0.0003), (500, 0.2), (500, 0.0003))
    given_ = hypothesis_of(samples, (0, 1200, " ab cd"), (1900, 3000, " ef"))
    # tokens: ␣ a b ␣ c d | ␣ e f, and the end
    starts = [0, 300, 450, 600, 700, 900, 1000, 2100, 2300, 2500]
    found = time_words(given_, starts, [0.5] * 9, Bytes.decode, EOT)
    assert found.words is not None
    assert [word.text for word in found.words] == [" ab", " cd", " ef"]
    assert [word.probability for word in found.words] == [0.5] * 3
    assert [(word.start_ms, word.end_ms) for word in found.words] == [(200, 600), (600, 1000), (2000, 2500)]
    assert [(piece.start_ms, piece.end_ms) for piece in found.pieces] == [(200, 1000), (2000, 2500)]
    assert [piece.text for piece in found.pieces] == [" ab cd", " ef"]


def test_quiet_is_what_is_near_the_windows_floor() -> None:
    """In noise 20 dB under the speech a pause is still found."""
    samples = sound((500, 0.02), (300, 0.2), (700, 0.02), (400, 0.2), (300, 0.02))
    words = timed(("one", 200, 1400), ("two", 1400, 2200))
    snap(words, Sound(samples))
    assert [(word.start, word.end) for word in words] == [(500, 800), (1500, 1900)]


def edges(samples: Samples, *pieces: tuple[int, list[Timed]]) -> list[tuple[int, int]]:
    """Of words given by piece, with the timestamp each piece begins at."""
    hypothesis = hypothesis_of(samples, *((start, start + 900, " x") for start, _ in pieces))
    snap_to_sound([words for _, words in pieces], hypothesis)
    return [(word.start, word.end) for _, words in pieces for word in words]


def test_a_piece_begins_after_the_lull_and_the_sound_before_it_is_the_other_words() -> None:
    samples = sound((600, 0.2), (300, 0.0003), (500, 0.2), (200, 0.0003))
    early = timed(("one", 0, 480)), timed(("two", 480, 1400))
    assert edges(samples, (0, early[0]), (880, early[1])) == [(0, 600), (900, 1400)]
    apart = timed(("one", 0, 400)), timed(("two", 480, 1400))
    assert edges(samples, (0, apart[0]), (880, apart[1])) == [(0, 400), (900, 1400)]


def test_a_lull_after_the_timestamp_is_inside_the_word() -> None:
    samples = sound((600, 0.2), (300, 0.0003), (500, 0.2), (200, 0.0003))
    hold = timed(("one", 0, 400)), timed(("ta", 400, 1400))
    assert edges(samples, (0, hold[0]), (420, hold[1])) == [(0, 400), (400, 1400)]
    noise = sound((1600, 0.1))
    unheard = timed(("one", 0, 480)), timed(("two", 480, 1400))
    assert edges(noise, (0, unheard[0]), (880, unheard[1])) == [(0, 480), (480, 1400)]


def test_words_wholly_outside_of_their_piece_went_astray() -> None:
    hypothesis = hypothesis_of(sound((9000, 0.1)), (0, 2000, " a b"), (4000, 5000, " c d"), (7000, None, " e"))
    # tokens: ␣ a ␣ b | ␣ c ␣ d | ␣ e, and the end
    right = [0, 300, 900, 1200, 2000, 4300, 4400, 4700, 5000, 7200, 7600]
    assert list(strayed(hypothesis, right, Bytes.decode, EOT)) == []
    early = [0, 300, 900, 1200, 2000, 2010, 2020, 4300, 5000, 7200, 7600]
    assert list(strayed(hypothesis, early, Bytes.decode, EOT)) == [(slice(4, 8), 4000, 5000)]
    late = [0, 300, 2100, 2200, 3600, 4300, 5110, 5200, 6900, 7200, 7600]
    assert list(strayed(hypothesis, late, Bytes.decode, EOT)) == [(slice(0, 4), 0, 2000), (slice(4, 8), 4000, 5000)]


def test_a_first_word_after_a_pause_is_not_overlong() -> None:
    samples = sound((9000, 0.1))
    given_ = hypothesis_of(samples, (0, 1200, " a b c d"), (6000, 7000, " e"))
    starts = [0, 100, 300, 400, 600, 700, 900, 1000, 1200, 6800, 7000]
    found = time_words(given_, starts, [1.0] * 10, Bytes.decode, EOT)
    assert found.words is not None
    last = found.words[-1]
    assert last.end_ms == 7000
    assert last.start_ms >= 6000


@given(
    st.lists(st.integers(1, 900), min_size=1, max_size=12),
    st.integers(0, 3),
)
def test_words_never_run_backwards(lengths: list[int], cut: int) -> None:
    text = "".join(f" w{k}" for k in range(len(lengths)))
    ids = Bytes.encode(text)
    starts = np.minimum(np.cumsum([0, *np.repeat(lengths, 4)])[: len(ids) + 1], 29_000).tolist()
    starts += [starts[-1]] * (len(ids) + 1 - len(starts))
    window = np.zeros(30 * SAMPLE_RATE, np.int16)
    found = time_words(hypothesis_of(window, (cut * 100, None, text)), starts, [0.9] * len(ids), Bytes.decode, EOT)
    assert found.words is not None
    assert len(found.words) == len(lengths)
    for word in found.words:
        assert 0 <= word.start_ms <= word.end_ms <= 30_000
    assert [w.start_ms for w in found.words] == sorted(w.start_ms for w in found.words)
