"""Other spellings of a name are accepted, and unknown names are reported."""

from __future__ import annotations

import pytest

from endpoint.fields.names import plain, unknown


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("timestamp_granularities[0]", ("timestamp_granularities", "")),
        ("timestampGranularities[]", ("timestamp_granularities", "")),
        ("response-format", ("response_format", None)),
        ("chunkingStrategy[silenceDurationMs]", ("chunking_strategy", "silence_duration_ms")),
        ("Language", ("language", None)),
        ("[]", ("[]", None)),
        ("a[b", ("a[b", None)),
    ],
)
def test_spellings(name: str, meant: tuple[str, str | None]) -> None:
    assert plain(name) == meant


def test_a_near_name_is_suggested() -> None:
    notice = unknown("langauge", ["language", "prompt"])
    assert (notice.code, notice.param) == ("unknown_field", "langauge")
    assert "`language`" in notice.message
    assert "did you mean" not in unknown("foo", ["language"]).message
