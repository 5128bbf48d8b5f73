"""Options: what their defaults mean, and the server's language."""

from __future__ import annotations

import pytest

from endpoint.options import Options, Sampling, Thresholds


def test_the_defaults_are_the_references() -> None:
    """openai/whisper transcribe.py."""
    assert Thresholds() == Thresholds(no_speech=0.6, logprob=-1.0, compression_ratio=2.4)
    assert Sampling().temperature_increment == 0.2
    assert Options().temperature == 0


@pytest.mark.parametrize("given", [Options(language="fr"), Options(languages=("fr", "de")), Options(multilingual=True)])
def test_the_servers_language_gives_way_to_what_was_asked(given: Options) -> None:
    assert given.spoken_in("en") is given
    assert Options().spoken_in("en").language == "en"
    assert Options().spoken_in(None) == Options()
