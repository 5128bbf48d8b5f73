from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from endpoint.postprocess.chunks import chunks_of, text_of
from tests.api_support import segment


def made(*rows: tuple[int, int, str]):
    return [segment(k, start, end, text) for k, (start, end, text) in enumerate(rows)]


@given(st.lists(st.integers(0, 60), max_size=40), st.integers(1, 100))
def test_all_segments_in_order_and_no_chunk_too_long(lengths: list[int], most: int) -> None:
    segments = made(*((k, k + 1, "x" * length) for k, length in enumerate(lengths)))
    chunks = list(chunks_of(segments, most))
    assert [k for chunk in chunks for k in chunk] == list(range(len(segments)))
    for chunk in chunks:
        assert len(chunk) == 1 or sum(lengths[k] for k in chunk) <= most


def test_a_cut_is_in_the_longest_pause_of_its_last_third() -> None:
    times = [(k * 1000, k * 1000 + (400 if k == 6 else 900), " word" * 2) for k in range(9)]
    assert next(chunks_of(made(*times), 80)) == range(7)


def test_a_cut_is_after_a_sentence() -> None:
    segments = made(*((k * 1000, k * 1000 + 900, " word word") for k in range(9)))
    segments[5] = replace(segments[5], text=" word word.")
    segments[7] = replace(segments[7], end_ms=7_500)
    assert next(chunks_of(segments, 81)) == range(6)


def test_text_is_on_one_line() -> None:
    assert text_of(made((0, 1, " a\nb"), (1, 2, "  c "))) == "a b c"
