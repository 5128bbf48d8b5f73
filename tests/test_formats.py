"""What `make formats` says of texts that differ."""

from __future__ import annotations

from benchmarks.formats import differences


def test_only_texts_that_differ_are_named() -> None:
    same = {"a.flac": "One.", "b.flac": "Two."}
    assert differences({"x": same, "y": same}) == []
    (line,) = differences({"x": same, "y": {**same, "b.flac": "Too."}})
    assert line == "b.flac: y gives 'Too.', x 'Two.'"
