"""Windows kept and found again: endpoint.core.checkpoint."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from endpoint.core.checkpoint import decode_hypotheses, encode_hypotheses
from endpoint.types import Hypothesis, Piece, Span, TokenScore, Window, Word

WINDOW = Window(1000, np.arange(32_000, dtype=np.int16), (Span(1500, 30_000),), overlap=7, language="de")
PIECE = Piece(0, None, (1, 2), " ein Wort", (TokenScore(b"\xc3", -0.5),), (Word(" ein", 0, 20), Word(" Wort", 20, 90)))
WHOLE = Hypothesis(WINDOW, (1, 2), (PIECE,), "de", {"de": 0.9}, 0.01, -0.2, 0.4, False, 3, (-0.1, -0.3), "key")


def same(one: Hypothesis, other: Hypothesis) -> bool:
    names = [field.name for field in fields(Hypothesis) if field.name != "window"]
    windows = [replace(h.window, samples=np.zeros(0, np.int16)) for h in (one, other)]
    return (
        all(getattr(one, name) == getattr(other, name) for name in names)
        and windows[0].start == windows[1].start
        and (windows[0].speech, windows[0].overlap, windows[0].language)
        == (windows[1].speech, windows[1].overlap, windows[1].language)
        and np.array_equal(one.window.samples, other.window.samples)
    )


def test_everything_comes_back_with_the_samples_of_the_window() -> None:
    rest = replace(WHOLE, window=WINDOW.after(9000), pieces=())
    found = decode_hypotheses(encode_hypotheses([WHOLE, rest]), WINDOW)
    assert found is not None
    assert len(found) == 2
    assert same(found[0], WHOLE)
    assert same(found[1], rest)
    assert decode_hypotheses(encode_hypotheses([]), WINDOW) == []


def test_what_is_of_another_window_or_version_is_decoded_anew() -> None:
    data = encode_hypotheses([WHOLE])
    assert decode_hypotheses(data, replace(WINDOW, start=5000)) is None
    assert decode_hypotheses(data, replace(WINDOW, samples=WINDOW.samples[:100])) is None
    assert decode_hypotheses(data.replace(b'"version":1', b'"version":2'), WINDOW) is None
    assert decode_hypotheses(b"", WINDOW) is None
