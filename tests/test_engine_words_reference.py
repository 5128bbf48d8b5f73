"""Words held against openai/whisper itself where it is installed (see benchmarks/word_times.py); odd corners."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from endpoint.engine import words as module
from endpoint.engine.words import Sound, Timed, snap, split_words, time_words
from endpoint.types import Hypothesis, Piece, Window

EOT = 1_000
VOCABULARY = [
    *(f" {word}" for word in ("hello", "world", "it", "is", "quiet", "now")),
    *("'s", "ing", ".", ",", "!", "?", ' "', '"', " (", ")", " -", " ¿", "。"),
]


def decode_words(ids: list[int]) -> str:
    return "".join(VOCABULARY[number] for number in ids)


def spell(*texts: str) -> list[int]:
    return [VOCABULARY.index(text) for text in texts]


def decode_bytes(ids: list[int]) -> str:
    """A vocabulary of single bytes, as BPE falls back to."""
    return bytes(ids).decode(errors="replace")


@pytest.mark.parametrize("language", ["zh", "ja", "th", "lo", "my", "yue"])
def test_languages_without_spaces_are_split_by_character(language: str):
    text = "今日は。"
    found = split_words(list(text.encode()), decode_bytes, language)
    assert [character for character, _ in found] == list(text)
    assert [len(tokens) for _, tokens in found] == [3, 3, 3, 3]


@given(st.binary(max_size=30))
def test_no_token_is_lost_whatever_the_bytes(data: bytes):
    for language in ("en", "ja"):
        found = split_words(list(data), decode_bytes, language)
        assert bytes(itertools.chain(*(tokens for _, tokens in found))) == data


def hypothesis_of(pieces: list[tuple[int, int | None, list[int]]], samples: np.ndarray) -> Hypothesis:
    made = tuple(Piece(start, end, (EOT + 1, *ids, EOT + 2), decode_words(ids)) for start, end, ids in pieces)
    tokens = tuple(token for piece in made for token in piece.tokens)
    return Hypothesis(Window(0, samples), tokens, made, "en", {"en": 1.0}, 0.0, -0.1, 0.0)


def noise(milliseconds: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 3_000, milliseconds * 16).astype(np.int16)


def test_an_edge_far_from_its_segments_timestamp_is_brought_back():
    """More than half a second: the timestamp is believed, as far as a word of middling length allows."""
    ids = spell(" hello", " world", " now")
    done = time_words(
        hypothesis_of([(690, 3_000, ids)], noise(5_000)), [0, 700, 1_300, 1_900], [1.0] * 3, decode_words, EOT
    )
    assert done.words[0].start_ms == 100
    done = time_words(
        hypothesis_of([(0, 1_200, ids)], noise(5_000)), [0, 500, 1_000, 2_000], [1.0] * 3, decode_words, EOT
    )
    assert done.words[-1].end_ms == 1_500


def test_an_overlong_word_after_a_pause_is_cut_to_twice_the_median():
    ids = spell(" hello", " world", " now", " it")
    starts = [0, 300, 600, 5_600, 5_900]
    done = time_words(
        hypothesis_of([(0, 600, ids[:2]), (600, 6_000, ids[2:])], noise(6_000)), starts, [1.0] * 4, decode_words, EOT
    )
    assert [(word.start_ms, word.end_ms) for word in done.words][2] == (5_000, 5_600)


def snapped(samples: np.ndarray, *times: tuple[int, int]) -> list[tuple[int, int]]:
    words = [Timed(" x", (1,), start, end, 1.0) for start, end in times]
    snap(words, Sound(samples))
    return [(word.start, word.end) for word in words]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 150), min_size=2, max_size=12), st.integers(0, 2**31))
def test_edges_only_move_inwards(steps: list[int], seed: int):
    edges = [20 * step for step in sorted(steps)]
    levels = np.random.default_rng(seed).choice([5, 300, 9_000], 30).repeat(1_600)
    samples = (np.random.default_rng(seed).normal(size=48_000) * levels).clip(-32_768, 32_767).astype(np.int16)
    times = list(itertools.pairwise(edges))
    for (start, end), (before, after) in zip(snapped(samples, *times), times, strict=True):
        assert before <= start <= end <= after


_marks = st.sampled_from([spell(mark)[0] for mark in (".", ",", "!", ' "', '"', " (", ")")])
_words = st.integers(0, 5)
_texts = st.builds(
    # A piece of nothing but marks, or one whose marks go to its neighbour's word, is where the reference miscounts.
    lambda first, middle, last: [first, *middle, last],
    _words,
    st.lists(st.one_of(st.integers(0, 7), _marks), max_size=6),
    _words,
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_words_are_those_of_openai_whisper(data: st.DataObject):
    """add_word_timestamps on the same token times, and then nothing else: without the edges moved to the sound."""
    timing = pytest.importorskip("whisper.timing", reason="openai-whisper is not installed")
    from whisper.tokenizer import Tokenizer

    pieces, at = [], 0
    for ids in data.draw(st.lists(_texts, min_size=1, max_size=4)):
        # Steps that binary fractions of seconds hold exactly, so that no comparison of theirs hangs on rounding.
        start = at + 250 * data.draw(st.integers(0, 6))
        at = start + 250 * data.draw(st.integers(1, 10))
        pieces.append((start, at, ids))
    hypothesis = hypothesis_of(pieces, np.zeros(16_000, np.int16))
    text = [token for _, _, ids in pieces for token in ids]
    steps = [250 * data.draw(st.sampled_from((0, 1, 1, 1, 2, 2, 4, 8, 20))) for _ in text]
    starts = list(itertools.accumulate(steps, initial=250 * data.draw(st.integers(0, 8))))
    ends = np.cumsum([0, *(len(ids) for _, ids in split_words(text, decode_words, "en"))])
    lengths = np.diff(np.array(starts)[ends])
    assume(np.median(lengths[lengths > 0] if lengths.any() else [0]) <= 600)  # nor on their limit of 0.7 s
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "snap_to_sound", lambda groups, hypothesis: None)
        done = time_words(hypothesis, starts, [1.0] * len(text), decode_words, EOT)
    splitter = SimpleNamespace(eot=EOT, language="en", decode_with_timestamps=decode_words)
    splitter.split_tokens_on_unicode = lambda ids: Tokenizer.split_tokens_on_unicode(splitter, ids)

    def aligned(*_: object, **__: object) -> list:
        found, seen = [], 0
        for word, tokens in zip(*Tokenizer.split_tokens_on_spaces(splitter, text), strict=True):
            end = seen + len(tokens)
            found.append(timing.WordTiming(word, tokens, starts[seen] / 1000, starts[end] / 1000, 1.0))
            seen = end
        return found

    segments = [{"seek": 0, "start": a / 1000, "end": b / 1000, "tokens": ids} for a, b, ids in pieces]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "find_alignment", aligned)
        timing.add_word_timestamps(
            segments=segments, model=None, tokenizer=splitter, mel=None, num_frames=3_000, last_speech_timestamp=0.0
        )
    theirs = [word for segment in segments for word in segment["words"]]
    assert [word.text for word in done.words] == [word["word"] for word in theirs]
    for mine, other in zip(done.words, theirs, strict=True):
        assert mine.start_ms == pytest.approx(other["start"] * 1000, abs=1)
        assert mine.end_ms == pytest.approx(other["end"] * 1000, abs=1)
    left = iter(done.words)
    for piece, segment in zip(done.pieces, segments, strict=True):
        group = [next(left) for _ in segment["words"]]
        # Theirs may end inside its own last word; ours is where its words are.
        assert (piece.start_ms, piece.end_ms) == (group[0].start_ms, group[-1].end_ms)
