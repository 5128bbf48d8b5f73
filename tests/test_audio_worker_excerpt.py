import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoint.audio.worker.excerpt import Excerpt
from endpoint.audio.worker.protocol import Selection
from endpoint.types import ms_to_samples


def taken(parts, selection):
    """The samples that come out; silent ones are -1."""
    excerpt, found = Excerpt(selection), []
    for part in excerpt.of(iter(parts)):
        found += [-1] * part if isinstance(part, int) else list(part)
    return found, excerpt


@given(st.lists(st.integers(0, 60), max_size=8), st.integers(0, 12), st.one_of(st.none(), st.integers(1, 12)))
def test_what_lies_inside_comes_out(sizes, start, length):
    selection = Selection(None, start, None if length is None else start + length)
    whole = np.arange(sum(sizes))
    edges = np.cumsum([0, *sizes])
    parts = [whole[a:b] for a, b in itertools.pairwise(edges)]
    end = None if selection.end_ms is None else ms_to_samples(selection.end_ms)
    found, excerpt = taken(parts, selection)
    assert found == list(whole[ms_to_samples(start) : end])
    assert excerpt.position == (len(whole) if end is None else min(end, len(whole)))


def test_silence_counts_and_what_follows_the_end_is_not_read():
    def parts():
        yield 32
        yield np.arange(32)
        raise AssertionError("read on")

    assert taken(parts(), Selection(None, 1, 3))[0] == [-1] * 16 + list(range(16))


def test_times_are_cut():
    assert Excerpt(Selection(None, 10, 20)).times([(0, 5), (5, 12), (15, 30)]) == [(10, 12), (15, 20)]


@pytest.mark.parametrize(("parts", "param"), [([160], "start"), ([], "file")])
def test_nothing_inside_is_an_error(parts, param):
    found, excerpt = taken(parts, Selection(None, 1_000))
    assert found == []
    assert excerpt.empty().param == param
